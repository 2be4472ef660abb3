//! `GET` of pages: the drop page, the draw's page, the pretend payment page.

use super::assets::{encoded, gzip};
use super::near::place;
use super::texts::Lang;
use super::view::{Mine, Sale, SkuRow, Standings};
use super::{Pages, Prepared};
use crate::answer::{Answer, Content};
use crate::errors;
use crate::funnel::{FROM_COOKIE, Source, Step};
use crate::gateway::{Ask, Gateway};
use crate::identity::{COOKIE_NAME, Session, cookie_named};
use crate::jitter::Jitter;
use crate::line::TicketToken;
use crate::line::query::{parameter, with_parameter};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{Destination, format_timestamp};
use bytes::Bytes;
use flate2::Compression;
use http::HeaderValue;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, SET_COOKIE};
use minijinja::value::Serde;
use minijinja::{Value, context};
use onrush::{Campaign, Phase, Timestamp};
use onrush_notify::Channel;
use serde_json::json;
use std::sync::Arc;

/// How old the shown stock may be.
const PREPARED_AGE_MS_MAX: u64 = 200;

/// Without a script, a page that waits is loaded again after so many seconds, at least.
const RELOAD_MS_MIN: u32 = 5_000;

/// Cookies of the page: its ticket, and a hand-off code for as long as it is good.
pub(super) const TICKET_COOKIE: &str = "onrush_ticket";
pub(super) const HANDOFF_COOKIE: &str = "onrush_handoff";

/// How long the page knows where somebody came from.
const FROM_COOKIE_S: u64 = 7 * 24 * 3_600;

/// A parameter of the page that says what came of a form, and the texts' part of a key.
const SAID: &str = "said";

