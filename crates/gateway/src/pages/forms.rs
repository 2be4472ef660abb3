//! `POST /drop/{campaign}/{action}`: what the page's forms do.
//!
//! A form is turned into the JSON of the route that everybody uses, asked with the session cookie
//! alone, and its answer into a redirect to the page (post, redirect, get): reloading repeats nothing.
//! So a form can do nothing that the contract's routes cannot, and is refused in the same order.

use super::check::PROOF_COOKIE;
use super::show::{HANDOFF_COOKIE, TICKET_COOKIE};
use crate::answer::Answer;
use crate::errors::Code;
use crate::funnel::{FROM_COOKIE, Source};
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::{COOKIE_NAME, cookie_named};
use crate::jitter::Jitter;
use crate::line::query::{parameter, with_parameter};
use crate::problem::Problem;
use crate::routes::Route;
use crate::stores::Later;
use crate::waiting::Waiting;
use crate::wire::format_timestamp;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use onrush::{Campaign, PaymentLine, Timestamp};
use onrush_types::Name;
use serde_json::{Value, json};
use std::sync::Arc;

/// How long the page's ticket cookie is kept: the ticket's own key decides how long it is good.
const TICKET_COOKIE_S: u64 = 7 * 24 * 3_600;

/// Believed with `--dev` only, and only where nothing else says who asks.
const DEV_BUYER: HeaderName = HeaderName::from_static("x-onrush-buyer");

/// The field of a form that no person sees; what fills it is a program.
const TRAP: &str = "memo";

/// What is asked with the session cookie alone, whatever else a form's request says.
const NOT_PASSED_ON: [HeaderName; 9] = [
    AUTHORIZATION,
    DEV_BUYER,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    HeaderName::from_static("onrush-session"),
    HeaderName::from_static("onrush-pass"),
    HeaderName::from_static("onrush-proof"),
    HeaderName::from_static("onrush-field"),
    HeaderName::from_static("idempotency-key"),
];

/// What a form that succeeded leaves in the browser, or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Say(&'static str),
    KeepTicket,
    KeepCode,
    KeepSession,
}

/// The page to go back to.
#[derive(Clone, Debug)]
pub(super) struct Back {
    page: String,
    path: String,
    /// Set whatever comes of the form.
    cookies: Vec<HeaderValue>,
}

/// A form: `application/x-www-form-urlencoded`, as the URL standard has it.
struct Form<'a>(&'a str);

