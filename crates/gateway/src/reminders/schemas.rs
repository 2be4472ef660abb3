//! What the OpenAPI document says about reminders.

use serde_json::{Value, json};

/// Return the schemas of requests and answers.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("Remind", remind()),
        ("Unremind", object(json!({"channel": channel(), "buyer": {"type": "string"}}), &[])),
        ("Erase", object(json!({"buyer": {"type": "string"}}), &["buyer"])),
        ("Reminder", reminder()),
        ("RemindersOffered", offered()),
        (
            "ReminderCounts",
            json!({"type": "object", "properties": {
                "campaign": {"type": "string"}, "channels": {"type": "object"}}}),
        ),
        (
            "Removed",
            json!({"type": "object",
                "properties": {"removed": {"type": "integer"}}, "required": ["removed"]}),
        ),
    ]
}

/// Make the schema of a request: what is not named is an error.
fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false})
}

fn channel() -> Value {
    json!({"type": "string", "enum": ["webhook", "push", "mail", "wechat"]})
}

fn time_or_null() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn remind() -> Value {
    let keys = json!({"p256dh": {"type": "string"}, "auth": {"type": "string"}});
    let subscription = json!({
        "endpoint": {"type": "string"},
        "expirationTime": {"type": ["number", "null"]},
        "keys": object(keys, &["p256dh", "auth"]),
    });
    let mut subscription = object(subscription, &["endpoint", "keys"]);
    subscription["description"] = "What PushSubscription.toJSON() gives".into();
    let properties = json!({
        "channel": channel(),
        "address": {"type": "string",
            "description": "A mailbox, a WeChat openid, or the shop's own reference"},
        "subscription": subscription,
        "consent": {"type": "boolean", "const": true},
        "consent_at": {"type": "string", "format": "date-time"},
        "consent_version": {"type": "integer", "minimum": 0, "maximum": 65_535},
        "locale": {"type": "string", "enum": ["zh", "en"]},
        "buyer": {"type": "string"},
    });
    object(properties, &["channel", "consent", "consent_at"])
}

fn reminder() -> Value {
    let states = ["waiting", "sending", "sent", "failed", "unknown", "missed"];
    json!({"type": "object", "properties": {
        "campaign": {"type": "string"},
        "channel": channel(),
        "state": {"type": "string", "enum": states},
        "send_at": time_or_null(),
    }})
}

fn offered() -> Value {
    json!({"type": "object", "properties": {
        "campaign": {"type": "string"},
        "channels": {"type": "array", "items": channel()},
        "push_public_key": {"type": ["string", "null"]},
        "send_at": time_or_null(),
        "open": {"type": "boolean"},
    }})
}
