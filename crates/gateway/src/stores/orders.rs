//! `/admin/v1/orders`: what sales became at stores, why, and what stores do with them.

use super::Stores;
use super::ask::{Wanted, in_units, order_of};
use super::live::{Net, with_planner};
use super::nodes::{granted, later, ok};
use super::query::Query;
use crate::admin::{by, checked_reason};
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{Details, format_timestamp, read_json};
use onrush::ledger::{Ledger, OrderState, Reason, ShipmentState};
use onrush::{By, Engine, NodeNo, ReservationSeq, SkuIx, State, Timestamp};
use onrush_router::Ask as Limits;
use onrush_router::explain::Language;
use onrush_router::plan::Plan;
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;

const PAGE_MAX: u32 = 500;
const PAGE_DEFAULT: u32 = 100;
/// Reservations looked at for one page: about a millisecond of the ledger's time.
const SCAN_MAX: u32 = 100_000;

/// Which orders a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    All,
    Unrouted,
    Assigned,
    HandedOver,
    Cancelled,
}

impl Stage {
    fn read(text: Option<&str>) -> Result<Stage, Problem> {
        match text {
            None | Some("all") => Ok(Stage::All),
            Some("unrouted") => Ok(Stage::Unrouted),
            Some("assigned") => Ok(Stage::Assigned),
            Some("handed_over") => Ok(Stage::HandedOver),
            Some("cancelled") => Ok(Stage::Cancelled),
            Some(_) => Err(Problem::invalid(
                "state: one of \"all\", \"unrouted\", \"assigned\", \"handed_over\" and \
                 \"cancelled\"",
            )),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Stage::All => "all",
            Stage::Unrouted => "unrouted",
            Stage::Assigned => "assigned",
            Stage::HandedOver => "handed_over",
            Stage::Cancelled => "cancelled",
        }
    }

    /// Where an order stands: what is open comes first, then what waits at a store.
    fn of(state: State, open: u32, order: Option<&OrderState>) -> Stage {
        let shipments = order.map_or(&[][..], |order| &order.shipments);
        match state {
            State::Cancelled => Stage::Cancelled,
            _ if open > 0 => Stage::Unrouted,
            _ if shipments.iter().any(|s| s.state == ShipmentState::Assigned) => Stage::Assigned,
            _ => Stage::HandedOver,
        }
    }
}

/// What was copied of an order.
#[derive(Clone, Debug)]
pub(super) struct OrderRow {
    pub(super) seq: ReservationSeq,
    campaign: String,
    sku_name: String,
    sku: SkuIx,
    quantity: u32,
    pub(super) state: State,
    pub(super) value: f64,
    pub(super) held_at: Timestamp,
    pub(super) open: u32,
    pub(super) order: Option<OrderState>,
    pub(super) details: Option<Box<[u8]>>,
    /// Names of its stores.
    names: Vec<(NodeNo, Box<str>)>,
}

impl OrderRow {
    pub(super) fn of(ledger: &Ledger, seq: ReservationSeq) -> Option<OrderRow> {
        let r = ledger.reservation(seq)?;
        let sku = ledger.skus().get(r.sku.index())?;
        let order = ledger.order(seq).cloned();
        let shipments = order.as_ref().map_or(&[][..], |order| &order.shipments);
        let name = |node: NodeNo| Some((node, ledger.nodes().get(node.index())?.name.clone()));
        Some(OrderRow {
            seq,
            campaign: ledger.campaigns().get(sku.campaign.index())?.name.to_string(),
            sku_name: sku.name.to_string(),
            sku: r.sku,
            quantity: r.quantity.get(),
            state: r.state,
            value: in_units(r.amount),
            held_at: ledger.held_at(seq)?,
            open: ledger.open_units(seq),
            names: shipments.iter().filter_map(|s| name(s.planned.node)).collect(),
            details: ledger.details(seq).map(Into::into),
            order,
        })
    }

    fn is_order(ledger: &Ledger, seq: ReservationSeq) -> bool {
        ledger.reservation(seq).is_some_and(|r| match r.state {
            State::Sold => ledger.is_routed(r.sku),
            State::Cancelled => ledger.order(seq).is_some(),
            _ => false,
        })
    }

    fn stage(&self) -> Stage {
        Stage::of(self.state, self.open, self.order.as_ref())
    }

    fn name(&self, node: NodeNo) -> &str {
        self.names.iter().find(|(have, _)| *have == node).map_or("", |(_, name)| name)
    }

    /// Write its shipments.
    pub(super) fn shipments(&self) -> Vec<Value> {
        let shipments = self.order.as_ref().map_or(&[][..], |order| &order.shipments);
        let row = |s: &onrush::ledger::Shipment| {
            value!({
                "node": self.name(s.planned.node), "quantity": s.planned.units,
                "state": s.state.as_str(), "since": format_timestamp(s.since),
                "at": format_timestamp(s.planned.promise_at),
                "confidence": f64::from(s.planned.sure) / 1e4, "attempt": s.attempt,
            })
        };
        shipments.iter().map(row).collect()
    }