impl<'a> Form<'a> {
    fn read(ask: &Ask<'a>) -> Result<Form<'a>, Problem> {
        let kind = ask.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let is_form = kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
        if !is_form || ask.headers.contains_key(CONTENT_ENCODING) {
            let detail = "send a form as `application/x-www-form-urlencoded`, as browsers do";
            return Err(Problem::new(Code::UnsupportedMedia, detail));
        }
        let text = std::str::from_utf8(ask.body).map_err(|_| Problem::invalid("not a form"))?;
        Ok(Form(text))
    }

    fn get(&self, field: &str) -> Option<String> {
        parameter(self.0, field).filter(|value| !value.is_empty())
    }

    fn text(&self, field: &str) -> String {
        self.get(field).unwrap_or_default()
    }
}

impl Gateway {
    /// `POST /drop/{campaign}/{action}`.
    pub(crate) fn drop_form(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Reply, Problem> {
        let (name, action) = part.split_once('/').ok_or_else(Problem::not_found)?;
        let form = Form::read(ask)?;
        let campaign = self.visible(name, now)?;
        self.cors().check_cookie_origin(ask.headers)?;
        let back = Back::of(name, &form);
        match action {
            "signin" => return self.form_sign_in(&form, &back, ask, now, jitter),
            "take" => return self.form_take(&campaign, &form, back, ask, now),
            _ => {}
        }
        let session = cookie_named(ask.headers, COOKIE_NAME).filter(|token| {
            self.identity.sessions.verify(token, None, now).is_ok()
                && self.pages.is_form_token(token, &form.text("csrf"))
        });
        if session.is_none() {
            return Ok(Reply::Ready(back.saying("stale")));
        }
        let headers = plain_headers(ask.headers);
        if action == "check" {
            return Ok(Reply::Ready(self.form_check(&campaign, back, ask, &headers, now)));
        }
        let own = Own { gateway: self, campaign: &campaign, form: &form, headers, now, jitter };
        let (done, then) = own.act(action, ask)?;
        Ok(self.back_after(done, back, then, now))
    }

    /// Open a session for the token that a shop's page posts here, or with `--dev` for any name.
    fn form_sign_in(
        &self,
        form: &Form<'_>,
        back: &Back,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Reply, Problem> {
        let mut headers = plain_headers(ask.headers);
        headers.remove(COOKIE);
        let guest = || format!("guest-{:x}-{:x}", now.0, jitter.spread(u32::MAX / 2));
        let (header, value) = match form.get("token") {
            Some(token) => (AUTHORIZATION, format!("Bearer {token}")),
            None => (DEV_BUYER, form.get("name").unwrap_or_else(guest)),
        };
        let Ok(value) = HeaderValue::from_str(&value) else {
            return Ok(Reply::Ready(back.saying("signin")));
        };
        headers.insert(header, value);
        let body = json!({"cookie": true}).to_string();
        let opened = self.open_session(&posted(ask, &headers, &body), now);
        Ok(Reply::Ready(match opened {
            Ok(answer) => back.after(self.pages.dev, &answer, Then::KeepSession),
            Err(_) => back.saying("signin"),
        }))
    }

    /// Take up a hand-off code: a session, and the same place in line.
    fn form_take(
        &self,
        campaign: &Arc<Campaign>,
        form: &Form<'_>,
        mut back: Back,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let mut headers = plain_headers(ask.headers);
        headers.remove(COOKIE);
        let body = json!({"handoff": form.text("code")}).to_string();
        let Ok(opened) = self.open_session(&posted(ask, &headers, &body), now) else {
            return Ok(Reply::Ready(back.saying("code")));
        };
        let opened: Value = serde_json::from_slice(&opened.body).unwrap_or_default();
        let token = opened["session"].as_str().unwrap_or_default();
        let age_s = self.identity.sessions.ttl().0 / 1_000;
        back.cookies.push(self.pages.cookie(COOKIE_NAME, token, "/", age_s));
        if campaign.line().is_none() {
            return Ok(Reply::Ready(back.home()));
        }
        let cookie = HeaderValue::from_str(&format!("{COOKIE_NAME}={token}"));
        headers.insert(COOKIE, cookie.expect("a session is base64url"));
        let joined = self.join(campaign.name().as_str(), &posted(ask, &headers, "{}"), now);
        Ok(self.back_after(joined, back, Then::KeepTicket, now))
    }

    /// Turn what a route answers into the way back to the page.
    fn back_after(
        &self,
        done: Result<Reply, Problem>,
        back: Back,
        then: Then,
        now: Timestamp,
    ) -> Reply {
        match done {
            Err(problem) => Reply::Ready(back.saying(problem.code.as_str())),
            Ok(Reply::Ready(answer)) => Reply::Ready(back.after(self.pages.dev, &answer, then)),
            Ok(Reply::Events(..) | Reply::Stream(..)) => Reply::Ready(back.home()),
            Ok(Reply::Wait(waiting)) => {
                let (engine, dev) = (self.engine.clone(), self.pages.dev);
                let steps = async move {
                    let answer = waiting.await.answer(&engine, &Jitter::new(now.0));
                    Ok(back.after(dev, &answer, then))
                };
                Reply::Wait(Waiting::later(Route::DropForm, Later::new(steps)))
            }
        }
    }
}

/// A form of somebody who has a session, on its way to its route.
struct Own<'a> {
    gateway: &'a Gateway,
    campaign: &'a Arc<Campaign>,
    form: &'a Form<'a>,
    headers: HeaderMap,
    now: Timestamp,
    jitter: &'a Jitter,
}

type Done = (Result<Reply, Problem>, Then);

impl Own<'_> {
    fn act(mut self, action: &str, ask: &Ask<'_>) -> Result<Done, Problem> {
        let Own { gateway, campaign, form, now, .. } = self;
        let name = campaign.name().as_str();
        let sku = form.text("sku");
        let ticket = cookie_named(ask.headers, TICKET_COOKIE).unwrap_or_default();
        let part = format!("{name}/tickets/{ticket}");
        if matches!(action, "join" | "reserve") {
            self.show_evidence(ask);
        }
        Ok(match action {
            "join" => {
                let ask = posted(ask, &self.headers, "{}");
                (gateway.join(name, &ask, now), Then::KeepTicket)
            }
            "return" => {
                let ask = posted(ask, &self.headers, "");
                (gateway.return_to_line(&part, &ask, now), Then::Nothing)
            }
            "handoff" => {
                let ask = posted(ask, &self.headers, "");
                (gateway.hand_off(&part, &ask, now).map(Reply::Ready), Then::KeepCode)
            }
            "reserve" => (self.reserve(ask, &part), Then::Nothing),
            "release" => {
                let ask = posted(ask, &self.headers, "");
                (gateway.release(&form.text("reservation"), &ask, now), Then::Nothing)
            }
            "wait" => {
                let body = json!({"sku": sku}).to_string();
                (gateway.wait_join(name, &posted(ask, &self.headers, &body), now), Then::Nothing)
            }
            "unwait" => {
                let part = format!("{name}/waitlist/{sku}");
                (gateway.wait_leave(&part, &posted(ask, &self.headers, ""), now), Then::Nothing)
            }
            "remind" => {
                let body = json!({
                    "channel": "mail", "address": form.text("address"),
                    "consent": form.get("consent").is_some(), "consent_at": format_timestamp(now),
                    "locale": form.get("lang").unwrap_or_else(|| "zh".to_owned()),
                });
                let body = body.to_string();
                let done = gateway.remind(name, &posted(ask, &self.headers, &body), now);
                (done, Then::Say("reminded"))
            }
            "pay" if gateway.pages.dev => (self.pay(ask), Then::Nothing),
            _ => return Err(Problem::not_found()),
        })
    }

