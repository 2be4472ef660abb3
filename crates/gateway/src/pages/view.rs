//! What a drop page shows, read from the engine: durable facts only, no lock, no waiting.
//!
//! A page is in one *stage*, from which its headline, title and announcement follow. The signature
//! (`sig`) is what the script compares with its next look to know that the page is out of date; it is
//! made of the same words as the JSON of those looks.

use super::near::Promise;
use super::texts::{self, Lang, Texts};
use crate::config::{Shown, StockShown};
use crate::gateway::Gateway;
use crate::identity::Session;
use crate::line::{TicketToken, odds_word, state};
use onrush::{Campaign, LineView, Phase, Reservation, Standing, State, TicketNo, Timestamp};
use serde::Serialize;
use std::sync::Arc;

/// SKUs on one page.
pub(super) const SKUS_SHOWN_MAX: usize = 64;

/// What is the same for everybody.
#[derive(Debug, Serialize)]
pub(super) struct Sale {
    pub(super) name: String,
    pub(super) title: String,
    opens_unix: Option<u64>,
    limit: u32,
    hold_minutes: String,
}

/// One SKU, and how the buyer stands in its waitlist.
#[derive(Debug, Serialize)]
pub(super) struct SkuRow {
    pub(super) name: String,
    price: String,
    limit: u32,
    /// `free`, `few`, `many`, `all_held` or `sold_out`, as the texts name them.
    pub(super) state: &'static str,
    available: String,
    /// The idempotency key of its button.
    pub(super) key: String,
    pub(super) wait: Option<Wait>,
    pub(super) promise: Option<Promise>,
}

#[derive(Debug, Serialize)]
pub(super) struct Wait {
    pub(super) state: &'static str,
    ahead: u32,
}

/// What is the buyer's own.
#[derive(Debug, Default, Serialize)]
pub(super) struct Mine {
    pub(super) csrf: String,
    pub(super) ticket: Option<TicketRow>,
    pub(super) holds: Vec<Held>,
    pub(super) sold: Vec<Held>,
    /// Reservations so far, whatever became of them.
    #[serde(skip)]
    pub(super) had: usize,
    /// Units held or owned.
    #[serde(skip)]
    pub(super) units: u32,
}

/// A place in line.
#[derive(Debug, Default, Serialize)]
pub(super) struct TicketRow {
    #[serde(skip)]
    pub(super) text: String,
    pub(super) state: &'static str,
    joined: u32,
    about: u32,
    position: u64,
    ahead: u32,
    left: u64,
    eta: Option<String>,
    odds: &'static str,
    pub(super) pass_until_unix: u64,
    return_until_unix: u64,
}

/// A reservation.
#[derive(Debug, Serialize)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) sku: String,
    quantity: u32,
    price: String,
    pub(super) state: &'static str,
    pub(super) is_held: bool,
    pub(super) expires_unix: u64,
    pub(super) pay_url: Option<String>,
    pub(super) promise: Option<Promise>,
}

/// How a campaign stands, apart from the buyer.
#[derive(Debug)]
pub(super) struct Standings {
    pub(super) phase: Phase,
    pub(super) line: Option<Arc<LineView>>,
    pub(super) any_free: bool,
    pub(super) any_held: bool,
}

impl Sale {
    pub(super) fn of(campaign: &Campaign, lang: Lang) -> Sale {
        let terms = campaign.terms();
        let name = campaign.name().to_string();
        Sale {
            title: Shown::of(terms).title.unwrap_or_else(|| name.clone()),
            name,
            opens_unix: terms.schedule.opens_at.map(|at| at.0),
            limit: terms.limit_per_buyer,
            hold_minutes: texts::length(lang, terms.hold.0),
        }
    }
}

impl Standings {
    pub(super) fn is_paused(&self) -> bool {
        self.phase == Phase::Paused || self.line.as_ref().is_some_and(|line| line.paused)
    }

    fn all_sold(&self) -> bool {
        match &self.line {
            Some(line) => line.all_sold,
            None => !self.any_free && !self.any_held,
        }
    }

    /// Tell which stage the page is in, for somebody with `mine`.
    pub(super) fn stage(&self, mine: &Mine, limit: u32) -> &'static str {
        let has_bought = !mine.sold.is_empty();
        if !mine.holds.is_empty() {
            return "held";
        }
        match self.phase {
            Phase::Closed | Phase::Settled if has_bought => return "bought",
            Phase::Closed | Phase::Settled => return "ended",
            _ if has_bought && mine.units >= limit => return "bought",
            Phase::Paused => return "paused",
            Phase::Open => {}
            _ if mine.ticket.is_some() => return "joined",
            _ => return "soon",
        }
        let Some(ticket) = &mine.ticket else {
            return match (self.any_free, self.any_held) {
                _ if self.all_sold() => "sold_out",
                _ if self.line.is_some() => "join",
                (true, _) => "open",
                (_, true) => "all_held",
                _ => "sold_out",
            };
        };
        match ticket.state {
            "served" if self.is_paused() => "paused",
            "served" => "served",
            "passed_over" => "passed_over",
            _ if self.all_sold() => "sold_out",
            _ if self.is_paused() => "paused",
            // Its lane starts later than the sale.
            "before_draw" => "joined",
            other => other,
        }
    }
}

