//! Line charts as SVG, for reports: no script, no font, nothing from outside.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 36.0;
/// Colours that are told apart by most people, on white and on black; the dash tells the rest.
const INKS: [(&str, &str); 6] = [
    ("#2f6fb3", ""),
    ("#d1720b", "6 3"),
    ("#1f8a5b", "2 3"),
    ("#b03a63", "8 3 2 3"),
    ("#7a5cc7", "4 2"),
    ("#6b6b6b", "1 2"),
];

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// x and y, by growing x.
    pub points: Vec<(f64, f64)>,
}

/// How an axis runs.
#[derive(Clone, Debug)]
pub enum Axis {
    /// From 0, evenly.
    Linear,
    /// By powers of ten.
    Log,
    /// Shares: each step is ten times closer to all.
    Nines,
}

/// A chart. Its texts are escaped when it is drawn.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What is said above it, and to those who do not see it.
    pub title: &'a str,
    /// What runs to the right, and how.
    pub x: (&'a str, Axis),
    /// What runs upwards, and how.
    pub y: (&'a str, Axis),
    /// The curves; those with fewer than two points are left out.
    pub lines: Vec<Line>,
}

impl Chart<'_> {
    /// Draw it as a figure with a legend; nothing when no line has two points. Cost: O(points).
    pub fn svg(&self) -> String {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.points.len() > 1).collect();
        if lines.is_empty() {
            return String::new();
        }
        let points = || lines.iter().flat_map(|line| &line.points);
        let xs = Scale::of(&self.x.1, points().map(|p| p.0), LEFT, WIDTH - RIGHT);
        let ys = Scale::of(&self.y.1, points().map(|p| p.1), HEIGHT - BOTTOM, TOP);
        let mut out = format!(
            "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
             <text class=\"t\" x=\"{LEFT}\" y=\"16\">{}</text>",
            escaped(self.title),
            escaped(self.title)
        );
        self.axes(&xs, &ys, &mut out);
        for (n, line) in lines.iter().enumerate() {
            let (ink, dash) = INKS[n % INKS.len()];
            let mut path = String::new();
            for (n, &(x, y)) in line.points.iter().enumerate() {
                let letter = if n == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", xs.at(x), ys.at(y));
            }
            let _ = write!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.6\" \
                 stroke-dasharray=\"{dash}\"/>"
            );
        }
        out += "</svg><figcaption>";
        for (n, line) in lines.iter().enumerate() {
            let (ink, dash) = INKS[n % INKS.len()];
            let _ = write!(
                out,
                "<span><svg viewBox=\"0 0 24 6\" width=\"24\" height=\"6\"><path d=\"M0 3L24 3\" \
                 stroke=\"{ink}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/></svg> {}</span> ",
                escaped(&line.name)
            );
        }
        out += "</figcaption></figure>";
        out
    }

    fn axes(&self, xs: &Scale, ys: &Scale, out: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, text) in ys.ticks() {
            let y = ys.at(value);
            let _ = write!(
                out,
                "<path class=\"g\" d=\"M{LEFT} {y:.1}L{right} {y:.1}\"/>\
                 <text class=\"n\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        for (value, text) in xs.ticks() {
            let x = xs.at(value);
            let _ = write!(
                out,
                "<path class=\"g\" d=\"M{x:.1} {TOP}L{x:.1} {bottom}\"/>\
                 <text class=\"n\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                bottom + 14.0
            );
        }
        let _ = write!(
            out,
            "<text class=\"n\" x=\"{right}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <text class=\"n\" x=\"{right}\" y=\"16\" text-anchor=\"end\">{}</text>",
            HEIGHT - 6.0,
            escaped(self.x.0),
            escaped(self.y.0)
        );
    }
}

/// From values to places.
#[derive(Clone, Debug)]
struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Scale {
        let moved = values.map(|value| bent(axis, value));
        let (low, high) =
            moved.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = match axis {
            Axis::Linear => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
            Axis::Log => (low.floor(), high.ceil().max(low.floor() + 1.0)),
            Axis::Nines => (0.0, high.max(1.0)),
        };
        Scale { axis: axis.clone(), low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (bent(&self.axis, value) - self.low) / (self.high - self.low);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.axis {
            Axis::Linear => {
                let rough = (self.high - self.low) / 5.0;
                let unit = 10_f64.powf(rough.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit);
                let step = step.into_iter().find(|&step| step >= rough).unwrap_or(rough);
                let ticks = (0..=10).map(|n| f64::from(n) * step);
                ticks.take_while(|&v| v <= self.high).map(|v| (v, short(v))).collect()
            }
            Axis::Log => {
                let powers = self.low as i32..=self.high as i32;
                powers.map(|power| 10_f64.powi(power)).map(|v| (v, short(v))).collect()
            }
            Axis::Nines => {
                let shares = [(0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];
                let more = [(0.9999, "99.99 %"), (0.99999, "99.999 %")];
                let fits = |share: &(f64, &str)| bent(&Axis::Nines, share.0) <= self.high;
                let all = shares.into_iter().chain(more).filter(fits);
                all.map(|(share, text)| (share, text.to_owned())).collect()
            }
        }
    }
}

fn bent(axis: &Axis, value: f64) -> f64 {
    match axis {
        Axis::Linear => value,
        Axis::Log => value.max(1e-3).log10(),
        // Where everything is reached there is no further step: a millionth is as close as it gets.
        Axis::Nines => -(1.0 - value.clamp(0.0, 1.0)).max(1e-6).log10(),
    }
}

/// Write a number for an axis.
fn short(value: f64) -> String {
    let trimmed = |number: f64, unit: &str| {
        let text = format!("{number:.3}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match value {
        v if v >= 1e6 => trimmed(v / 1e6, "m"),
        v if v >= 1e4 => trimmed(v / 1e3, "k"),
        v => trimmed(v, ""),
    }
}

/// Escape a text for HTML, in elements and in quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>, x: Axis, y: Axis) -> String {
        let lines = vec![Line { name: "a<b".to_owned(), points }];
        Chart { title: "T", x: ("s", x), y: ("ms", y), lines }.svg()
    }

    #[test]
    fn points_stand_where_their_values_are() {
        let svg = chart(vec![(0.0, 0.0), (10.0, 100.0)], Axis::Linear, Axis::Linear);
        // Left end and foot; then five percent short of the right end and the head.
        let x = LEFT + (WIDTH - RIGHT - LEFT) / 1.05;
        let y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) / 1.05;
        let path = format!("M{LEFT:.1} {:.1}L{x:.1} {y:.1}", HEIGHT - BOTTOM);
        assert!(svg.contains(&path), "{path} in {svg}");
        assert!(svg.contains("a&lt;b"));
    }

    #[test]
    fn axes_by_powers_and_by_nines_have_their_ticks() {
        let svg = chart(vec![(0.5, 0.2), (0.999, 900.0)], Axis::Nines, Axis::Log);
        for tick in [">90 %<", ">99.9 %<", ">0.1<", ">100<", ">1000<"] {
            assert!(svg.contains(tick), "{tick} in {svg}");
        }
        assert!(!svg.contains("99.99 %"));
    }

    #[test]
    fn a_chart_without_lines_is_nothing() {
        assert_eq!(chart(vec![(1.0, 1.0)], Axis::Linear, Axis::Linear), "");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (20_000.0, "20k"), (1.5e6, "1.5m")] {
            assert_eq!(short(value), text);
        }
    }
}