    /// Say with a join or reserve what risk asks for: the proof, and that a hidden field was filled.
    fn show_evidence(&mut self, ask: &Ask<'_>) {
        let proof = cookie_named(ask.headers, PROOF_COOKIE);
        if let Some(proof) = proof.and_then(|proof| HeaderValue::from_str(proof).ok()) {
            self.headers.insert("onrush-proof", proof);
        }
        if self.form.get(TRAP).is_some() {
            self.headers.insert("onrush-field", HeaderValue::from_static("filled"));
        }
    }

    fn reserve(&mut self, ask: &Ask<'_>, part: &str) -> Result<Reply, Problem> {
        let Own { gateway, campaign, form, now, jitter, .. } = *self;
        let key = HeaderValue::from_str(&form.text("key"));
        let key = key.map_err(|_| Problem::invalid("key: visible characters"))?;
        self.headers.insert("idempotency-key", key);
        if campaign.line().is_some()
            && let Some(pass) = gateway.pass_of(part, &posted(ask, &self.headers, ""), now)
        {
            self.headers.insert("onrush-pass", pass);
        }
        let mut body = json!({"sku": form.text("sku")});
        if let Some(quantity) = form.get("quantity") {
            let quantity: u32 = quantity.parse().map_err(|_| Problem::invalid("quantity"))?;
            body["quantity"] = quantity.into();
        }
        if let Some(place) = form.get("at").as_deref().and_then(super::near::place) {
            body["destination"] = json!({"lat": place.lat, "lon": place.lon});
        }
        let from = Source::of_query(cookie_named(ask.headers, FROM_COOKIE));
        if !from.is_none() {
            body["attribution"] = from.attribution();
        }
        let body = body.to_string();
        gateway.reserve(campaign.name().as_str(), &posted(ask, &self.headers, &body), now, jitter)
    }

