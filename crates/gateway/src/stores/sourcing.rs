//! From sold to planned, exactly once: follow what becomes durable, plan what is open, let the
//! ledger decide.
//!
//! A plan holds its units in the network from the moment it is made; the ledger's answer sells them
//! there or gives them back. A crash between sale and plan leaves a sold reservation without a plan
//! in the ledger, which the next start finds; a crash between the plan's record and its answer leaves
//! a planned one, which the next start finds planned.

use super::ask::{Wanted, in_units, order_of};
use super::follow::{News, follow, opened};
use super::image::{Image, OpenOrder, OpenOrders, OpenShipment};
use super::live::{Live, Net};
use super::note::note;
use super::pricing::{Pricing, Routed};
use super::worker::Ended;
use crate::wire::Details;
use onrush::ledger::{Change, Ledger, NodeChange, Planned, PlannedShipment};
use onrush::limits::PLANS_PER_RESERVATION_MAX;
use onrush::{
    Decision, Engine, EngineError, Events, EventsError, Lsn, NodeNo, Pending, Refusal, Reservation,
    ReservationSeq, SkuIx, State, Timestamp,
};
use onrush_router::node::NodeIx;
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::{Ask, Planner};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Orders planned between two looks at what became durable.
const BATCH_MAX: usize = 256;
/// Records followed between two batches of plans.
const RECORDS_MAX: usize = 8_192;
/// Reservations looked at in one go on the ledger's thread, at the start.
const SCAN: u32 = 50_000;
/// What no store could serve is tried again at least this often: hours, slots and stock change.
const RETRY_MS: u64 = 60_000;
/// Opening hours are compiled anew this long before they end.
const HOURS_LEFT_MS: u64 = 20 * 86_400_000;

/// Follows one engine.
pub(super) struct Sourcing<'a> {
    engine: &'a Engine,
    live: &'a Live,
    net: Arc<Net>,
    open: OpenOrders,
    events: Events,
    /// Records up to here are in the network already.
    built_at: Lsn,
    /// The last record read.
    followed: Lsn,
    stale: bool,
    /// A SKU came to stores that had none: what was sold of it before becomes orders too.
    rescan: bool,
    /// Sold reservations to look at.
    queue: VecDeque<ReservationSeq>,
    /// Sold reservations that no store could serve, by SKU.
    unrouted: BTreeMap<SkuIx, BTreeSet<u32>>,
    /// Of those, the ones whose plan the ledger refused since the last retry of all.
    refused: BTreeSet<u32>,
    retry_at: Timestamp,
    planner: Planner,
    pricing: Pricing,
}

/// What the ledger knows of an open order.
struct OpenAsk {
    seq: ReservationSeq,
    sku: SkuIx,
    units: u32,
    attempt: u16,
    /// Shipments planned before.
    planned: usize,
    refused_by: Vec<NodeNo>,
    details: Option<Box<[u8]>>,
    value: f64,
    placed: Timestamp,
}

/// A plan on its way to the ledger.
struct Proposed {
    ask: OpenAsk,
    order: Order,
    plan: Plan,
    channel: Option<Box<str>>,
    answer: Pending<Reservation>,
}

