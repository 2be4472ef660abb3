//! Compares what a crowd was told with what a described target counts: the check for servers that are
//! not Onrush. Pure.

use crate::drive::Tally;
use crate::target::Count;
use crate::told::{Asked, Told};
use crate::verdict::{Check, Verdict};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What a target counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Units held or sold.
    pub taken: u64,
    /// Units there are, where it tells.
    pub supplied: Option<u64>,
}

impl Count {
    /// Read the answer of a target.
    ///
    /// # Errors
    /// When it has no number where the description says.
    pub fn read(&self, body: &[u8]) -> Result<Counted, String> {
        let json: Value = serde_json::from_slice(body)
            .map_err(|e| format!("{} did not answer with JSON: {e}", self.path))?;
        let number = |pointer: &str| {
            let found = json.pointer(pointer);
            let text = found.and_then(|value| value.as_str().and_then(|text| text.parse().ok()));
            found
                .and_then(Value::as_u64)
                .or(text)
                .ok_or_else(|| format!("the answer of {} has no number at {pointer}", self.path))
        };
        let supplied = self.supplied.as_deref().map(number).transpose()?;
        Ok(Counted { taken: number(&self.taken)?, supplied })
    }
}

/// Compare. `before` and `after` were counted around the run; `limit` is what one buyer may have.
pub fn check(
    told: &Told,
    tally: &Tally,
    counts: Option<(Counted, Counted)>,
    limit: Option<u32>,
) -> Verdict {
    let mut verdict = Verdict { checks: named(told, limit) };
    if let Some((before, after)) = counts {
        verdict.checks.extend(counted(told, tally, before, after));
    }
    verdict
}

/// What follows from the names that the target gave to reservations.
fn named(told: &Told, limit: Option<u32>) -> Vec<Check> {
    let mut doubled = Check::new("reservations doubled", "INV-5", "acknowledgements");
    let mut id_of: HashMap<(&str, &str), &str> = HashMap::new();
    let mut owner_of: HashMap<&str, (&str, &str)> = HashMap::new();
    let mut has: HashMap<&str, HashSet<&str>> = HashMap::new();
    for ack in told.acknowledged.iter().filter(|ack| ack.asked == Asked::Reserve) {
        let who = (&*ack.buyer, &*ack.key);
        let first = *id_of.entry(who).or_insert(&ack.id);
        let owner = *owner_of.entry(&ack.id).or_insert(who);
        doubled.look(first == &*ack.id && owner == who, || {
            format!("{who:?} was told {first} and {}, which is {owner:?}'s", ack.id)
        });
        has.entry(&ack.buyer).or_default().insert(&ack.id);
    }
    if doubled.looked_at == 0 {
        return Vec::new();
    }
    let given_back = told.acknowledged.iter().filter(|ack| ack.asked == Asked::Release);
    let unknown = told.unknown.iter().filter(|unknown| unknown.asked == Asked::Release);
    let ids = given_back.map(|ack| &*ack.id).chain(unknown.filter_map(|u| u.id.as_deref()));
    for id in ids {
        for held in has.values_mut() {
            held.remove(id);
        }
    }
    let Some(limit) = limit else { return vec![doubled] };
    let mut over = Check::new("buyers over their limit", "INV-6", "buyers");
    for (buyer, ids) in has {
        over.look(ids.len() <= limit as usize, || format!("{buyer} has {} units", ids.len()));
    }
    vec![doubled, over]
}

