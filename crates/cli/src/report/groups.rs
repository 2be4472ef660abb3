//! Sales by who brought them and where they go, in tables of bounded size: the names come from outside.

use onrush::ledger::{Ledger, OrderState, ReservationState};
use onrush::{CampaignIx, ReservationSeq, State};
use onrush_gateway::wire::Details;
use std::collections::BTreeMap;

/// Names kept of each kind; whoever comes later is counted together, under no name.
const NAMES_MAX: usize = 5_000;
/// A place with fewer holds is counted with the others: few people might be recognised.
const PLACE_HOLDS_MIN: u64 = 5;

/// What became of reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub(super) holds: u64,
    pub(super) held_units: u64,
    pub(super) sold: u64,
    pub(super) sold_units: u64,
    /// Minor units of the campaign's currency.
    pub(super) amount: i64,
    /// Holds that were given up or expired.
    pub(super) unpaid: u64,
    pub(super) unpaid_units: u64,
    pub(super) cancelled: u64,
    /// Sold units that no store has to do or has done, where stores have the SKU.
    pub(super) unrouted_units: u64,
}

/// A name in a campaign; empty names mean that nothing was said.
pub(super) type Named = (CampaignIx, String, String);
/// A square of one degree: its southern and western edge.
pub(super) type Place = (CampaignIx, i16, i16);

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) campaigns: Vec<Outcomes>,
    pub(super) skus: Vec<Outcomes>,
    /// By channel and touchpoint.
    pub(super) sources: Kept<Named>,
    /// By guide.
    pub(super) guides: Kept<Named>,
    /// By the store that brought the buyer.
    pub(super) stores: Kept<Named>,
    pub(super) places: Kept<Place>,
}

/// A table of bounded size.
#[derive(Debug)]
pub(super) struct Kept<K> {
    rows: BTreeMap<K, Outcomes>,
    /// What had no room, by campaign.
    rest: BTreeMap<CampaignIx, Outcomes>,
}

impl<K> Default for Kept<K> {
    fn default() -> Kept<K> {
        Kept { rows: BTreeMap::new(), rest: BTreeMap::new() }
    }
}

impl Groups {
    /// Group every reservation of `ledger`. One pass, O(reservations · log names).
    pub(super) fn of(ledger: &Ledger) -> Groups {
        let mut groups = Groups {
            campaigns: vec![Outcomes::default(); ledger.campaigns().len()],
            skus: vec![Outcomes::default(); ledger.skus().len()],
            ..Groups::default()
        };
        for seq in (0..ledger.reservation_count()).map(ReservationSeq) {
            if let Some(reservation) = ledger.reservation(seq) {
                groups.add(ledger, seq, reservation);
            }
        }
        groups
    }

    fn add(&mut self, ledger: &Ledger, seq: ReservationSeq, r: &ReservationState) {
        let one = Outcomes::of(ledger, seq, r);
        let campaign = ledger.skus()[r.sku.index()].campaign;
        self.campaigns[campaign.index()].add(&one);
        self.skus[r.sku.index()].add(&one);
        let bytes = ledger.details(seq);
        let details = bytes.and_then(|bytes| Details::decode(bytes).ok()).unwrap_or_default();
        let by = details.attribution.unwrap_or_default();
        let text =
            |text: Option<std::borrow::Cow<'_, str>>| text.map_or_else(String::new, Into::into);
        self.sources.add(campaign, (campaign, text(by.channel), text(by.touchpoint)), &one);
        for (kept, name) in [(&mut self.guides, by.guide), (&mut self.stores, by.store)] {
            if let Some(name) = name {
                kept.add(campaign, (campaign, name.into(), String::new()), &one);
            }
        }
        if let Some(at) = details.destination {
            let place = (campaign, at.lat.floor() as i16, at.lon.floor() as i16);
            self.places.add(campaign, place, &one);
        }
    }
}

