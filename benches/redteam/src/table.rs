//! What was found, as the tables of `docs/risk.md`.

use crate::families::Family;
use crate::tally::{Outcome, Prices, Tally};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

/// Between these lines of a document stands what was found last.
const MARKS: [&str; 2] = ["<!-- redteam: begin -->", "<!-- redteam: end -->"];

/// One family, played in the same crowd of people without the defence, with it, and with it where the
/// shop does not tell payment instruments.
#[derive(Clone, Debug)]
pub struct Row {
    /// The family.
    pub family: Family,
    /// Without `[risk]`.
    pub open: Outcome,
    /// With it.
    pub defended: Outcome,
    /// With it, and without `payment_header` and `phone_header`.
    pub blind: Option<Outcome>,
}

/// Write the table of a list of families.
pub fn families(title: &str, rows: &[Row], prices: &Prices) -> String {
    let mut out = format!(
        "**{title}**\n\n| family | accounts a card | share of units: to reach | without `[risk]` | with it \
         | cards not told | asked, weighted down, capped | share of holding time | cost of a unit, \
         against none |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let Row { family, open, defended, blind } = row;
        let target = family.target_percent.map_or(defended.card_share(), |t| t / 100.0);
        let of = match family.target_percent {
            Some(_) => "",
            None => " (its cards)",
        };
        let share = defended.share();
        let missed = if share <= target { "" } else { " **missed**" };
        let accounts = defended.accounts(true);
        let part = |figure: fn(&Tally) -> u32| {
            percent(defended.of(true, |t| figure(t).into()) as f64 / accounts as f64)
        };
        let blind = blind.as_ref().map_or("-".to_owned(), |blind| percent(blind.share()));
        writeln!(
            out,
            "| {} | {} | {}{of} | {} | {}{missed} | {blind} | {}, {}, {} | {} | {} |",
            family.name,
            family.card,
            percent(target),
            percent(open.share()),
            percent(share),
            part(|t| t.challenged),
            part(|t| t.light),
            part(|t| t.capped),
            percent(defended.held_share()),
            cost(open, defended, prices),
        )
        .expect("text");
    }
    out
}

/// Write what a defended drop did to people, kind by kind; several drops are added up.
pub fn people(title: &str, outcomes: &[&Outcome]) -> String {
    let mut out = format!(
        "**{title}**\n\n| people | came | asked | weighted down | capped | refused | units |\n\
         |---|---|---|---|---|---|---|\n"
    );
    let Some(first) = outcomes.first() else { return out };
    let kinds: Vec<usize> =
        (0..first.kinds.len()).filter(|at| !first.kinds[*at].is_program).collect();
    let mut rows: Vec<(&str, u64, [u64; 5])> = Vec::new();
    for at in kinds {
        let came = outcomes.iter().map(|o| u64::from(o.kinds[at].accounts)).sum();
        rows.push((first.kinds[at].name, came, added(outcomes.iter().map(|o| o.tallies[at]))));
    }
    let came = rows.iter().map(|(_, came, _)| came).sum();
    let sums = std::array::from_fn(|at| rows.iter().map(|(_, _, all)| all[at]).sum());
    rows.push(("all", came, sums));
    for (name, came, [asked, light, capped, refused, sold]) in rows {
        let part = |n: u64| format!("{n} ({})", percent(n as f64 / came as f64));
        writeln!(
            out,
            "| {name} | {came} | {} | {} | {} | {refused} | {sold} |",
            part(asked),
            part(light),
            part(capped),
        )
        .expect("text");
    }
    out
}

fn added(tallies: impl Iterator<Item = Tally>) -> [u64; 5] {
    tallies.fold([0; 5], |[a, b, c, d, e], t| {
        let [v, w, x, y, z] = [t.challenged, t.light, t.capped, t.refused, t.sold].map(u64::from);
        [a + v, b + w, c + x, d + y, e + z]
    })
}

/// Write what a unit costs an owner, and how many times as much as without the defence.
fn cost(open: &Outcome, defended: &Outcome, prices: &Prices) -> String {
    match (open.unit_cost(prices), defended.unit_cost(prices)) {
        (Some(before), Some(after)) => format!("${after:.2}, {:.1} ×", after / before),
        (_, None) => format!("no unit for ${:.0}", defended.spent(prices)),
        (None, Some(after)) => format!("${after:.2}"),
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.2} %") } else { format!("{percent:.1} %") }
}

/// Put `text` between the marks of a document.
///
/// # Errors
/// When it cannot be read or written, or has no marks.
pub fn write_into(file: &Path, text: &str) -> Result<()> {
    let document =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (before, rest) = document.split_once(MARKS[0]).context("the document has no marks")?;
    let (_, after) = rest.split_once(MARKS[1]).context("the document has no mark of the end")?;
    let [begin, end] = MARKS;
    std::fs::write(file, format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
        .with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("doc.md");
        std::fs::write(&file, format!("a\n{}\nold\n{}\nb\n", MARKS[0], MARKS[1])).expect("a file");
        write_into(&file, "new\n\n").expect("marks are there");
        let text = std::fs::read_to_string(&file).expect("a file");
        assert_eq!(text, format!("a\n{}\nnew\n{}\nb\n", MARKS[0], MARKS[1]));
        std::fs::write(&file, "no marks").expect("a file");
        assert!(write_into(&file, "new").is_err());
    }

    #[test]
    fn small_shares_keep_their_digits() {
        assert_eq!([percent(0.0212), percent(0.912)], ["2.12 %", "91.2 %"]);
    }
}
