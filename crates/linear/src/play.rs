//! Plays stories against a real server that is killed and stopped, and judges what was seen.

use crate::history::{History, Terms};
use crate::order::Order;
use crate::story::{PRICE, Story, World};
use crate::{by_lsn, search};
use onrush_load::admin::put_campaign;
use onrush_load::client::Client;
use onrush_load::run::block_on;
use onrush_load::server::{Launch, Server};
use onrush_load::verdict::Verdict;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Operations on one data folder, about; then it is judged and the next one begins.
const OPERATIONS_PER_FOLDER: u64 = 25_000;
/// SKUs of a campaign, and how many of their stories are under way at once.
const SKUS: usize = 240;
const STORIES: usize = 24;
/// Every third campaign has short holds and slow callers, so that holds expire.
const SHORT_HOLD: Duration = Duration::from_secs(1);
const LONG_HOLD: Duration = Duration::from_secs(600);
const QUICK: Duration = Duration::from_millis(2);
const SLOW: Duration = Duration::from_millis(350);
/// Between two troubles, in milliseconds.
const CALM_MS: std::ops::Range<u64> = 60..500;
/// A server that is gone is back by then: ten seconds.
const TRIES_MAX: u32 = 1_000;
/// How long a server is stopped, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 2..40;

/// What to play.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `onrush` binary.
    pub program: PathBuf,
    /// An empty folder.
    pub home: PathBuf,
    /// Operations, at least.
    pub operations: u64,
    /// Of the callers and the troubles.
    pub seed: u64,
}

/// What was played.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Operations checked: answered, or left open.
    pub operations: u64,
    /// Of these, without an answer.
    pub open: u64,
    /// SKUs whose stories were searched.
    pub searched: u64,
    /// Times the server was killed.
    pub crashes: u64,
    /// Times it was stopped and let go on.
    pub pauses: u64,
    /// Data folders.
    pub folders: u64,
    /// Violations of anything.
    pub violations: u64,
}

/// A history, and the folder it was recorded on.
#[derive(Debug)]
pub struct Recorded {
    /// Calls and answers.
    pub history: History,
    /// Times the server was stopped and let go on.
    pub pauses: u64,
    /// Its data folder.
    pub data: PathBuf,
}

impl Recorded {
    /// Check the history in both ways, and the folder alone.
    ///
    /// # Errors
    /// When the folder cannot be read or does not replay.
    pub fn judge(&self) -> io::Result<Verdict> {
        let (order, folder) = Order::read(&self.data).map_err(io::Error::other)?;
        let mut verdict = by_lsn::check(&self.history, &order);
        verdict.checks.push(search::check(&self.history));
        verdict.extend(folder.verdict());
        Ok(verdict)
    }
}

/// Play and judge folder after folder. `told` hears of each; the first that does not hold is the last,
/// and is left where it is.
///
/// # Errors
/// When the server does not start again, ends by itself, or a folder does not replay.
pub fn play(plan: &Plan, mut told: impl FnMut(&Figures, &Verdict)) -> io::Result<Figures> {
    let mut figures = Figures::default();
    while figures.operations < plan.operations && figures.violations == 0 {
        let home = plan.home.join(format!("folder-{}", figures.folders));
        std::fs::create_dir_all(&home)?;
        let operations = OPERATIONS_PER_FOLDER.min(plan.operations - figures.operations);
        let seed = plan.seed + figures.folders;
        let recorded = record(&Plan { home: home.clone(), operations, seed, ..plan.clone() })?;
        let verdict = recorded.judge()?;
        let history = &recorded.history;
        figures.operations += history.operations();
        figures.open += history.ops.iter().filter(|op| op.heard.is_none()).count() as u64;
        figures.searched += verdict
            .checks
            .iter()
            .filter(|c| c.what == search::WHAT)
            .map(|c| c.looked_at)
            .sum::<u64>();
        figures.crashes += history.crashes.len() as u64;
        figures.pauses += recorded.pauses;
        figures.folders += 1;
        figures.violations += verdict.checks.iter().map(|check| check.violations).sum::<u64>();
        told(&figures, &verdict);
        if verdict.holds() {
            std::fs::remove_dir_all(&home)?;
        }
    }
    Ok(figures)
}

