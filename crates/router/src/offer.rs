//! What one node offers to one order, or why it offers nothing.
//!
//! Checks run from cheap to dear: rules, stock, distance, hours and capacity, confidence. Each
//! refusal is a value that explanations print.

use crate::capacity::SlotIx;
use crate::cost::Cost;
use crate::delivery::{Arrival, Delivery, Due};
use crate::geo::{Spot, km_to_chord2};
use crate::network::Network;
use crate::node::{NodeIx, NodeKind};
use crate::order::Order;
use crate::plan::Plan;
use crate::rules::{Ruleset, Terms};
use crate::stock::EntryIx;
use onrush_types::Timestamp;

/// Hours a node's next free place is searched for.
const SLOTS_TRIED_MAX: usize = 24;
const DAY_MS: u64 = 86_400_000;

/// Why a node is not a candidate for an order.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Excluded {
    /// The policy's filters leave it out.
    Filtered,
    /// The order was rejected by it, or the caller left it out.
    LeftOut,
    /// Its kind does not ship this delivery form.
    Kind,
    /// The order is collected elsewhere.
    NotChosen,
    /// It has none of the SKUs.
    NoStock,
    /// It has some, but safety stock and protection leave none.
    Protected {
        /// Units that are free there.
        free: u32,
        /// Units that must stay.
        floor: u32,
    },
    /// The channel's quota is used up.
    Quota,
    /// It is too far.
    TooFar {
        /// Road kilometres.
        km: f64,
        /// Farthest allowed.
        max_km: f64,
    },
    /// Its hours leave no time within the days that were compiled.
    Closed,
    /// Every slot before the order is due is full.
    Full,
    /// It accepts too few orders.
    Acceptance,
    /// It would arrive late too likely.
    Late {
        /// Confidence it would have.
        confidence: f64,
        /// How much later than due it would arrive on average; negative is earlier.
        late_ms: i64,
        /// How long before the order the node's cut-off passed, if that is what makes it late.
        cut_off_missed_ms: Option<u64>,
    },
}

/// What a node can do for an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) node: NodeIx,
    pub(crate) km: f64,
    /// Weighed cost of using the node.
    pub(crate) fixed: Cost,
    /// Weighed cost of a unit, without its opportunity price.
    pub(crate) unit: Cost,
    pub(crate) start: Timestamp,
    pub(crate) slot: Option<SlotIx>,
    pub(crate) due: Option<Timestamp>,
    pub(crate) accept: f64,
    pub(crate) on_time: f64,
}

/// A node's stock for one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineOffer {
    pub(crate) entry: EntryIx,
    pub(crate) available: u32,
    /// Weighed cost of a unit, opportunity price included.
    pub(crate) unit: Cost,
}

impl LineOffer {
    const NONE: LineOffer =
        LineOffer { entry: EntryIx(u32::MAX), available: 0, unit: Cost::MAX_RATE };
}