impl Kept<Place> {
    /// Return places with enough holds, then what all others have together.
    pub(super) fn crowded(&self) -> Vec<(Option<Place>, CampaignIx, Outcomes)> {
        let mut few = self.rest.clone();
        let mut rows = Vec::new();
        for (&place, outcomes) in &self.rows {
            if outcomes.holds >= PLACE_HOLDS_MIN {
                rows.push((Some(place), place.0, *outcomes));
            } else {
                few.entry(place.0).or_default().add(outcomes);
            }
        }
        rows.extend(few.into_iter().map(|(campaign, outcomes)| (None, campaign, outcomes)));
        rows
    }
}

impl<K: Ord> Kept<K> {
    fn add(&mut self, campaign: CampaignIx, name: K, one: &Outcomes) {
        let has_room = self.rows.len() < NAMES_MAX || self.rows.contains_key(&name);
        let row = if has_room {
            self.rows.entry(name).or_default()
        } else {
            self.rest.entry(campaign).or_default()
        };
        row.add(one);
    }

    /// Return the rows by name.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&K, &Outcomes)> {
        self.rows.iter()
    }

    /// Return what had no room.
    pub(super) fn rest(&self) -> impl Iterator<Item = (CampaignIx, &Outcomes)> {
        self.rest.iter().map(|(campaign, outcomes)| (*campaign, outcomes))
    }
}

impl Outcomes {
    fn of(ledger: &Ledger, seq: ReservationSeq, r: &ReservationState) -> Outcomes {
        let units = u64::from(r.quantity.get());
        let mut one = Outcomes { holds: 1, held_units: units, ..Outcomes::default() };
        match r.state {
            State::Sold => {
                (one.sold, one.sold_units, one.amount) = (1, units, r.amount);
                if ledger.is_routed(r.sku) {
                    let live = ledger.order(seq).map_or(0, OrderState::live_units);
                    one.unrouted_units = units.saturating_sub(live.into());
                }
            }
            State::Released | State::Expired => (one.unpaid, one.unpaid_units) = (1, units),
            State::Cancelled => one.cancelled = 1,
            State::Held | State::Review => {}
        }
        one
    }

    fn add(&mut self, other: &Outcomes) {
        self.holds += other.holds;
        self.held_units += other.held_units;
        self.sold += other.sold;
        self.sold_units += other.sold_units;
        self.amount += other.amount;
        self.unpaid += other.unpaid;
        self.unpaid_units += other.unpaid_units;
        self.cancelled += other.cancelled;
        self.unrouted_units += other.unrouted_units;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(holds: u64) -> Outcomes {
        Outcomes { holds, ..Outcomes::default() }
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let campaign = CampaignIx(0);
        let mut kept: Kept<Named> = Kept::default();
        for n in 0..NAMES_MAX + 3 {
            kept.add(campaign, (campaign, format!("{n:06}"), String::new()), &holds(1));
        }
        kept.add(campaign, (campaign, "000000".to_owned(), String::new()), &holds(1));
        assert_eq!(kept.rows().count(), NAMES_MAX);
        assert_eq!(kept.rows().next().map(|(_, row)| row.holds), Some(2), "who is known stays");
        assert_eq!(kept.rest().collect::<Vec<_>>(), [(campaign, &holds(3))]);
    }

    #[test]
    fn places_with_few_holds_are_not_told() {
        let campaign = CampaignIx(0);
        let mut kept: Kept<Place> = Kept::default();
        for (lat, count) in [(31, PLACE_HOLDS_MIN), (32, PLACE_HOLDS_MIN - 1), (33, 1)] {
            kept.add(campaign, (campaign, lat, 121), &holds(count));
        }
        let told = kept.crowded();
        assert_eq!(told[0], (Some((campaign, 31, 121)), campaign, holds(PLACE_HOLDS_MIN)));
        assert_eq!(told[1..], [(None, campaign, holds(PLACE_HOLDS_MIN))]);
    }
}