/// Play on one folder and return what was seen.
///
/// # Errors
/// When the server does not start again, or ends by itself.
pub fn record(plan: &Plan) -> io::Result<Recorded> {
    let launch = launch(&plan.program, &plan.home);
    let server = launch.start(None)?;
    block_on(async {
        let public = Client::new(server.public, 2 * STORIES * 4, Duration::from_secs(30));
        let admin = Client::new(server.admin, STORIES * 4, Duration::from_secs(30));
        admin.set_token(&server.token).map_err(io::Error::other)?;
        let start = Instant::now();
        let world = Rc::new(World { public, admin, history: RefCell::default(), start });
        let over = Cell::new(false);
        let crowd = async {
            let played = campaigns(&world, plan).await;
            over.set(true);
            played
        };
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x7240_7562);
        let (played, troubled) =
            tokio::join!(crowd, trouble(&world, &launch, server, &over, &mut rng));
        played?;
        let (server, pauses) = troubled?;
        server.kill()?;
        Ok(Recorded { history: world.history.take(), pauses, data: launch.data() })
    })?
}

fn launch(program: &Path, home: &Path) -> Launch {
    Launch {
        program: program.to_owned(),
        home: home.to_owned(),
        supply: 1,
        limit: 1,
        hold_ms: 60_000,
    }
}

async fn campaigns(world: &Rc<World>, plan: &Plan) -> io::Result<()> {
    for number in 0_u64.. {
        if world.history.borrow().operations() >= plan.operations {
            break;
        }
        let round = Rc::new(Round::new(world.clone(), plan, number));
        round.put().await?;
        let stories: Vec<_> = (0..round.at_once)
            .map(|_| tokio::task::spawn_local(round.clone().one_after_another()))
            .collect();
        for story in stories {
            story.await.map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// A campaign whose SKUs are played one after another, many at once.
struct Round {
    world: Rc<World>,
    operations: u64,
    campaign: Rc<str>,
    limit: u32,
    hold: Duration,
    think: Duration,
    at_once: usize,
    seed: u64,
    next: Cell<usize>,
}

impl Round {
    fn new(world: Rc<World>, plan: &Plan, number: u64) -> Round {
        let is_short = number % 3 == 2;
        Round {
            world,
            operations: plan.operations,
            campaign: format!("round-{number}").into(),
            limit: 1 + (number % 2) as u32,
            hold: if is_short { SHORT_HOLD } else { LONG_HOLD },
            think: if is_short { SLOW } else { QUICK },
            at_once: if is_short { 4 * STORIES } else { STORIES },
            seed: (plan.seed << 24) ^ (number << 12),
            next: Cell::new(0),
        }
    }

    async fn put(&self) -> io::Result<()> {
        let sku = |n| json!({"sku": format!("s{n}"), "price": PRICE, "supply": supply(n)});
        let skus: Vec<_> = (0..SKUS).map(sku).collect();
        let body = json!({
            "opens_at": "2026-01-01T00:00:00Z", "limit_per_buyer": self.limit,
            "hold": format!("{}s", self.hold.as_secs()), "skus": skus,
        });
        // The server may be gone just now; the same PUT again changes nothing.
        let mut tries = 0;
        while let Err(error) = put_campaign(&self.world.admin, &self.campaign, &body).await {
            tries += 1;
            if tries == TRIES_MAX {
                return Err(io::Error::other(error));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn one_after_another(self: Rc<Round>) {
        loop {
            let n = self.next.replace(self.next.get() + 1);
            if n >= SKUS || self.world.history.borrow().operations() >= self.operations {
                return;
            }
            let hold_us = self.hold.as_micros() as u64;
            let terms = Terms { supply: supply(n), limit: self.limit, hold_us };
            let (world, campaign) = (self.world.clone(), self.campaign.clone());
            let seed = self.seed ^ n as u64;
            Story::new(world, campaign, format!("s{n}"), terms, self.think, seed).play().await;
        }
    }
}

fn supply(n: usize) -> u32 {
    1 + (n % 4) as u32
}

/// Kill and stop the server until it is over.
async fn trouble(
    world: &World,
    launch: &Launch,
    mut server: Server,
    over: &Cell<bool>,
    rng: &mut ChaCha8Rng,
) -> io::Result<(Server, u64)> {
    let mut pauses = 0;
    while !over.get() {
        sleep(Duration::from_millis(rng.random_range(CALM_MS))).await;
        if rng.random_range(0..4) > 0 {
            let pid = Pid::from_raw(server.pid() as i32).expect("a process has a number");
            kill_process(pid, Signal::STOP)?;
            sleep(Duration::from_millis(rng.random_range(PAUSE_MS))).await;
            kill_process(pid, Signal::CONT)?;
            pauses += 1;
            continue;
        }
        let at = server.addresses();
        blocking(move || server.kill()).await?;
        world.history.borrow_mut().crash(world.us());
        let launch = launch.clone();
        server = blocking(move || launch.start(Some(at))).await?;
    }
    Ok((server, pauses))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
