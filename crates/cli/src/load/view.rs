//! What is shown while a crowd is played: a screen of its own on a terminal, ten frames a second, drawn
//! by a thread of its own so that the load does not wait for it; elsewhere a line now and then.

use crate::out::Out;
use onrush_load::drive::{Slice, Tally};
use onrush_load::verdict::grouped;
use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Block, Gauge, Paragraph, Sparkline};
use std::cell::Cell;
use std::io::{self, IsTerminal, Stdout};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);
/// Slices kept for the curves: more than any terminal has columns.
const SLICES: usize = 400;
/// Frames that may wait to be drawn; more are left out.
const FRAMES: usize = 2;

/// A view of a run. Dropping it gives the terminal back.
pub(super) struct View {
    out: Out,
    quiet: bool,
    expected: u64,
    said: Cell<Instant>,
    screen: Option<Screen>,
}

struct Screen {
    frames: Option<SyncSender<Shown>>,
    drawer: Option<JoinHandle<()>>,
}

/// What one frame shows.
#[derive(Clone, Debug, Default)]
struct Shown {
    title: String,
    colour: bool,
    at: Duration,
    expected: u64,
    arrived: u64,
    answered: u64,
    holds: u64,
    sales: u64,
    refused: u64,
    unanswered: u64,
    queued: u64,
    in_line: Option<(u64, u64)>,
    slices: Vec<Slice>,
}

impl View {
    pub(super) fn open(out: &Out, no_tui: bool, title: &str, expected: u64) -> View {
        let wanted = !no_tui && !out.json && io::stdout().is_terminal();
        let screen = wanted.then(|| Screen::open(title, out.colour)).flatten();
        let said = Cell::new(Instant::now());
        View { out: *out, quiet: out.json, expected, said, screen }
    }

    /// Show what was counted so far. Never waits.
    pub(super) fn show(&self, tally: &Tally, now: Duration) {
        if let Some(screen) = &self.screen {
            screen.show(self.shown(tally, now));
        } else if !self.quiet && self.said.get().elapsed() >= LINE_EVERY {
            self.said.set(Instant::now());
            let figures = &tally.figures;
            self.out.note(format_args!(
                "  {:>3} s  {} arrived · {} held · {} sold · {} refused · {} unanswered · p99 {:.1} ms",
                now.as_secs(),
                figures.arrived,
                figures.holds,
                figures.sales,
                tally.refusals(),
                figures.unanswered,
                tally.series.slices().last().map_or(0, |slice| slice.p99_us) as f64 / 1e3,
            ));
        }
    }

    fn shown(&self, tally: &Tally, now: Duration) -> Shown {
        let figures = &tally.figures;
        let slices = tally.series.slices();
        let line = &tally.in_line;
        Shown {
            at: now,
            expected: self.expected,
            arrived: figures.arrived,
            answered: figures.answered,
            holds: figures.holds,
            sales: figures.sales,
            refused: tally.refusals(),
            unanswered: figures.unanswered,
            queued: tally.queued,
            in_line: (line.joined > 0).then_some((line.joined, line.called_up)),
            slices: slices[slices.len().saturating_sub(SLICES)..].to_vec(),
            ..Shown::default()
        }
    }
}

impl Screen {
    /// Take the terminal; without one that can be drawn on there is no screen.
    fn open(title: &str, colour: bool) -> Option<Screen> {
        execute!(io::stdout(), EnterAlternateScreen, Hide).ok()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).ok()?;
        let (frames, shown) = sync_channel(FRAMES);
        let title = title.to_owned();
        let drawer = thread::spawn(move || draw_all(terminal, &shown, &title, colour));
        Some(Screen { frames: Some(frames), drawer: Some(drawer) })
    }

    fn show(&self, shown: Shown) {
        if let Some(frames) = &self.frames {
            // A slow terminal misses a frame; the load does not wait for it.
            let _ = frames.try_send(shown);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.frames.take());
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
        // Nobody is left to be told when the terminal is gone.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    }
}

fn draw_all(
    mut terminal: Terminal<CrosstermBackend<Stdout>>,
    frames: &Receiver<Shown>,
    title: &str,
    colour: bool,
) {
    for shown in frames {
        let shown = Shown { title: title.to_owned(), colour, ..shown };
        if terminal.draw(|frame| draw(frame, &shown)).is_err() {
            return;
        }
    }
}

