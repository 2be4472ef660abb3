//! What was recorded of risk beside the journal: decisions, scores, how holds ended, who changed the rules.

use super::table::{Cell, Section, Table};
use onrush_gateway::wire::parse_timestamp;
use onrush_risk::Stage;
use onrush_risk::recording::{self, ROW_BYTES, RecordedRow};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Actions, in the order of their numbers.
const ACTIONS: [&str; 5] = ["admit", "weight", "challenge", "review", "refuse"];
/// Steps of a score, of a tenth each.
const STEPS: usize = 10;
/// Recordings that are read; a sale leaves one for each start of the server.
const RECORDINGS_MAX: usize = 1_000;
/// Lines of the audit that are told, and the longest one.
const AUDIT_MAX: usize = 10_000;
const AUDIT_LINE_BYTES_MAX: u64 = 16 << 10;

/// What a recording says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recorded {
    /// By stage (join, reserve), then by action.
    actions: [[u64; ACTIONS.len()]; 2],
    scores: [u64; STEPS],
    /// Sold, released, expired, cancelled.
    ends: [u64; 4],
    /// Rows that could not be read.
    bad: u64,
}

/// One change of policy or model, as the server wrote it.
#[derive(Debug, Deserialize)]
struct Audit {
    at: String,
    who: String,
    what: String,
    why: String,
}

/// Read what there is below `dir`, and say it.
///
/// # Errors
/// A file that is there and cannot be read, with its name.
pub(super) fn section(dir: &Path) -> Result<Section, String> {
    let folder = dir.join("side").join("risk");
    let mut actions = Table::new(
        "risk_actions",
        &["recording", "stage", "admit", "weight", "challenge", "review", "refuse"],
    );
    let mut scores = Table::new("risk_scores", &["recording", "from", "to", "requests"]);
    let mut ends = Table::new(
        "risk_ends",
        &["recording", "sold", "released", "expired", "cancelled", "unreadable"],
    );
    let files = recordings(&folder)?;
    for path in files.iter().take(RECORDINGS_MAX) {
        let recorded = read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = || Cell::Text(name.clone());
        for (stage, counts) in ["joining", "reserving"].into_iter().zip(recorded.actions) {
            let row = [name(), Cell::Word(stage)].into_iter().chain(counts.map(Cell::Count));
            actions.push(row.collect());
        }
        for (step, count) in recorded.scores.into_iter().enumerate() {
            let edge = |n: usize| Cell::Share(n as f64 / STEPS as f64);
            scores.push(vec![name(), edge(step), edge(step + 1), Cell::Count(count)]);
        }
        let counts = recorded.ends.into_iter().chain([recorded.bad]).map(Cell::Count);
        ends.push([name()].into_iter().chain(counts).collect());
    }
    let audit = audit(&folder.join("audit.jsonl"))?;
    let section = Section::new("risk");
    let section = match (files.is_empty(), files.len() > RECORDINGS_MAX) {
        (true, _) => section.note("note_no_recording"),
        (_, true) => section.note("note_many_recordings"),
        _ => section,
    };
    Ok(section.table(actions).table(scores).table(ends).table(audit))
}

fn recordings(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("{}: {e}", folder.display())),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|kind| kind == "risk")).collect();
    files.sort();
    Ok(files)
}

/// Count the rows of a recording, one after the other.
fn read(path: &Path) -> io::Result<Recorded> {
    let mut file = BufReader::new(File::open(path)?);
    let expected = recording::header();
    let mut first = vec![0; expected.len()];
    file.read_exact(&mut first)?;
    if first != expected.as_bytes() {
        let what = "is no recording of this version; take it out of side/risk";
        return Err(io::Error::other(what));
    }
    let mut recorded = Recorded::default();
    let mut row = [0; ROW_BYTES];
    // A row that was cut at the end is none.
    while file.read_exact(&mut row).is_ok() {
        recorded.count(&row);
    }
    Ok(recorded)
}

impl Recorded {
    fn count(&mut self, row: &[u8; ROW_BYTES]) {
        match RecordedRow::decode(row) {
            Ok(RecordedRow::Decided(decided)) => {
                let stage = match decided.stage {
                    Stage::Join => 0,
                    Stage::Reserve => 1,
                    Stage::Beacon => return,
                };
                if let Some(count) = self.actions[stage].get_mut(usize::from(decided.action)) {
                    *count += 1;
                }
                let step = (f64::from(decided.probability) * STEPS as f64) as usize;
                self.scores[step.min(STEPS - 1)] += 1;
            }
            Ok(RecordedRow::Ended { outcome, .. }) => self.ends[outcome as usize - 1] += 1,
            Err(_) => self.bad += 1,
        }
    }
}

fn audit(path: &Path) -> Result<Table, String> {
    let mut table = Table::new("risk_audit", &["at", "who", "what", "why"]);
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(table),
        Err(e) => return Err(format!("{}: {e}", path.display())),
    };
    let mut file = file;
    for _ in 0..AUDIT_MAX {
        let mut line = String::new();
        let read = file.by_ref().take(AUDIT_LINE_BYTES_MAX).read_line(&mut line);
        if read.map_err(|e| format!("{}: {e}", path.display()))? == 0 {
            break;
        }
        // The last line may have been cut by a crash.
        let Ok(entry) = serde_json::from_str::<Audit>(&line) else { continue };
        let at = parse_timestamp(&entry.at).map_or(Cell::Text(entry.at), Cell::Time);
        table.push(vec![
            at,
            Cell::text(&entry.who),
            Cell::text(&entry.what),
            Cell::text(&entry.why),
        ]);
    }
    Ok(table)
}
