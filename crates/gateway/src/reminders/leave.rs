//! `/v1/unsubscribe/{token}`: the way out that every reminder carries.
//!
//! `GET` shows a page with one button, because mail filters open links by themselves; `POST` leaves,
//! from that button or from a mail program's own (RFC 8058). Whoever has the link may leave; no
//! login, no cookie.

use super::{Tell, buyer::reply};
use crate::answer::{Answer, Content};
use crate::gateway::{Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use http::StatusCode;
use onrush_notify::token::Leaving;
use onrush_notify::{Locale, Order};

impl Gateway {
    pub(crate) fn unsubscribe_page(&self, token: &str) -> Result<Answer, Problem> {
        let leaving = self.leaving(token)?;
        let page = page(leaving.locale, false, token);
        Ok(Answer::of(StatusCode::OK, Route::UnsubscribePage, Content::Html, page.into()))
    }

    pub(crate) fn unsubscribe(&self, token: &str) -> Result<Reply, Problem> {
        let Leaving { buyer, channel, locale } = self.leaving(token)?;
        let order = Order::Unsubscribe { buyer, channel };
        let asked = self.reminders.order(order, Tell::Left(locale))?;
        Ok(reply(Route::Unsubscribe, asked))
    }

    fn leaving(&self, token: &str) -> Result<Leaving, Problem> {
        let office = self.reminders.office()?;
        office.unsubscribe.read(token).ok_or_else(Problem::not_found)
    }
}

/// Write the page before or after leaving. The token was checked: it needs no escaping.
pub(super) fn page(locale: Locale, is_done: bool, token: &str) -> String {
    let (title, text, button) = match (locale, is_done) {
        (Locale::Zh, false) => {
            ("退订开售提醒", "不再接收此渠道的开售提醒，并删除您的地址。", "退订")
        }
        (Locale::Zh, true) => ("已退订", "您不会再收到此渠道的开售提醒，您的地址已删除。", ""),
        (Locale::En, false) => (
            "Stop reminders",
            "You get no more reminders on this channel, and your address is deleted.",
            "Unsubscribe",
        ),
        (Locale::En, true) => (
            "You have unsubscribed",
            "You get no more reminders on this channel. Your address is deleted.",
            "",
        ),
    };
    let form = match is_done {
        true => String::new(),
        false => format!(
            "<form method=\"post\" action=\"/v1/unsubscribe/{token}\">\
             <button>{button}</button></form>"
        ),
    };
    format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><meta name=\"referrer\" content=\"no-referrer\">\
         <title>{title}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:4em auto;\
         padding:0 1em}}button{{font:inherit;padding:.5em 1.5em}}</style>\
         <h1>{title}</h1><p>{text}</p>{form}</html>",
        lang = locale.as_str(),
    )
}
