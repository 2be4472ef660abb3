//! Who was a program, for a recording: the engine records digests under a key that nobody has, so the
//! joins are told apart by their order.

use crate::tally::Outcome;
use crate::visitor::Crowd;
use anyhow::{Context, Result, ensure};
use onrush_risk::Stage;
use onrush_risk::recording::{RecordedRow, read};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Write `labels.csv` beside the recording below `folder`, and return how many accounts it has.
///
/// # Errors
/// When there is not one recording, or it lacks rows.
pub fn write(folder: &Path, crowd: &Crowd, outcome: &Outcome) -> Result<usize> {
    let risk = folder.join("risk");
    let files = std::fs::read_dir(&risk).with_context(|| format!("no {}", risk.display()))?;
    let mut recordings: Vec<_> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "risk"))
        .collect();
    recordings.sort();
    let newest = recordings.pop().context("nothing was recorded")?;
    let rows = read(&std::fs::read(&newest)?)?;
    let joins = rows.iter().filter_map(|row| match row {
        RecordedRow::Decided(row) if row.stage == Stage::Join => Some(row.account),
        _ => None,
    });
    let joins: Vec<u64> = joins.collect();
    ensure!(joins.len() == outcome.joins.len(), "the recording lacks rows: ask for fewer people");
    let mut labels = BTreeMap::new();
    for (account, who) in joins.into_iter().zip(&outcome.joins) {
        let kind = &crowd.kinds[crowd.visitors[*who].kind];
        labels.insert(account, u8::from(kind.is_program));
    }
    let mut text = String::new();
    for (account, label) in &labels {
        writeln!(text, "{account:016x},{label}")?;
    }
    std::fs::write(folder.join("labels.csv"), text)?;
    Ok(labels.len())
}
