//! `LEDGER.md`: which seeds ran, when, with which command, to what end. A range is never run twice
//! for the record: its second run would prove nothing new.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// A line of the ledger of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `histories` or `crash points`.
    pub mode: String,
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many histories, or crash points.
    pub count: u64,
    /// The rest of the line, as it is written.
    pub rest: String,
}

const HEAD: &str = "\
# Seeds that ran

Appended by `cargo run --release -p onrush-sim -- --record …`; each range runs once. A line is written
only when every promise held in all of it.

| date | mode | seeds | count | steps | crashes | command |
|---|---|---|---|---|---|---|
";

/// Read the ledger.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> std::io::Result<Vec<Entry>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(entry).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Return the entry that has some of `seeds` already.
pub fn overlap<'a>(entries: &'a [Entry], mode: &str, seeds: &Range<u64>) -> Option<&'a Entry> {
    entries.iter().find(|entry| {
        entry.mode == mode && entry.seeds.start < seeds.end && seeds.start < entry.seeds.end
    })
}

/// Write the ledger with one more line, and the totals.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, entry: Entry) -> std::io::Result<()> {
    let mut entries = read(path)?;
    entries.push(entry);
    let mut text = HEAD.to_owned();
    for Entry { mode, seeds, count, rest } in &entries {
        let date_and_rest: Vec<&str> = rest.split('|').map(str::trim).collect();
        let (date, rest) = date_and_rest.split_first().expect("split gives one part at least");
        let rest = rest.join(" | ");
        let _ = writeln!(
            text,
            "| {date} | {mode} | {}..{} | {count} | {rest} |",
            seeds.start, seeds.end
        );
    }
    let _ = writeln!(text, "\nTotals:\n");
    for mode in ["histories", "crash points"] {
        let total: u64 = entries.iter().filter(|e| e.mode == mode).map(|e| e.count).sum();
        let _ = writeln!(text, "- {mode}: {total}");
    }
    std::fs::write(path, text)
}

fn entry(line: &str) -> Option<Entry> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [date, mode, seeds, count, steps, crashes, command] = cells[..] else { return None };
    let (start, end) = seeds.trim().split_once("..")?;
    let seeds = start.parse().ok()?..end.parse().ok()?;
    let rest = [date, steps, crashes, command].map(str::trim).join(" | ");
    Some(Entry { mode: mode.trim().to_owned(), seeds, count: count.trim().parse().ok()?, rest })
}

/// Return the date of a Unix time, as `YYYY-MM-DD` (Hinnant, "chrono-compatible low-level date
/// algorithms", 2013: civil from days).
pub fn date(unix_secs: u64) -> String {
    let z = (unix_secs / 86_400) as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_line_and_refuses_no_other_range() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("LEDGER.md");
        let line = |mode: &str, seeds, count| Entry {
            mode: mode.to_owned(),
            seeds,
            count,
            rest: "2026-11-22 | 7 | 8 | `--seeds`".to_owned(),
        };
        let lines = [line("histories", 0..10, 10), line("crash points", 0..3, 500)];
        for entry in &lines {
            append(&path, entry.clone()).expect("written");
        }
        assert_eq!(read(&path).expect("read"), lines);
        let text = std::fs::read_to_string(&path).expect("there");
        assert!(text.contains("- histories: 10\n- crash points: 500\n"), "{text}");
        let entries = read(&path).expect("read");
        assert_eq!(overlap(&entries, "histories", &(9..20)), Some(&lines[0]));
        assert_eq!(overlap(&entries, "histories", &(10..20)), None);
        assert_eq!(overlap(&entries, "crash points", &(2..3)), Some(&lines[1]));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400), "2000-02-29");
        assert_eq!(date(1_795_305_600), "2026-11-22");
    }
}
