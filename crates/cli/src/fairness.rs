//! `onrush fairness DIR --campaign NAME`: how fair a line was, from its journal.

use crate::args::FairnessArgs;
use crate::out::{Failure, Out};
use onrush::Parts;
use onrush_core::line::fairness::{History, Report, TierReport};
use onrush_core::line::fairness_facts::FactReader;
use onrush_load::verdict::grouped;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn run(args: &FairnessArgs, out: &Out) -> Result<(), Failure> {
    // Opening the parts of a folder would make a secret where there is none.
    if !args.dir.join("journal").is_dir() || !args.dir.join("secret").is_file() {
        let what =
            "this is no data folder of onrush; give the one that `serve` was given as --data";
        return Err(Failure::Failed(format!("{}: {what}", args.dir.display())));
    }
    let secret = Parts::on_disk(&args.dir).map_err(Failure::of)?.secret;
    let mut reader: Option<FactReader> = None;
    let mut history = History::default();
    let replayed = onrush::replay(&args.dir, |_, record, ledger| {
        if reader.is_none() {
            let found = ledger.campaign_named(&args.campaign);
            reader = found.map(|ix| {
                let name = &ledger.campaigns()[ix.index()].name;
                FactReader::new(ix, onrush::pseudonyms(&secret, ix, name))
            });
        }
        if let Some(fact) = reader.as_ref().and_then(|reader| reader.read(record, ledger)) {
            history.note(fact);
        }
    });
    let ledger = replayed.map_err(Failure::of)?.ledger;
    let name = &args.campaign;
    let campaign = ledger.campaign_named(name);
    let campaign = campaign.ok_or_else(|| {
        Failure::Failed(format!("there is no campaign {name:?} in {}", args.dir.display()))
    })?;
    let line = ledger.line(campaign);
    let line = line.ok_or_else(|| Failure::Failed(format!("campaign {name} has no line")))?;
    let report = history.report();
    let tier_of = |tier: &TierReport| {
        let terms = line.terms.tiers.get(usize::from(tier.class));
        terms.map_or_else(String::new, |terms| terms.name.to_string())
    };
    out.result(&value(name, &report, &tier_of), || text(name, &report, &tier_of))?;
    if report.inversions == 0 {
        Ok(())
    } else {
        Err(Failure::NotHeld("passes were used out of turn, see above".to_owned()))
    }
}

fn value(name: &str, report: &Report, tier_of: &dyn Fn(&TierReport) -> String) -> Value {
    let tiers = report.tiers.iter().map(|tier| {
        json!({
            "class": tier.class, "tier": tier_of(tier), "weight": tier.weight,
            "tickets": tier.tickets, "called": tier.called, "used": tier.used,
            "wait_p50_ms": tier.wait_p50_ms, "wait_p90_ms": tier.wait_p90_ms,
        })
    });
    json!({
        "holds": report.inversions == 0, "campaign": name, "tickets": report.tickets,
        "called": report.called, "inversions": report.inversions,
        "uniformity": report.uniformity.map(|u| {
            json!({"chi2": u.chi2, "degrees": u.degrees, "p": u.p})
        }),
        "tiers": tiers.collect::<Vec<_>>(), "used": report.used, "unused": report.unused,
        "came_back": report.came_back,
        "eta": report.eta.map(|eta| json!({
            "shown": eta.shown, "within_p50": eta.within_p50, "within_p90": eta.within_p90,
            "p90_to_real": eta.p90_to_real,
        })),
    })
}

fn text(name: &str, report: &Report, tier_of: &dyn Fn(&TierReport) -> String) -> String {
    let mut out = String::new();
    let count = |n: u32| grouped(u64::from(n));
    let _ = writeln!(out, "campaign      {name}");
    let _ = writeln!(
        out,
        "tickets       {}, called up {}, used {}, not come {}, came back {}",
        count(report.tickets),
        count(report.called),
        count(report.used),
        count(report.unused),
        count(report.came_back)
    );
    let _ = writeln!(out, "out of turn   {}", count(report.inversions));
    let _ = match report.uniformity {
        Some(u) => writeln!(
            out,
            "even draw     χ² {:.1} at {} degrees of freedom, p = {:.3}",
            u.chi2, u.degrees, u.p
        ),
        None => writeln!(out, "even draw     too few were drawn to tell"),
    };
    let head = ["weight", "tickets", "called", "used", "p50", "p90"].map(|h| format!("{h:>10}"));
    let _ = writeln!(out, "\n{:<20}{}", "tier", head.concat());
    for tier in &report.tiers {
        let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
        let cells = [
            tier.weight.to_string(),
            count(tier.tickets),
            count(tier.called),
            count(tier.used),
            seconds(tier.wait_p50_ms),
            seconds(tier.wait_p90_ms),
        ];
        let cells = cells.map(|cell| format!("{cell:>10}"));
        let _ = writeln!(out, "{:<20}{}", tier_of(tier), cells.concat());
    }
    if let Some(eta) = report.eta {
        let (half, nine) = (eta.within_p50 * 100.0, eta.within_p90 * 100.0);
        let _ = writeln!(
            out,
            "\nshown waits   {half:.0} % of real ones within p50, {nine:.0} % within p90; p90 is \
             {:.2} × the real one in the middle",
            eta.p90_to_real
        );
    }
    out
}
