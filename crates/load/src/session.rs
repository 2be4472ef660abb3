//! One run from the first connection to the verdict: connect, read what is, play, read again, compare.

use crate::admin::{self, Terms};
use crate::check::{Rules, check};
use crate::client::Client;
use crate::count::{self, Counted};
use crate::crowd::{CrowdSpec, Mix};
use crate::doubles::Doubles;
use crate::drive::{OnrushShop, PlaySpec, Played, Queueing, Shop, Tally, play};
use crate::outcome::{Outcome, Settings};
use crate::own::{Process, Start, raise_open_files};
use crate::run::{Identity, block_on};
use crate::target::{Target, TargetError};
use crate::threshold::Threshold;
use crate::verdict::Verdict;
use crate::wire::{Door, Wire, ask_once};
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Connections to the admin side.
const ADMIN_CONNECTIONS: usize = 32;
/// How long a hold is taken to live where nobody says it.
const HOLD_GUESS: Duration = Duration::from_secs(300);
/// After the last hold's deadline, how long to wait until nothing is held any more.
const SETTLE_GRACE: Duration = Duration::from_secs(15);
const SETTLE_LOOK: Duration = Duration::from_millis(200);
/// Slices of a run in its report, at least; a short one has slices of 100 ms.
const SLICES: u32 = 300;
const SLICE_MIN: Duration = Duration::from_millis(100);
/// Descriptors beside the connections: files, epoll, timers, streams of the terminal.
const OTHER_FILES: u64 = 64;

/// Where a crowd goes.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where buyers ask.
    pub public: SocketAddr,
    /// What is there.
    pub kind: Kind,
}

/// What is at an address.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An Onrush server.
    Onrush {
        /// The campaign.
        campaign: String,
        /// The API key of a back end; without it, buyers of `--dev`.
        api_key: Option<String>,
        /// The admin address and its token.
        admin: Option<(SocketAddr, String)>,
        /// Wait before the check until nothing is held.
        settle: bool,
        /// Who signs tokens and payments.
        doubles: Box<Doubles>,
    },
    /// Something else that a file describes.
    Other {
        /// The description.
        target: Box<Target>,
        /// What one buyer may have there.
        limit: Option<u32>,
    },
}

/// How a crowd is played.
#[derive(Clone, Debug)]
pub struct How {
    /// Connections to the public side at most.
    pub connections: usize,
    /// Streams of events at most.
    pub streams_max: usize,
    /// An answer must come within this time.
    pub timeout: Duration,
    /// How long somebody without an answer asks again.
    pub patience: Duration,
    /// How long people arrive.
    pub duration: Duration,
    /// How long requests that wait for a connection are still sent after that.
    pub drain: Duration,
    /// What is not measured at the start.
    pub warm_up: Duration,
    /// How people queue.
    pub queueing: Queueing,
    /// How long they stay in a line.
    pub stay: Duration,
    /// How often somebody comes back who was told `all_held`.
    pub come_back_max: u32,
    /// The arrivals in words.
    pub arrivals: String,
    /// What must be reached.
    pub thresholds: Vec<Threshold>,
    /// The server's process, where it is on this machine.
    pub server_pid: Option<u32>,
}

