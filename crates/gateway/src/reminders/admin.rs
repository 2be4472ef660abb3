//! What operators ask: counts, never addresses; and to forget somebody.

use super::Tell;
use super::buyer::reply;
use super::wire::EraseBody;
use crate::answer::Answer;
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::checked_buyer;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{json, read_json};
use http::StatusCode;
use onrush::Timestamp;
use onrush_notify::{Channel, Order, State};
use serde_json::{Map, Value, json as value};

impl Gateway {
    /// `GET /admin/v1/campaigns/{campaign}/reminders`: how many, by channel and state.
    pub(crate) fn count_reminders(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        let figures = self.reminders.figures();
        let tally = figures.map(|figures| figures.of(campaign.ix())).unwrap_or_default();
        let channels = Channel::ALL.into_iter().map(|channel| {
            let counts = State::ALL.into_iter().map(|state| {
                let count = tally[channel as usize][state as usize];
                (state.as_str().to_owned(), Value::from(count))
            });
            (channel.as_str().to_owned(), Value::Object(counts.collect()))
        });
        let channels: Map<String, Value> = channels.collect();
        let body = value!({"campaign": campaign.name().as_str(), "channels": channels});
        Ok(Answer::json(StatusCode::OK, Route::AdminReminders, json(&body)))
    }

    /// `POST /admin/v1/buyers/erase`: destroy what is known of a buyer beside the journal.
    pub(crate) fn erase(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: EraseBody<'_> = read_json(ask.headers, ask.body)?;
        let buyer = checked_buyer(&body.buyer)?;
        let key = self.authorised(ask, now, Scope::Admin)?;
        let buyer = self.engine.buyer(buyer);
        if self.reminders.office.is_none() {
            let body = json(&value!({"removed": 0}));
            return Ok(Reply::Ready(Answer::json(StatusCode::OK, Route::AdminErase, body)));
        }
        let asked = self.reminders.order(Order::Erase { buyer }, Tell::Gone)?;
        tracing::info!(by = key.name.as_str(), ?buyer, "a buyer is being erased");
        Ok(reply(Route::AdminErase, asked))
    }
}
