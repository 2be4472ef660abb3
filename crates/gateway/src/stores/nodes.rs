//! `/admin/v1/nodes`: stores, what is kept with them, what they have.

use super::columns::{attributes_of, cells_of, cells_of_json};
use super::import::{self, Targets};
use super::query::{Query, decoded};
use super::{Later, Stores};
use crate::admin::{by, checked_reason};
use crate::answer::Answer;
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::Waiting;
use crate::wire::{json, read_json};
use http::StatusCode;
use onrush::ledger::{Ledger, NodeStock, StockHow};
use onrush::{Decision, NodeNo, SkuIx, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json as value};
use std::borrow::Cow;
use std::sync::Arc;

/// Entries of one page.
const PAGE_MAX: u32 = 500;
const PAGE_DEFAULT: u32 = 100;

/// `POST /admin/v1/nodes/{node}/stock`: a change, or a count.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StockBody<'a> {
    #[serde(borrow)]
    campaign: Cow<'a, str>,
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(default)]
    quantity: Option<i64>,
    #[serde(default)]
    on_hand: Option<u32>,
    #[serde(default)]
    safety_stock: Option<u32>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl StockBody<'_> {
    fn how(&self) -> Result<StockHow, Problem> {
        match (self.quantity, self.on_hand) {
            (Some(0), None) => Err(Problem::invalid("quantity: must not be zero")),
            (Some(units), None) if self.safety_stock.is_none() => Ok(StockHow::Add(units)),
            (None, Some(on_hand)) => {
                let safety = self.safety_stock.unwrap_or(0);
                Ok(StockHow::Count { on_hand, safety, attributes: "".into() })
            }
            _ => Err(Problem::invalid(
                "give `quantity` (a change; negative takes away), or `on_hand` with an optional \
                 `safety_stock` (a count)",
            )),
        }
    }
}

pub(super) fn later(
    route: Route,
    steps: impl Future<Output = Result<Answer, Problem>> + Send + 'static,
) -> Reply {
    Reply::Wait(Waiting::later(route, Later::new(steps)))
}

/// Turn a decision into what was done, or the problem.
pub(super) fn granted<T>(decided: Result<Decision<T>, onrush::EngineError>) -> Result<T, Problem> {
    match decided.map_err(|error| Problem::of_error(&error))? {
        Decision::Done(value) | Decision::Already(value) => Ok(value),
        Decision::Refused(refusal) => Err(Problem::of_refusal(refusal)),
    }
}

pub(super) fn ok(route: Route, body: &Value) -> Answer {
    Answer::json(StatusCode::OK, route, json(body))
}

impl Gateway {
    pub(crate) fn put_node(
        &self,
        node: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let mut body: Map<String, Value> = read_json(ask.headers, ask.body)?;
        let name = decoded(node)?;
        let reason = match body.remove("reason") {
            None => "put".to_owned(),
            Some(Value::String(reason)) => checked_reason(&reason)?.to_owned(),
            Some(_) => return Err(Problem::invalid("reason: a text")),
        };
        let cells = cells_of_json(&name, &body).map_err(Problem::invalid)?;
        let by = by(&*self.authorised(ask, now, Scope::Admin)?, &reason);
        let put = self.engine.put_node(&name, &attributes_of(&cells), by);
        let (engine, stores) = (self.engine.clone(), self.stores.clone());
        Ok(later(Route::AdminNodePut, async move {
            let number = granted(put.await)?;
            stores.wake(&engine);
            Ok(ok(Route::AdminNodePut, &value!({"node": name, "number": number.0})))
        }))
    }

    pub(crate) fn import_nodes(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        import::check_media(ask.headers)?;
        let skip_bad = Query::read(ask.query, &["skip_bad"])?.flag("skip_bad")?;
        let file = import::nodes(ask.body)?;
        let by = by(&*self.authorised(ask, now, Scope::Admin)?, "import of nodes");
        let (engine, stores) = (self.engine.clone(), self.stores.clone());
        let steps = import::import_nodes(engine, stores, file, skip_bad, by);
        Ok(later(Route::AdminNodesImport, steps))
    }

