//! The line's part of the OpenAPI document.

use crate::openapi::{Text, n, object, s, text, time};
use crate::routes::Route;
use serde_json::{Value, json};

/// Describe a route of the line; `None`: it is none.
pub(crate) fn line_operation(route: Route) -> Option<Text> {
    Some(match route {
        Route::LineJoin => text("Join the line", Some("Join"), "Ticket", &[201, 200]),
        Route::LinePoll => text("How far a place is", None, "Standing", &[200, 304]),
        Route::LineReturn => {
            text("Take a place up again that was passed over", None, "Returned", &[200])
        }
        Route::LineHandoff => text("A code for another device", None, "Handoff", &[201]),
        Route::LineEnter => {
            text("On to the shop with a pass, or back to wait", None, "Page", &[303])
        }
        Route::LineEvents => text("What everybody in line may know", None, "Page", &[200]),
        Route::LineDraw => text("What decides a draw", None, "Draw", &[200]),
        Route::LineParticipants => text("Who takes part in a draw", None, "Participants", &[200]),
        Route::LineGate => text("May this request pass?", None, "Page", &[204, 303]),
        Route::Jwks => text("Keys with which passes are checked", None, "Document", &[200]),
        Route::AdminLine => text("Figures of a line", None, "Line", &[200]),
        Route::AdminOutflow => {
            text("How fast people are let in", Some("Outflow"), "CampaignPhase", &[200])
        }
        Route::AdminDraw => {
            text("Set the public value of a draw", Some("PublicValue"), "CampaignPhase", &[200])
        }
        Route::AdminTicket => text("A ticket by its number", None, "TicketAdmin", &[200]),
        Route::AdminMessage => {
            text("Tell everybody in line something", Some("Message"), "Said", &[200])
        }
        Route::AdminShopHealth => {
            text("Report how the shop behind does", Some("ShopHealth"), "Page", &[204])
        }
        _ => return None,
    })
}

/// Return the parameters of a route beyond those of its path.
pub(crate) fn line_parameters(route: Route) -> Vec<Value> {
    let in_query = |names: &[&str], schema: Value| -> Vec<Value> {
        let one = |name: &&str| json!({"name": name, "in": "query", "schema": schema});
        names.iter().map(one).collect()
    };
    let number = json!({"type": "integer", "minimum": 0});
    match route {
        Route::LineDraw => in_query(&["lane"], number),
        Route::LineParticipants => in_query(&["lane", "after", "limit"], number),
        Route::LineEnter => in_query(&["return"], s()),
        Route::LineGate => in_query(&["redirect"], s()),
        Route::LinePoll => {
            vec![json!({"name": "If-None-Match", "in": "header", "schema": s()})]
        }
        _ => Vec::new(),
    }
}

/// Return the shapes that the line adds.
pub(crate) fn line_schemas() -> Vec<(&'static str, Value)> {
    let mut all = requests();
    all.extend(answers());
    all
}

fn requests() -> Vec<(&'static str, Value)> {
    let words = || json!({"type": "array", "items": {"type": "string"}});
    let flag = || json!({"type": "boolean"});
    let tier = object(
        true,
        &[
            ("name", s()),
            ("groups?", words()),
            ("invites?", s()),
            ("weight?", json!({"type": "integer", "minimum": 1, "maximum": 255})),
            ("after?", s()),
        ],
    );
    let outflow = object(
        true,
        &[
            ("per_second?", n()),
            ("inside?", n()),
            ("passes_per_unit_max?", n()),
            ("shop_latency_max?", s()),
        ],
    );
    let failure = json!({"type": "string", "enum": ["admit", "refuse"]});
    let hook = object(true, &[("url", s()), ("deadline?", s()), ("on_failure", failure)]);
    vec![
        ("Join", object(true, &[("buyer?", s()), ("groups?", words())])),
        (
            "LinePut",
            object(
                true,
                &[
                    ("tiers?", json!({"type": "array", "items": tier, "maxItems": 8})),
                    ("pass?", s()),
                    ("grace?", s()),
                    ("outflow?", outflow),
                    ("public_value?", s()),
                    ("invite_only?", flag()),
                    ("jwt?", flag()),
                    ("waiting_page?", s()),
                    ("return_origins?", words()),
                    ("eligibility?", hook),
                ],
            ),
        ),
        (
            "Outflow",
            object(
                true,
                &[
                    ("per_second?", n()),
                    ("inside?", n()),
                    ("passes_per_unit_max?", n()),
                    ("shop_latency_ms_max?", n()),
                    ("reason", s()),
                ],
            ),
        ),
        ("PublicValue", object(true, &[("lane?", n()), ("public_value", s()), ("reason", s())])),
        ("Message", object(true, &[("text?", s()), ("reason", s())])),
        ("ShopHealth", object(true, &[("latency_ms", n()), ("ok", flag())])),
    ]
}

