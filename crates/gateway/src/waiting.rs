//! What a request waits for, and the answer that comes of it.

use crate::admin::{Batch, Batched, Listing};
use crate::answer::Answer;
use crate::funnel::Tally;
use crate::jitter::Jitter;
use crate::line::{LineDone, LineWait};
use crate::problem::Problem;
use crate::reminders::{Asked, Told};
use crate::risk::Screened;
use crate::routes::Route;
use crate::stores::Later;
use crate::waitlist::Place;
use crate::wire::{json, prepared, push_reservation};
use http::StatusCode;
use onrush::{
    Campaign, Decision, Engine, EngineError, Inspect, Pending, Reservation, SkuIx, WaitTicket,
};
use onrush_types::planted;
use serde_json::json as value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request that the engine is deciding. A future of [`Settled`]; [`wait`](Waiting::wait) blocks.
#[derive(Debug)]
#[must_use = "wait for it or await it"]
pub struct Waiting {
    pub(crate) route: Route,
    pub(crate) what: What,
    /// What a hold was promised, as JSON.
    promise: Option<Vec<u8>>,
    /// Where the funnel counts what comes of it.
    tally: Option<Tally>,
}

#[derive(Debug)]
pub(crate) enum What {
    Reservation(Pending<Reservation>),
    Screened(Screened),
    Campaign(Pending<Arc<Campaign>>),
    Units(Pending<SkuIx>),
    Refund(Pending<u32>),
    Line(Box<LineWait>),
    Wish(Pending<WaitTicket>, Place),
    Listing(Inspect<Option<Listing>>),
    Later(Later),
    Batch(Batch),
    Reminder(Asked),
}

/// What the engine said.
#[derive(Debug)]
pub struct Settled {
    route: Route,
    promise: Option<Vec<u8>>,
    outcome: Result<Outcome, EngineError>,
}

type ReservationOutcome = Result<Decision<Reservation>, EngineError>;

#[derive(Debug)]
enum Outcome {
    Reservation(Decision<Reservation>),
    Campaign(Decision<Arc<Campaign>>),
    Units(Decision<SkuIx>),
    Refund(Decision<u32>),
    Line(Box<LineDone>),
    Wish(Decision<WaitTicket>, Place),
    Listing(Option<Listing>),
    Later(Box<Result<Answer, Problem>>),
    Batch(Batched),
    Reminder(Told),
}

impl Waiting {
    pub(crate) fn reservation(route: Route, pending: Pending<Reservation>) -> Waiting {
        Waiting::of(route, What::Reservation(pending))
    }

    pub(crate) fn of(route: Route, what: What) -> Waiting {
        Waiting { route, what, promise: None, tally: None }
    }

    pub(crate) fn later(route: Route, steps: Later) -> Waiting {
        Waiting::of(route, What::Later(steps))
    }

    /// Tell with the hold where it comes from and when.
    pub(crate) fn with_promise(self, promise: Option<Vec<u8>>) -> Waiting {
        Waiting { promise, ..self }
    }

    /// Have the funnel count what comes of it.
    pub(crate) fn tallied(self, tally: Tally) -> Waiting {
        Waiting { tally: Some(tally), ..self }
    }

    /// Return the route that waits.
    pub fn route(&self) -> Route {
        self.route
    }

    /// Block until the engine decided.
    pub fn wait(self) -> Settled {
        let outcome = match self.what {
            What::Reservation(pending) => counted(&self.tally, pending.wait()),
            What::Screened(screened) => counted(&self.tally, screened.wait()),
            What::Campaign(pending) => pending.wait().map(Outcome::Campaign),
            What::Units(pending) => pending.wait().map(Outcome::Units),
            What::Refund(pending) => pending.wait().map(Outcome::Refund),
            What::Wish(pending, place) => pending.wait().map(|wish| Outcome::Wish(wish, place)),
            What::Listing(inspect) => inspect.wait().map(Outcome::Listing),
            What::Later(steps) => Ok(Outcome::Later(Box::new(steps.wait()))),
            What::Batch(batch) => Ok(Outcome::Batch(batch.wait())),
            What::Line(line) => Ok(Outcome::Line(line.wait().into())),
            What::Reminder(asked) => asked.wait().map(Outcome::Reminder),
        };
        Settled { route: self.route, promise: self.promise, outcome }
    }
}