impl<'a> Sourcing<'a> {
    /// Build the network from the ledger and find what is sold and not planned.
    pub(super) fn open(engine: &'a Engine, live: &'a Live) -> Result<Sourcing<'a>, Ended> {
        let image = engine.inspect(Image::copy).wait()?;
        let built_at = image.lsn;
        let events = engine.events(built_at.next()).map_err(lost)?;
        let (net, open) = build(image, engine.now())?;
        let net = Arc::new(net);
        live.put(net.clone());
        let mut sourcing = Sourcing {
            engine,
            live,
            net,
            open,
            events,
            built_at,
            followed: built_at,
            stale: false,
            rescan: false,
            queue: VecDeque::new(),
            unrouted: BTreeMap::new(),
            refused: BTreeSet::new(),
            retry_at: engine.now(),
            planner: Planner::default(),
            pricing: Pricing::default(),
        };
        sourcing.find_unplanned()?;
        Ok(sourcing)
    }

    fn find_unplanned(&mut self) -> Result<(), Ended> {
        let mut from = 0;
        loop {
            let scan = self.engine.inspect(move |ledger| unplanned(ledger, from));
            let (found, next) = scan.wait()?;
            self.queue.extend(found);
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Follow what became durable, then plan a batch. Waits up to `idle` when there is nothing.
    pub(super) fn step(&mut self, idle: Duration) -> Result<(), Ended> {
        self.follow_records(if self.queue.is_empty() { idle } else { Duration::ZERO })?;
        let now = self.engine.now();
        if self.stale || self.net.hours_until.since(now).0 < HOURS_LEFT_MS {
            self.rebuild()?;
        }
        if now >= self.retry_at {
            self.retry_at = Timestamp(now.0 + RETRY_MS);
            self.refused.clear();
            self.retry_all();
        }
        self.plan_batch()
    }

    fn follow_records(&mut self, mut wait: Duration) -> Result<(), Ended> {
        let before = self.followed;
        for _ in 0..RECORDS_MAX {
            let Some((lsn, record)) = self.events.next(wait).map_err(lost)? else { break };
            (wait, self.followed) = (Duration::ZERO, lsn);
            if lsn <= self.built_at {
                continue;
            }
            self.rescan |= is_first_stock(&self.net, &record.change);
            match follow(&self.net, &mut self.open, &record.change) {
                News::None => {}
                News::Sold(seq) | News::Open(seq) => self.queue.push_back(seq),
                News::More(sku, units) => self.retry(sku, units as usize),
                News::Stale => self.stale = true,
            }
        }
        // An engine that failed writes no more records, and waiting for one returns at once.
        match self.engine.status().failed {
            Some(cause) if self.followed == before => {
                Err(EngineError::JournalFailed { cause }.into())
            }
            _ => Ok(()),
        }
    }

    /// Build the network anew. Records between the last one followed and the copy are read all the
    /// same, for the sales among them; what they change is in the copy.
    fn rebuild(&mut self) -> Result<(), Ended> {
        let image = self.engine.inspect(Image::copy).wait()?;
        let lsn = image.lsn;
        let (net, open) = build(image, self.engine.now())?;
        while self.followed < lsn {
            let next = self.events.next(Duration::ZERO).map_err(lost)?;
            let Some((at, record)) = next else {
                return Err(Ended::Lost("the journal is behind its ledger".to_owned()));
            };
            self.followed = at;
            self.rescan |= is_first_stock(&self.net, &record.change);
            match opened(&record.change) {
                News::Sold(seq) | News::Open(seq) => self.queue.push_back(seq),
                _ => {}
            }
        }
        self.net = Arc::new(net);
        self.live.put(self.net.clone());
        (self.open, self.built_at, self.stale) = (open, lsn, false);
        self.retry_all();
        if std::mem::take(&mut self.rescan) { self.find_unplanned() } else { Ok(()) }
    }

    fn retry(&mut self, sku: SkuIx, most: usize) {
        let Some(waiting) = self.unrouted.get_mut(&sku) else { return };
        for _ in 0..most {
            let Some(seq) = waiting.pop_first() else { break };
            self.queue.push_back(ReservationSeq(seq));
        }
    }

    fn retry_all(&mut self) {
        for (_, waiting) in std::mem::take(&mut self.unrouted) {
            self.queue.extend(waiting.into_iter().map(ReservationSeq));
        }
    }

    fn plan_batch(&mut self) -> Result<(), Ended> {
        let count = self.queue.len().min(BATCH_MAX);
        if count == 0 {
            return Ok(());
        }
        let batch: Vec<_> = self.queue.drain(..count).collect();
        let look = self.engine.inspect(move |ledger| open_asks(ledger, &batch));
        let asks = look.wait()?;
        let mut proposed: Vec<Proposed> = Vec::with_capacity(asks.len());
        for ask in asks {
            match self.propose(ask) {
                Ok(plan) => proposed.push(plan),
                Err(ask) => {
                    self.unrouted.entry(ask.sku).or_default().insert(ask.seq.0);
                }
            }
        }
        for proposal in proposed {
            self.land(proposal)?;
        }
        Ok(())
    }

    /// Plan an open order and hold its units; give the ask back when no stores serve all of it.
    fn propose(&mut self, ask: OpenAsk) -> Result<Proposed, OpenAsk> {
        let net = self.net.clone();
        let now = self.engine.now();
        let (sku, units, value) = (ask.sku, ask.units, ask.value);
        let details = ask.details.as_deref().map(Details::decode);
        let details = match details {
            None => Details::default(),
            Some(Ok(details)) => details,
            Some(Err(_)) => return Err(ask),
        };
        let without: Vec<NodeIx> = ask.refused_by.iter().filter_map(|&n| net.node(n)).collect();
        // What was promised with the hold, and where nobody can keep that any more, what can be kept.
        let planned = [ask.placed, now].into_iter().find_map(|placed| {
            let wanted = Wanted { sku, units, value, placed, ready: now };
            let order = order_of(&net, &wanted, &details).ok()?;
            let mut plan = Plan::default();
            let why = self.planner.on(&net.network, &net.rules, |router| {
                router.plan_with(&order, Ask { without: &without, credit: None }, &mut plan);
                let whole = plan.unfilled.is_empty() && !plan.shipments.is_empty();
                whole.then(|| router.explain(&order, &plan))
            });
            why.map(|why| (order, plan, why))
        });
        let Some((order, plan, why)) = planned else { return Err(ask) };
        let channel = details.attribution.and_then(|by| by.channel).map(|c| Box::from(&*c));
        let note = note(&net, &plan, &why);
        if net.network.hold(&plan).is_err() {
            return Err(ask);
        }
        let shipments = plan.shipments.iter().map(|shipment| PlannedShipment {
            node: net.number(shipment.node),
            units: plan.picks_of(shipment).iter().map(|pick| pick.units).sum(),
            promise_at: shipment.promise.at,
            sure: (shipment.promise.confidence.clamp(0.0, 1.0) * 1e4).round() as u16,
        });
        let planned = Planned {
            seq: ask.seq,
            attempt: ask.attempt + 1,
            shipments: shipments.collect(),
            note: note.into(),
        };
        let answer = self.engine.plan(planned);
        Ok(Proposed { ask, order, plan, channel, answer })
    }

    /// Take the ledger's answer to a plan.
    fn land(&mut self, proposed: Proposed) -> Result<(), Ended> {
        let Proposed { ask, order, plan, channel, answer } = proposed;
        match answer.wait()? {
            Decision::Done(_) => {
                self.net.network.confirm(&plan);
                let shipments =
                    plan.shipments.iter().enumerate().map(|(n, shipment)| OpenShipment {
                        place: (ask.planned + n) as u8,
                        node: self.net.number(shipment.node),
                        units: plan.picks_of(shipment).iter().map(|pick| pick.units).sum(),
                        slot: shipment.slot,
                        left: false,
                    });
                let shipments: Vec<OpenShipment> = shipments.collect();
                let open = self.open.entry(ask.seq.0).or_insert_with(|| OpenOrder {
                    sku: ask.sku,
                    attempt: 0,
                    channel,
                    shipments: Vec::new(),
                });
                open.attempt = ask.attempt + 1;
                open.shipments.extend(shipments);
                let OpenAsk { sku, units, value, details, .. } = ask;
                let (placed, ready) = (order.placed, order.begins());
                let wanted = Wanted { sku, units, value, placed, ready };
                let net = self.net.clone();
                self.pricing.observe(Routed { net, wanted, details, order, plan });
            }
            // Planned already, or cancelled meanwhile.
            Decision::Already(_) => self.net.network.give_back(&plan),
            Decision::Refused(refusal) => {
                self.net.network.give_back(&plan);
                return self.refused(&ask, &refusal);
            }
        }
        Ok(())
    }

    /// The ledger knew better: the network is built anew and the order planned again, once before
    /// the next retry of all.
    fn refused(&mut self, ask: &OpenAsk, refusal: &Refusal) -> Result<(), Ended> {
        tracing::debug!(%refusal, seq = ask.seq.0, "a plan was refused");
        match refusal {
            Refusal::Stopping => return Err(EngineError::Stopped.into()),
            Refusal::Overloaded { .. } => self.queue.push_back(ask.seq),
            Refusal::AlreadyFinal | Refusal::NotFound => {}
            _ => {
                self.unrouted.entry(ask.sku).or_default().insert(ask.seq.0);
                let full = matches!(refusal, Refusal::DiskFull);
                self.stale |= !full && self.refused.insert(ask.seq.0);
            }
        }
        Ok(())
    }
}

fn build(image: Image, now: Timestamp) -> Result<(Net, OpenOrders), Ended> {
    image.build(now).map_err(|error| Ended::Lost(error.to_string()))
}

fn lost(error: EventsError) -> Ended {
    Ended::Lost(error.to_string())
}

fn is_first_stock(net: &Net, change: &Change) -> bool {
    match change {
        Change::Nodes(change) => match &**change {
            NodeChange::Stock(moved) => net.sku(moved.sku).is_none(),
            _ => false,
        },
        _ => false,
    }
}

/// Return sold reservations that no plan covers, from `from` on, and where to go on.
fn unplanned(ledger: &Ledger, from: u32) -> (Vec<ReservationSeq>, Option<u32>) {
    let all = ledger.reservation_count();
    let end = all.min(from.saturating_add(SCAN));
    let open = (from..end).map(ReservationSeq).filter(|&seq| is_open(ledger, seq));
    (open.collect(), (end < all).then_some(end))
}

/// Tell whether part of a reservation is sold, for stores to serve, and has no plan.
pub(super) fn is_open(ledger: &Ledger, seq: ReservationSeq) -> bool {
    ledger.reservation(seq).is_some_and(|r| r.state == State::Sold && ledger.is_routed(r.sku))
        && ledger.open_units(seq) > 0
}

fn open_asks(ledger: &Ledger, batch: &[ReservationSeq]) -> Vec<OpenAsk> {
    let mut seen = BTreeSet::new();
    let ask = |&seq: &ReservationSeq| {
        let order = ledger.order(seq);
        let attempt = order.map_or(0, |order| order.attempt);
        if !is_open(ledger, seq) || attempt >= PLANS_PER_RESERVATION_MAX || !seen.insert(seq) {
            return None;
        }
        let r = ledger.reservation(seq)?;
        let shipments = order.map_or(&[][..], |order| &order.shipments);
        let refused = shipments.iter().filter(|s| s.state.is_rejected());
        Some(OpenAsk {
            seq,
            sku: r.sku,
            units: ledger.open_units(seq),
            attempt,
            planned: shipments.len(),
            refused_by: refused.map(|s| s.planned.node).collect(),
            details: ledger.details(seq).map(Into::into),
            value: in_units(r.amount),
            placed: ledger.held_at(seq)?,
        })
    };
    batch.iter().filter_map(ask).collect()
}