impl Gateway {
    pub(super) fn standings(&self, campaign: &Campaign, now: Timestamp) -> Standings {
        let units = campaign.skus().filter_map(|sku| self.engine.units(sku.ix));
        let (mut any_free, mut any_held) = (false, false);
        for units in units {
            any_free |= units.free > 0;
            any_held |= units.held > 0;
        }
        let line = self.engine.line(campaign);
        Standings { phase: campaign.phase(now), line, any_free, any_held }
    }

    pub(super) fn sku_rows(
        &self,
        campaign: &Arc<Campaign>,
        buyer: Option<&Session>,
    ) -> Vec<SkuRow> {
        let shown = Shown::of(campaign.terms());
        let rows = campaign.skus().take(SKUS_SHOWN_MAX).map(|sku| {
            let (free, held) =
                self.engine.units(sku.ix).map_or((0, 0), |units| (units.free, units.held));
            let wait = buyer.and_then(|buyer| {
                let standing = self.engine.waitlisted(campaign, sku.ix, buyer.buyer)?;
                let ahead = standing.place.map_or(0, |place| place.ahead);
                Some(Wait { state: crate::waitlist::state_of(&standing), ahead })
            });
            SkuRow {
                name: sku.name.to_string(),
                price: texts::money(&sku.price),
                limit: sku.limit_per_buyer.min(campaign.terms().limit_per_buyer),
                state: match (free, held, shown.stock) {
                    (0, 0, _) => "sold_out",
                    (0, ..) => "all_held",
                    (_, _, StockShown::Exact) => "free",
                    (free, _, StockShown::Band) if free <= shown.few_at => "few",
                    _ => "many",
                },
                available: texts::grouped(free.into()),
                key: String::new(),
                wait,
                promise: None,
            }
        });
        rows.collect()
    }

    /// Read what a buyer has here.
    pub(super) fn mine(
        &self,
        campaign: &Arc<Campaign>,
        session: &Session,
        token: &str,
        ticket: Option<(&str, TicketToken)>,
        lang: Lang,
        now: Timestamp,
    ) -> Mine {
        let texts = &self.pages.words(lang).texts;
        let all = self.engine.reservations_of(campaign, session.buyer);
        let mut mine = Mine {
            csrf: self.pages.form_token(token, now),
            ticket: ticket
                .and_then(|(text, ticket)| self.ticket_row(campaign, text, &ticket, texts)),
            had: all.len(),
            ..Mine::default()
        };
        for reservation in &all {
            let row = self.held_row(reservation, lang);
            let list = match reservation.state {
                state if state.is_held() && reservation.expires_at > now => &mut mine.holds,
                State::Sold => &mut mine.sold,
                _ => continue,
            };
            list.push(row);
            mine.units += reservation.quantity.get();
        }
        mine
    }

    pub(super) fn held_row(&self, reservation: &Reservation, lang: Lang) -> Held {
        let id = reservation.id.as_str();
        let campaign = reservation.campaign.as_str();
        let pay_url = match &self.pages.section.payment_url {
            Some(url) => Some(url.replace("{reservation}", id).replace("{campaign}", campaign)),
            None => {
                self.pages.dev.then(|| format!("/drop/{campaign}/pay/{id}?lang={}", lang.as_str()))
            }
        };
        Held {
            id: id.to_owned(),
            sku: reservation.sku.to_string(),
            quantity: reservation.quantity.get(),
            price: texts::money(&reservation.price),
            state: reservation.state.as_str(),
            is_held: reservation.state == State::Held,
            expires_unix: reservation.expires_at.0,
            // What is under review cannot be paid yet.
            pay_url: pay_url.filter(|_| reservation.state == State::Held),
            promise: None,
        }
    }

    fn ticket_row(
        &self,
        campaign: &Arc<Campaign>,
        text: &str,
        ticket: &TicketToken,
        texts: &Texts,
    ) -> Option<TicketRow> {
        let standing = self.engine.standing(campaign, TicketNo(ticket.number))?;
        let line = self.engine.line(campaign)?;
        let mut row = TicketRow {
            text: text.to_owned(),
            state: state(&standing),
            left: line.free + line.held,
            odds: "possible",
            ..TicketRow::default()
        };
        match standing {
            Standing::BeforeDraw { joined, .. } => row.joined = joined,
            Standing::Ranking { about } => row.about = about,
            Standing::Waiting { place, ahead, eta, odds } => {
                row.position = u64::from(place) + 1;
                row.ahead = ahead;
                row.eta = eta.map(|eta| texts::eta(texts, eta.p50_ms, eta.p90_ms));
                row.odds = odds_word(odds);
            }
            Standing::Served { pass } => row.pass_until_unix = pass.until.0,
            Standing::PassedOver { until } => row.return_until_unix = until.0,
            Standing::Returning | Standing::Used | Standing::Lost => {}
        }
        Some(row)
    }
}