    fn value(&self, engine: &Engine) -> Value {
        let details = self.details.as_deref().and_then(|d| serde_json::from_slice(d).ok());
        let details: Value = details.unwrap_or_default();
        let order = self.order.as_ref();
        let collected = order.map(|order| order.collected_at).filter(|at| *at != Timestamp(0));
        value!({
            "id": engine.id_of(self.seq).as_str(), "seq": self.seq.0,
            "campaign": self.campaign, "sku": self.sku_name, "quantity": self.quantity,
            "state": self.stage().as_str(), "open": self.open,
            "delivery": details["delivery"], "pickup_node": details["pickup_node"],
            "window": details["window"], "channel": details["attribution"]["channel"],
            "plans": order.map_or(0, |order| order.attempt),
            "shipments": self.shipments(),
            "collected_at": collected.map(format_timestamp),
        })
    }

    /// Tell why it is where it is, or why no store has it.
    fn why(&self, net: Option<&Net>, now: Timestamp) -> Value {
        if self.open > 0 && self.state == State::Sold {
            return net.map_or(Value::Null, |net| self.why_open(net, now));
        }
        let note = self.order.as_ref().map(|order| &*order.note);
        note.and_then(|note| serde_json::from_slice(note).ok()).unwrap_or_default()
    }

    fn why_open(&self, net: &Net, now: Timestamp) -> Value {
        let details = match self.details.as_deref().map(Details::decode) {
            None => Details::default(),
            Some(Ok(details)) => details,
            Some(Err(_)) => return value!({"problem": "its details cannot be read"}),
        };
        let (sku, units, value) = (self.sku, self.open, self.value);
        let wanted = Wanted { sku, units, value, placed: self.held_at, ready: now };
        let order = match order_of(net, &wanted, &details) {
            Err(problem) => return value!({"problem": problem.to_string()}),
            Ok(order) => order,
        };
        let rejected = self.order.iter().flat_map(|order| &order.shipments);
        let rejected = rejected.filter(|s| s.state.is_rejected());
        let without: Vec<_> = rejected.filter_map(|s| net.node(s.planned.node)).collect();
        let mut plan = Plan::default();
        let why = with_planner(|planner| {
            planner.on(&net.network, &net.rules, |router| {
                router.plan_with(&order, Limits { without: &without, credit: None }, &mut plan);
                router.explain(&order, &plan)
            })
        });
        let refused: Vec<&str> = without.iter().map(|&node| net.name(node)).collect();
        value!({
            "problem": "no stores that may serve it have all of it in time",
            "refused_by": refused,
            "en": why.sentences(&net.network, &plan, Language::English),
            "zh": why.sentences(&net.network, &plan, Language::Chinese),
        })
    }
}

/// `POST /admin/v1/orders/{id}/reject` and `/dispatch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeBody<'a> {
    /// Which store.
    #[serde(borrow)]
    node: Cow<'a, str>,
    /// Why it refuses: `not_in_stock`, `damaged` or `too_busy`.
    #[serde(borrow, default)]
    why: Option<Cow<'a, str>>,
    /// For the audit.
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

/// `POST /admin/v1/orders/{id}/collect`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectBody<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

impl Gateway {
    pub(crate) fn list_orders(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        self.authorised_any(ask, now, &[Scope::Confirm, Scope::View])?;
        let query = Query::read(ask.query, &["after", "limit", "state"])?;
        let wanted = Stage::read(query.get("state"))?;
        let first = query.number("after", u32::MAX - 1)?.map_or(0, |after| after + 1);
        let limit = query.number("limit", PAGE_MAX)?.unwrap_or(PAGE_DEFAULT).max(1) as usize;
        let rows = self.engine.inspect(move |ledger| page(ledger, first, limit, wanted));
        let engine = self.engine.clone();
        Ok(later(Route::AdminOrders, async move {
            let (rows, next) = rows.await.map_err(|error| Problem::of_error(&error))?;
            let rows: Vec<Value> = rows.iter().map(|row| row.value(&engine)).collect();
            Ok(ok(Route::AdminOrders, &value!({"orders": rows, "next_after": next})))
        }))
    }

    pub(crate) fn show_order(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised_any(ask, now, &[Scope::Confirm, Scope::View])?;
        let language = Query::read(ask.query, &["lang"])?;
        let language = match language.get("lang") {
            None => None,
            Some("en") => Some("en"),
            Some("zh") => Some("zh"),
            Some(_) => return Err(Problem::invalid("lang: \"en\" or \"zh\"")),
        };
        let seq = self.engine.seq_of(id).ok_or_else(Problem::not_found)?;
        let engine = self.engine.clone();
        self.stores.wake(&engine);
        let net = self.stores.net();
        let row = order_row(&engine, seq);
        Ok(later(Route::AdminOrder, async move {
            let row = row.await.map_err(|error| Problem::of_error(&error))?;
            let row = row.ok_or_else(Problem::not_found)?;
            let mut body = row.value(&engine);
            let why = row.why(net.as_deref(), now);
            body["why"] = match language {
                Some(language) if why[language].is_array() => why[language].clone(),
                _ => why,
            };
            Ok(ok(Route::AdminOrder, &body))
        }))
    }

