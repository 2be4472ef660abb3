//! What is shown while a sale runs: a bar on a terminal, a line now and then elsewhere.

use crate::out::Out;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use onrush_load::run::{Figures, Kind};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(crate) struct Progress(Rc<Inner>);

struct Inner {
    out: Out,
    bar: ProgressBar,
    started: Instant,
    said: Cell<Instant>,
    holds: Cell<u64>,
}

impl Progress {
    pub(crate) fn new(out: &Out, expected: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(expected), target(out));
        let style = ProgressStyle::with_template(
            "  {elapsed:>4} {bar:24} {human_pos}/{human_len} arrived {msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        let out = *out;
        Progress(Rc::new(Inner {
            out,
            bar,
            started: now,
            said: Cell::new(now),
            holds: Cell::new(0),
        }))
    }

    /// Return the holds that were acknowledged so far.
    pub(crate) fn holds(&self) -> u64 {
        self.0.holds.get()
    }

    pub(crate) fn show(&self, figures: &Figures) {
        self.0.holds.set(figures.holds);
        let is_line = !self.0.out.progress;
        if is_line && (self.0.out.json || self.0.said.get().elapsed() < LINE_EVERY) {
            return;
        }
        let refused: u64 = figures.refusals.values().sum();
        let message = format!(
            "· {} held · {} sold · {refused} refused · {} unanswered · p99 {:.1} ms",
            figures.holds,
            figures.sales,
            figures.unanswered,
            figures.latency(Kind::Granted).p99_us as f64 / 1e3,
        );
        if is_line {
            self.say(&format!("{} arrived {message}", figures.arrived));
        } else {
            self.0.bar.set_position(figures.arrived);
            self.0.bar.set_message(message);
        }
    }

    /// Say something that happened.
    pub(crate) fn say(&self, text: &str) {
        self.0.said.set(Instant::now());
        let line = format!("  {:>3} s  {text}", self.0.started.elapsed().as_secs());
        if self.0.out.progress {
            self.0.bar.println(line);
        } else if !self.0.out.json {
            self.0.out.note(line);
        }
    }

    pub(crate) fn finish(&self) {
        self.0.bar.finish_and_clear();
    }
}

fn target(out: &Out) -> ProgressDrawTarget {
    if out.progress { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() }
}
