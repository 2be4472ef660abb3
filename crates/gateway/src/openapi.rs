//! The OpenAPI document: every route that exists, written from the same tables the code uses.

use crate::errors;
use crate::line::{line_operation, line_parameters, line_schemas};
use crate::routes::Route;
use crate::wire::Delivery;
use serde_json::{Map, Value, json};

/// Return the document.
pub(crate) fn document() -> Vec<u8> {
    let mut paths = Map::new();
    for route in Route::ALL {
        let (method, path) = route.describe();
        if path == "*" {
            continue;
        }
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[method.to_ascii_lowercase()] = operation(route, path);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Onrush",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are RFC 3339 UTC with milliseconds; ids are strings; money is in \
                            minor units. Refusals are problem documents (RFC 9457).",
        },
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer",
                "description": "A buyer's JWT or session, or an API key."},
            "session": {"type": "apiKey", "in": "header", "name": "Onrush-Session"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "onrush_session"},
        }},
    });
    crate::wire::json(&document)
}

pub(crate) struct Text {
    summary: &'static str,
    request: Option<&'static str>,
    answer: &'static str,
    statuses: &'static [u16],
}

pub(crate) const fn text(
    summary: &'static str,
    request: Option<&'static str>,
    answer: &'static str,
    statuses: &'static [u16],
) -> Text {
    Text { summary, request, answer, statuses }
}

