//! Reminders before a sale: what buyers and operators ask, and the owner thread behind it.
//!
//! The gateway checks who asks, the campaign and the consent, and hands an order to the desk of
//! `onrush-notify`, which owns the side store. Nothing here shows or logs an address.

mod admin;
mod buyer;
mod campaigns;
mod figures;
mod leave;
mod schemas;
mod senders;
mod wire;

pub use campaigns::TicketLink;
pub(crate) use figures::encode as encode_figures;
pub(crate) use schemas::schemas;

use crate::answer::{Answer, Content};
use crate::config::{Config, ConfigErrors, NotifySection};
use crate::errors::Code;
use crate::gateway::Gateway;
use crate::line::tickets_ahead;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json};
use campaigns::EngineCampaigns;
use http::StatusCode;
use onrush::{Engine, EngineError, Name, Timestamp};
use onrush_notify::desk::Orders;
use onrush_notify::send::Senders;
use onrush_notify::token::Unsubscribe;
use onrush_notify::{Channel, Desk, Done, Figures, Full, Links, Locale, Notifier, Order, Policy};
use onrush_notify::{Running, Store};
use parking_lot::Mutex;
use serde_json::json as value;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// Least wait suggested while the queue of orders is full.
const RETRY_MS_BUSY: u32 = 500;

/// Everything about reminders that a request meets.
pub(crate) struct Reminders {
    pub(super) section: NotifySection,
    pub(super) links: Links,
    pub(super) senders: Arc<Senders>,
    tickets: Arc<OnceLock<TicketLink>>,
    office: Option<Office>,
}

/// There when reminders are configured, or kept from before.
struct Office {
    desk: Desk,
    figures: Arc<Figures>,
    unsubscribe: Arc<Unsubscribe>,
    /// Taken when the owner thread starts.
    owner: Mutex<Option<(Notifier, Orders)>>,
}

impl std::fmt::Debug for Reminders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reminders({:?})", self.senders.channels())
    }
}

impl Reminders {
    /// Read secrets and open the side store.
    ///
    /// # Errors
    /// When a file or the store cannot be used, or there is no folder for it.
    pub(crate) fn open(config: &Config, engine: &Engine) -> Result<Reminders, ConfigErrors> {
        let section = config.notify.clone();
        let links = Links {
            page: section.page.clone().unwrap_or_default(),
            public: section.public_url.clone().unwrap_or_default(),
            utc_offset_minutes: section.utc_offset.0,
        };
        let senders = Arc::new(senders::load(&section)?);
        let office = match &config.side {
            Some(side) if section.has_channel() || Store::exists(side) => {
                let store = Store::open(side, &engine.derive_key("onrush reminders store v1"));
                let store = store.map_err(|error| {
                    let folder = side.display().to_string();
                    ConfigErrors::one(&folder, "notify", error.to_string())
                })?;
                Some(office(store, &section, &links, engine))
            }
            None if section.has_channel() => {
                let problem = "reminders need a data folder; start with `onrush serve --data DIR`";
                return Err(ConfigErrors::one("notify", "notify", problem));
            }
            _ => None,
        };
        Ok(Reminders { section, links, senders, tickets: Arc::default(), office })
    }

    /// Return the figures, where reminders are kept.
    pub(crate) fn figures(&self) -> Option<Arc<Figures>> {
        self.office.as_ref().map(|office| office.figures.clone())
    }

    pub(crate) fn issue_with(&self, ticket: TicketLink) -> bool {
        self.tickets.set(ticket).is_ok()
    }

    /// Start the owner thread, once.
    pub(crate) fn start(&self, engine: &Engine) -> io::Result<Option<Running>> {
        let owner = self.office.as_ref().and_then(|office| office.owner.lock().take());
        let Some((notifier, orders)) = owner else { return Ok(None) };
        let campaigns = Arc::new(EngineCampaigns::new(engine.clone(), self.tickets.clone()));
        let clock = engine.clone();
        let clock = Arc::new(move || clock.now());
        onrush_notify::start(notifier, orders, self.senders.clone(), campaigns, clock).map(Some)
    }

    fn office(&self) -> Result<&Office, Problem> {
        self.office.as_ref().ok_or_else(|| {
            Problem::invalid("this shop sends no reminders; use the campaign's calendar.ics")
        })
    }

