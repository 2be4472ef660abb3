//! Holds that live longer: when a payment provider is down, an operator puts deadlines off.
//!
//! A deadline only ever moves later. A hold that is put off by so much becomes one of the longer
//! duration, as if it had been made with it: equal holds still expire in the order in which they were
//! made, so the queues of `due.rs` stay what they are. What is over already is not brought back.

use super::action::{Answer, Subject};
use super::apply::{Applied, Touched, ensure};
use super::catalogue::check_by;
use super::decide::{Outcome, Sink, refuse};
use super::record::{By, Change};
use super::state::{Ledger, ReservationState};
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::{EXTEND_MS_MAX, EXTEND_MS_MIN, HOLD_CLASSES_MAX, HOLD_MS_MAX};
use onrush_types::{CampaignIx, DurationMs, ReservationSeq, Timestamp, planted};

/// Durations that extensions leave to campaigns that are still to come.
const HOLD_CLASSES_KEPT: usize = HOLD_CLASSES_MAX / 4;

/// Whose deadlines are put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Every live hold of a campaign, under review and offers of the waitlist included.
    Campaign(CampaignIx),
    /// One of them.
    One(ReservationSeq),
}

impl Ledger {
    pub(super) fn extend(
        &mut self,
        holds: Holds,
        more: DurationMs,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        match holds {
            Holds::Campaign(ix) if ix.index() >= self.campaigns.len() => {
                return refuse(Refusal::NotFound);
            }
            Holds::One(seq) if self.reservation(seq).is_none() => {
                return refuse(Refusal::NotFound);
            }
            _ => {}
        }
        if let Err(what) = check_by(&by).and_then(|()| check_more(more)) {
            return refuse(Refusal::Invalid(what));
        }
        if let Holds::One(seq) = holds {
            match self.reservation(seq).map(|r| r.state) {
                Some(State::Held | State::Review) => {}
                Some(State::Expired) => return refuse(Refusal::Expired),
                _ => return refuse(Refusal::AlreadyFinal),
            }
        }
        let count = self.live(holds).count() as u32;
        if count == 0 {
            return Ok(Answer::Already(Subject::Extended(0)));
        }
        if let Err(what) = self.check_longer(holds, more) {
            return refuse(Refusal::Invalid(what));
        }
        self.record(Change::Extended { holds, more, by }, now, sink)?;
        Ok(Answer::Done(match holds {
            Holds::Campaign(_) => Subject::Extended(count),
            Holds::One(seq) => Subject::Reservation(seq),
        }))
    }

    pub(super) fn apply_extended(&mut self, holds: Holds, more: DurationMs) -> Applied {
        check_more(more)?;
        let seqs: Vec<u32> = self.live(holds).map(|(seq, _)| seq).collect();
        let (Some(&first), Some(&last)) = (seqs.first(), seqs.last()) else {
            return Err("no live hold was put off".to_owned());
        };
        for seq in seqs {
            let class = self.reservations.get(seq).expect("it is live").hold_class;
            let longer = DurationMs(self.hold_classes[usize::from(class)].hold.0 + more.0);
            ensure(longer.0 <= HOLD_MS_MAX, "a hold was put off past the longest there is")?;
            let class = self.hold_class(longer)?;
            let queue = &mut self.hold_classes[usize::from(class)];
            // It may have passed this place already: the queue never starts behind a live hold.
            queue.cursor = planted!("extended-never-expires", queue.cursor, queue.cursor.min(seq));
            let r = self.reservations.get_mut(seq).expect("it is live");
            r.expires_at = r.expires_at + planted!("extended-too-little", DurationMs(1), more);
            r.hold_class = class;
        }
        Ok((Touched::Deadlines(ReservationSeq(first), ReservationSeq(last)), None))
    }

    /// Walk the live holds that are meant, in the order in which they were made. O(reservations since
    /// the oldest live hold) for a campaign.
    fn live(&self, holds: Holds) -> impl Iterator<Item = (u32, &ReservationState)> {
        let (from, to) = match holds {
            Holds::One(seq) => (seq.0, seq.0 + 1),
            Holds::Campaign(_) => {
                let oldest = self.hold_classes.iter().map(|class| class.cursor).min();
                (oldest.unwrap_or(self.reservations.len), self.reservations.len)
            }
        };
        let is_meant = move |r: &ReservationState| match holds {
            Holds::One(_) => true,
            Holds::Campaign(ix) => self.skus[r.sku.index()].campaign == ix,
        };
        (from..to)
            .filter_map(|seq| Some((seq, self.reservations.get(seq)?)))
            .filter(move |(_, r)| r.state.is_held() && is_meant(r))
    }

    /// Refuse what would make a hold longer than any may be, or need more different durations than
    /// are kept apart.
    fn check_longer(&self, holds: Holds, more: DurationMs) -> Result<(), String> {
        let mut used = [false; HOLD_CLASSES_MAX];
        self.live(holds).for_each(|(_, r)| used[usize::from(r.hold_class)] = true);
        let longer = self.hold_classes.iter().zip(used).filter(|(_, used)| *used);
        let longer: Vec<u64> = longer.map(|(class, _)| class.hold.0 + more.0).collect();
        if longer.iter().any(|hold| *hold > HOLD_MS_MAX) {
            let days = HOLD_MS_MAX / (24 * 3_600 * 1_000);
            return Err(format!("more_ms: a hold would live longer than {days} days in all"));
        }
        let is_new = |hold: &&u64| self.hold_classes.iter().all(|class| class.hold.0 != **hold);
        let new = longer.iter().filter(is_new).count();
        if new > 0 && self.hold_classes.len() + new > HOLD_CLASSES_MAX - HOLD_CLASSES_KEPT {
            let what = "more_ms: too many different durations; use one that was used before";
            return Err(what.to_owned());
        }
        Ok(())
    }
}

fn check_more(more: DurationMs) -> Result<(), String> {
    let bounds = EXTEND_MS_MIN..=EXTEND_MS_MAX;
    if bounds.contains(&more.0) {
        return Ok(());
    }
    Err(format!("more_ms: {EXTEND_MS_MIN} to {EXTEND_MS_MAX} at a time"))
}
