//! The waitlist's shapes for the OpenAPI document.

use crate::openapi::{object, reference};
use serde_json::{Value, json};

/// Return the schemas by name.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer"});
    let time = json!({"type": "string", "format": "date-time"});
    let quantity = json!({"type": "integer", "minimum": 1, "maximum": 1000});
    let states = json!({"type": "string", "enum": ["waiting", "offered", "bought", "missed",
        "declined", "cancelled", "joined", "left"]});
    let rows = json!({"type": "array", "items": {"type": "object"}});
    let next = json!({"type": ["integer", "null"]});
    vec![
        ("WaitJoin", object(true, &[("sku", text()), ("quantity?", quantity), ("buyer?", text())])),
        (
            "Waitlisted",
            object(
                false,
                &[
                    ("campaign", text()),
                    ("sku", text()),
                    ("state", states),
                    ("number?", number()),
                    ("quantity?", number()),
                    ("ahead?", number()),
                    ("offer?", reference("WaitOffer")),
                    ("poll_after_ms?", number()),
                ],
            ),
        ),
        (
            "WaitOffer",
            object(
                false,
                &[
                    ("reservation", text()),
                    ("state", text()),
                    ("quantity", number()),
                    ("expires_at", time),
                ],
            ),
        ),
        ("WaitlistList", object(false, &[("lines", rows), ("next_after", next)])),
    ]
}
