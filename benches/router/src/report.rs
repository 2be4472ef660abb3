//! What every section prints with.

use std::time::Duration;

/// Print a section's title.
pub(crate) fn section(title: &str) {
    println!("\n## {title}\n");
}

/// Print one figure, what it should reach, and whether it does.
pub(crate) fn figure(what: &str, value: &str, target: &str, reached: bool) {
    let mark = if reached { "reached" } else { "MISSED" };
    println!("{what:<58} {value:>16}   {target:<22} {mark}");
}

/// Print one figure without a target.
pub(crate) fn note(what: &str, value: &str) {
    println!("{what:<58} {value:>16}");
}

/// Return the value below which `share` of the sorted durations lie.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[at]
}

/// Write a duration in microseconds.
pub(crate) fn micros(duration: Duration) -> String {
    format!("{:.2} µs", duration.as_nanos() as f64 / 1e3)
}

/// Print the machine, so that figures can be compared.
pub(crate) fn machine() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let command: Vec<String> = std::env::args().skip(1).collect();
    println!("machine: {model}, {cores} cores, {}", std::env::consts::OS);
    println!("command: cargo run --release -p onrush-bench-router -- {}", command.join(" "));
}
