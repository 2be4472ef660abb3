//! Putting deadlines off: of all live holds of a campaign, or of one.

use super::{by, checked_reason};
use crate::answer::Answer;
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::stores::Later;
use crate::waiting::{Waiting, What, granted};
use crate::wire::{json, read_json};
use http::StatusCode;
use onrush::{By, DurationMs, Timestamp};
use serde::Deserialize;
use serde_json::json as value;
use std::borrow::Cow;

/// The body of both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtendPost<'a> {
    /// By how much.
    more_ms: u64,
    /// Why; kept for the audit.
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl Gateway {
    pub(crate) fn extend_holds(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let (more, by) = self.extension(ask, now)?;
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let pending = self.engine.extend_holds(&campaign, more, by);
        let steps = async move {
            let decision = pending.await.map_err(|error| Problem::of_error(&error))?;
            let (_, extended) = granted(decision)?;
            let name = campaign.name().as_str();
            let body = value!({"campaign": name, "holds": extended.holds, "more_ms": more.0});
            Ok(Answer::json(StatusCode::OK, Route::AdminExtend, json(&body)))
        };
        Ok(Reply::Wait(Waiting::later(Route::AdminExtend, Later::new(steps))))
    }

    pub(crate) fn extend_hold(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let (more, by) = self.extension(ask, now)?;
        let pending = self.engine.extend_hold(self.known(id)?, more, by);
        Ok(Reply::Wait(Waiting::of(Route::AdminExtendOne, What::Reservation(pending))))
    }

    fn extension(&self, ask: &Ask<'_>, now: Timestamp) -> Result<(DurationMs, By), Problem> {
        let body: ExtendPost<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let key = self.authorised(ask, now, Scope::Operate)?;
        Ok((DurationMs(body.more_ms), by(&key, reason)))
    }
}