fn describe(route: Route) -> Text {
    match route {
        Route::Reserve => {
            let statuses = &[201, 200];
            text("Set units aside", Some("Reserve"), "Reservation", statuses)
        }
        Route::Look => text("Look at a reservation", None, "Reservation", &[200]),
        Route::Release => text("Give up a hold", None, "Reservation", &[200]),
        Route::Time => text("Server time", None, "Time", &[200]),
        Route::Campaign => text("A campaign for buyers", None, "Campaign", &[200, 304]),
        Route::Session => text("Exchange a JWT", Some("SessionRequest"), "Session", &[201]),
        Route::Payment => {
            text("A payment provider's notice", Some("PaymentNotice"), "Reservation", &[200])
        }
        Route::WaitJoin => {
            text("Wait for units that come back", Some("WaitJoin"), "Waitlisted", &[201, 200])
        }
        Route::WaitLook => text("A place in the waitlist", None, "Waitlisted", &[200, 304]),
        Route::WaitLeave => text("Leave the waitlist", None, "Waitlisted", &[200]),
        Route::AdminWaitlist => text("List a campaign's waitlists", None, "WaitlistList", &[200]),
        Route::ErrorPage => text("What a code means", None, "Page", &[200]),
        Route::AdminCampaigns => text("List campaigns", None, "CampaignList", &[200]),
        Route::AdminCampaign => text("A campaign with its stock", None, "CampaignAdmin", &[200]),
        Route::AdminPut => {
            text("Create or update a campaign", Some("CampaignPut"), "CampaignPhase", &[200])
        }
        Route::AdminSupply => text("Add or withdraw units", Some("Supply"), "Units", &[200]),
        Route::AdminPhase => {
            text("Pause, open, close or settle", Some("Phase"), "CampaignPhase", &[200])
        }
        Route::AdminReservations => {
            text("List a campaign's reservations", None, "ReservationList", &[200])
        }
        Route::AdminReservation => {
            text("A reservation with its payments", None, "ReservationAdmin", &[200])
        }
        Route::AdminBatch => {
            text("Reserve for many buyers at once", Some("Batch"), "Batched", &[200])
        }
        Route::AdminStream => {
            text("Reserve line by line", Some("BatchEntry"), "BatchOutcome", &[200])
        }
        Route::AdminConfirm => text("Report payments", Some("Confirm"), "Reservation", &[200]),
        Route::AdminCancel => text("Take a sale back", Some("Cancel"), "Reservation", &[200]),
        Route::AdminJudge => {
            text("Accept or reject a hold under review", Some("Judge"), "Reservation", &[200])
        }
        Route::AdminRefunds => text("List refunds due", None, "RefundList", &[200]),
        Route::AdminRefunded => {
            text("Note that a refund was paid", Some("Refunded"), "Refund", &[200])
        }
        Route::Promise => text("Where it comes from, when, how sure", None, "Promise", &[200]),
        Route::CampaignStores => {
            text("Stores near a place that have a SKU", None, "StoreList", &[200])
        }
        Route::AdminNodes => text("List stores", None, "NodeList", &[200]),
        Route::AdminNodesImport => text("Import stores (CSV)", Some("Csv"), "Imported", &[200]),
        Route::AdminNode => text("A store and what it has", None, "Node", &[200]),
        Route::AdminNodePut => text("Add or change a store", Some("NodePut"), "Node", &[200]),
        Route::AdminNodeStock => {
            text("Change or count a store's stock", Some("NodeStock"), "Node", &[200])
        }
        Route::AdminStockImport => {
            text("Import a campaign's stock (CSV)", Some("Csv"), "Imported", &[200])
        }
        Route::AdminOrders => text("List orders at stores", None, "OrderList", &[200]),
        Route::AdminOrder => text("An order, and why it is there", None, "Order", &[200]),
        Route::AdminReject => text("A store refuses an order", Some("Reject"), "Order", &[200]),
        Route::AdminDispatch => text("It left the store", Some("Dispatch"), "Order", &[200]),
        Route::AdminCollect => {
            text("The buyer collects it with the code", Some("Collect"), "Order", &[200])
        }
        Route::AdminRouting => text("The routing policy", None, "Routing", &[200]),
        Route::AdminRoutingPut => {
            text("Put a routing policy", Some("RoutingPut"), "Routing", &[200])
        }
        Route::AdminDryRun => text("Plan an order, take nothing", Some("DryRun"), "Plan", &[200]),
        Route::Metrics => text("Figures for Prometheus", None, "Page", &[200]),
        Route::Healthz => text("The process lives", None, "Page", &[200]),
        Route::Readyz => text("Requests are served", None, "Page", &[200, 503]),
        Route::OpenApi => text("This document", None, "Document", &[200]),
        Route::ApiPage => text("This document for people", None, "HtmlPage", &[200]),
        Route::Remind => {
            text("Notify me before the start", Some("Remind"), "Reminder", &[201, 200])
        }
        Route::RemindersOffered => {
            text("How reminders can be had", None, "RemindersOffered", &[200])
        }
        Route::Unremind => text("Take reminders back", Some("Unremind"), "Removed", &[200]),
        Route::Calendar => text("The campaign as a calendar file", None, "Page", &[200]),
        Route::UnsubscribePage => text("A page with one button", None, "Page", &[200]),
        Route::Unsubscribe => text("Stop reminders on a channel", None, "Page", &[200]),
        Route::AdminReminders => {
            text("Count a campaign's reminders", None, "ReminderCounts", &[200])
        }
        Route::AdminErase => text("Forget a buyer's addresses", Some("Erase"), "Removed", &[200]),
        Route::DropPage => text("The page where buyers buy", None, "HtmlPage", &[200]),
        Route::DropForm => text("A form of that page", Some("DropForm"), "Back", &[303]),
        Route::DrawPage => text("Check the draw in the browser", None, "HtmlPage", &[200]),
        Route::SandboxPage => text("A pretend payment page (--dev)", None, "HtmlPage", &[200]),
        Route::Console => text("The operators' console", None, "HtmlPage", &[200]),
        Route::ConsoleFile => text("A file of the console", None, "File", &[200, 304]),
        Route::Asset => text("A script, style or picture of pages", None, "File", &[200, 304]),
        route => crate::risk::describe(route)
            .or_else(|| crate::funnel::describe(route))
            .or_else(|| crate::admin::describe(route))
            .or_else(|| line_operation(route))
            .unwrap_or(text("", None, "Page", &[])),
    }
}

