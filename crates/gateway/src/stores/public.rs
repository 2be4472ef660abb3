//! What buyers can ask about stores: what was promised, and who near them still has it.

use super::ask::{Wanted, position};
use super::live::{Net, with_planner};
use super::nodes::{later, ok};
use super::orders::OrderRow;
use super::promise::Outlook;
use super::query::Query;
use crate::config::{Shown, StockShown};
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::{NearStore, Problem};
use crate::routes::Route;
use crate::wire::{Crs, Destination, Details, format_timestamp};
use onrush::{SkuIx, State, Timestamp};
use onrush_router::Nearby;
use onrush_router::calendar::Calendar;
use onrush_router::geo::Position;
use serde_json::{Value, json as value};
use std::sync::Arc;

/// Stores named in one answer.
const NEAR_MAX: usize = 20;
/// Stores named with a refusal.
const ALTERNATIVES_MAX: usize = 4;

/// Return the nearest stores that may sell so many units to whoever walks in.
fn near(net: &Net, sku: SkuIx, units: u32, place: Position, most: usize) -> Vec<Nearby> {
    let Some(sku) = net.sku(sku) else { return Vec::new() };
    with_planner(|planner| {
        planner.on(&net.network, &net.rules, |router| router.nearby(sku, units, place, most))
    })
}

/// Write when a store is open: until when, or when it opens next. `null`: around the clock.
fn hours(calendar: Option<&Calendar>, now: Timestamp) -> Value {
    let Some(calendar) = calendar else { return Value::Null };
    match calendar.shift_at(now) {
        Some(shift) => value!({
            "open": shift.opens <= now,
            "opens_at": format_timestamp(shift.opens), "closes_at": format_timestamp(shift.closes),
        }),
        None => value!({"open": false}),
    }
}

fn crs_named(text: Option<&str>) -> Result<Crs, Problem> {
    match text {
        None | Some("wgs84") => Ok(Crs::Wgs84),
        Some("gcj02") => Ok(Crs::Gcj02),
        Some("bd09") => Ok(Crs::Bd09),
        Some(_) => Err(Problem::invalid("crs: one of \"wgs84\", \"gcj02\" and \"bd09\"")),
    }
}

impl Gateway {
    /// Name stores near a destination that still have a SKU, for a buyer who came too late.
    pub(crate) fn near_stores(
        &self,
        sku: SkuIx,
        sku_name: &str,
        units: u32,
        destination: &Destination,
    ) -> Vec<NearStore> {
        let Some(net) = self.stores.net() else { return Vec::new() };
        let place = position(destination.lat, destination.lon, destination.crs);
        let Ok(place) = place else { return Vec::new() };
        let found = near(&net, sku, units, place, ALTERNATIVES_MAX);
        let named = found.into_iter().map(|found| NearStore {
            node: net.name(found.node).to_owned(),
            sku: sku_name.to_owned(),
            km: found.km,
            units: found.available,
        });
        named.collect()
    }

    /// `GET /v1/campaigns/{campaign}/stores?lat&lon&sku`.
    pub(crate) fn campaign_stores(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let query = Query::read(ask.query, &["lat", "lon", "crs", "sku", "quantity"])?;
        let crs = crs_named(query.get("crs"))?;
        let place = position(query.degrees("lat")?, query.degrees("lon")?, crs);
        let place = place.map_err(Problem::invalid)?;
        let units = query.number("quantity", 1_000)?.unwrap_or(1).max(1);
        let sku = query.get("sku").ok_or_else(|| Problem::invalid("sku: say which"))?;
        let campaign = self.visible(campaign, now)?;
        let sku = campaign.sku(sku).ok_or_else(Problem::not_found)?;
        self.stores.wake(&self.engine);
        let Some(net) = self.stores.net() else {
            return Ok(Reply::Ready(ok(Route::CampaignStores, &value!({"stores": []}))));
        };
        let shown = Shown::of(campaign.terms());
        let stock = |free: u32| match shown.stock {
            StockShown::Exact => value!(free),
            StockShown::Band => value!(if free <= shown.few_at { "few" } else { "many" }),
        };
        let row = |Nearby { node, km, available }: Nearby| {
            let n = net.network.node(node);
            value!({
                "node": n.name.as_str(), "kind": n.kind.as_str(),
                "lat": n.position.lat(), "lon": n.position.lon(),
                "km": (km * 1e3).round() / 1e3, "available": stock(available),
                "hours": hours(net.network.calendar(node), now),
            })
        };
        let stores = near(&net, sku.ix, units, place, NEAR_MAX).into_iter().map(row);
        let stores: Vec<Value> = stores.collect();
        Ok(Reply::Ready(ok(Route::CampaignStores, &value!({"stores": stores}))))
    }

    /// `GET /v1/reservations/{id}/promise`.
    pub(crate) fn promise(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let caller = self.caller(ask, now)?;
        let found = self.owned(id, &caller)?;
        let seq = found.seq;
        let row = self.engine.inspect(move |ledger| {
            let sku = ledger.reservation(seq).map(|r| r.sku);
            OrderRow::of(ledger, seq).zip(sku)
        });
        let stores: Arc<_> = self.stores.clone();
        Ok(later(Route::Promise, async move {
            let row = row.await.map_err(|error| Problem::of_error(&error))?;
            let (row, sku) = row.ok_or_else(Problem::not_found)?;
            let details = row.details.as_deref().map(Details::decode).transpose();
            let details = details.unwrap_or_default().unwrap_or_default();
            let mut body = value!({"id": found.id.as_str(), "state": row.state.as_str()});
            if row.order.is_some() && row.open == 0 {
                body["routed"] = true.into();
                body["from"] = row.shipments().into_iter().filter(is_live).collect();
                let collected = row.order.as_ref().map(|order| order.collected_at);
                let collected = collected.filter(|at| *at != Timestamp(0));
                body["collected_at"] = collected.map(format_timestamp).into();
                let is_collected = super::ask::delivery_of(&details).is_collected();
                if is_collected && row.state == State::Sold && collected.is_none() {
                    body["code"] = stores.code_of(seq).into();
                }
                return Ok(ok(Route::Promise, &body));
            }
            body["routed"] = false.into();
            let waits = row.state.is_held() || row.state == State::Sold;
            let units = found.quantity.get();
            let (placed, value) = (row.held_at, row.value);
            let wanted = Wanted { sku, units, value, placed, ready: now };
            let outlook = if waits { stores.outlook(&wanted, &details) } else { Outlook::Open };
            body["promise"] = match outlook {
                Outlook::Promised(promise) => serde_json::from_slice(&promise).unwrap_or_default(),
                Outlook::Open => Value::Null,
                Outlook::Refused(problem) => value!({"problem": problem.detail}),
            };
            Ok(ok(Route::Promise, &body))
        }))
    }
}

fn is_live(shipment: &Value) -> bool {
    matches!(shipment["state"].as_str(), Some("assigned" | "handed_over"))
}
