//! `onrush simulate risk`: a recorded drop under another policy or model.

use crate::args::RiskArgs;
use crate::out::{Failure, Out};
use onrush_risk::backtest::{Report, backtest};
use onrush_risk::forest::Forest;
use onrush_risk::{Combined, Policy, Scorecard, Scorer, recording};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) fn simulate(args: &RiskArgs, out: &Out) -> Result<(), Failure> {
    let policy = match &args.policy {
        None => Policy::default(),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| at(file, &e))?;
            Policy::from_toml(&text).map_err(|e| at(file, &e))?
        }
    };
    let scorer: Arc<dyn Scorer> = match &args.model {
        None => Arc::new(Scorecard),
        Some(file) => {
            let bytes = std::fs::read(file).map_err(|e| at(file, &e))?;
            let forest = Forest::load(&bytes).map_err(|e| at(file, &e))?;
            // As in a sale: a model never counts alone.
            let parts: Vec<(Arc<dyn Scorer>, f64)> =
                vec![(Arc::new(forest), 2.0), (Arc::new(Scorecard), 1.0)];
            Arc::new(Combined::new(parts).map_err(Failure::of)?)
        }
    };
    let files = recordings(&args.dir)?;
    if files.is_empty() {
        let dir = args.dir.display();
        let what = format!("{dir}: no recording (*.risk); set risk.record = true before the sale");
        return Err(Failure::Failed(what));
    }
    let mut reports = Vec::new();
    for file in &files {
        let bytes = std::fs::read(file).map_err(|e| at(file, &e))?;
        let rows = recording::read(&bytes).map_err(|e| at(file, &e))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        reports.push((name, backtest(&rows, &policy, &scorer)));
    }
    let all = reports.iter().map(|(name, report)| json!({"recording": name, "report": report}));
    let value = json!({"policy": policy.version, "recordings": all.collect::<Vec<_>>()});
    out.result(&value, || reports.iter().map(|(name, report)| said(name, report)).collect())
}

/// Find the recordings in a folder, or in the `side/risk` of a data folder.
fn recordings(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let inside = dir.join("side/risk");
    let dir = if inside.is_dir() { inside } else { dir.to_owned() };
    let entries = std::fs::read_dir(&dir).map_err(|e| at(&dir, &e))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "risk")).collect();
    files.sort();
    Ok(files)
}

fn said(name: &str, r: &Report) -> String {
    let words = ["admit", "weight", "challenge", "review", "refuse"];
    let mut text = format!(
        "{name}\n  {} requests of {} accounts, {} units\n  {:<12}{:>12}{:>12}\n",
        r.requests, r.accounts, r.units, "", "then", "now"
    );
    for (at, word) in words.iter().enumerate() {
        text += &format!("  {word:<12}{:>12}{:>12}\n", r.before[at], r.after[at]);
    }
    text += &format!(
        "  {:<12}{:>12}{:>12}   accounts\n  {:<12}{:>12}{:>12}   if all pass their challenges, {} of them \
         as before\n  {:<12}{:>12}{:>12}   if all fail them, {} as before\n",
        "challenged",
        r.challenged_before,
        r.challenged_after,
        "winners",
        r.winners_before,
        r.winners,
        r.winners_kept,
        "",
        "",
        r.winners_if_challenges_fail,
        r.winners_kept_if_challenges_fail,
    );
    text
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}