fn answers() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Ticket",
            object(
                false,
                &[
                    ("ticket", s()),
                    ("campaign", s()),
                    ("number", n()),
                    ("tier", s()),
                    ("class", n()),
                    ("lane", n()),
                    ("pseudonym", s()),
                    ("joined_at", time()),
                ],
            ),
        ),
        ("Standing", standing()),
        ("Returned", object(false, &[("number", n()), ("state", states())])),
        ("Handoff", object(false, &[("handoff", s()), ("expires_at", time())])),
        (
            "Draw",
            object(
                false,
                &[
                    ("campaign", s()),
                    ("lane", n()),
                    ("lanes", n()),
                    ("state", json!({"type": "string", "enum": ["joining", "drawn"]})),
                    ("rule", s()),
                    ("commitment", s()),
                    ("public_value_source", json!({"type": ["string", "null"]})),
                    ("weights", json!({"type": "array", "items": {"type": "integer"}})),
                    ("joined", n()),
                    ("count?", n()),
                    ("list_digest?", s()),
                    ("public_value?", json!({"type": ["string", "null"]})),
                    ("turn?", s()),
                    ("seed?", s()),
                ],
            ),
        ),
        (
            "Participants",
            object(
                false,
                &[
                    ("participants", json!({"type": "array", "items": {"type": "array"}})),
                    ("next_after", json!({"type": ["integer", "null"]})),
                ],
            ),
        ),
        (
            "Line",
            object(
                false,
                &[("campaign", s()), ("joined", n()), ("now_serving", n()), ("promises", kept())],
            ),
        ),
        ("TicketAdmin", object(false, &[("number", n()), ("state", states())])),
        ("Said", object(false, &[("text", json!({"type": ["string", "null"]}))])),
    ]
}

fn kept() -> Value {
    let median = json!({"type": ["integer", "null"]});
    let counts = ["open", "judged", "within_p50", "within_p90"].map(|name| (name, n()));
    object(false, &[&counts[..], &[("error_ms_median", median)]].concat())
}

fn states() -> Value {
    json!({"type": "string", "enum": ["before_draw", "ranking", "waiting", "served",
        "passed_over", "returning", "used", "lost"]})
}

fn standing() -> Value {
    let odds = json!({"type": "string", "enum": ["likely", "possible", "unlikely", "none"]});
    let flag = || json!({"type": "boolean"});
    let eta = object(false, &[("p50_ms", n()), ("p90_ms", n())]);
    object(
        false,
        &[
            ("number", n()),
            ("phase", s()),
            ("state", states()),
            ("opens_at?", time()),
            ("joined?", n()),
            ("about?", n()),
            ("position?", n()),
            ("ahead?", n()),
            ("eta?", eta),
            ("odds?", odds),
            ("left?", n()),
            ("pass?", s()),
            ("pass_until?", time()),
            ("pass_jwt?", s()),
            ("return_until?", time()),
            ("now_serving", n()),
            ("paused?", flag()),
            ("sold_out?", flag()),
            ("message?", s()),
            ("ticket?", s()),
            ("next_poll_ms", n()),
        ],
    )
}