fn draw(frame: &mut Frame<'_>, shown: &Shown) {
    let rows = [
        Constraint::Length(3),
        Constraint::Length(5),
        Constraint::Min(4),
        Constraint::Min(4),
        Constraint::Min(4),
    ];
    let [head, figures, granted, refused, latency] = Layout::vertical(rows).areas(frame.area());
    let share = shown.arrived as f64 / shown.expected.max(1) as f64;
    let label = format!("{} of {} arrived", grouped(shown.arrived), grouped(shown.expected));
    let gauge = Gauge::default()
        .block(Block::bordered().title(format!(" {} ", shown.title)))
        .ratio(share.clamp(0.0, 1.0))
        .label(label);
    frame.render_widget(gauge.gauge_style(shown.ink(Color::Blue)), head);
    frame.render_widget(Paragraph::new(shown.text()), figures);
    let per_second = |value: fn(&Slice) -> u64| shown.rates(value);
    let curves = [
        (" granted a second ", per_second(|slice| slice.granted), Color::Green, granted),
        (" refused a second ", per_second(|slice| slice.refused), Color::Yellow, refused),
        (
            " p99 from when due, ms ",
            shown.slices.iter().map(|slice| slice.p99_us.div_ceil(1_000)).collect(),
            Color::Magenta,
            latency,
        ),
    ];
    for (title, values, ink, area) in curves {
        curve(frame, shown, title, &values, ink, area);
    }
}

fn curve(
    frame: &mut Frame<'_>,
    shown: &Shown,
    title: &str,
    values: &[u64],
    ink: Color,
    area: Rect,
) {
    let last = values.last().copied().unwrap_or(0);
    let most = values.iter().max().copied().unwrap_or(0);
    let title = format!("{title}· now {} · most {} ", grouped(last), grouped(most));
    let room = usize::from(area.width.saturating_sub(2));
    let shown_values = &values[values.len().saturating_sub(room)..];
    let line = Sparkline::default().block(Block::bordered().title(title)).data(shown_values);
    frame.render_widget(line.style(shown.ink(ink)), area);
}

impl Shown {
    fn ink(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().bold() }
    }

    fn rates(&self, value: fn(&Slice) -> u64) -> Vec<u64> {
        let width_ms = match self.slices.as_slice() {
            [a, b, ..] => (b.at_ms - a.at_ms).max(1),
            _ => 100,
        };
        self.slices.iter().map(|slice| value(slice) * 1_000 / width_ms).collect()
    }

    fn text(&self) -> String {
        let waiting = self.arrived.saturating_sub(self.answered);
        let mut text = format!(
            " {:>6.1} s   {} answers   {} held   {} sold   {} refused\n \
             {} without an answer   {} waited for a connection   about {} under way",
            self.at.as_secs_f64(),
            grouped(self.answered),
            grouped(self.holds),
            grouped(self.sales),
            grouped(self.refused),
            grouped(self.unanswered),
            grouped(self.queued),
            grouped(waiting),
        );
        if let Some((joined, called_up)) = self.in_line {
            text += &format!("\n {} in line   {} called up", grouped(joined), grouped(called_up));
        }
        text + "\n Ctrl-C ends the run"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;

    fn screen(shown: &Shown, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
        terminal.draw(|frame| draw(frame, shown)).expect("drawn");
        let cells = terminal.backend().buffer().content();
        cells.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn a_frame_shows_what_was_counted() {
        let slice =
            |n: u64| Slice { at_ms: n * 100, granted: n, p99_us: 4_200, ..Slice::default() };
        let shown = Shown {
            title: "random arrivals at 1000 a second".to_owned(),
            expected: 10_000,
            arrived: 2_500,
            holds: 1_234,
            in_line: Some((77, 7)),
            slices: (0..30).map(slice).collect(),
            ..Shown::default()
        };
        let text = screen(&shown, 100, 30);
        for part in
            ["random arrivals", "2,500 of 10,000", "1,234 held", "77 in line", "now 290", "now 5 "]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_small_terminal_is_no_error() {
        for (width, height) in [(1, 1), (10, 3), (20, 8)] {
            screen(&Shown::default(), width, height);
        }
    }
}