/// Looks at nodes on behalf of one order.
pub(crate) struct Desk<'a> {
    pub(crate) network: &'a Network,
    pub(crate) rules: &'a Ruleset,
    pub(crate) order: &'a Order,
    pub(crate) terms: Terms<'a>,
    /// Where shipments go.
    pub(crate) to: Spot,
    pub(crate) max_chord2: f64,
    /// Nodes that must not ship.
    pub(crate) without: &'a [NodeIx],
    /// Units and slots that this order holds already.
    pub(crate) credit: Option<&'a Plan>,
    /// As if every node worked at once and nothing could be late: for counterfactuals and bounds.
    pub(crate) ignore_time: bool,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(network: &'a Network, rules: &'a Ruleset, order: &'a Order) -> Desk<'a> {
        let terms = rules.terms(order);
        let to = match order.pickup {
            Some(node) if order.delivery.is_collected() => network.spot(node),
            _ => order.destination.on_sphere(),
        };
        let max_chord2 = match rules.detour() {
            Some(detour) => km_to_chord2(terms.max_km / detour) * (1.0 + 1e-12),
            None => f64::INFINITY,
        };
        let (without, credit) = (&[][..], None);
        Desk { network, rules, order, terms, to, max_chord2, without, credit, ignore_time: false }
    }

    /// Ask a node; append its lines to `lines` when it offers any.
    pub(crate) fn ask(&self, node: NodeIx, lines: &mut Vec<LineOffer>) -> Result<Offer, Excluded> {
        self.ask_for(node, false, lines)
    }

    /// Ask a node, which counts as without stock when it must have every line and has not.
    pub(crate) fn ask_for(
        &self,
        node: NodeIx,
        everything: bool,
        lines: &mut Vec<LineOffer>,
    ) -> Result<Offer, Excluded> {
        self.check_rules(node)?;
        if self.to.chord2(self.network.spot(node)) > self.max_chord2 {
            let km = self.km(node);
            return Err(Excluded::TooFar { km, max_km: self.terms.max_km });
        }
        let start = lines.len();
        self.add_lines(node, everything, lines)?;
        self.finish(node, &mut lines[start..]).inspect_err(|_| lines.truncate(start))
    }

    fn check_rules(&self, node: NodeIx) -> Result<(), Excluded> {
        if !self.rules.is_allowed(node) {
            return Err(Excluded::Filtered);
        }
        if self.without.contains(&node) {
            return Err(Excluded::LeftOut);
        }
        let is_chosen = self.order.pickup == Some(node);
        if self.order.delivery == Delivery::Pickup
            && !is_chosen
            && !self.rules.policy().pickup_transfers
        {
            return Err(Excluded::NotChosen);
        }
        // A node's facts are a cache miss in a large network: read them only when they can decide.
        let every_kind = NodeKind::ALL.iter().fold(0, |set, kind| set | kind.bit());
        let kinds = self.terms.rule.kinds;
        if kinds != every_kind && kinds & self.network.node(node).kind.bit() == 0 {
            return Err(Excluded::Kind);
        }
        let least = self.rules.policy().filters.min_accept;
        if least > 0.0 && self.network.node(node).acceptance.estimate() < least {
            return Err(Excluded::Acceptance);
        }
        Ok(())
    }

    fn add_lines(
        &self,
        node: NodeIx,
        everything: bool,
        lines: &mut Vec<LineOffer>,
    ) -> Result<(), Excluded> {
        let start = lines.len();
        let mut why = Excluded::NoStock;
        for line in &self.order.lines {
            let offer = match self.network.entry_of(node, line.sku) {
                Some(entry) => self.line_offer(node, entry, line.units, &mut why),
                None => LineOffer::NONE,
            };
            if everything && offer.available < line.units {
                lines.truncate(start);
                return Err(Excluded::NoStock);
            }
            lines.push(offer);
        }
        if lines[start..].iter().all(|line| line.available == 0) {
            lines.truncate(start);
            return Err(why);
        }
        Ok(())
    }

    fn line_offer(&self, node: NodeIx, ix: EntryIx, units: u32, why: &mut Excluded) -> LineOffer {
        let entry = self.network.entry(ix);
        let floor = self.floor(node, entry.safety());
        let mut available = entry.available(floor);
        let credit = self.credit.map_or(0, |plan| {
            plan.picks.iter().filter(|pick| pick.entry == ix).map(|pick| pick.units).sum()
        });
        available += credit;
        if available == 0 {
            let free = entry.available(0);
            if free > 0 {
                *why = Excluded::Protected { free, floor };
            }
            return LineOffer::NONE;
        }
        let quota = self.order.channel.and_then(|channel| self.network.quota(ix, channel));
        if let Some(quota) = quota {
            available = available.min(quota.left() + credit);
            if available == 0 {
                *why = Excluded::Quota;
                return LineOffer::NONE;
            }
        }
        let unit = Cost(entry.price_micros());
        LineOffer { entry: ix, available: available.min(units), unit }
    }

    /// Units that must stay free at a node: none at the store that sold the order itself.
    pub(crate) fn floor(&self, node: NodeIx, safety: u32) -> u32 {
        if self.order.delivery == Delivery::InStoreHome && self.order.pickup == Some(node) {
            return 0;
        }
        if !self.rules.protects_any() {
            return safety;
        }
        safety.saturating_add(self.rules.protected(self.network.node(node).kind))
    }

    fn km(&self, node: NodeIx) -> f64 {
        if self.order.delivery.is_collected() && self.order.pickup == Some(node) {
            return 0.0;
        }
        self.rules.km(node, self.network.spot(node), self.to)
    }

    fn finish(&self, node: NodeIx, lines: &mut [LineOffer]) -> Result<Offer, Excluded> {
        let km = self.km(node);
        if km > self.terms.max_km {
            return Err(Excluded::TooFar { km, max_km: self.terms.max_km });
        }
        let (start, slot) = self.start(node, km)?;
        let due = self.due(node);
        let facts = self.network.node(node);
        let accept = facts.acceptance.estimate();
        let mut on_time = 1.0;
        if let (Some(due), false) = (due, self.ignore_time) {
            let arrival = self.arrival(node, start, km);
            on_time = arrival.on_time(due);
            if on_time * accept < self.terms.rule.min_confidence {
                return Err(self.late(node, start, arrival, due, on_time * accept));
            }
        }
        let costs = &self.rules.policy().costs;
        let weights = self.terms.weights;
        let unit = Cost::from_units(costs.per_unit + weights.distance * costs.per_unit_km * km);
        for line in lines.iter_mut().filter(|line| line.available > 0) {
            line.unit = (line.unit + unit).clamp_rate();
        }
        let offer = Offer { node, km, fixed: Cost::ZERO, unit, start, slot, due, accept, on_time };
        let fixed = self.fixed_terms(&offer).total().clamp_rate();
        Ok(Offer { fixed, ..offer })
    }

    /// The weighed terms that do not depend on units.
    pub(crate) fn fixed_terms(&self, offer: &Offer) -> crate::plan::TermCosts {
        let (costs, weights) = (&self.rules.policy().costs, self.terms.weights);
        let facts = self.network.node(offer.node);
        let slot = facts.capacity.as_ref().zip(offer.slot);
        crate::plan::TermCosts {
            shipment: Cost::from_units(weights.shipment * self.fixed_rate(offer.node)),
            handling: Cost::from_units(weights.handling * facts.handling_cost),
            lateness: Cost::from_units(
                weights.lateness * costs.per_late_shipment * (1.0 - offer.on_time),
            ),
            rejection: Cost::from_units(
                weights.rejection * costs.per_rejection * (1.0 - offer.accept),
            ),
            priority: self.rules.priority(offer.node),
            slot: slot.map_or(Cost::ZERO, |(capacity, slot)| Cost(capacity.price_micros(slot))),
            ..Default::default()
        }
    }

    /// The weighed cost of using a node without the opportunity price of its slot.
    pub(crate) fn unpriced_fixed(&self, offer: &Offer) -> Cost {
        let terms = self.fixed_terms(offer);
        (terms.total() - terms.slot).clamp_rate()
    }

    /// The cost of one shipment from a node: handing over at the chosen node ships nothing.
    pub(crate) fn fixed_rate(&self, node: NodeIx) -> f64 {
        let costs = &self.rules.policy().costs;
        let is_handover = self.order.delivery.is_collected() && self.order.pickup == Some(node);
        if is_handover { costs.fixed_per_pickup } else { costs.fixed_per_shipment }
    }

    /// The first instant and slot at which the node can prepare the order.
    fn start(&self, node: NodeIx, km: f64) -> Result<(Timestamp, Option<SlotIx>), Excluded> {
        if self.ignore_time {
            return Ok((self.order.begins(), None));
        }
        let facts = self.network.node(node);
        let calendar = self.network.calendar(node);
        let mut earliest = self.order.begins();
        if let Some(opens) = self.order.window_opens {
            let road_ms = self.arrival(node, Timestamp(0), km).mean_ms as u64;
            earliest = earliest.max(Timestamp(opens.0.saturating_sub(road_ms)));
        }
        let due = self.due(node);
        for _ in 0..SLOTS_TRIED_MAX {
            let start = match calendar {
                None => earliest,
                Some(calendar) => {
                    let found = calendar.start(self.order.begins(), earliest, facts.handling_ms);
                    found.ok_or(Excluded::Closed)?.0
                }
            };
            let Some(capacity) = &facts.capacity else { return Ok((start, None)) };
            let slot = SlotIx::of(start);
            if capacity.left(slot) > 0 || self.holds_slot(node, slot) {
                return Ok((start, Some(slot)));
            }
            earliest = slot.next().start();
            if due.is_some_and(|due| earliest > due) {
                break;
            }
        }
        Err(Excluded::Full)
    }

    fn holds_slot(&self, node: NodeIx, slot: SlotIx) -> bool {
        self.credit.is_some_and(|plan| {
            plan.shipments.iter().any(|held| held.node == node && held.slot == Some(slot))
        })
    }

    pub(crate) fn due(&self, node: NodeIx) -> Option<Timestamp> {
        let placed = self.order.placed;
        self.order.deadline.or_else(|| match self.terms.rule.due {
            Due::Given => None,
            Due::AfterMinutes(minutes) => {
                Some(placed + onrush_types::DurationMs::from_secs(u64::from(minutes) * 60))
            }
            Due::EndOfDay(days) => Some(match self.network.calendar(node) {
                Some(calendar) => calendar.end_of_day(placed, days).unwrap_or(placed),
                None => Timestamp((placed.0 / DAY_MS + 1 + u64::from(days)) * DAY_MS - 1),
            }),
        })
    }

    pub(crate) fn arrival(&self, node: NodeIx, start: Timestamp, km: f64) -> Arrival {
        let handling_ms = self.network.node(node).handling_ms as f64;
        let is_handover = self.order.delivery.is_collected() && self.order.pickup == Some(node);
        if is_handover {
            let sd_ms = self.terms.rule.spread * handling_ms;
            return Arrival { mean_ms: start.0 as f64 + handling_ms, sd_ms };
        }
        Arrival::estimate(self.terms.rule, start, handling_ms, km)
    }

    fn late(
        &self,
        node: NodeIx,
        start: Timestamp,
        arrival: Arrival,
        due: Timestamp,
        confidence: f64,
    ) -> Excluded {
        // The cut-off is to blame when the shift it closed was still open at the order's time.
        let ready = self.order.begins();
        let shift = self.network.calendar(node).and_then(|calendar| calendar.shift_at(ready));
        let missed = shift.filter(|s| s.opens <= ready && s.cut_off <= ready && start >= s.closes);
        Excluded::Late {
            confidence,
            late_ms: arrival.mean_ms as i64 - due.0 as i64,
            cut_off_missed_ms: missed.map(|shift| ready.0 - shift.cut_off.0),
        }
    }
}