/// Who looks, and at what.
pub(super) struct Looker<'a> {
    lang: Lang,
    /// The session's text, and what it says.
    pub(super) session: Option<(&'a str, Session)>,
    ticket: Option<(&'a str, TicketToken)>,
    at: Option<Destination>,
    pub(super) said: Option<String>,
}

impl Gateway {
    /// `GET /drop/{campaign}`.
    pub(crate) fn drop_page(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        let looker = self.looker(&campaign, ask, now);
        let came = self.came(&campaign, &looker, ask);
        if looker.session.is_none() && looker.at.is_none() && looker.said.is_none() {
            let page = self.prepared(&campaign, &looker, ask, now, jitter)?;
            let cache = HeaderValue::from_static("no-cache");
            let answer =
                encoded(ask.headers, &page.plain, &page.gzip, Route::DropPage, Content::Page);
            let answer = answer.with(CACHE_CONTROL, cache);
            return Ok(came.into_iter().fold(answer, |answer, c| answer.with(SET_COOKIE, c)));
        }
        let page = self.rendered(&campaign, &looker, ask, now, jitter)?;
        let answer = compressed(ask, page, Route::DropPage);
        let device = looker.session.is_some().then(|| self.device_cookie(ask)).flatten();
        let cookies = self.renewed(&campaign, &looker, now).into_iter().chain(device).chain(came);
        Ok(cookies.fold(answer, |answer, cookie| answer.with(SET_COOKIE, cookie)))
    }

    /// Count who comes to the page by a link for the first time, or by another than before; the cookie
    /// to remember it by. Who comes by none has nothing to be remembered by, so that everybody's page has
    /// the same bytes, and counts at each look before signing in.
    fn came(&self, campaign: &Campaign, looker: &Looker<'_>, ask: &Ask<'_>) -> Option<HeaderValue> {
        let (said, known) = (Source::of_query(ask.query), cookie_named(ask.headers, FROM_COOKIE));
        let is_known = match said.is_none() {
            true => known.is_some() || looker.session.is_some(),
            false => known == Some(&*said.for_cookie()),
        };
        if is_known {
            return None;
        }
        self.lines.funnels.count(campaign.name(), &said, Step::Arrived);
        let path = format!("/drop/{}", campaign.name().as_str());
        let kept = || self.pages.cookie(FROM_COOKIE, &said.for_cookie(), &path, FROM_COOKIE_S);
        (!said.is_none()).then(kept)
    }

    /// `GET /drop/{campaign}/draw`: draw again in the browser.
    pub(crate) fn draw_page(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        self.lines.settings(&campaign)?;
        let looker = self.looker(&campaign, ask, now);
        let pseudonym = looker.ticket.and_then(|(_, t)| self.engine.pseudonym(&campaign, t.buyer));
        let pseudonym = pseudonym.map(|pseudonym| pseudonym.to_string());
        let more = json!({"c": Sale::of(&campaign, looker.lang), "pseudonym": pseudonym});
        let page = self.pages.render("draw.html", looker.lang, more)?;
        Ok(compressed(ask, page, Route::DrawPage))
    }

    /// `GET /drop/{campaign}/pay/{reservation}`: stands for a shop's payment page, with `--dev` only.
    pub(crate) fn sandbox_page(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let (name, id) = part.split_once("/pay/").ok_or_else(Problem::not_found)?;
        let campaign = self.visible(name, now)?;
        let looker = self.looker(&campaign, ask, now);
        let (token, session) = looker.session.ok_or_else(Problem::not_found)?;
        let found = self.engine.seq_of(id).filter(|_| self.pages.dev);
        let found = found.and_then(|seq| self.engine.look_as(seq, session.buyer));
        let hold = self.held_row(&found.ok_or_else(Problem::not_found)?, looker.lang);
        let me = Mine { csrf: self.pages.form_token(token, now), ..Mine::default() };
        let more = json!({"c": Sale::of(&campaign, looker.lang), "hold": hold, "me": me});
        let page = self.pages.render("pay.html", looker.lang, more)?;
        Ok(compressed(ask, page, Route::SandboxPage))
    }

    /// Read who looks. What is shown and wrong is as if it was not there: a page then offers to sign
    /// in, or to join, which gives the same place back.
    fn looker<'a>(&self, campaign: &Campaign, ask: &Ask<'a>, now: Timestamp) -> Looker<'a> {
        let query = ask.query.unwrap_or_default();
        let accepted = ask.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let session = cookie_named(ask.headers, COOKIE_NAME).and_then(|token| {
            self.identity.sessions.verify(token, None, now).ok().map(|session| (token, session))
        });
        let ticket = session.as_ref().and_then(|(_, session)| {
            let text = cookie_named(ask.headers, TICKET_COOKIE)?;
            let ticket = self.lines.tokens.open_ticket(text, campaign.ix(), now).ok()?;
            (ticket.buyer == session.buyer).then_some((text, ticket))
        });
        Looker {
            lang: Lang::of(parameter(query, "lang").as_deref(), accepted),
            session,
            ticket,
            at: parameter(query, "at").as_deref().and_then(place),
            said: parameter(query, SAID),
        }
    }

    /// Return the page of everybody who has no session, written at most every 200 ms.
    fn prepared(
        &self,
        campaign: &Arc<Campaign>,
        looker: &Looker<'_>,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Arc<Prepared>, Problem> {
        let phase = campaign.phase(now);
        let key = (campaign.ix(), looker.lang);
        let fits = |page: &&Arc<Prepared>| {
            page.phase == phase
                && Arc::ptr_eq(&page.campaign, campaign)
                && now.since(page.made_at).0 < PREPARED_AGE_MS_MAX
                && page.made_at.since(now).0 < PREPARED_AGE_MS_MAX
        };
        if let Some(page) = self.pages.prepared.read().get(&key).filter(fits) {
            return Ok(page.clone());
        }
        let mut pages = self.pages.prepared.write();
        if let Some(page) = pages.get(&key).filter(fits) {
            return Ok(page.clone());
        }
        // Written under the lock: of a crowd that finds it old, one writes and the rest wait.
        let plain = Bytes::from(self.rendered(campaign, looker, ask, now, jitter)?);
        let gzip = gzip(&plain, Compression::fast());
        let (campaign, made_at) = (campaign.clone(), now);
        let page = Arc::new(Prepared { made_at, phase, campaign, plain, gzip });
        pages.insert(key, page.clone());
        Ok(page)
    }

    fn rendered(
        &self,
        campaign: &Arc<Campaign>,
        looker: &Looker<'_>,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<String, Problem> {
        let sale = Sale::of(campaign, looker.lang);
        let standings = self.standings(campaign, now);
        let mut mine = looker.session.as_ref().map_or_else(Mine::default, |(token, session)| {
            self.mine(campaign, session, token, looker.ticket, looker.lang, now)
        });
        let mut skus = self.sku_rows(campaign, looker.session.as_ref().map(|(_, session)| session));
        if let Some((token, _)) = &looker.session {
            for sku in &mut skus {
                sku.key = self.pages.idempotency_key(token, now, mine.had, &sku.name);
            }
        }
        if let Some(place) = &looker.at {
            for (row, sku) in skus.iter_mut().zip(campaign.skus()) {
                row.promise = self.promise_at(sku, place, now);
                let held = mine.holds.iter_mut().filter(|hold| hold.sku == row.name);
                held.for_each(|hold| hold.promise.clone_from(&row.promise));
            }
        }
        let stage = standings.stage(&mine, campaign.terms().limit_per_buyer);
        let (near, near_km) = match &looker.at {
            Some(place) => self.stores_near(campaign, place, ask, now),
            None => (Vec::new(), String::new()),
        };
        let message = self.lines.message(campaign.ix()).map(|message| message.text);
        let handoff = cookie_named(ask.headers, HANDOFF_COOKIE);
        let (watch, sig) = watched(&sale.name, &standings, &mine, &skus);
        let remind_mail = self.offers(Channel::Mail);
        // A session lasts as long as the wait, and a check begins when it is time for it.
        let is_renewed_here = mine.ticket.is_some()
            || (stage == "soon" && looker.session.is_some() && self.risks.settings().enabled);
        let renew_ms = is_renewed_here.then(|| self.identity.sessions.ttl().0 / 3);
        let has_line = campaign.line().is_some();
        let is_renewed = self.renewed(campaign, looker, now).is_some();
        let check = self.check_of(campaign, looker, ask, stage, is_renewed, now);
        let waits_ms = check.as_ref().and_then(|check| check.until_unix?.checked_sub(now.0));
        let more = json!({
            "c": sale, "skus": skus, "stage": stage, "watch": watch, "sig": sig, "message": message,
            "near": near, "near_km": near_km, "handoff": handoff, "remind_mail": remind_mail,
            "renew_ms": renew_ms, "line": has_line,
            "at": looker.at.map(|at| format!("{},{}", at.lat, at.lon)),
            "said": looker.said.as_deref().map(|said| self.pages.said(said, looker.lang)),
            "phase": standings.phase.as_str(),
            "waitlist": campaign.waitlist().is_some(),
            "has_stores": self.engine.store_count() > 0,
            "signed_in": looker.session.is_some(),
            "can_join": has_line && mine.ticket.is_none()
                && matches!(standings.phase, Phase::Preheat | Phase::Open)
                && matches!(stage, "soon" | "join"),
            "can_reserve": stage == "served" || (!has_line && matches!(stage, "open" | "all_held")),
            "can_reserve_later": !has_line && stage == "soon",
            "reload_s": waits_ms.map(|ms| ms as u32 / 1_000 + 1).or_else(|| reload_s(stage, jitter)),
            "check": check,
            "me": mine,
            "login_url": self.pages.login_url(campaign, looker.lang),
        });
        self.pages.render("drop.html", looker.lang, more)
    }

    /// Give who waits in line a session that lasts as long as the wait: the same buyer, known by a
    /// session that is still good and by the ticket beside it.
    fn renewed(
        &self,
        campaign: &Campaign,
        looker: &Looker<'_>,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let ((_, session), (_, _)) = looker.session.zip(looker.ticket)?;
        let ttl = self.identity.sessions.ttl();
        let is_over = matches!(campaign.phase(now), Phase::Closed | Phase::Settled);
        let is_young = session.expires_at.since(now).0 > ttl.0 * 2 / 3;
        if is_over || is_young {
            return None;
        }
        let fresh = self.identity.sessions.open(session.buyer, session.groups, now);
        let token = self.identity.sessions.sign(&fresh);
        Some(self.pages.cookie(COOKIE_NAME, &token, "/", ttl.0 / 1_000))
    }
}