    pub(crate) fn reject_order(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: NodeBody<'_> = read_json(ask.headers, ask.body)?;
        let why = body.why.as_deref().unwrap_or_default();
        let why = Reason::ALL.into_iter().find(|reason| reason.as_str() == why);
        let why = why.ok_or_else(|| {
            Problem::invalid("why: one of \"not_in_stock\", \"damaged\" and \"too_busy\"")
        })?;
        let act = move |engine: &Engine, seq, node, by| engine.reject(seq, node, why, by);
        self.at_store(Route::AdminReject, id, ask, now, &body, act)
    }

    pub(crate) fn dispatch_order(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: NodeBody<'_> = read_json(ask.headers, ask.body)?;
        if body.why.is_some() {
            return Err(Problem::invalid("why: only a rejection has one"));
        }
        let act = |engine: &Engine, seq, node, by| engine.dispatch(seq, node, by);
        self.at_store(Route::AdminDispatch, id, ask, now, &body, act)
    }

    fn at_store(
        &self,
        route: Route,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        body: &NodeBody<'_>,
        act: impl FnOnce(&Engine, ReservationSeq, NodeNo, By) -> onrush::Pending<onrush::Reservation>
        + Send
        + 'static,
    ) -> Result<Reply, Problem> {
        let said = body.reason.as_deref().map(checked_reason).transpose()?;
        let reason = said.unwrap_or("said by the store").to_owned();
        let by = by(&*self.authorised_any(ask, now, &[Scope::Confirm, Scope::Operate])?, &reason);
        let seq = self.engine.seq_of(id).ok_or_else(Problem::not_found)?;
        let name = body.node.to_string();
        let number = self.engine.inspect(move |ledger| ledger.node_named(&name));
        let engine = self.engine.clone();
        Ok(later(route, async move {
            let number = number.await.map_err(|error| Problem::of_error(&error))?;
            let number = number.ok_or_else(Problem::not_found)?;
            granted(act(&engine, seq, number, by).await)?;
            answer_order(route, &engine, seq).await
        }))
    }

    pub(crate) fn collect_order(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: CollectBody<'_> = read_json(ask.headers, ask.body)?;
        let said = body.reason.as_deref().map(checked_reason).transpose()?;
        let by = by(
            &*self.authorised_any(ask, now, &[Scope::Confirm, Scope::Operate])?,
            said.unwrap_or("collected with the code"),
        );
        let seq = self.engine.seq_of(id).ok_or_else(Problem::not_found)?;
        if !self.stores.codes.fits(seq, &body.code) {
            return Err(Problem::invalid("code: not this order's; read it again from the buyer"));
        }
        let collect = self.engine.collect(seq, by);
        let engine = self.engine.clone();
        Ok(later(Route::AdminCollect, async move {
            granted(collect.await)?;
            answer_order(Route::AdminCollect, &engine, seq).await
        }))
    }
}

impl Stores {
    /// Return the code that the buyer shows.
    pub(super) fn code_of(&self, seq: ReservationSeq) -> String {
        self.codes.of(seq)
    }
}

fn order_row(engine: &Engine, seq: ReservationSeq) -> onrush::Inspect<Option<OrderRow>> {
    engine.inspect(move |ledger| {
        let is_order = OrderRow::is_order(ledger, seq);
        is_order.then(|| OrderRow::of(ledger, seq)).flatten()
    })
}

async fn answer_order(
    route: Route,
    engine: &Engine,
    seq: ReservationSeq,
) -> Result<crate::answer::Answer, Problem> {
    let row = order_row(engine, seq).await.map_err(|error| Problem::of_error(&error))?;
    let row = row.ok_or_else(Problem::not_found)?;
    Ok(ok(route, &row.value(engine)))
}

fn page(ledger: &Ledger, first: u32, limit: usize, wanted: Stage) -> (Vec<OrderRow>, Option<u32>) {
    let all = ledger.reservation_count();
    let last = all.min(first.saturating_add(SCAN_MAX));
    let mut rows = Vec::new();
    let mut seen = first;
    while seen < last && rows.len() < limit {
        let seq = ReservationSeq(seen);
        seen += 1;
        if !OrderRow::is_order(ledger, seq) {
            continue;
        }
        let row = OrderRow::of(ledger, seq);
        rows.extend(row.filter(|row| wanted == Stage::All || row.stage() == wanted));
    }
    (rows, (seen < all).then(|| seen.saturating_sub(1)))
}
