//! What the passing of time brings: planned phases, waves and expiries. Each is a record like any
//! other, decided once, with the stamp of its batch.

use super::record::{Change, Source};
use super::state::Ledger;
use crate::phase::{Phase, phase_at};
use onrush_types::limits::SUPPLY_MAX;
use onrush_types::{CampaignIx, ReservationSeq, Timestamp};

impl Ledger {
    /// Return a phase switch or wave that is due at `now`; apply it and ask again until `None`.
    /// O(1) when nothing is due.
    pub fn due_switch(&self, now: Timestamp) -> Option<Change> {
        if now < self.next_switch_at {
            return None;
        }
        (0..self.campaigns.len() as u16).map(CampaignIx).find_map(|ix| {
            let c = &self.campaigns[ix.index()];
            let to = phase_at(&c.terms.schedule, c.reached, now);
            if to != c.reached {
                return Some(Change::Phase { campaign: ix, to, by: None });
            }
            let wave = self.next_wave(ix).filter(|wave| wave.at <= now)?;
            let sku = *c.skus.get(&wave.sku).expect("a wave's SKU was checked when it was put");
            let source = Source::Wave(c.waves_done);
            // Supply by hand may have used the room that the wave was planned for.
            let room = SUPPLY_MAX - self.skus[sku.index()].supplied;
            Some(Change::Supplied { sku, units: wave.units.min(room), source })
        })
    }

    /// Return a hold whose deadline has passed at `now`; apply its expiry and ask again until
    /// `None`. Amortised O(1) per reservation and hold duration.
    pub fn due_expiry(&mut self, now: Timestamp) -> Option<ReservationSeq> {
        for class in 0..self.hold_classes.len() {
            let Some(seq) = self.oldest_hold(class) else { continue };
            if self.reservations.get(seq.0).is_some_and(|r| r.expires_at <= now) {
                return Some(seq);
            }
        }
        None
    }

    /// Return when the next switch, wave or expiry is due, if any is.
    pub fn next_due_at(&mut self) -> Option<Timestamp> {
        let mut next = self.next_switch_at;
        for class in 0..self.hold_classes.len() {
            if let Some(seq) = self.oldest_hold(class) {
                let r = self.reservations.get(seq.0).expect("just found");
                next = next.min(r.expires_at);
            }
        }
        Some(next).filter(|at| *at != Timestamp::FAR_FUTURE)
    }

    /// Tell whether a switch is near or a sale is open at `now`, so that the clock must not follow
    /// a step (see [`crate::sale_clock`]).
    pub fn clock_is_frozen(&self, now: Timestamp) -> bool {
        let near = onrush_types::DurationMs(crate::sale_clock::FREEZE_BEFORE_MS);
        self.campaigns.iter().any(|c| {
            let phase = phase_at(&c.terms.schedule, c.reached, now);
            let soon = c.terms.schedule.next_switch_after(now).is_some_and(|at| now + near >= at);
            matches!(phase, Phase::Open | Phase::Paused) || soon && phase < Phase::Closed
        })
    }

    /// Note when the next switch or wave is due, after a change to phases, terms or waves.
    pub(super) fn note_switches(&mut self, now: Timestamp) {
        self.next_switch_at = (0..self.campaigns.len() as u16)
            .map(CampaignIx)
            .filter_map(|ix| self.next_switch_of(ix, now))
            .min()
            .unwrap_or(Timestamp::FAR_FUTURE);
    }

    fn next_switch_of(&self, ix: CampaignIx, now: Timestamp) -> Option<Timestamp> {
        let c = &self.campaigns[ix.index()];
        if matches!(c.reached, Phase::Draft | Phase::Closed | Phase::Settled) {
            return None;
        }
        let schedule = &c.terms.schedule;
        // Switches to phases that an operator reached early are no switches any more.
        let after = |at| schedule.next_switch_after(at);
        let switch = if schedule.planned_at(now) > c.reached {
            Some(now)
        } else {
            std::iter::successors(after(now), |&at| after(at))
                .find(|&at| schedule.planned_at(at) > c.reached)
        };
        let wave = self.next_wave(ix).map(|wave| wave.at);
        [switch, wave].into_iter().flatten().min()
    }

    fn next_wave(&self, ix: CampaignIx) -> Option<&crate::campaign::Wave> {
        let c = &self.campaigns[ix.index()];
        let live = !matches!(c.reached, Phase::Draft | Phase::Closed | Phase::Settled);
        c.terms.waves.get(usize::from(c.waves_done)).filter(|_| live)
    }

    /// Return the oldest live hold of a class, moving its cursor there.
    fn oldest_hold(&mut self, class: usize) -> Option<ReservationSeq> {
        let mut at = self.hold_classes[class].cursor;
        while let Some(r) = self.reservations.get(at) {
            if usize::from(r.hold_class) == class && r.state.is_held() {
                break;
            }
            at += 1;
        }
        self.hold_classes[class].cursor = at;
        (at < self.reservations.len).then_some(ReservationSeq(at))
    }
}