fn operation(route: Route, path: &str) -> Value {
    let Text { summary, request, answer, statuses } = describe(route);
    let mut responses = Map::new();
    for status in statuses {
        responses.insert(status.to_string(), response(answer));
    }
    let problem = json!({"description": "Refused; `code` tells why and what to do",
        "content": {"application/problem+json": {"schema": reference("Problem")}}});
    responses.insert("default".to_owned(), problem);
    let mut operation = json!({
        "operationId": format!("{route:?}"), "summary": summary, "responses": responses,
        "parameters": parameters(route, path),
        "tags": [if path.starts_with("/v1") { "public" } else { "admin" }],
    });
    if let Some(request) = request {
        let media = match request {
            "Csv" => "text/csv",
            "BatchEntry" => "application/x-ndjson",
            "Model" => "application/octet-stream",
            "DropForm" => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        let content = json!({media: {"schema": reference(request)}});
        let is_optional = matches!(
            route,
            Route::Session
                | Route::AdminConfirm
                | Route::LineJoin
                | Route::Unremind
                | Route::Challenge
        );
        operation["requestBody"] = json!({"required": !is_optional, "content": content});
    }
    operation["security"] = match route {
        Route::Time
        | Route::Campaign
        | Route::CampaignStores
        | Route::Payment
        | Route::Healthz
        | Route::Readyz => {
            json!([])
        }
        Route::LineEvents | Route::LineDraw | Route::LineParticipants | Route::LineGate => {
            json!([])
        }
        Route::LinePoll | Route::LineReturn | Route::LineEnter | Route::Jwks => json!([]),
        Route::LineJoin | Route::LineHandoff => {
            json!([{"bearer": []}, {"session": []}, {"cookie": []}])
        }
        Route::DropPage | Route::DrawPage | Route::SandboxPage | Route::Asset => json!([]),
        Route::Console | Route::ConsoleFile | Route::ApiPage | Route::AdminSignIn => json!([]),
        Route::DropForm => json!([{"cookie": []}]),
        Route::RemindersOffered | Route::Calendar | Route::UnsubscribePage | Route::Unsubscribe => {
            json!([])
        }
        Route::Reserve
        | Route::Challenge
        | Route::Look
        | Route::Release
        | Route::Remind
        | Route::Unremind
        | Route::Promise
        | Route::WaitJoin
        | Route::WaitLook
        | Route::WaitLeave => {
            json!([{"bearer": []}, {"session": []}, {"cookie": []}])
        }
        _ => json!([{"bearer": []}]),
    };
    operation
}

fn response(answer: &str) -> Value {
    match answer {
        "Page" => json!({"description": "Text"}),
        "HtmlPage" => json!({"description": "A page", "content": {"text/html": {}}}),
        "Back" => json!({"description": "Back to the page"}),
        "File" => json!({"description": "The file"}),
        "Document" => json!({"description": "OpenAPI", "content": {"application/json": {}}}),
        name => json!({"description": name,
            "content": {"application/json": {"schema": reference(name)}}}),
    }
}

fn parameters(route: Route, path: &str) -> Vec<Value> {
    let string = json!({"type": "string"});
    let mut all: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": string}))
        .collect();
    let header = |name: &str, required: bool| json!({"name": name, "in": "header", "required": required, "schema": string});
    match route {
        Route::Reserve => {
            all.push(header("Idempotency-Key", true));
            all.push(header("Onrush-Pass", false));
            all.push(header("Onrush-Proof", false));
        }
        Route::AdminRiskModelPut => {
            for (name, required) in [("reason", true), ("shadow", false)] {
                all.push(
                    json!({"name": name, "in": "query", "required": required, "schema": string}),
                );
            }
        }
        Route::AdminPut => {
            all.push(json!({"name": "reason", "in": "query", "schema": string}));
        }
        Route::AdminTimeline => {
            let number = json!({"type": "integer", "minimum": 1});
            all.push(json!({"name": "from", "in": "query", "schema": number}));
        }
        Route::Release | Route::AdminConfirm => all.push(header("Idempotency-Key", false)),
        Route::Campaign | Route::WaitLook => all.push(header("If-None-Match", false)),
        Route::Time => {
            all.push(json!({"name": "campaign", "in": "query", "schema": string}));
        }
        Route::Payment => {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            all.extend(names.map(|name| header(name, true)));
        }
        Route::CampaignStores => {
            let query = |name: &str, required: bool| json!({"name": name, "in": "query", "required": required, "schema": string});
            all.extend(["lat", "lon", "sku"].map(|name| query(name, true)));
            all.extend(["crs", "quantity"].map(|name| query(name, false)));
        }
        Route::AdminCampaigns
        | Route::AdminReservations
        | Route::AdminRefunds
        | Route::AdminNodes
        | Route::AdminOrders
        | Route::AdminWaitlist => {
            for name in ["after", "limit"] {
                let number = json!({"type": "integer", "minimum": 0});
                all.push(json!({"name": name, "in": "query", "schema": number}));
            }
        }
        route => all.extend(line_parameters(route)),
    }
    all
}

pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Make an object's schema of `name: type` pairs; a trailing `?` marks what may be missing.
pub(crate) fn object(strict: bool, fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields {
        let plain = name.trim_end_matches('?');
        if plain.len() == name.len() {
            required.push(plain);
        }
        properties.insert(plain.to_owned(), schema.clone());
    }
    let mut object = json!({"type": "object", "properties": properties, "required": required});
    if strict {
        object["additionalProperties"] = false.into();
    }
    object
}

fn schemas() -> Value {
    let mut all = Map::new();
    let more = [
        crate::waitlist::schemas(),
        crate::reminders::schemas(),
        line_schemas(),
        crate::stores::schemas(),
        crate::risk::schemas(),
        crate::admin::schemas(),
        crate::funnel::schemas(),
    ];
    let parts = [shared_schemas(), requests(), answers()].into_iter().chain(more);
    for (name, schema) in parts.into_iter().flatten() {
        all.insert(name.to_owned(), schema);
    }
    Value::Object(all)
}

pub(crate) fn s() -> Value {
    json!({"type": "string"})
}

pub(crate) fn n() -> Value {
    json!({"type": "integer"})
}

pub(crate) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn list(name: &str) -> Value {
    json!({"type": "array", "items": reference(name)})
}

fn shared_schemas() -> Vec<(&'static str, Value)> {
    let codes: Vec<&str> = errors::all().iter().map(|page| page.code).collect();
    vec![
        ("Money", object(false, &[("amount", n()), ("currency", s())])),
        (
            "Problem",
            object(
                false,
                &[
                    ("type", s()),
                    ("title", s()),
                    ("status", n()),
                    ("code", json!({"type": "string", "enum": codes})),
                    ("detail", s()),
                    ("retryable", json!({"type": "boolean"})),
                    ("retry_after_ms?", n()),
                    ("opens_at?", time()),
                    (
                        "alternatives?",
                        json!({"type": "array", "items": {"anyOf": [s(), reference("NearStore")]}}),
                    ),
                    ("waitlist?", json!({"type": "boolean"})),
                ],
            ),
        ),
        (
            "Destination",
            object(
                true,
                &[
                    ("lat", json!({"type": "number", "minimum": -90, "maximum": 90})),
                    ("lon", json!({"type": "number", "minimum": -180, "maximum": 180})),
                    ("crs?", json!({"type": "string", "enum": ["wgs84", "gcj02", "bd09"]})),
                ],
            ),
        ),
        ("Window", object(true, &[("from", time()), ("to", time())])),
        (
            "Attribution",
            object(
                true,
                &[("channel?", s()), ("touchpoint?", s()), ("guide?", s()), ("store?", s())],
            ),
        ),
        (
            "SkuPut",
            object(
                true,
                &[("sku", s()), ("price", n()), ("supply?", n()), ("limit_per_buyer?", n())],
            ),
        ),
        ("WavePut", object(true, &[("at", time()), ("sku", s()), ("quantity", n())])),
        (
            "Payment",
            object(
                true,
                &[
                    ("method", s()),
                    ("amount", n()),
                    ("currency", s()),
                    ("reference", s()),
                    ("provider?", s()),
                ],
            ),
        ),
    ]
}

fn requests() -> Vec<(&'static str, Value)> {
    let flag = || json!({"type": "boolean"});
    let forms = Delivery::ALL.map(Delivery::as_str);
    let delivery = json!({"type": "string", "enum": forms});
    let wish = [
        ("sku", s()),
        ("quantity?", json!({"type": "integer", "minimum": 1, "maximum": 1000})),
        ("destination?", reference("Destination")),
        ("delivery?", delivery),
        ("pickup_node?", s()),
        ("window?", reference("Window")),
        ("attribution?", reference("Attribution")),
    ];
    let wish_with = |more: &[(&'static str, Value)]| object(true, &[&wish[..], more].concat());
    vec![
        ("Reserve", wish_with(&[("buyer?", s())])),
        ("BatchEntry", wish_with(&[("buyer", s()), ("key", s())])),
        ("Batch", object(true, &[("campaign", s()), ("reservations", list("BatchEntry"))])),
        (
            "SessionRequest",
            object(true, &[("cookie?", flag()), ("buyer?", s()), ("handoff?", s())]),
        ),
        (
            "PaymentNotice",
            object(
                true,
                &[
                    ("event_id", s()),
                    ("reservation", s()),
                    ("reference", s()),
                    ("amount", n()),
                    ("currency", s()),
                    ("paid_at", time()),
                ],
            ),
        ),
        ("Confirm", object(true, &[("payments?", list("Payment"))])),
        ("Cancel", object(true, &[("reason", s()), ("restock?", flag())])),
        ("Judge", object(true, &[("accept", flag()), ("reason", s())])),
        ("Supply", object(true, &[("sku", s()), ("quantity", n()), ("reason", s())])),
        ("Phase", object(true, &[("to", s()), ("reason", s())])),
        ("Refunded", object(true, &[("reference", s())])),
        (
            "DropForm",
            object(false, &[("csrf?", s()), ("key?", s()), ("sku?", s()), ("lang?", s())]),
        ),
        (
            "CampaignPut",
            object(
                true,
                &[
                    ("campaign?", s()),
                    ("title?", s()),
                    ("published?", flag()),
                    ("currency?", s()),
                    ("preheat_at?", time()),
                    ("draw_at?", time()),
                    ("opens_at?", time()),
                    ("closes_at?", time()),
                    ("limit_per_buyer?", n()),
                    ("hold?", s()),
                    ("buyers_expected?", n()),
                    ("supply?", json!({"type": "string", "enum": ["own", "stores"]})),
                    ("stock?", json!({"type": "string", "enum": ["exact", "band"]})),
                    ("few_at?", n()),
                    ("skus?", list("SkuPut")),
                    ("waves?", list("WavePut")),
                    ("line?", reference("LinePut")),
                    ("waitlist?", object(true, &[("offer?", s())])),
                ],
            ),
        ),
    ]
}

fn time_schema() -> Value {
    object(
        false,
        &[
            ("now", time()),
            ("unix_ms", n()),
            ("campaign?", s()),
            ("phase?", s()),
            ("next_switch_at?", time()),
            ("next_switch_unix_ms?", n()),
        ],
    )
}

fn campaign_schema() -> Value {
    let policy = [
        ("limit_per_buyer", n()),
        ("hold_ms", n()),
        ("line?", json!({"type": "boolean"})),
        ("waitlist_offer_ms?", n()),
        ("stock", json!({"type": "string", "enum": ["exact", "band"]})),
    ];
    let wave = object(false, &[("at", time()), ("sku", s())]);
    object(
        false,
        &[
            ("campaign", s()),
            ("title?", s()),
            ("phase", s()),
            ("preheat_at?", time()),
            ("draw_at?", time()),
            ("opens_at?", time()),
            ("closes_at?", time()),
            ("next_switch_at?", time()),
            ("waves?", json!({"type": "array", "items": wave})),
            ("skus", list("CampaignSku")),
            ("policy", object(false, &policy)),
        ],
    )
}

fn answers() -> Vec<(&'static str, Value)> {
    let open = || json!({"type": "object"});
    let page = |name: &str| {
        let rows = json!({"type": "array", "items": {"type": "object"}});
        object(false, &[(name, rows), ("next_after", json!({"type": ["integer", "null"]}))])
    };
    vec![
        (
            "Reservation",
            object(
                false,
                &[
                    ("id", s()),
                    ("campaign", s()),
                    ("sku", s()),
                    ("quantity", n()),
                    (
                        "state",
                        json!({"type": "string", "enum":
                        ["held", "review", "sold", "released", "expired", "cancelled"]}),
                    ),
                    ("price", reference("Money")),
                    ("expires_at", time()),
                    ("lsn", n()),
                    ("promise?", reference("Promise")),
                ],
            ),
        ),
        ("Time", time_schema()),
        ("Session", object(false, &[("session?", s()), ("expires_at", time())])),
        ("Campaign", campaign_schema()),
        (
            "CampaignSku",
            object(
                false,
                &[
                    ("sku", s()),
                    ("price", reference("Money")),
                    ("limit_per_buyer", n()),
                    ("available", json!({"anyOf": [n(), {"enum": ["none", "few", "many"]}]})),
                ],
            ),
        ),
        ("CampaignPhase", object(false, &[("campaign", s()), ("phase", s())])),
        ("CampaignAdmin", object(false, &[("campaign", s()), ("phase", s()), ("skus?", open())])),
        ("CampaignList", page("campaigns")),
        ("ReservationList", page("reservations")),
        ("ReservationAdmin", object(false, &[("id", s()), ("state", s()), ("details", open())])),
        ("RefundList", page("refunds")),
        ("Batched", object(false, &[("outcomes", list("BatchOutcome"))])),
        (
            "BatchOutcome",
            object(
                false,
                &[
                    ("status", n()),
                    ("reservation?", reference("Reservation")),
                    ("problem?", reference("Problem")),
                ],
            ),
        ),
        ("Refund", object(false, &[("refund", s()), ("paid", json!({"type": "boolean"}))])),
        ("Units", object(false, &[("free", n()), ("held", n())])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_every_reference_is_there() {
        let text = String::from_utf8(document()).expect("UTF-8");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        for route in Route::ALL {
            let (method, path) = route.describe();
            if path != "*" {
                let operation = &document["paths"][path][method.to_ascii_lowercase()];
                assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{path}");
            }
        }
        let mut references = text.split("#/components/schemas/").skip(1);
        assert!(references.clone().count() > 30);
        assert!(references.all(|rest| {
            let name = rest.split('"').next().expect("a closing quote");
            document["components"]["schemas"][name].is_object()
        }));
    }
}
