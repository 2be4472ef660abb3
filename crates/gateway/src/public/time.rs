//! `GET /v1/time`: the clock that opens the sale, for a countdown.
//!
//! A page asks a few times, keeps the answer with the shortest way there and back, and takes sale time
//! as `unix_ms` plus half of that way at the moment in which the answer came. With `?campaign=NAME` the
//! answer has the campaign's phase and next planned switch as well, all of one moment.

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{push_json_string, push_timestamp, push_u64};
use http::StatusCode;
use onrush::Timestamp;

impl Gateway {
    pub(crate) fn time(&self, query: Option<&str>, now: Timestamp) -> Result<Answer, Problem> {
        let campaign = match query.filter(|query| !query.is_empty()) {
            None => None,
            Some(query) => {
                let name = query.strip_prefix("campaign=").filter(|name| !name.contains('&'));
                let name =
                    name.ok_or_else(|| Problem::invalid("query: only `campaign` is known"))?;
                Some(self.visible(name, now)?)
            }
        };
        let mut body = Vec::with_capacity(192);
        body.push(b'{');
        push_moment(&mut body, "now", "unix_ms", now);
        if let Some(campaign) = campaign {
            body.extend_from_slice(b",\"campaign\":");
            push_json_string(&mut body, campaign.name().as_str());
            body.extend_from_slice(b",\"phase\":");
            push_json_string(&mut body, campaign.phase(now).as_str());
            if let Some(at) = campaign.terms().schedule.next_switch_after(now) {
                body.push(b',');
                push_moment(&mut body, "next_switch_at", "next_switch_unix_ms", at);
            }
        }
        body.push(b'}');
        Ok(Answer::json(StatusCode::OK, Route::Time, body))
    }
}

fn push_moment(out: &mut Vec<u8>, text: &str, unix_ms: &str, at: Timestamp) {
    out.extend_from_slice(format!("\"{text}\":\"").as_bytes());
    push_timestamp(out, at);
    out.extend_from_slice(format!("\",\"{unix_ms}\":").as_bytes());
    push_u64(out, at.0);
}
