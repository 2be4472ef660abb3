//! What the passing of time brings: planned phases, waves and expiries. Each is a record like any
//! other, decided once, with the stamp of its batch.

use super::record::{Change, Source};
use super::state::Ledger;
use crate::phase::{Phase, phase_at};
use onrush_types::limits::SUPPLY_MAX;
use onrush_types::planted;
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
            let sku = *c.skus.get(&wave.sku).expect("the next wave's SKU exists");
            let source = Source::Wave(c.waves_done);
            // Supply by hand may have used the room that the wave was planned for.
            let room = SUPPLY_MAX - self.skus[sku.index()].supplied;
            Some(Change::Supplied {
                sku,
                units: planted!("wave-short", 1, wave.units.min(room)),
                source,
            })
        })
    }

    /// Return the hold with the earliest deadline that has passed at `now`, of equal deadlines the
    /// one made first; apply its expiry and ask again until `None`. Amortised O(1) per reservation and hold duration.
    pub fn due_expiry(&mut self, now: Timestamp) -> Option<ReservationSeq> {
        self.next_expiry()
            .filter(|(at, _)| planted!("expire-too-late", at.0 + 1 < now.0, *at <= now))
            .map(|(_, seq)| seq)
    }

    /// Return when the next switch, wave or expiry is due, if any is.
    pub fn next_due_at(&mut self) -> Option<Timestamp> {
        let expiry = self.next_expiry().map_or(Timestamp::FAR_FUTURE, |(at, _)| at);
        let next = self.next_switch_at.min(expiry);
        Some(next).filter(|at| *at != Timestamp::FAR_FUTURE)
    }

    /// Return when the next switch or wave is due; [`Timestamp::FAR_FUTURE`] when none is planned. O(1).
    pub fn next_switch_at(&self) -> Timestamp {
        self.next_switch_at
    }

    /// Tell whether any hold waits for its deadline.
    pub fn has_live_hold(&mut self) -> bool {
        (0..self.hold_classes.len()).any(|class| self.oldest_hold(class).is_some())
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
    pub(super) fn note_switches(&mut self) {
        self.next_switch_at = (0..self.campaigns.len() as u16)
            .map(CampaignIx)
            .filter_map(|ix| self.next_switch_of(ix))
            .min()
            .unwrap_or(Timestamp::FAR_FUTURE);
    }

    /// Only a switch to a later phase counts: one that changes nothing (the planned opening of a
    /// sale that was opened early) would stay due for ever.
    fn next_switch_of(&self, ix: CampaignIx) -> Option<Timestamp> {
        let c = &self.campaigns[ix.index()];
        if matches!(c.reached, Phase::Draft | Phase::Closed | Phase::Settled) {
            return None;
        }
        let switch = c.terms.schedule.first_after(c.reached);
        let wave = self.next_wave(ix).map(|wave| wave.at);
        [switch, wave].into_iter().flatten().min()
    }

    pub(super) fn next_wave(&self, ix: CampaignIx) -> Option<&crate::campaign::Wave> {
        let c = &self.campaigns[ix.index()];
        let live = !matches!(c.reached, Phase::Draft | Phase::Closed | Phase::Settled);
        let wave = c.terms.waves.get(usize::from(c.waves_done)).filter(|_| live)?;
        // A crash can cut a put between the campaign and its SKUs: such a wave waits until the
        // put is repeated.
        c.skus.contains_key(&wave.sku).then_some(wave)
    }

    /// Return the next hold to expire, over all classes.
    fn next_expiry(&mut self) -> Option<(Timestamp, ReservationSeq)> {
        let classes = 0..self.hold_classes.len();
        classes
            .filter_map(|class| {
                let seq = self.oldest_hold(class)?;
                Some((self.reservation(seq)?.expires_at, seq))
            })
            .min()
    }

    /// Return the oldest live hold of a class, moving its cursor there.
    fn oldest_hold(&mut self, class: usize) -> Option<ReservationSeq> {
        let mut at = self.hold_classes[class].cursor;
        while let Some(r) = self.reservations.get(at) {
            if usize::from(r.hold_class) == class
                && planted!("review-never-expires", r.state as u8 == 1, r.state.is_held())
            {
                break;
            }
            at += 1;
        }
        self.hold_classes[class].cursor = at;
        (at < self.reservations.len).then_some(ReservationSeq(at))
    }
}
