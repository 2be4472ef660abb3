//! `GET` and `DELETE /v1/reservations/{id}`: looking and releasing.
//!
//! A reservation of somebody else answers with the same bytes as one that does not exist. A shop's
//! back end with the scope `reserve` acts for all buyers.

use super::reserve::idempotency_key;
use crate::answer::Answer;
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::Waiting;
use crate::wire::{prepared, push_reservation};
use http::StatusCode;
use onrush::{Reservation, Timestamp};

impl Gateway {
    pub(crate) fn look(&self, id: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let caller = self.caller(ask, now)?;
        let found = self.owned(id, &caller)?;
        Ok(Answer::json(StatusCode::OK, Route::Look, prepared(|out| push_reservation(out, &found))))
    }

    pub(crate) fn release(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let key = idempotency_key(ask.headers)?;
        let caller = self.caller(ask, now)?;
        let found = self.owned(id, &caller)?;
        let pending = self.engine.release(found.seq, key);
        Ok(Reply::Wait(Waiting::reservation(Route::Release, pending)))
    }

    /// Find a reservation that the caller may see.
    pub(crate) fn owned(&self, id: &str, caller: &Caller) -> Result<Reservation, Problem> {
        let seq = self.engine.seq_of(id);
        let found = match caller {
            Caller::Buyer(buyer) => seq.and_then(|seq| self.engine.look_as(seq, buyer.digest)),
            Caller::BackEnd(key) => {
                key.require(Scope::Reserve)?;
                seq.and_then(|seq| self.engine.look(seq))
            }
        };
        found.ok_or_else(Problem::not_found)
    }
}
