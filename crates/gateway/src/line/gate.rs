//! The line in front of somebody else's shop.
//!
//! `GET /v1/campaigns/{campaign}/gate` answers a reverse proxy that asks for each request whether it
//! may pass: nginx `auth_request` (204, or 403 with `Onrush-Redirect`) and Caddy `forward_auth` (204,
//! or with `?redirect=1` 303). `GET …/tickets/{ticket}/enter` sends whoever was called up back to the
//! shop with a pass in the address; the gate takes it from there into a cookie.
//!
//! Where people may be sent is on the campaign's list; nothing of a request is ever a target that is
//! not. The gate keeps a pass's time, not its single use: whoever has the cookie may load pages until
//! the pass ends.

use super::figures::{Counted, Refused};
use super::lines::Settings;
use super::query::{belongs_to, parameter, with_parameter, without_parameter};
use super::token::PassToken;
use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::cookie_named;
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::routes::Route;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use onrush::{BuyerDigest, Campaign, Standing, TicketNo, Timestamp};

/// The name of a pass in an address and in a cookie.
const PASS: &str = "onrush_pass";

/// Tells a proxy where to send who may not pass.
const REDIRECT: HeaderName = HeaderName::from_static("onrush-redirect");

/// Longest address that is sent back.
const RETURN_BYTES_MAX: usize = 2_048;

/// What a gate found.
enum Found {
    /// A pass it remembers.
    Known,
    /// A pass from the address, to be remembered.
    New(PassToken),
}

impl Gateway {
    pub(crate) fn gate(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        let settings = self.lines.settings(&campaign)?;
        let refused = match self.pass_at_gate(&campaign, ask.headers, now) {
            Ok(found) => {
                self.lines.figures.count(Counted::GateOpened);
                let open = Answer::empty(StatusCode::NO_CONTENT, Route::LineGate);
                return Ok(match found {
                    Found::Known => open,
                    Found::New(pass) => open.with(SET_COOKIE, self.cookie(&pass, now)),
                });
            }
            Err(refused) => refused,
        };
        self.lines.figures.count(Counted::GateClosed);
        let target = waiting_page(&settings, &campaign, wanted(ask.headers).as_deref());
        let redirects = parameter(ask.query.unwrap_or_default(), "redirect").is_some();
        Ok(match target {
            Some(target) if redirects => {
                Answer::empty(StatusCode::SEE_OTHER, Route::LineGate).with(LOCATION, target)
            }
            Some(target) => problem(refused).answer(Route::LineGate, jitter).with(REDIRECT, target),
            None => problem(refused).answer(Route::LineGate, jitter),
        })
    }

    /// `GET …/tickets/{ticket}/enter?return=…`: on to the shop, or back to the waiting page.
    pub(crate) fn enter(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let back = parameter(ask.query.unwrap_or_default(), "return").unwrap_or_default();
        let (campaign, ticket) = self.shown_ticket(part, ask, now)?;
        let settings = self.lines.settings(&campaign)?;
        if !belongs_to(&back, &settings.return_origins) {
            let detail = "return: not an address of a shop on this line's `return_origins`";
            return Err(Problem::invalid(detail));
        }
        let to = match self.engine.standing(&campaign, TicketNo(ticket.number)) {
            Some(Standing::Served { pass }) => {
                self.lines.funnels.passed(campaign.name(), pass.number);
                let jwt = self.pass_jwt(&campaign, &ticket, &pass, now);
                HeaderValue::from_str(&with_parameter(&back, PASS, &jwt)).ok()
            }
            _ => waiting_page(&settings, &campaign, Some(&back)),
        };
        let to = to.ok_or_else(|| {
            let detail = "it is not your turn; look at your ticket, which says when to look again";
            Problem::new(Code::PassRequired, detail)
        })?;
        Ok(Answer::empty(StatusCode::SEE_OTHER, Route::LineEnter).with(LOCATION, to))
    }

    fn pass_at_gate(
        &self,
        campaign: &Campaign,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Found, Option<Refused>> {
        let mut refused = None;
        if let Some(text) = headers.get("onrush-pass").and_then(|value| value.to_str().ok()) {
            match self.lines.tokens.open_pass(text, campaign.ix(), None, now) {
                Ok(_) => return Ok(Found::Known),
                Err(why) => refused = Some(why),
            }
        }
        // The address first: somebody who comes back with a new pass has an old one in the cookie.
        let address = wanted(headers).unwrap_or_default();
        let query = address.split_once('?').map_or("", |(_, query)| query);
        if let Some(token) = parameter(query, PASS) {
            match self.lines.jwts.open(&token, campaign.name().as_str(), now) {
                Ok(claims) => {
                    return Ok(Found::New(PassToken {
                        campaign: campaign.ix(),
                        buyer: pseudonym(&claims.sub).ok_or(Some(Refused::Forged))?,
                        number: claims.number,
                        class: claims.class,
                        place: claims.place,
                        until: Timestamp(claims.exp * 1_000),
                    }));
                }
                Err(why) => {
                    self.lines.figures.refused(why);
                    refused = Some(why);
                }
            }
        }
        if let Some(text) = cookie_named(headers, PASS) {
            match self.lines.tokens.open_entry(text, campaign.ix(), now) {
                Ok(_) => return Ok(Found::Known),
                Err(why) => refused = Some(why),
            }
        }
        Err(refused)
    }

    /// Remember a pass in the shop's own cookie, which the proxy hands on.
    fn cookie(&self, pass: &PassToken, now: Timestamp) -> HeaderValue {
        let entry = self.lines.tokens.entry(pass, now);
        let entry = std::str::from_utf8(&entry).expect("base64url is ASCII");
        let age = pass.until.since(now).0 / 1_000;
        let cookie =
            format!("{PASS}={entry}; Path=/; Max-Age={age}; HttpOnly; Secure; SameSite=Lax");
        HeaderValue::from_str(&cookie).expect("a token is base64url")
    }
}

/// Return the address that was asked for, as nginx or Caddy say it: whole, where they do.
fn wanted(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let address = text("x-original-url").map(str::to_owned).or_else(|| {
        let uri = text("x-forwarded-uri")?;
        let (scheme, host) = (text("x-forwarded-proto")?, text("x-forwarded-host")?);
        Some(format!("{scheme}://{host}{uri}"))
    });
    address.filter(|address| address.len() <= RETURN_BYTES_MAX)
}

/// Return where people wait, with the way back where that is a shop on the list.
fn waiting_page(
    settings: &Settings,
    campaign: &Campaign,
    back: Option<&str>,
) -> Option<HeaderValue> {
    let page = settings.waiting_page.as_ref()?;
    let mut target = with_parameter(page, "campaign", campaign.name().as_str());
    if let Some(back) = back.filter(|back| belongs_to(back, &settings.return_origins)) {
        target = with_parameter(&target, "return", &without_parameter(back, PASS));
    }
    HeaderValue::from_str(&target).ok()
}

fn problem(refused: Option<Refused>) -> Problem {
    match refused {
        None => {
            let detail = "a pass is needed here; wait in line, and come back with it";
            Problem::new(Code::PassRequired, detail)
        }
        Some(_) => {
            let detail = "the pass is over, changed, or not for this; look at your ticket: it says \
                          whether the place can be taken up again";
            Problem::new(Code::PassInvalid, detail)
        }
    }
}

/// Read a pseudonym's 32 hexadecimal digits.
fn pseudonym(text: &str) -> Option<BuyerDigest> {
    let bytes = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(BuyerDigest(bytes.to_be_bytes()))
}
