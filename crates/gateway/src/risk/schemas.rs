//! The OpenAPI part of risk.

use crate::openapi::{Text, text};
use crate::routes::Route;
use serde_json::{Value, json};

/// Describe a route of this module; `None`: it is another's.
pub(crate) fn describe(route: Route) -> Option<Text> {
    Some(match route {
        Route::Challenge => {
            text("Get or answer a challenge", Some("ChallengeRequest"), "Challenge", &[201, 200])
        }
        Route::AdminRisk => text("What risk has seen and done", None, "Risk", &[200]),
        Route::AdminRiskPolicy => text("The risk policy in force", None, "RiskPolicy", &[200]),
        Route::AdminRiskPolicyPut => {
            text("Put a risk policy in force", Some("RiskPolicyPut"), "RiskPolicy", &[200])
        }
        Route::AdminRiskModelPut => {
            text("Put a risk model in force, or beside it", Some("Model"), "RiskModel", &[200])
        }
        _ => return None,
    })
}

/// Return the schemas of this module.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let string = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0});
    let object = json!({"type": "object"});
    let of = |properties: Value| json!({"type": "object", "properties": properties});
    let kind = json!({"type": "string", "enum": ["time_lock", "work", "wait", "outside"]});
    vec![
        (
            "ChallengeRequest",
            json!({"type": "object", "additionalProperties": false, "properties": {
                "kind": kind, "level": {"type": "integer", "minimum": 1, "maximum": 3},
                "challenge": string, "answer": string, "outside": string}}),
        ),
        (
            "Challenge",
            of(json!({"challenge": string, "kind": kind, "until": string, "squarings": number,
                "modulus": string, "base": string, "zero_bits": number, "wait_ms": number,
                "site_key": string, "proof": string})),
        ),
        (
            "Risk",
            of(json!({"campaign": string, "policy": object, "model": object, "scores": number,
                "thresholds": {"type": "array", "items": {"type": ["number", "null"]}},
                "actions": object, "capped": number, "shortened": number, "challenges": object,
                "shadow_differs": number, "rows_lost": number, "sketches": object,
                "followed_lsn": number, "recent": {"type": "array", "items": object}})),
        ),
        ("RiskPolicy", of(json!({"version": number, "policy": string}))),
        (
            "RiskPolicyPut",
            json!({"type": "object", "additionalProperties": false,
                "required": ["policy", "reason"],
                "properties": {"policy": string, "reason": string}}),
        ),
        ("RiskModel", of(json!({"trees": number, "nodes": number, "shadow": {"type": "boolean"}}))),
        ("Model", json!({"type": "string", "format": "binary"})),
    ]
}
