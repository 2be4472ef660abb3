//! One request from its parts to its answer, without sockets, runtimes or clocks.
//!
//! [`Gateway::handle`] takes what a parser found and the time, and returns an answer or something to
//! wait for. The server above it moves bytes; a simulator calls it directly.
//!
//! Order of checks, the same for every route: address and method, shape of the request, identity,
//! then what the engine decides (campaign, repeat, phase, pass, risk, limit, stock, capacity).

use crate::admin::ReservationStream;
use crate::answer::Answer;
use crate::config::{Config, ConfigErrors, Network};
use crate::cors::Cors;
use crate::errors::Code;
use crate::identity::{Identity, SessionMemo};
use crate::jitter::Jitter;
use crate::line::{Eligibility, Lines, Listener};
use crate::metrics::Metrics;
use crate::pages::Pages;
use crate::problem::Problem;
use crate::providers::Providers;
use crate::public::CampaignViews;
use crate::reminders::Reminders;
use crate::risk::{Risks, Worker as RiskWorker};
use crate::routes::{self, Matched, Route};
use crate::stores::Stores;
use crate::waiting::Waiting;
use http::{HeaderMap, Method};
use onrush::{Engine, Timestamp};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Largest body on the public side.
pub const PUBLIC_BODY_BYTES_MAX: usize = 4 * 1_024;

/// Largest body on the admin side: a campaign of 100,000 SKUs.
pub const ADMIN_BODY_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// Longest path with its query.
pub const URI_BYTES_MAX: usize = 1_024;

/// Which side a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Buyers and shop front ends.
    Public,
    /// Operators and back ends.
    Admin,
}

/// A request as a parser found it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Where it came in.
    pub side: Side,
    /// Its method.
    pub method: &'a Method,
    /// Its path, as sent.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its whole body.
    pub body: &'a [u8],
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// What the connection showed before; `None` where there is no connection.
    pub memo: Option<&'a SessionMemo>,
}

/// An answer, or what to wait for.
#[derive(Debug)]
#[must_use]
pub enum Reply {
    /// It is there.
    Ready(Answer),
    /// The engine is deciding. Dropping it changes nothing: the action is queued already.
    Wait(Waiting),
    /// It has begun, and goes on: the head, and what comes after it.
    Events(Answer, Listener),
    /// It has begun, and answers line by line what its body brings.
    Stream(Answer, Box<ReservationStream>),
}

/// Everything a request meets. Cheap to share, holds no state that matters.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) engine: Engine,
    pub(crate) identity: Identity,
    pub(crate) providers: Providers,
    pub(crate) views: CampaignViews,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Arc<Lines>,
    pub(crate) reminders: Reminders,
    pub(crate) stores: Arc<Stores>,
    pub(crate) risks: Arc<Risks>,
    /// Ends with the gateway.
    _risk_worker: Option<RiskWorker>,
    pub(crate) pages: Pages,
    /// One reads the journal for an operator at a time.
    pub(crate) timelines: Arc<Semaphore>,
    cors: Cors,
    trusted_proxies: Vec<Network>,
}

impl Gateway {
    /// Read secrets and keys, and stand in front of `engine`.
    ///
    /// # Errors
    /// When a key file cannot be read or used.
    pub fn new(config: &Config, engine: Engine) -> Result<Gateway, ConfigErrors> {
        Gateway::build(config, engine, false)
    }

    /// The same for [`Engine::open_driven`]: no thread plans what is sold to stores. The caller does,
    /// with [`Engine::plan`]; what the router would say is refused or empty.
    ///
    /// # Errors
    /// As for [`new`](Gateway::new).
    pub fn new_driven(config: &Config, engine: Engine) -> Result<Gateway, ConfigErrors> {
        Gateway::build(config, engine, true)
    }

    fn build(config: &Config, engine: Engine, driven: bool) -> Result<Gateway, ConfigErrors> {
        let (risks, risk_worker) = Risks::open(config, &engine)?;
        Ok(Gateway {
            identity: Identity::new(config, &engine)?,
            providers: Providers::load(&config.payments)?,
            views: CampaignViews::default(),
            metrics: Metrics::default(),
            lines: Arc::new(Lines::new(config, &engine)?),
            reminders: Reminders::open(config, &engine)?,
            stores: Arc::new(Stores::new(&engine, driven)),
            risks,
            _risk_worker: risk_worker,
            pages: Pages::new(config, &engine)?,
            timelines: Arc::new(Semaphore::new(1)),
            cors: Cors::new(&config.cors),
            trusted_proxies: config.listen.trusted_proxies.clone(),
            engine,
        })
    }

