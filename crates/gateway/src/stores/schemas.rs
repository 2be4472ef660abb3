//! The shapes of what is asked and answered about stores, for the OpenAPI document.

use crate::openapi::{object, reference};
use onrush_router::csv::NODE_COLUMNS;
use serde_json::{Map, Value, json};

fn s() -> Value {
    json!({"type": "string"})
}

fn n() -> Value {
    json!({"type": "integer"})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// Return every schema by name.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let rows = || json!({"type": "array", "items": {"type": "object"}});
    let page = |name: &str| {
        object(false, &[(name, rows()), ("next_after", json!({"type": ["integer", "null"]}))])
    };
    let why = json!({"type": "string", "enum": ["not_in_stock", "damaged", "too_busy"]});
    let near = [("node", s()), ("sku", s()), ("km", number()), ("units", n())];
    let count = [("on_hand?", n()), ("safety_stock?", n()), ("quantity?", n()), ("reason", s())];
    let stock = [[("campaign", s()), ("sku", s())].as_slice(), count.as_slice()].concat();
    vec![
        ("NearStore", object(false, &near)),
        (
            "StoreList",
            object(false, &[("stores", json!({"type": "array", "items": reference("StoreNear")}))]),
        ),
        ("StoreNear", store_near()),
        (
            "Promise",
            object(
                false,
                &[
                    ("delivery?", s()),
                    ("at?", time()),
                    ("confidence?", number()),
                    ("from?", rows()),
                    ("routed?", json!({"type": "boolean"})),
                    ("code?", s()),
                ],
            ),
        ),
        ("Csv", s()),
        (
            "Imported",
            object(
                false,
                &[
                    ("rows", n()),
                    ("changed", n()),
                    ("same", n()),
                    ("bad_count", n()),
                    ("bad", rows()),
                ],
            ),
        ),
        ("NodePut", node_put()),
        ("NodeStock", object(true, &stock)),
        ("Node", object(false, &[("node", s()), ("stock?", rows())])),
        ("NodeList", page("nodes")),
        ("OrderList", page("orders")),
        (
            "Order",
            object(
                false,
                &[("id", s()), ("state", s()), ("shipments", rows()), ("why?", json!({}))],
            ),
        ),
        ("Reject", object(true, &[("node", s()), ("why", why), ("reason?", s())])),
        ("Dispatch", object(true, &[("node", s()), ("reason?", s())])),
        ("Collect", object(true, &[("code", s()), ("reason?", s())])),
        ("Routing", object(false, &[("version", n()), ("policy?", json!({}))])),
        ("RoutingPut", object(true, &[("replaces", n()), ("policy", s()), ("reason", s())])),
        (
            "DryRun",
            object(
                true,
                &[
                    ("campaign", s()),
                    ("order", reference("Reserve")),
                    ("policy?", s()),
                    ("lang?", json!({"type": "string", "enum": ["en", "zh"]})),
                ],
            ),
        ),
        ("Plan", object(false, &[("shipments", rows()), ("unfilled", rows()), ("why", rows())])),
    ]
}

/// A store as buyers are told of it.
fn store_near() -> Value {
    let open = json!({"type": "boolean"});
    let hours = object(false, &[("open", open), ("opens_at?", time()), ("closes_at?", time())]);
    object(
        false,
        &[
            ("node", s()),
            ("kind", s()),
            ("lat", number()),
            ("lon", number()),
            ("km", number()),
            ("available", json!({"anyOf": [n(), {"enum": ["few", "many"]}]})),
            ("hours", json!({"anyOf": [hours, {"type": "null"}]})),
        ],
    )
}

/// The columns of `onrush route`, and why.
fn node_put() -> Value {
    let columns = NODE_COLUMNS.iter().map(|column| ((*column).to_owned(), json!({})));
    let mut properties: Map<String, Value> = columns.collect();
    properties.insert("reason".to_owned(), s());
    json!({"type": "object", "properties": properties, "required": ["kind", "lat", "lon"],
        "additionalProperties": false})
}