    pub(crate) fn import_stock(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        import::check_media(ask.headers)?;
        let skip_bad = Query::read(ask.query, &["skip_bad"])?.flag("skip_bad")?;
        let file = import::stock(ask.body)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, "import of stock");
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let skus = campaign.skus().map(|sku| (sku.name.to_string(), sku.ix)).collect();
        let names = self.engine.inspect(|ledger| {
            let nodes = ledger.nodes().iter().enumerate();
            nodes.map(|(n, node)| (node.name.clone(), NodeNo(n as u32))).collect()
        });
        let (engine, stores) = (self.engine.clone(), self.stores.clone());
        Ok(later(Route::AdminStockImport, async move {
            let nodes = names.await.map_err(|error| Problem::of_error(&error))?;
            let targets = Targets { nodes, skus };
            import::import_stock(engine, stores, file, targets, skip_bad, by).await
        }))
    }

    pub(crate) fn list_nodes(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let query = Query::read(ask.query, &["after", "limit"])?;
        let first = query.number("after", u32::MAX - 1)?.map_or(0, |after| after + 1);
        let limit = query.number("limit", PAGE_MAX)?.unwrap_or(PAGE_DEFAULT).max(1);
        let rows = self.engine.inspect(move |ledger| {
            let all = ledger.nodes().len() as u32;
            let end = all.min(first.saturating_add(limit));
            let rows = (first..end).filter_map(|n| NodeRow::of(ledger, NodeNo(n)));
            let rows: Vec<NodeRow> = rows.collect();
            (rows, (end < all).then(|| end.saturating_sub(1)))
        });
        let stores = self.stores.clone();
        Ok(later(Route::AdminNodes, async move {
            let (rows, next) = rows.await.map_err(|error| Problem::of_error(&error))?;
            let rows: Vec<Value> = rows.iter().map(|row| row.value(&stores, false)).collect();
            Ok(ok(Route::AdminNodes, &value!({"nodes": rows, "next_after": next})))
        }))
    }

    pub(crate) fn show_node(
        &self,
        node: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let name = decoded(node)?;
        let row = self.engine.inspect(move |ledger| {
            ledger.node_named(&name).and_then(|node| NodeRow::of(ledger, node))
        });
        let stores = self.stores.clone();
        Ok(later(Route::AdminNode, async move {
            let row = row.await.map_err(|error| Problem::of_error(&error))?;
            let row = row.ok_or_else(Problem::not_found)?;
            Ok(ok(Route::AdminNode, &row.value(&stores, true)))
        }))
    }

    pub(crate) fn move_node_stock(
        &self,
        node: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: StockBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let (name, how) = (decoded(node)?, body.how()?);
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let campaign = self.engine.campaign(&body.campaign).ok_or_else(Problem::not_found)?;
        let sku = campaign.sku(&body.sku).ok_or_else(Problem::not_found)?.ix;
        let named = name.clone();
        let number = self.engine.inspect(move |ledger| ledger.node_named(&named));
        let (engine, stores) = (self.engine.clone(), self.stores.clone());
        Ok(later(Route::AdminNodeStock, async move {
            let number = number.await.map_err(|error| Problem::of_error(&error))?;
            let number = number.ok_or_else(Problem::not_found)?;
            granted(engine.move_stock(number, sku, how, by).await)?;
            let row = engine.inspect(move |ledger| NodeRow::of(ledger, number));
            let row = row.await.map_err(|error| Problem::of_error(&error))?;
            let row = row.ok_or_else(Problem::not_found)?;
            stores.wake(&engine);
            Ok(ok(Route::AdminNodeStock, &row.value(&stores, true)))
        }))
    }
}

/// What was copied of a store.
struct NodeRow {
    name: Box<str>,
    attributes: Box<str>,
    accepted: u32,
    rejected: u32,
    stock: Vec<(String, String, NodeStock)>,
}

impl NodeRow {
    fn of(ledger: &Ledger, node: NodeNo) -> Option<NodeRow> {
        let state = ledger.nodes().get(node.index())?;
        let named = |(sku, stock): (SkuIx, &NodeStock)| {
            let s = ledger.skus().get(sku.index())?;
            let campaign = ledger.campaigns().get(s.campaign.index())?;
            Some((campaign.name.to_string(), s.name.to_string(), stock.clone()))
        };
        Some(NodeRow {
            name: state.name.clone(),
            attributes: state.attributes.clone(),
            accepted: state.accepted,
            rejected: state.rejected,
            stock: ledger.stock_of(node).filter_map(named).take(PAGE_MAX as usize).collect(),
        })
    }

    fn value(&self, stores: &Arc<Stores>, with_stock: bool) -> Value {
        let mut row = Map::new();
        row.insert("node".to_owned(), value!(&*self.name));
        for (column, cell) in cells_of(&self.attributes) {
            row.insert(column, cell.into());
        }
        let estimate = stores.net().and_then(|net| {
            let node = net.network.find_node(&self.name)?;
            Some((net.network.node(node).acceptance.estimate() * 1e4).round() / 1e4)
        });
        row.insert("handed_over".to_owned(), self.accepted.into());
        row.insert("rejected".to_owned(), self.rejected.into());
        row.insert("accept_estimate".to_owned(), value!(estimate));
        let total = |of: fn(&NodeStock) -> u32| -> u64 {
            self.stock.iter().map(|(_, _, stock)| u64::from(of(stock))).sum()
        };
        row.insert("free".to_owned(), total(|stock| stock.free).into());
        row.insert("assigned".to_owned(), total(|stock| stock.assigned).into());
        if with_stock {
            let stock =
                self.stock.iter().map(|(campaign, sku, stock)| stock_value(campaign, sku, stock));
            row.insert("stock".to_owned(), stock.collect());
        }
        Value::Object(row)
    }
}

fn stock_value(campaign: &str, sku: &str, stock: &NodeStock) -> Value {
    value!({
        "campaign": campaign, "sku": sku,
        "on_hand": u64::from(stock.free) + u64::from(stock.assigned) + u64::from(stock.safety),
        "safety_stock": stock.safety, "free": stock.free, "assigned": stock.assigned,
        "handed_over": stock.gone, "written_off": stock.written_off,
        "supplied": stock.supplied, "channel_quota": &*stock.attributes,
    })
}