    /// Ask `eligibility` before a ticket is given out, in every campaign that has no hook of its own.
    /// It has 300 ms; without an answer the buyer is told to come back.
    ///
    /// # Panics
    /// When the gateway is shared already.
    pub fn with_eligibility(mut self, eligibility: Arc<dyn Eligibility>) -> Gateway {
        Arc::get_mut(&mut self.lines).expect("not shared yet").own = Some(eligibility);
        self
    }

    /// Let `scorer` score joins and reserves in place of the scorecard. It runs on a thread of its own
    /// and has 2 ms; where it hangs, panics or says nonsense the policy's default counts, and after
    /// eight times it is not asked any more. Nothing is scored unless `risk.enabled` is set.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn with_scorer(self, scorer: Arc<dyn onrush_risk::Scorer>) -> std::io::Result<Gateway> {
        self.risks.set_scorer(scorer)?;
        Ok(self)
    }

    /// Return the figures.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Return the engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Return how many bytes of a body to read before [`handle`](Gateway::handle): on the admin side
    /// more than on the public one, but only for who may be there.
    pub fn body_bytes_max(&self, side: Side, headers: &HeaderMap) -> usize {
        match side {
            Side::Public => PUBLIC_BODY_BYTES_MAX,
            Side::Admin => match self.operator(headers, self.engine.now()) {
                Ok(_) => ADMIN_BODY_BYTES_MAX,
                Err(_) => PUBLIC_BODY_BYTES_MAX,
            },
        }
    }

    /// Tell whether a request's body is not to be read first: it is answered while it comes.
    pub fn is_streamed(&self, side: Side, method: &Method, path: &str) -> bool {
        side == Side::Admin && routes::is_stream(method, path)
    }

    /// Answer one request. Never blocks.
    pub fn handle(&self, ask: &Ask<'_>, now: Timestamp, jitter: &Jitter) -> Reply {
        let reply = self.dispatch(ask, now, jitter);
        match (reply, ask.side) {
            (Reply::Ready(answer), Side::Public) => {
                Reply::Ready(self.cors.allow(answer, ask.headers))
            }
            (Reply::Events(head, listener), Side::Public) => {
                Reply::Events(self.cors.allow(head, ask.headers), listener)
            }
            (reply, _) => reply,
        }
    }

    /// Add what a browser of another origin needs to see an answer that was waited for.
    pub fn finish(&self, answer: Answer, ask: &Ask<'_>) -> Answer {
        match ask.side {
            Side::Public => self.cors.allow(answer, ask.headers),
            Side::Admin => answer,
        }
    }

    fn dispatch(&self, ask: &Ask<'_>, now: Timestamp, jitter: &Jitter) -> Reply {
        let length = ask.path.len() + ask.query.map_or(0, str::len);
        if length > URI_BYTES_MAX {
            let detail = format!("an address has at most {URI_BYTES_MAX} bytes");
            let problem = Problem::new(Code::UriTooLong, detail);
            return Reply::Ready(problem.answer(Route::None, jitter));
        }
        let matched = match ask.side {
            Side::Public => routes::public(ask.method, ask.path),
            Side::Admin => routes::admin(ask.method, ask.path),
        };
        let (route, part) = match matched {
            Matched::Route(route, part) => (route, part),
            Matched::Methods(methods)
                if ask.side == Side::Public && ask.method == Method::OPTIONS =>
            {
                return Reply::Ready(self.cors.preflight(ask.headers, methods, jitter));
            }
            other => return Reply::Ready(other.refuse(jitter)),
        };
        let reply = match ask.side {
            Side::Public => self.public(route, part, ask, now, jitter),
            Side::Admin => self.admin(route, part, ask, now),
        };
        reply.unwrap_or_else(|problem| {
            if matches!(problem.code, Code::Unauthenticated | Code::Forbidden) {
                tracing::debug!(code = problem.code.as_str(), route = ?route, "refused");
            }
            Reply::Ready(problem.answer(route, jitter))
        })
    }

    pub(crate) fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Return the client's address: the connection's, or what a listed proxy says.
    ///
    /// Read from the right: each listed proxy vouches for the entry before its own.
    pub fn client_addr(&self, ask: &Ask<'_>) -> Option<IpAddr> {
        let mut client = ask.peer?;
        let forwarded = ask.headers.get_all("x-forwarded-for").into_iter().rev();
        let lists = forwarded.filter_map(|value| value.to_str().ok());
        let mut entries = lists.flat_map(|list| list.rsplit(','));
        while self.is_trusted(client) {
            match entries.next().map(|entry| entry.trim().parse()) {
                Some(Ok(before)) => client = before,
                _ => break,
            }
        }
        Some(client)
    }

    /// Tell whether this is a listed proxy.
    pub(crate) fn is_trusted(&self, addr: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|range| range.contains(addr))
    }
}