/// Why there is no outcome.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// Nobody answers at the address.
    Unreachable(String),
    /// The admin side, or the count of a described target, cannot be read.
    NoTruth(String),
    /// The target cannot be asked as it is described.
    Target(TargetError),
    /// This machine does not give what is needed.
    Machine(String),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Target(error) => error.fmt(f),
            SessionError::Unreachable(what)
            | SessionError::NoTruth(what)
            | SessionError::Machine(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<TargetError> for SessionError {
    fn from(error: TargetError) -> SessionError {
        SessionError::Target(error)
    }
}

/// A site that was reached and is ready to be loaded.
#[derive(Debug)]
pub struct Session {
    site: Site,
    shop: Shop,
    terms: Option<Terms>,
}

/// What was there before a run.
#[derive(Debug, Default)]
struct Before {
    reservations: BTreeSet<String>,
    counted: Option<Counted>,
}

impl Session {
    /// Reach a site, and read its terms where there is an admin side.
    ///
    /// # Errors
    /// [`SessionError`], with what to do.
    pub fn open(site: Site) -> Result<Session, SessionError> {
        let host = site.public.to_string();
        std::net::TcpStream::connect_timeout(&site.public, Duration::from_secs(5)).map_err(
            |e| SessionError::Unreachable(format!("{host}: {e}; is the server running there?")),
        )?;
        let mut terms = None;
        let shop = match &site.kind {
            Kind::Onrush { campaign, api_key, admin, doubles, .. } => {
                let admin_host = admin.as_ref().map(|(addr, token)| (addr.to_string(), token));
                if let Some((addr, token)) = admin {
                    terms = Some(on_admin(*addr, token, async |client| {
                        admin::terms(&client, campaign).await
                    })?);
                }
                let api_key = api_key.as_deref();
                let identity = match (api_key, &doubles.issuer) {
                    (Some(_), _) => Identity::ApiKey,
                    (None, Some(_)) => Identity::Token,
                    (None, None) => Identity::DevHeader,
                };
                let admin =
                    admin_host.as_ref().map(|(host, token)| (host.as_str(), token.as_str()));
                let details = "";
                Shop::onrush(&OnrushShop {
                    host: &host,
                    campaign,
                    identity,
                    api_key,
                    admin,
                    details,
                })?
                .signed_by(doubles, &host)?
            }
            Kind::Other { target, .. } => Shop::other(target, &host)?,
        };
        Ok(Session { site, shop, terms })
    }

    /// Return the SKUs of the campaign, where the admin side tells them.
    pub fn skus(&self) -> Option<&[String]> {
        self.terms.as_ref().map(|terms| terms.skus.as_slice())
    }

    /// Play a crowd and compare. `watch` is called ten times a second; `false` ends the run.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn run(
        &self,
        how: &How,
        crowd: CrowdSpec,
        watch: &mut dyn FnMut(&Tally, Duration) -> bool,
    ) -> Result<(Outcome, Tally), SessionError> {
        let (mix, seed, buyers) = (crowd.mix, crowd.seed, crowd.buyers);
        let before = self.before()?;
        let process = how.server_pid.map(Process::read).transpose();
        let process = process.map_err(SessionError::Machine)?;
        let mut wire = self.wire(how)?;
        let spec = self.play_spec(how, crowd.skus.clone());
        let start = Start::now();
        wire.restart_clock();
        let played = play(&spec, &mut wire, crowd.guests(), watch);
        let load = start.cost(&played.tally);
        drop(wire);
        let settings = self.settings(how, buyers, seed);
        let mut outcome = Outcome::new(settings, &mix, &played.tally, load);
        if let Some(process) = process {
            outcome.server = Some(process.cost(&played.tally).map_err(SessionError::Machine)?);
        }
        let thresholds = how.thresholds.iter().map(|threshold| threshold.judge(&played.tally));
        outcome.measured(thresholds.collect());
        self.notes(&mut outcome, &mix);
        if played.stopped {
            outcome.broken_off();
            return Ok((outcome, played.tally));
        }
        let tally = self.compare(&mut outcome, played, before)?;
        Ok((outcome, tally))
    }

    fn before(&self) -> Result<Before, SessionError> {
        match &self.site.kind {
            Kind::Onrush { campaign, admin: Some((addr, token)), .. } => {
                let truth =
                    on_admin(*addr, token, async |client| admin::truth(&client, campaign).await)?;
                Ok(Before { reservations: truth.reservations.into_keys().collect(), counted: None })
            }
            Kind::Onrush { .. } => Ok(Before::default()),
            Kind::Other { target, .. } => {
                Ok(Before { counted: self.count(target)?, ..Before::default() })
            }
        }
    }

    fn wire(&self, how: &How) -> Result<Wire, SessionError> {
        let files = how.connections as u64 + how.streams_max as u64 + OTHER_FILES;
        raise_open_files(files).map_err(SessionError::Machine)?;
        let machine = |e: std::io::Error| SessionError::Machine(e.to_string());
        let door = |addr, connections| Door { addr, connections };
        let admin = match &self.site.kind {
            Kind::Onrush { admin: Some((addr, _)), .. } => Some(door(*addr, ADMIN_CONNECTIONS)),
            _ => None,
        };
        let public = door(self.site.public, how.connections);
        let mut wire = Wire::new(public, admin, how.timeout).map_err(machine)?;
        wire.open_ahead(how.connections).map_err(|e| {
            let text = format!("{}: {e}; is the server running there?", self.site.public);
            SessionError::Unreachable(text)
        })?;
        Ok(wire)
    }

    fn play_spec(&self, how: &How, skus: Vec<String>) -> PlaySpec {
        PlaySpec {
            shop: self.shop.clone(),
            skus,
            hold: self.hold(),
            patience: how.patience,
            arrive_until: how.duration,
            drain: how.drain,
            come_back_max: how.come_back_max,
            warm_up: how.warm_up,
            queueing: how.queueing,
            streams_max: how.streams_max,
            stay: how.stay,
            slice: (how.duration / SLICES).max(SLICE_MIN),
        }
    }

    fn hold(&self) -> Duration {
        self.terms.as_ref().map_or(HOLD_GUESS, |terms| Duration::from_millis(terms.hold_ms))
    }

    fn settings(&self, how: &How, buyers: u32, seed: u64) -> Settings {
        let target = match &self.site.kind {
            Kind::Onrush { campaign, .. } => format!("campaign {campaign}"),
            Kind::Other { target, .. } => target.name.clone(),
        };
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Settings {
            target,
            address: self.site.public.to_string(),
            arrivals: how.arrivals.clone(),
            rate: f64::from(buyers) / how.duration.as_secs_f64().max(1e-3),
            duration_ms: ms(how.duration),
            warm_up_ms: ms(how.warm_up),
            connections: how.connections,
            seed,
            queueing: match how.queueing {
                Queueing::Auto => "auto",
                Queueing::Poll => "poll",
                Queueing::Listen => "listen",
            },
        }
    }

    fn notes(&self, outcome: &mut Outcome, mix: &Mix) {
        let pay = mix.iter().any(|&(behaviour, weight)| weight > 0 && behaviour.pays());
        if pay && !self.shop.pays() {
            outcome.notes.push(
                "nobody paid: that needs --admin and --admin-token-file, or a [confirm]".to_owned(),
            );
        }
    }

    fn compare(
        &self,
        outcome: &mut Outcome,
        mut played: Played,
        before: Before,
    ) -> Result<Tally, SessionError> {
        let mut verdict = match &self.site.kind {
            Kind::Onrush { admin: None, .. } => Verdict::default(),
            Kind::Onrush { campaign, admin: Some((addr, token)), settle, .. } => {
                played.told.before = before.reservations;
                let hold = self.hold();
                let truth = on_admin(*addr, token, async |client| {
                    if *settle {
                        wait_until_quiet(&client, campaign, hold).await?;
                    }
                    admin::truth(&client, campaign).await
                })?;
                let limit = self.terms.as_ref().map_or(u32::MAX, |terms| terms.limit_per_buyer);
                check(&played.told, &truth, Rules { limit_per_buyer: limit, quiet: *settle })
            }
            Kind::Other { target, limit } => {
                let after = self.count(target)?;
                let counts = before.counted.zip(after);
                count::check(&played.told, &played.tally, counts, *limit)
            }
        };
        verdict.checks.extend(played.tally.order.checks());
        if !verdict.checks.is_empty() {
            outcome.judged(verdict);
        }
        Ok(played.tally)
    }

    fn count(&self, target: &Target) -> Result<Option<Counted>, SessionError> {
        let Some(count) = &target.check else { return Ok(None) };
        let request = count.request(&self.site.public.to_string())?;
        let answer = ask_once(self.site.public, &request, Duration::from_secs(10));
        let (status, body) = answer
            .map_err(|e| SessionError::NoTruth(format!("{} of the [check]: {e}", count.path)))?;
        if !(200..300).contains(&status) {
            let text = format!("{} of the [check] answered with status {status}", count.path);
            return Err(SessionError::NoTruth(text));
        }
        count.read(&body).map(Some).map_err(SessionError::NoTruth)
    }
}

/// Ask the admin side with a client of its own.
fn on_admin<T>(
    addr: SocketAddr,
    token: &str,
    ask: impl AsyncFnOnce(Client) -> Result<T, admin::AdminError>,
) -> Result<T, SessionError> {
    let answered = block_on(async {
        let client = Client::new(addr, ADMIN_CONNECTIONS, Duration::from_secs(10));
        client.set_token(token).map_err(SessionError::NoTruth)?;
        ask(client).await.map_err(|e| SessionError::NoTruth(e.to_string()))
    });
    answered.map_err(|e| SessionError::Machine(e.to_string()))?
}

async fn wait_until_quiet(
    client: &Client,
    campaign: &str,
    hold: Duration,
) -> Result<(), admin::AdminError> {
    let until = Instant::now() + hold + SETTLE_GRACE;
    while Instant::now() < until && admin::units(client, campaign).await?.units().held > 0 {
        tokio::time::sleep(SETTLE_LOOK).await;
    }
    Ok(())
}