    /// Hand an order in.
    fn order(&self, order: Order, tell: Tell) -> Result<Asked, Problem> {
        let office = self.office()?;
        match office.desk.order(order) {
            Ok(answer) => Ok(Asked { answer, tell }),
            Err(Full::Queue) => {
                let problem = Problem::new(Code::Overloaded, "many reminders are being recorded");
                Err(Problem { retry_ms: Some(RETRY_MS_BUSY), ..problem })
            }
            Err(Full::Closed) => Err(Problem::of_error(&EngineError::Stopped)),
        }
    }
}

fn office(store: Store, section: &NotifySection, links: &Links, engine: &Engine) -> Office {
    let policy =
        Policy { lead: section.lead.0, per_second: section.per_second, give_up: section.give_up.0 };
    let secret = engine.derive_key("onrush reminders v1");
    let notifier = Notifier::new(store, policy, links.clone(), &secret, engine.now());
    let (desk, orders) = Desk::new();
    Office {
        desk,
        figures: notifier.figures(),
        unsubscribe: notifier.unsubscribe(),
        owner: Mutex::new(Some((notifier, orders))),
    }
}

impl Gateway {
    /// Let reminders carry the tickets of the gateway's own lines, where everybody's place is the same.
    pub(crate) fn issue_tickets_ahead(&self) {
        let page = self.reminders.links.page.clone();
        let tickets = tickets_ahead(self.lines.clone(), self.engine.clone(), page);
        self.issue_tickets_with(tickets);
    }

    /// Let reminders carry tickets issued in advance: `ticket` returns the link of one, or `None`.
    /// It is asked before each attempt and must give the same ticket again. Only the first call
    /// counts; returns whether this was it.
    pub fn issue_tickets_with(&self, ticket: TicketLink) -> bool {
        self.reminders.issue_with(ticket)
    }
}

/// An order under way, and how its outcome is told.
#[derive(Debug)]
pub(crate) struct Asked {
    answer: onrush_notify::Answer,
    tell: Tell,
}

/// How an outcome is told.
#[derive(Clone, Debug)]
pub(crate) enum Tell {
    /// A reminder, to its buyer.
    Reminder { campaign: Name, channel: Channel, send_at: Option<Timestamp> },
    /// How many are gone.
    Gone,
    /// A page for whoever left.
    Left(Locale),
}

/// What became of an order.
#[derive(Debug)]
pub(crate) struct Told {
    done: Done,
    tell: Tell,
}

impl Asked {
    /// Block until it is durable.
    pub(crate) fn wait(self) -> Result<Told, EngineError> {
        let done = self.answer.wait().map_err(|_| EngineError::Stopped)?;
        Ok(Told { done, tell: self.tell })
    }
}

impl Future for Asked {
    type Output = Result<Told, EngineError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Told, EngineError>> {
        let tell = self.tell.clone();
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|done| done.map(|done| Told { done, tell }).map_err(|_| EngineError::Stopped))
    }
}

impl Told {
    /// Write the answer.
    pub(crate) fn written(self, route: Route) -> Result<Answer, Problem> {
        match (self.done, self.tell) {
            (Done::Kept { new, state }, Tell::Reminder { campaign, channel, send_at }) => {
                let status = if new { StatusCode::CREATED } else { StatusCode::OK };
                let body = value!({
                    "campaign": campaign.as_str(),
                    "channel": channel.as_str(),
                    "state": state.as_str(),
                    "send_at": send_at.map(format_timestamp),
                });
                Ok(Answer::json(status, route, json(&body)))
            }
            (Done::Gone(_), Tell::Left(locale)) => {
                let page = leave::page(locale, true, "");
                Ok(Answer::of(StatusCode::OK, route, Content::Html, page.into()))
            }
            (Done::Gone(count), _) => {
                Ok(Answer::json(StatusCode::OK, route, json(&value!({"removed": count}))))
            }
            (Done::AddressFull, _) => Err(Problem::new(
                Code::LimitReached,
                "this address has as many reminders of this campaign as it may; use another \
                 address, or the campaign's calendar.ics",
            )),
            (Done::Full | Done::Kept { .. }, _) => {
                let detail = "there is no room for more reminders; use the campaign's calendar.ics";
                let problem = Problem::new(Code::Overloaded, detail);
                Err(Problem { retry_ms: Some(60_000), ..problem })
            }
        }
    }
}