impl Future for Waiting {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled> {
        let Waiting { what, tally, .. } = &mut *self;
        let outcome = match what {
            What::Reservation(pending) => Pin::new(pending).poll(cx).map(|r| counted(tally, r)),
            What::Screened(screened) => screened.poll(cx).map(|r| counted(tally, r)),
            What::Campaign(pending) => Pin::new(pending).poll(cx).map(|r| r.map(Outcome::Campaign)),
            What::Units(pending) => Pin::new(pending).poll(cx).map(|r| r.map(Outcome::Units)),
            What::Refund(pending) => Pin::new(pending).poll(cx).map(|r| r.map(Outcome::Refund)),
            What::Wish(pending, place) => {
                let wish = |wish| Outcome::Wish(wish, place.clone());
                Pin::new(pending).poll(cx).map(|r| r.map(wish))
            }
            What::Listing(inspect) => Pin::new(inspect).poll(cx).map(|r| r.map(Outcome::Listing)),
            What::Later(steps) => steps.poll(cx).map(|answer| Ok(Outcome::Later(Box::new(answer)))),
            What::Batch(batch) => batch.poll(cx).map(|outcomes| Ok(Outcome::Batch(outcomes))),
            What::Line(line) => line.poll(cx).map(|done| Ok(Outcome::Line(done.into()))),
            What::Reminder(asked) => Pin::new(asked).poll(cx).map(|r| r.map(Outcome::Reminder)),
        };
        let promise = self.promise.take();
        match outcome {
            Poll::Ready(outcome) => Poll::Ready(Settled { route: self.route, promise, outcome }),
            Poll::Pending => {
                self.promise = promise;
                Poll::Pending
            }
        }
    }
}

/// Let the funnel see an outcome that goes on.
fn counted(tally: &Option<Tally>, outcome: ReservationOutcome) -> Result<Outcome, EngineError> {
    if let Some(tally) = tally {
        tally.count(&outcome);
    }
    outcome.map(Outcome::Reservation)
}

impl Settled {
    pub(crate) fn reservation(
        route: Route,
        outcome: Result<Decision<Reservation>, EngineError>,
        promise: Option<Vec<u8>>,
    ) -> Settled {
        Settled { route, promise, outcome: outcome.map(Outcome::Reservation) }
    }

    /// Write the answer.
    pub fn answer(self, engine: &Engine, jitter: &Jitter) -> Answer {
        let route = self.route;
        self.written(engine, jitter).unwrap_or_else(|problem| problem.answer(route, jitter))
    }

    fn written(self, engine: &Engine, jitter: &Jitter) -> Result<Answer, Problem> {
        let route = self.route;
        match self.outcome.map_err(|error| Problem::of_error(&error))? {
            Outcome::Reservation(decision) => {
                let (new, r) = granted(decision)?;
                let created = planted!("repeat-says-created", true, new) && route == Route::Reserve;
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                // What is over is promised nothing any more.
                let promise = self.promise.filter(|_| r.state.is_held());
                let body = prepared(|body| {
                    push_reservation(body, &r);
                    if let Some(promise) = promise {
                        body.pop();
                        body.extend_from_slice(b",\"promise\":");
                        body.extend_from_slice(&promise);
                        body.push(b'}');
                    }
                });
                Ok(Answer::json(status, route, body))
            }
            Outcome::Campaign(decision) => {
                let (_, campaign) = granted(decision)?;
                let phase = campaign.phase(engine.now()).as_str();
                let body = value!({"campaign": campaign.name().as_str(), "phase": phase});
                Ok(Answer::json(StatusCode::OK, route, json(&body)))
            }
            Outcome::Units(decision) => {
                let (_, sku) = granted(decision)?;
                let units = engine.units(sku);
                let body = value!({
                    "free": units.map(|units| units.free),
                    "held": units.map(|units| units.held),
                });
                Ok(Answer::json(StatusCode::OK, route, json(&body)))
            }
            Outcome::Refund(decision) => {
                let (_, refund) = granted(decision)?;
                let body = value!({"refund": refund.to_string(), "paid": true});
                Ok(Answer::json(StatusCode::OK, route, json(&body)))
            }
            Outcome::Later(answer) => *answer,
            Outcome::Wish(decision, place) => place.answer(decision, route, engine, jitter),
            Outcome::Listing(found) => {
                let found = found.ok_or_else(Problem::not_found)?;
                Ok(Answer::json(StatusCode::OK, route, found.write(engine)))
            }
            Outcome::Batch(outcomes) => Ok(outcomes.answer(jitter)),
            Outcome::Line(done) => done.answer(engine),
            Outcome::Reminder(told) => told.written(route),
        }
    }
}

/// Tell whether it was done just now, and what it is; a refusal becomes a problem.
pub(crate) fn granted<T>(decision: Decision<T>) -> Result<(bool, T), Problem> {
    match decision {
        Decision::Done(value) => Ok((true, value)),
        Decision::Already(value) => Ok((false, value)),
        Decision::Refused(refusal) => Err(Problem::of_refusal(refusal)),
    }
}
