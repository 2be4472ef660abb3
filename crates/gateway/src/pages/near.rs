//! Stores around a place, and what a buyer there is promised: from the same answers that shop front
//! ends get.

use crate::answer::Content;
use crate::gateway::{Ask, Gateway, Reply};
use crate::stores::{Outlook, Wanted, in_units};
use crate::wire::{Crs, Destination, Details, parse_timestamp};
use http::StatusCode;
use onrush::{Campaign, Sku, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// Stores shown for all SKUs together.
const STORES_MAX: usize = 12;

/// Half the width of the map's inner part, in the units of its picture.
const MAP_RADIUS: f64 = 90.0;

/// A store on the page: its row in the list, and its dot.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Store {
    node: String,
    sku: String,
    /// As the texts name it: `free`, `few`, `many`.
    state: &'static str,
    available: String,
    km: String,
    /// `around` the clock, `open` until, or `closed` until.
    hours: &'static str,
    until_unix: Option<u64>,
    x: String,
    y: String,
}

/// What a buyer at a place is promised.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Promise {
    at_unix: u64,
    from: String,
    sure: String,
}

/// A place as it stands in an address: `latitude,longitude` in degrees, WGS 84.
pub(super) fn place(text: &str) -> Option<Destination> {
    let (lat, lon) = text.split_once(',')?;
    let (lat, lon): (f64, f64) = (lat.trim().parse().ok()?, lon.trim().parse().ok()?);
    let is_on_earth = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    is_on_earth.then_some(Destination { lat, lon, crs: Crs::Wgs84 })
}

impl Gateway {
    /// Find the nearest stores that have any of these SKUs; with the radius of the map, in km.
    pub(super) fn stores_near(
        &self,
        campaign: &Campaign,
        place: &Destination,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> (Vec<Store>, String) {
        let mut found = Vec::new();
        for sku in campaign.skus().take(super::view::SKUS_SHOWN_MAX) {
            let name = sku.name.as_str();
            let query = format!("lat={}&lon={}&sku={name}", place.lat, place.lon);
            let ask = Ask { query: Some(&query), ..*ask };
            let reply = self.campaign_stores(campaign.name().as_str(), &ask, now);
            let Ok(Reply::Ready(answer)) = reply else { continue };
            if answer.status != StatusCode::OK || answer.content != Content::Json {
                continue;
            }
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let rows = body["stores"].as_array().cloned().unwrap_or_default();
            found.extend(rows.into_iter().map(|row| (name.to_owned(), row)));
        }
        let km = |row: &Value| row["km"].as_f64().unwrap_or(f64::MAX);
        found.sort_by(|(_, a), (_, b)| km(a).total_cmp(&km(b)));
        found.truncate(STORES_MAX);
        let radius = found.last().map_or(1.0, |(_, row)| km(row)).max(0.1);
        let stores = found.iter().map(|(sku, row)| shown(sku, row, place, radius));
        (stores.collect(), kilometres(radius))
    }

    /// Tell what a buyer at `place` would be promised. One decision of the router.
    pub(super) fn promise_at(
        &self,
        sku: &Sku,
        place: &Destination,
        now: Timestamp,
    ) -> Option<Promise> {
        let details = Details { destination: Some(*place), ..Details::default() };
        let value = in_units(sku.price.amount);
        let wanted = Wanted { sku: sku.ix, units: 1, value, placed: now, ready: now };
        let Outlook::Promised(promise) = self.stores.outlook(&wanted, &details) else {
            return None;
        };
        read_promise(&serde_json::from_slice(&promise).ok()?)
    }
}

/// Read a promise as shop front ends are told it.
fn read_promise(promise: &Value) -> Option<Promise> {
    let from = promise["from"].as_array()?.iter().filter_map(|from| from["node"].as_str());
    let sure = promise["confidence"].as_f64()? * 100.0;
    Some(Promise {
        at_unix: parse_timestamp(promise["at"].as_str()?).ok()?.0,
        from: from.collect::<Vec<_>>().join(", "),
        sure: format!("{sure:.0} %"),
    })
}

fn shown(sku: &str, row: &Value, place: &Destination, radius: f64) -> Store {
    let degrees = |field: &str| row[field].as_f64().unwrap_or_default();
    let km = degrees("km");
    // Direction from the coordinates, distance from the answer: a degree of longitude shrinks with
    // the cosine of the latitude.
    let north = degrees("lat") - place.lat;
    let east = (degrees("lon") - place.lon) * place.lat.to_radians().cos();
    let length = north.hypot(east).max(1e-9);
    let reach = (km / radius).min(1.0) * MAP_RADIUS;
    let (state, available) = match &row["available"] {
        Value::String(band) if band == "few" => ("few", String::new()),
        Value::String(_) => ("many", String::new()),
        number => ("free", number.to_string()),
    };
    let hours = &row["hours"];
    let at = |field: &str| parse_timestamp(hours[field].as_str()?).ok();
    let (hours, until) = match (hours, at("opens_at"), at("closes_at")) {
        (Value::Null, ..) => ("around", None),
        (_, _, Some(closes_at)) if hours["open"] == true => ("open", Some(closes_at)),
        (_, opens_at, _) => ("closed", opens_at),
    };
    Store {
        node: row["node"].as_str().unwrap_or_default().to_owned(),
        sku: sku.to_owned(),
        state,
        available,
        km: kilometres(km),
        hours,
        until_unix: until.map(|at| at.0),
        x: format!("{:.1}", east / length * reach),
        y: format!("{:.1}", -north / length * reach),
    }
}

fn kilometres(km: f64) -> String {
    format!("{km:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_place_is_two_numbers_on_earth() {
        let at = place("31.23, 121.47").expect("a place");
        assert_eq!((at.lat, at.lon), (31.23, 121.47));
        for bad in ["", "31.23", "91,0", "0,181", "a,b", "NaN,0", "1,2,3"] {
            assert!(place(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_dot_lies_in_its_direction_at_its_distance() {
        let here = place("60,10").expect("a place");
        let dot = |lat: f64, lon: f64, km: f64| {
            let row = json!({"node": "a", "lat": lat, "lon": lon, "km": km, "available": 3,
                "hours": {"open": true, "closes_at": "2026-12-01T22:00:00Z"}});
            let store = shown("unit", &row, &here, 10.0);
            assert_eq!((store.hours, store.until_unix), ("open", Some(1_796_162_400_000)));
            (store.x, store.y)
        };
        assert_eq!(dot(61.0, 10.0, 10.0), ("0.0".to_owned(), "-90.0".to_owned()), "north is up");
        assert_eq!(dot(60.0, 11.0, 5.0), ("45.0".to_owned(), "-0.0".to_owned()), "east is right");
        // At 60° a degree east is half a degree north.
        let (x, y) = dot(60.5, 11.0, 10.0);
        assert_eq!((x.as_str(), y.as_str()), ("63.6", "-63.6"));
    }
}
