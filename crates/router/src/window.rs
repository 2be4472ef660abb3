//! The hold window: held plans wait a while and are improved together before they are picked.
//!
//! Two moves, both only when the sum of weighed costs falls. *Alone*: an order is decided anew with its
//! own units counted as free. *In pairs*: an order that would do better with units that another one
//! holds takes them, when the other, decided anew with what is left, loses less than the first gains.
//! New units are taken before old ones are given back, so a window never gets worse, whatever other
//! threads do meanwhile.

use crate::cost::Cost;
use crate::network::Network;
use crate::order::Order;
use crate::plan::{Pick, Plan, Shipment};
use crate::router::{Ask, Router};

/// Plans of one window whose units an order may look at; a larger window is improved in parts.
const PARTNERS_MAX: usize = 64;
/// Orders one order tries to exchange with in a round.
const EXCHANGES_MAX: usize = 4;

/// An order in its hold window: held, not yet confirmed.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The order.
    pub order: Order,
    /// Its held plan.
    pub plan: Plan,
}

/// Improve held plans while they wait; return by how much the sum of weighed costs fell.
///
/// Orders of higher priority first; rounds repeat until none moves, at most `rounds`. Never worse. A
/// round costs up to two decisions an order, and two more for each exchange that is tried.
pub fn improve(router: &mut Router<'_>, window: &mut [Waiting], rounds: usize) -> Cost {
    let mut order: Vec<usize> = (0..window.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(window[at].order.priority), at));
    let mut saved = Cost::ZERO;
    for _ in 0..rounds {
        let before = saved;
        for &at in &order {
            saved += alone(router, &mut window[at]);
        }
        for part in order.chunks(PARTNERS_MAX) {
            for &at in part {
                saved += exchange(router, window, part, at);
            }
        }
        if saved == before {
            break;
        }
    }
    saved
}

/// Decide one order anew with its own units counted as free.
fn alone(router: &mut Router<'_>, waiting: &mut Waiting) -> Cost {
    let mut fresh = Plan::default();
    let ask = Ask { without: &[], credit: Some(&waiting.plan) };
    router.plan_with(&waiting.order, ask, &mut fresh);
    // Price moves since the old plan was made must not look like savings.
    let now = reweigh(router.network(), &waiting.plan);
    if fresh.weighed >= now || !swap(router.network(), &waiting.plan, &fresh) {
        return Cost::ZERO;
    }
    waiting.plan = fresh;
    now - waiting.plan.weighed
}

/// Let one order take units that others of its part of the window hold, when both together gain.
fn exchange(router: &mut Router<'_>, window: &mut [Waiting], part: &[usize], at: usize) -> Cost {
    let network = router.network();
    // Quotas belong to a channel: units change hands within one only.
    let mine = |other: usize| other != at && window[other].plan.channel == window[at].plan.channel;
    let others: Vec<usize> = part.iter().copied().filter(|&other| mine(other)).collect();
    let all = others.iter().fold(window[at].plan.clone(), |all, &o| join(&all, &window[o].plan));
    let now = reweigh(network, &window[at].plan);
    let mut wish = Plan::default();
    let ask = Ask { without: &[], credit: Some(&all) };
    router.plan_with(&window[at].order, ask, &mut wish);
    if wish.weighed >= now {
        return Cost::ZERO;
    }
    let holds_wished = |other: &&usize| {
        let theirs = &window[**other].plan;
        let is_wished = |pick: &Pick| wish.picks.iter().any(|wished| wished.entry == pick.entry);
        let same_slot = |s: &Shipment| {
            s.slot.is_some() && wish.shipments.iter().any(|w| (w.node, w.slot) == (s.node, s.slot))
        };
        theirs.picks.iter().any(is_wished) || theirs.shipments.iter().any(same_slot)
    };
    let partners: Vec<usize> = others.iter().filter(holds_wished).copied().collect();
    for &other in partners.iter().take(EXCHANGES_MAX) {
        let saved = trade(router, window, at, other);
        if saved > Cost::ZERO {
            return saved;
        }
    }
    Cost::ZERO
}

/// Decide two orders anew, the first one first, with the units of both; move when their sum falls.
fn trade(router: &mut Router<'_>, window: &mut [Waiting], first: usize, second: usize) -> Cost {
    let network = router.network();
    let both = join(&window[first].plan, &window[second].plan);
    let (mut a, mut b) = (Plan::default(), Plan::default());
    router.plan_with(&window[first].order, Ask { without: &[], credit: Some(&both) }, &mut a);
    // What the first takes beyond the two old plans must be free; what is left of them is credit.
    let more = beyond(&a, &both);
    if network.hold(&more).is_err() {
        return Cost::ZERO;
    }
    let rest = beyond(&both, &a);
    router.plan_with(&window[second].order, Ask { without: &[], credit: Some(&rest) }, &mut b);
    let now = reweigh(network, &window[first].plan) + reweigh(network, &window[second].plan);
    let then = a.weighed + b.weighed;
    if then >= now || !swap(network, &rest, &b) {
        network.give_back(&more);
        return Cost::ZERO;
    }
    window[first].plan = a;
    window[second].plan = b;
    now - then
}

/// Both plans' units and slots as one.
fn join(a: &Plan, b: &Plan) -> Plan {
    Plan {
        picks: a.picks.iter().chain(&b.picks).copied().collect(),
        shipments: a.shipments.iter().chain(&b.shipments).cloned().collect(),
        channel: a.channel,
        ..Plan::default()
    }
}

/// Return a plan's weighed cost under the opportunity prices of now.
fn reweigh(network: &Network, plan: &Plan) -> Cost {
    let mut total = plan.weighed;
    for shipment in &plan.shipments {
        total = total - shipment.terms.opportunity - shipment.terms.slot;
        for pick in plan.picks_of(shipment) {
            total += Cost(network.entry(pick.entry).price_micros()) * pick.units;
        }
        let capacity = network.node(shipment.node).capacity.as_ref();
        if let Some((capacity, slot)) = capacity.zip(shipment.slot) {
            total += Cost(capacity.price_micros(slot));
        }
    }
    total
}

/// Hold what `new` has beyond `old`, then give back what `old` has beyond `new`.
fn swap(network: &Network, old: &Plan, new: &Plan) -> bool {
    let more = beyond(new, old);
    let less = beyond(old, new);
    if network.hold(&more).is_err() {
        return false;
    }
    network.give_back(&less);
    true
}

/// The units and slots that `a` takes and `b` does not, counted.
fn beyond(a: &Plan, b: &Plan) -> Plan {
    let mut theirs: Vec<Pick> = b.picks.clone();
    let picks = a.picks.iter().filter_map(|pick| {
        let mut units = pick.units;
        for same in theirs.iter_mut().filter(|other| other.entry == pick.entry) {
            let shared = units.min(same.units);
            (units, same.units) = (units - shared, same.units - shared);
        }
        (units > 0).then_some(Pick { units, ..*pick })
    });
    let picks = picks.collect();
    let mut places: Vec<&Shipment> = b.shipments.iter().filter(|s| s.slot.is_some()).collect();
    let mut is_beyond = |shipment: &&Shipment| {
        let same = |other: &&Shipment| (other.node, other.slot) == (shipment.node, shipment.slot);
        match places.iter().position(same) {
            Some(at) => {
                places.swap_remove(at);
                false
            }
            None => shipment.slot.is_some(),
        }
    };
    let shipments = a.shipments.iter().filter(|shipment| is_beyond(shipment)).cloned().collect();
    Plan { picks, shipments, channel: a.channel, ..Plan::default() }
}