    /// Pay in full with money that does not exist.
    fn pay(&self, ask: &Ask<'_>) -> Result<Reply, Problem> {
        let Own { gateway, form, now, .. } = self;
        let caller = gateway.caller(&posted(ask, &self.headers, ""), *now)?;
        let found = gateway.owned(&form.text("reservation"), &caller)?;
        let line = PaymentLine {
            provider: Name::new("sandbox").expect("a plain word is a name"),
            method: Name::new("sandbox").expect("a plain word is a name"),
            // Pressing the button twice is the same payment.
            reference: found.id.as_str().into(),
            money: found.price,
        };
        let lines = if found.price.amount > 0 { vec![line] } else { Vec::new() };
        let pending = gateway.engine.confirm(found.seq, lines, None);
        let waiting = Waiting::reservation(Route::DropForm, pending);
        Ok(Reply::Wait(waiting.tallied(gateway.lines.funnels.payment())))
    }
}

impl Gateway {
    /// Return the pass of a ticket that was called up.
    fn pass_of(&self, part: &str, ask: &Ask<'_>, now: Timestamp) -> Option<HeaderValue> {
        let looked = self.poll(part, ask, now, &Jitter::new(now.0)).ok()?;
        let looked: Value = serde_json::from_slice(&looked.body).ok()?;
        HeaderValue::from_str(looked["pass"].as_str()?).ok()
    }
}

impl Back {
    fn of(campaign: &str, form: &Form<'_>) -> Back {
        let path = format!("/drop/{campaign}");
        let mut page = path.clone();
        for field in ["lang", "at"] {
            if let Some(value) = form.get(field).filter(|value| value.len() <= 64) {
                page = with_parameter(&page, field, &value);
            }
        }
        Back { page, path, cookies: Vec::new() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn keeping(mut self, cookie: HeaderValue) -> Back {
        self.cookies.push(cookie);
        self
    }

    pub(super) fn home(&self) -> Answer {
        self.to(&self.page)
    }

    pub(super) fn saying(&self, said: &str) -> Answer {
        self.to(&with_parameter(&self.page, "said", said))
    }

    fn to(&self, page: &str) -> Answer {
        let page = HeaderValue::from_str(page).expect("an address is escaped");
        let answer = Answer::empty(StatusCode::SEE_OTHER, Route::DropForm).with(LOCATION, page);
        let cookies = self.cookies.iter().cloned();
        cookies.fold(answer, |answer, cookie| answer.with(SET_COOKIE, cookie))
    }

    /// Go back after an answer: with what it gave, or with why it refused.
    fn after(&self, dev: bool, answer: &Answer, then: Then) -> Answer {
        if let Some(code) = answer.code {
            let mut back = self.saying(code.as_str());
            back.code = Some(code);
            return back;
        }
        let body = || serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let keep = |name: &str, value: &Value, age_s: u64| {
            let value = value.as_str().unwrap_or_default();
            super::cookie(dev, name, value, &self.path, age_s)
        };
        match then {
            Then::Nothing => self.home(),
            Then::Say(said) => self.saying(said),
            Then::KeepTicket => {
                let kept = keep(TICKET_COOKIE, &body()["ticket"], TICKET_COOKIE_S);
                self.home().with(SET_COOKIE, kept)
            }
            Then::KeepCode => {
                // As long as the code is good by default; a page that shows an older one does no harm.
                self.home().with(SET_COOKIE, keep(HANDOFF_COOKIE, &body()["handoff"], 120))
            }
            Then::KeepSession => {
                let cookies = answer.headers.iter().filter(|(name, _)| name == SET_COOKIE);
                cookies.fold(self.home(), |home, (name, value)| {
                    home.with(name.clone(), super::with_or_without_tls(dev, value))
                })
            }
        }
    }
}

/// Make the request of a route out of a form's.
fn posted<'a>(ask: &Ask<'a>, headers: &'a HeaderMap, body: &'a str) -> Ask<'a> {
    Ask { headers, body: body.as_bytes(), ..*ask }
}

/// Keep what a route may see of a form's headers: who asks by cookie, from where, what the browser shows
/// of itself, in its order, and that it is JSON.
fn plain_headers(headers: &HeaderMap) -> HeaderMap {
    let mut plain = HeaderMap::with_capacity(headers.len() + 3);
    for (name, value) in headers.iter().filter(|(name, _)| !NOT_PASSED_ON.contains(name)) {
        plain.append(name, value.clone());
    }
    plain.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    plain
}
