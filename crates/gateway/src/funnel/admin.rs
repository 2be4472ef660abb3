//! `GET /admin/v1/campaigns/{campaign}/funnel`.

use super::{SOURCES_MAX, Shown, Step};
use crate::answer::Answer;
use crate::config::Scope;
use crate::gateway::{Ask, Gateway};
use crate::openapi::{Text, text};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::json as bytes;
use http::StatusCode;
use onrush::Timestamp;
use serde_json::{Value, json};

impl Gateway {
    pub(crate) fn show_funnel(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        let rows = self.lines.funnels.shown(campaign.name());
        let sources: Vec<Value> = rows.iter().map(written).collect();
        let body = json!({"campaign": name, "sources_max": SOURCES_MAX, "sources": sources});
        Ok(Answer::json(StatusCode::OK, Route::AdminFunnel, bytes(&body)))
    }
}

fn written(row: &Shown) -> Value {
    let source = row.source.as_ref();
    let mut value = json!({
        "channel": source.map_or("", |source| &source.channel),
        "touchpoint": source.map_or("", |source| &source.touchpoint),
        "other": row.is_other,
    });
    for (step, name) in Step::ALL {
        value[name] = row.counts[step as usize].into();
    }
    value
}

/// Describe a route of this module; `None`: it is another's.
pub(crate) fn describe(route: Route) -> Option<Text> {
    let what = "How far people of each channel and touchpoint came, since the start";
    (route == Route::AdminFunnel).then(|| text(what, None, "Funnel", &[200]))
}

/// Return the schemas of this module.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    let string = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0});
    let mut row = json!({"channel": string, "touchpoint": string, "other": {"type": "boolean"}});
    for (_, name) in Step::ALL {
        row[name] = number.clone();
    }
    let rows = json!({"type": "array", "items": {"type": "object", "properties": row}});
    let properties = json!({"campaign": string, "sources_max": number, "sources": rows});
    vec![("Funnel", json!({"type": "object", "properties": properties}))]
}
