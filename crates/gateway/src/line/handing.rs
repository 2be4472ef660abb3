//! A place that was passed over is taken up again; a place moves to another device.

use super::figures::Counted;
use super::handoff::Handed;
use super::poll::no_ticket;
use super::wait::LineWait;
use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{format_timestamp, json};
use http::StatusCode;
use onrush::{TicketNo, Timestamp};
use serde_json::json as value;

impl Gateway {
    /// `POST …/tickets/{ticket}/return`.
    pub(crate) fn return_to_line(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let (campaign, ticket) = self.shown_ticket(part, ask, now)?;
        let pending = self.engine.return_to_line(&campaign, TicketNo(ticket.number));
        let what = What::Line(Box::new(LineWait::Return(pending, campaign)));
        Ok(Reply::Wait(Waiting::of(Route::LineReturn, what)))
    }

    /// `POST …/tickets/{ticket}/handoff`. The code opens a session, so only the buyer gets one.
    pub(crate) fn hand_off(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let caller = self.caller(ask, now)?;
        let (_, ticket) = self.shown_ticket(part, ask, now)?;
        let Caller::Buyer(buyer) = caller else {
            let detail = "a back end opens sessions with `POST /v1/sessions`; a hand-off code is \
                          the buyer's own";
            return Err(Problem::new(Code::Forbidden, detail));
        };
        if buyer.digest != ticket.buyer {
            return Err(no_ticket());
        }
        let handed = Handed { buyer: buyer.digest, groups: buyer.groups };
        let (code, until) = self.lines.handoffs.give(handed, now)?;
        self.lines.figures.count(Counted::HandedOff);
        let body = value!({"handoff": code, "expires_at": format_timestamp(until)});
        Ok(Answer::json(StatusCode::CREATED, Route::LineHandoff, json(&body)))
    }

    /// Take up a hand-off code.
    pub(crate) fn taken_up(&self, code: &str, now: Timestamp) -> Result<Handed, Problem> {
        let handed = self.lines.handoffs.take(code, now).ok_or_else(|| {
            let detail = "this hand-off code is unknown, used, or over; ask for a new one on the \
                          device that has the place";
            Problem::new(Code::Unauthenticated, detail)
        })?;
        self.lines.figures.count(Counted::TakenUp);
        Ok(handed)
    }
}
