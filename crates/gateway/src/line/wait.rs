//! What a request about a line waits for, and the answer that comes of it.

use super::figures::Counted;
use super::join::{Asked, Joiner, Joining};
use super::poll::state;
use crate::answer::Answer;
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::granted;
use crate::wire::json;
use http::StatusCode;
use onrush::{Campaign, Decision, Engine, EngineError, Pending, Ticket};
use serde_json::json as value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What is being decided.
#[derive(Debug)]
pub(crate) enum LineWait {
    /// Somebody joins.
    Join(Joining, Joiner),
    /// A place that was passed over is taken up again.
    Return(Pending<Ticket>, Arc<Campaign>),
}

/// What was decided.
#[derive(Debug)]
pub(crate) enum LineDone {
    /// About a join.
    Join(Asked, Joiner),
    /// About a return.
    Return(Result<Decision<Ticket>, EngineError>, Arc<Campaign>),
}

impl LineWait {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LineDone> {
        match self {
            LineWait::Join(joining, joiner) => {
                joining.poll(cx).map(|asked| LineDone::Join(asked, joiner.clone()))
            }
            LineWait::Return(pending, campaign) => {
                let decided = Pin::new(pending).poll(cx);
                decided.map(|decided| LineDone::Return(decided, campaign.clone()))
            }
        }
    }

    /// Block until it is decided.
    pub(crate) fn wait(self) -> LineDone {
        match self {
            LineWait::Join(joining, joiner) => LineDone::Join(joining.wait(), joiner),
            LineWait::Return(pending, campaign) => LineDone::Return(pending.wait(), campaign),
        }
    }
}

impl LineDone {
    /// Write the answer.
    pub(crate) fn answer(self, engine: &Engine) -> Result<Answer, Problem> {
        match self {
            LineDone::Join(asked, joiner) => {
                let decided = asked.and_then(|asked| asked.map_err(|e| Problem::of_error(&e)));
                let joined = decided.and_then(granted);
                if let (Err(_), Some(proof)) = (&joined, &joiner.proof) {
                    proof.give_back();
                }
                let (is_new, ticket) = joined?;
                let (status, counted) = match is_new {
                    true => (StatusCode::CREATED, Counted::Joined),
                    false => (StatusCode::OK, Counted::JoinedAgain),
                };
                joiner.lines.figures.count(counted);
                joiner.lines.funnels.joined(joiner.campaign.name(), &joiner.from, ticket.number);
                Ok(Answer::json(status, Route::LineJoin, joiner.written(&ticket, engine)))
            }
            LineDone::Return(decided, campaign) => {
                let decided = decided.map_err(|error| Problem::of_error(&error))?;
                let (_, ticket) = granted(decided)?;
                let standing = engine.standing(&campaign, ticket.number);
                let standing = standing.as_ref().map(state);
                let body = value!({"number": ticket.number.0, "state": standing});
                Ok(Answer::json(StatusCode::OK, Route::LineReturn, json(&body)))
            }
        }
    }
}
