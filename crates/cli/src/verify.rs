//! `onrush verify DIR`: replays a data folder and proves what it can.

use crate::args::VerifyArgs;
use crate::out::{Failure, Out};
use onrush::State;
use onrush_load::folder::{Folder, FolderError};
use onrush_load::truth::Truth;
use onrush_load::verdict::grouped;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// SKUs shown as text; JSON has all.
const SKUS_SHOWN_MAX: usize = 20;

pub(crate) fn run(args: &VerifyArgs, out: &Out) -> Result<(), Failure> {
    let folder = match Folder::read(&args.dir, |_, _| {}) {
        Ok(folder) => folder,
        Err(FolderError::Broken(what)) => {
            let value = json!({"holds": false, "broken": what});
            out.result(&value, || format!("{what}\n"))?;
            return Err(Failure::NotHeld(
                "the journal is damaged; restore a backup, or keep the \
                                         folder for the maintainers"
                    .to_owned(),
            ));
        }
        Err(error) => return Err(Failure::of(error)),
    };
    let verdict = folder.verdict();
    let campaigns: Vec<(&str, Truth)> =
        folder.campaigns().map(|name| (name, folder.truth(name))).collect();
    let value = json!({
        "holds": verdict.holds(),
        "records": folder.replayed.records,
        "oldest_lsn": folder.replayed.oldest_lsn.0,
        "lsn": folder.replayed.ledger.lsn().0,
        "chain": folder.chain(),
        "torn_tail": folder.replayed.torn,
        "campaigns": campaigns.iter().map(|(name, truth)| campaign(name, truth)).collect::<Vec<_>>(),
        "checks": verdict.checks,
    });
    out.result(&value, || text(&folder, &campaigns, &verdict.table(out.colour)))?;
    if verdict.holds() {
        Ok(())
    } else {
        Err(Failure::NotHeld("the data folder breaks a promise, see above".to_owned()))
    }
}

fn campaign(name: &str, truth: &Truth) -> Value {
    let outcomes: Map<String, Value> =
        State::ALL.iter().map(|&s| (s.as_str().to_owned(), truth.count(s).into())).collect();
    json!({
        "campaign": name, "units": truth.units(), "skus": truth.skus, "outcomes": outcomes,
        "refunds": truth.refunds(),
    })
}

fn text(folder: &Folder, campaigns: &[(&str, Truth)], table: &str) -> String {
    let mut out = String::new();
    let replayed = &folder.replayed;
    let _ = writeln!(
        out,
        "records  {}, LSN {} to {}",
        grouped(replayed.records),
        replayed.oldest_lsn,
        replayed.ledger.lsn()
    );
    let _ = writeln!(out, "chain    {}", folder.chain());
    if let Some(torn) = &replayed.torn {
        let _ =
            writeln!(out, "tail     torn, nobody was told of it; the next start cuts it: {torn}");
    }
    for (name, truth) in campaigns {
        let _ = writeln!(out, "\ncampaign {name}");
        let _ = write!(out, "  reservations");
        for state in State::ALL {
            let _ = write!(out, "  {} {}", state.as_str(), grouped(truth.count(state) as u64));
        }
        let _ = writeln!(out, "  · refunds {}", truth.refunds());
        let head = ["supplied", "free", "held", "sold", "withdrawn"].map(|h| format!("{h:>10}"));
        let _ = writeln!(out, "  {:<24}{}", "SKU", head.concat());
        let mut row = |name: &str, u: &onrush_load::truth::SkuTruth| {
            let figures = [u.supplied, u.free, u.held, u.sold, u.withdrawn];
            let figures = figures.map(|n| format!("{:>10}", grouped(n))).concat();
            let _ = writeln!(out, "  {name:<24}{figures}");
        };
        for (name, units) in truth.skus.iter().take(SKUS_SHOWN_MAX) {
            row(name, units);
        }
        if truth.skus.len() > SKUS_SHOWN_MAX {
            row(&format!("all {} SKUs", truth.skus.len()), &truth.units());
        }
    }
    let _ = writeln!(out, "\n{table}");
    out
}