impl Pages {
    fn render(
        &self,
        template: &str,
        lang: Lang,
        more: serde_json::Value,
    ) -> Result<String, Problem> {
        let words = self.words(lang);
        let more = Value::from(Serde(&more));
        let shared = context! {
            t => words.value.clone(), script_texts => words.for_scripts.clone(),
            asset => self.look.addresses.clone(),
            lang => lang.as_str(), lang_tag => lang.tag(),
            other_lang => lang.other().as_str(), other_tag => lang.other().tag(), dev => self.dev,
        };
        let rendered = self
            .look
            .env
            .get_template(template)
            .and_then(|template| template.render(context! { ..shared, ..more }));
        rendered.map_err(|error| {
            tracing::error!(template, error = format!("{error:#}"), "a page could not be rendered");
            let detail = "this page cannot be shown; its template has an error, see the log";
            Problem::new(errors::Code::Overloaded, detail)
        })
    }

    /// Return the text for what came of a form; what a stranger wrote there is never shown.
    fn said(&self, said: &str, lang: Lang) -> &str {
        let texts = &self.words(lang).texts;
        texts.get(&format!("said_{said}")).unwrap_or(&texts["said_other"])
    }

    fn login_url(&self, campaign: &Campaign, lang: Lang) -> Option<String> {
        let url = self.section.login_url.as_deref()?;
        let back = format!("/drop/{}", campaign.name());
        let back = with_parameter(&back, "lang", lang.as_str());
        Some(with_parameter(url, "return", &back))
    }

