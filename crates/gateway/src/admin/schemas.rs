//! The OpenAPI part of what the console asks besides figures.

use crate::openapi::{Text, n, object, s, text, time};
use crate::routes::Route;
use serde_json::{Value, json};

/// Describe a route of this module; `None`: it is another's.
pub(crate) fn describe(route: Route) -> Option<Text> {
    Some(match route {
        Route::AdminMe => text("Whose key this is, and its role", None, "Me", &[200]),
        Route::AdminSignIn => {
            text("A one-time link's code for a token", Some("SignIn"), "SignedIn", &[200])
        }
        Route::AdminLinks => {
            text("A one-time link into the console", Some("LinkWanted"), "ConsoleLink", &[201])
        }
        Route::AdminTerms => text("A campaign as it is written", None, "CampaignPut", &[200]),
        Route::AdminCheck => {
            text("What putting this would change", Some("CampaignPut"), "CampaignCheck", &[200])
        }
        Route::AdminTimeline => {
            text("What the journal says of a reservation", None, "Timeline", &[200])
        }
        Route::AdminExtend => {
            text("Put the deadlines of live holds off", Some("Extend"), "Extended", &[200])
        }
        Route::AdminExtendOne => {
            text("Put a hold's deadline off", Some("Extend"), "Reservation", &[200])
        }
        _ => return None,
    })
}

/// Return the schemas of this module.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let role = json!({"type": "string", "enum": ["viewer", "operator", "owner"]});
    let known = json!({"type": ["string", "null"]});
    let number = json!({"type": ["integer", "null"]});
    let words = || json!({"type": "array", "items": {"type": "string"}});
    let flag = || json!({"type": "boolean"});
    let me = [("name", s()), ("role", known), ("scopes", words())];
    let signed_in = [&me[..], &[("token", s()), ("until", time())]].concat();
    let event =
        object(false, &[("lsn", n()), ("at", time()), ("what", s()), ("by?", s()), ("why?", s())]);
    let events = json!({"type": "array", "items": event});
    vec![
        ("Me", object(false, &me)),
        ("Extend", object(true, &[("more_ms", n()), ("reason", s())])),
        ("Extended", object(false, &[("campaign", s()), ("holds", n()), ("more_ms", n())])),
        ("SignIn", object(true, &[("code", s())])),
        ("SignedIn", object(false, &signed_in)),
        ("LinkWanted", object(true, &[("name", s()), ("role", role), ("reason", s())])),
        ("ConsoleLink", object(false, &[("path", s()), ("until", time())])),
        (
            "CampaignCheck",
            object(
                false,
                &[
                    ("campaign", s()),
                    ("is_new", flag()),
                    ("terms_change", flag()),
                    ("skus_new", words()),
                    ("skus_changed", words()),
                    ("skus_left_out", n()),
                    ("units_new", n()),
                    ("warnings", words()),
                    ("opens_at", json!({"type": ["string", "null"]})),
                ],
            ),
        ),
        (
            "Timeline",
            object(
                false,
                &[
                    ("id", s()),
                    ("events", events),
                    ("next_from", number.clone()),
                    ("journal_begins", number),
                ],
            ),
        ),
    ]
}