/// What follows from the numbers: whatever had no answer may have been done or not.
fn counted(told: &Told, tally: &Tally, before: Counted, after: Counted) -> Vec<Check> {
    let unknown = |asked: &Asked| told.unknown.iter().filter(|u| u.asked == *asked).count() as u64;
    let taken = after.taken.saturating_sub(before.taken);
    let least = tally.figures.holds.saturating_sub(tally.released + unknown(&Asked::Release));
    let most = (tally.figures.holds + unknown(&Asked::Reserve)).saturating_sub(tally.released);
    let mut checks = Vec::new();
    if let Some(supplied) = after.supplied {
        let mut oversold = Check::new("units oversold", "INV-2", "units");
        oversold.looked_at = supplied;
        oversold.violations = after.taken.saturating_sub(supplied);
        if oversold.violations > 0 {
            oversold.examples.push(format!("{} taken of {supplied}", after.taken));
        }
        checks.push(oversold);
    }
    let mut lost = Check::new("acknowledged units lost", "INV-4", "acknowledgements");
    lost.looked_at = tally.figures.holds;
    lost.violations = least.saturating_sub(taken);
    if lost.violations > 0 {
        lost.examples.push(format!("{least} were told, and {taken} more are taken than before"));
    }
    let mut extra = Check::new("units taken that nobody was told of", "INV-5", "units");
    extra.looked_at = taken;
    extra.violations = taken.saturating_sub(most);
    if extra.violations > 0 {
        extra.examples.push(format!("{taken} more are taken than before, {most} could be"));
    }
    checks.extend([lost, extra]);
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::told::{Acknowledgement, Unknown};
    use onrush::State;

    fn ack(asked: Asked, buyer: &str, key: &str, id: &str) -> Acknowledgement {
        Acknowledgement {
            asked,
            buyer: buyer.into(),
            key: key.into(),
            sku: "unit".into(),
            quantity: 1,
            status: 201,
            id: id.into(),
            state: State::Held,
            lsn: 0,
        }
    }

    fn told(reserves: &[(&str, &str, &str)]) -> (Told, Tally) {
        let acks = reserves.iter().map(|(buyer, key, id)| ack(Asked::Reserve, buyer, key, id));
        let told = Told { acknowledged: acks.collect(), ..Told::default() };
        let mut tally = Tally::empty();
        tally.figures.holds = reserves.len() as u64;
        (told, tally)
    }

    fn violations(
        told: &Told,
        tally: &Tally,
        taken: u64,
        supplied: u64,
    ) -> Vec<(&'static str, u64)> {
        let before = Counted { taken: 10, supplied: Some(supplied) };
        let after = Counted { taken: 10 + taken, ..before };
        let verdict = check(told, tally, Some((before, after)), Some(1));
        let broken = verdict.checks.iter().filter(|check| check.violations > 0);
        broken.map(|check| (check.name, check.violations)).collect()
    }

    #[test]
    fn what_a_broken_server_did_is_named() {
        let (fine, tally) = told(&[("a", "1", "r1"), ("b", "1", "r2")]);
        assert_eq!(violations(&fine, &tally, 2, 12), []);
        assert_eq!(violations(&fine, &tally, 2, 11), [("units oversold", 1)]);
        assert_eq!(violations(&fine, &tally, 1, 12), [("acknowledged units lost", 1)]);
        let extra = [("units taken that nobody was told of", 3)];
        assert_eq!(violations(&fine, &tally, 5, 20), extra);
        let (doubled, tally) = told(&[("a", "1", "r1"), ("b", "1", "r1")]);
        assert_eq!(violations(&doubled, &tally, 2, 20), [("reservations doubled", 1)]);
        let (over, tally) = told(&[("a", "1", "r1"), ("a", "2", "r2")]);
        assert_eq!(violations(&over, &tally, 2, 20), [("buyers over their limit", 1)]);
    }

    #[test]
    fn what_had_no_answer_may_be_there_or_not_and_what_was_given_back_is_not() {
        let (mut told, mut tally) = told(&[("a", "1", "r1"), ("b", "1", "r2")]);
        let unknown = |asked| Unknown { asked, buyer: "c".into(), key: "1".into(), id: None };
        told.unknown.push(unknown(Asked::Reserve));
        assert_eq!(violations(&told, &tally, 2, 20), []);
        assert_eq!(violations(&told, &tally, 3, 20), []);
        assert_eq!(violations(&told, &tally, 4, 20).len(), 1);
        told.acknowledged.push(ack(Asked::Release, "a", "1", "r1"));
        tally.released = 1;
        assert_eq!(violations(&told, &tally, 1, 20), []);
        assert_eq!(violations(&told, &tally, 0, 20), [("acknowledged units lost", 1)]);
    }

    #[test]
    fn counts_are_read_where_the_description_says() {
        let count = Count {
            path: "/s".to_owned(),
            headers: Default::default(),
            taken: "/n".to_owned(),
            supplied: Some("/all/0".to_owned()),
        };
        let counted = count.read(br#"{"n":"7","all":[9]}"#);
        assert_eq!(counted, Ok(Counted { taken: 7, supplied: Some(9) }));
        assert!(count.read(br#"{"n":7}"#).is_err_and(|e| e.contains("/all/0")));
        assert!(count.read(b"x").is_err_and(|e| e.contains("JSON")));
    }
}
