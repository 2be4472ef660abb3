//! What buyers and shop front ends can ask.

mod campaign;
mod payment;
mod reservation;
mod reserve;
mod session;
mod time;

pub(crate) use campaign::{CampaignViews, has_etag};
pub(crate) use payment::{checked_money, checked_reference};
pub(crate) use reserve::idempotency_key;

use crate::answer::{Answer, Content};
use crate::errors;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::routes::Route;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use onrush::Timestamp;

impl Gateway {
    /// Answer a request of the public side.
    pub(crate) fn public(
        &self,
        route: Route,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Reply, Problem> {
        match route {
            Route::Reserve => self.reserve(part, ask, now, jitter),
            Route::Look => self.look(part, ask, now).map(Reply::Ready),
            Route::Release => self.release(part, ask, now),
            Route::Time => self.time(ask.query, now).map(Reply::Ready),
            Route::Campaign => self.campaign(part, ask, now).map(Reply::Ready),
            Route::Session => self.open_session(ask, now).map(Reply::Ready),
            Route::Payment => self.payment(part, ask, now),
            Route::Promise => self.promise(part, ask, now),
            Route::CampaignStores => self.campaign_stores(part, ask, now),
            Route::WaitJoin => self.wait_join(part, ask, now),
            Route::WaitLook => self.wait_look(part, ask, now, jitter).map(Reply::Ready),
            Route::WaitLeave => self.wait_leave(part, ask, now),
            Route::ErrorPage => error_page(part).map(Reply::Ready),
            Route::Remind => self.remind(part, ask, now),
            Route::RemindersOffered => self.reminders_offered(part, now).map(Reply::Ready),
            Route::Challenge => self.challenge(part, ask, now),
            Route::Unremind => self.unremind(part, ask, now),
            Route::Calendar => self.calendar(part, now).map(Reply::Ready),
            Route::UnsubscribePage => self.unsubscribe_page(part).map(Reply::Ready),
            Route::Unsubscribe => self.unsubscribe(part),
            Route::DropPage => self.drop_page(part, ask, now, jitter).map(Reply::Ready),
            Route::DropForm => self.drop_form(part, ask, now, jitter),
            Route::DrawPage => self.draw_page(part, ask, now).map(Reply::Ready),
            Route::SandboxPage => self.sandbox_page(part, ask, now).map(Reply::Ready),
            Route::Asset => self.asset(part, ask).map(Reply::Ready),
            _ => self.public_line(route, part, ask, now, jitter),
        }
    }

    /// Tell who asks, and refuse what a foreign page made a browser send.
    pub(crate) fn caller(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Caller, Problem> {
        let caller = self.identity.someone(ask.headers, ask.memo, &self.engine, now)?;
        if let Caller::Buyer(buyer) = &caller
            && buyer.by_cookie
            && ask.method != http::Method::GET
        {
            self.cors().check_cookie_origin(ask.headers)?;
        }
        Ok(caller)
    }
}

/// `GET /docs/errors/{code}`: the page a problem's `type` leads to.
pub(crate) fn error_page(code: &str) -> Result<Answer, Problem> {
    let page = errors::explain(code).ok_or_else(Problem::not_found)?;
    let again = if page.retryable {
        "The same request may succeed later."
    } else {
        "The same request will be answered the same way."
    };
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{code} – Onrush</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;\
         padding:0 1em}}</style>\
         <h1>{title}</h1><p><code>{code}</code>, HTTP status {status}</p>\
         <p>{meaning}</p><h2>What to do next</h2><p>{action}</p><p>{again}</p></html>",
        code = page.code,
        title = page.title,
        status = page.status,
        meaning = page.meaning,
        action = page.action,
    );
    let answer = Answer::of(StatusCode::OK, Route::ErrorPage, Content::Html, body.into());
    Ok(answer.with(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")))
}
