//! What the OpenAPI document says about reminders.

use serde_json::{Value, json};

/// Return the schemas of requests and answers.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let channel = json!({"type": "string", "enum": ["webhook", "push", "mail", "wechat"]});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let subscription = json!({
        "type": "object",
        "description": "What PushManager.subscribe() gave, as toJSON() writes it",
        "properties": {
            "endpoint": {"type": "string"},
            "expirationTime": {"type": ["number", "null"]},
            "keys": {"type": "object", "required": ["p256dh", "auth"], "properties": {
                "p256dh": {"type": "string"}, "auth": {"type": "string"}}},
        },
        "required": ["endpoint", "keys"],
    });
    vec![
        (
            "Remind",
            json!({
                "type": "object",
                "properties": {
                    "channel": channel,
                    "address": {"type": "string",
                        "description": "A mailbox, a WeChat openid, or the shop's own reference"},
                    "subscription": subscription,
                    "consent": {"type": "boolean", "const": true},
                    "consent_at": {"type": "string", "format": "date-time"},
                    "consent_version": {"type": "integer", "minimum": 0, "maximum": 65_535},
                    "locale": {"type": "string", "enum": ["zh", "en"]},
                    "buyer": {"type": "string"},
                },
                "required": ["channel", "consent", "consent_at"],
                "additionalProperties": false,
            }),
        ),
        (
            "Unremind",
            json!({
                "type": "object",
                "properties": {"channel": channel, "buyer": {"type": "string"}},
                "additionalProperties": false,
            }),
        ),
        (
            "Reminder",
            json!({"type": "object", "properties": {
                "campaign": {"type": "string"},
                "channel": channel,
                "state": {"type": "string",
                    "enum": ["waiting", "sending", "sent", "failed", "unknown", "missed"]},
                "send_at": time,
            }}),
        ),
        (
            "RemindersOffered",
            json!({"type": "object", "properties": {
                "campaign": {"type": "string"},
                "channels": {"type": "array", "items": channel},
                "push_public_key": {"type": ["string", "null"]},
                "send_at": time,
                "open": {"type": "boolean"},
            }}),
        ),
        (
            "ReminderCounts",
            json!({"type": "object", "properties": {
            "campaign": {"type": "string"}, "channels": {"type": "object"}}}),
        ),
        (
            "Erase",
            json!({
                "type": "object",
                "properties": {"buyer": {"type": "string"}},
                "required": ["buyer"],
                "additionalProperties": false,
            }),
        ),
        (
            "Removed",
            json!({"type": "object",
            "properties": {"removed": {"type": "integer"}}, "required": ["removed"]}),
        ),
    ]
}