    pub(super) fn cookie(&self, name: &str, value: &str, path: &str, age_s: u64) -> HeaderValue {
        super::cookie(self.dev, name, value, path, age_s)
    }
}

/// Return what the script looks at next, and how it would stand there now.
fn watched(
    campaign: &str,
    standings: &Standings,
    mine: &Mine,
    skus: &[SkuRow],
) -> (String, String) {
    if let Some(hold) = mine.holds.first() {
        // A deadline may be put off.
        let until = format_timestamp(Timestamp(hold.expires_unix));
        return (format!("/v1/reservations/{}", hold.id), format!("{} {until}", hold.state));
    }
    let phase = standings.phase.as_str();
    if let Some(ticket) = &mine.ticket {
        let is_sold_out = standings.line.as_ref().is_some_and(|line| line.all_sold);
        let paused = if standings.is_paused() { "paused" } else { "" };
        let sold_out = if is_sold_out { "sold_out" } else { "" };
        let sig = format!("{phase} {} {paused} {sold_out}", ticket.state);
        return (format!("/v1/campaigns/{campaign}/tickets/{}", ticket.text), sig);
    }
    let waits = skus.iter().find(|sku| {
        sku.wait.as_ref().is_some_and(|wait| matches!(wait.state, "waiting" | "offered"))
    });
    if let Some((sku, wait)) = waits.and_then(|sku| Some((sku, sku.wait.as_ref()?))) {
        let address = format!("/v1/campaigns/{campaign}/waitlist/{}", sku.name);
        return (address, wait.state.to_owned());
    }
    let stock: String = skus
        .iter()
        .map(|sku| if matches!(sku.state, "all_held" | "sold_out") { '0' } else { '1' })
        .collect();
    (format!("/v1/campaigns/{campaign}"), format!("{phase} {stock}"))
}

/// Return after how long a page without a script is loaded again, where something will change.
fn reload_s(stage: &str, jitter: &Jitter) -> Option<u32> {
    let is_waiting =
        matches!(stage, "joined" | "waiting" | "ranking" | "returning" | "paused" | "all_held");
    is_waiting.then(|| jitter.spread(RELOAD_MS_MIN).div_ceil(1_000))
}

fn compressed(ask: &Ask<'_>, page: String, route: Route) -> Answer {
    let plain = Bytes::from(page);
    let gzip = match super::assets::takes_gzip(ask.headers) {
        true => gzip(&plain, Compression::fast()),
        false => Bytes::new(),
    };
    encoded(ask.headers, &plain, &gzip, route, Content::Page)
}
