//! Small SVG charts: bars for a figure of each policy, lines for cost over the orders.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 4] = ["#2563eb", "#d97706", "#059669", "#be185d"];

/// One line or bar of a chart.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// What the legend says.
    pub name: &'a str,
    /// Points, left to right.
    pub values: &'a [f64],
}

/// Draw lines over the number of orders; `step` is the orders between two points.
pub fn lines(title: &str, unit: &str, step: u64, series: &[Series<'_>]) -> String {
    let all = series.iter().flat_map(|line| line.values.iter().copied());
    let top = all.fold(f64::MIN_POSITIVE, f64::max);
    let count = series.iter().map(|line| line.values.len()).max().unwrap_or(0).max(2);
    let x = |at: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * at as f64 / (count - 1) as f64;
    let y = |value: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * value / top;
    let mut out = frame(title, unit, top);
    for (n, line) in series.iter().enumerate() {
        let points: Vec<String> = line
            .values
            .iter()
            .enumerate()
            .map(|(at, &value)| format!("{:.1},{:.1}", x(at), y(value)))
            .collect();
        let colour = COLOURS[n % COLOURS.len()];
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
        legend(&mut out, n, line.name);
    }
    let last = (count as u64) * step;
    let _ = writeln!(
        out,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{last} orders</text>\n</svg>",
        WIDTH - MARGIN,
        HEIGHT - MARGIN + 20.0
    );
    out
}

/// Draw one bar for each series' first value.
pub fn bars(title: &str, unit: &str, series: &[Series<'_>]) -> String {
    let first = |bar: &Series<'_>| bar.values.first().copied().unwrap_or(0.0);
    let top = series.iter().map(first).fold(f64::MIN_POSITIVE, f64::max);
    let mut out = frame(title, unit, top);
    let slot = (WIDTH - 2.0 * MARGIN) / series.len().max(1) as f64;
    for (n, bar) in series.iter().enumerate() {
        let value = first(bar);
        let height = (HEIGHT - 2.0 * MARGIN) * (value / top).max(0.0);
        let (x, y) = (MARGIN + slot * (n as f64 + 0.2), HEIGHT - MARGIN - height);
        let colour = COLOURS[n % COLOURS.len()];
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.2}</text>",
            slot * 0.6,
            x + slot * 0.3,
            y - 6.0
        );
        legend(&mut out, n, bar.name);
    }
    out.push_str("</svg>\n");
    out
}

fn frame(title: &str, unit: &str, top: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"22\" font-size=\"15\">{}</text>\n\
         <path d=\"M{MARGIN} {MARGIN} V{1} H{2}\" fill=\"none\" stroke=\"#888\"/>\n\
         <text x=\"{3}\" y=\"{MARGIN}\" text-anchor=\"end\">{top:.1}</text>\n\
         <text x=\"{3}\" y=\"{4}\" text-anchor=\"end\">{5}</text>\n",
        escape(title),
        HEIGHT - MARGIN,
        WIDTH - MARGIN,
        MARGIN - 6.0,
        MARGIN + 16.0,
        escape(unit),
    )
}

fn legend(out: &mut String, n: usize, name: &str) {
    let (x, colour) = (MARGIN + 150.0 * n as f64, COLOURS[n % COLOURS.len()]);
    let y = HEIGHT - 14.0;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
         <text x=\"{}\" y=\"{y}\">{}</text>",
        y - 9.0,
        x + 14.0,
        escape(name)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_picture() {
        let series = [Series { name: "<script>\"&", values: &[1.0, 2.0] }];
        let drawn = lines("cost", "units", 200, &series) + &bars("cost", "units", &series);
        assert!(!drawn.contains("<script>"));
        assert_eq!(drawn.matches("&lt;script&gt;&quot;&amp;").count(), 2);
        assert_eq!(drawn.matches("</svg>").count(), 2);
    }

    #[test]
    fn an_empty_chart_is_still_a_picture() {
        assert!(lines("t", "u", 1, &[]).ends_with("</svg>\n"));
        assert!(!bars("t", "u", &[Series { name: "a", values: &[] }]).contains("NaN"));
    }
}
