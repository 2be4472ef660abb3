//! Crashes a real server again and again under load, and compares what its clients were told with
//! what its data folder holds afterwards.
//!
//! ```text
//! a sale: the crowd comes ─ so many new holds ─► blow ─► restart on the same folder and ports ─► …
//! its end: everybody is done ─ last hold over ─► blow ─► replay the folder ─► compare
//! ```
//!
//! | blow | what is lost |
//! |---|---|
//! | [`Blow::Kill`] | what the process had in memory (`kill -9`) |
//! | [`Blow::PowerCut`] | also what the file system had not written: it is shut down without its log, taken off and put on again (see [`disk`]) |
//!
//! Single system calls that fail are in [`inject`].

pub mod disk;
pub mod inject;

use crate::admin;
use crate::arrivals::Arrivals;
use crate::check::{Rules, check};
use crate::client::Client;
use crate::crowd::{CrowdSpec, MIXED};
use crate::folder::{Folder, FolderError};
use crate::run::{Figures, Identity, Played, RunSpec, block_on, run};
use crate::server::{Launch, Server};
use crate::truth::Truth;
use crate::verdict::Verdict;
use disk::CutDisk;
use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

const SUPPLY: u32 = 400;
const BUYERS: u32 = 2_000;
const ARRIVALS_PER_SECOND: f64 = 500.0;
const HOLD_MS: u64 = 1_500;
/// A blow after each so many new holds.
const HOLDS_PER_BLOW: u64 = 16;
/// Looks at the end until the last hold is over: twenty seconds.
const LAST_LOOKS: usize = 400;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const NAME: &str = "demo";

/// How a server is crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// `SIGKILL`.
    Kill,
    /// The disk goes away without a last write, and the process with it.
    PowerCut,
}

/// One sale to crash.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `onrush` binary.
    pub program: PathBuf,
    /// An empty folder, or the place where a disk is put on.
    pub home: PathBuf,
    /// Blows at most; the sale's end may come before.
    pub blows: u64,
    /// Of the crowd.
    pub seed: u64,
}

/// A sale that was crashed and is over; its server was dealt the last blow.
#[derive(Debug)]
pub struct Sale {
    /// What the crowd was told.
    pub played: Played,
    /// What the server said at the end.
    pub seen: Truth,
    /// Blows during the sale, the last one not counted.
    pub blows: u64,
    /// How it was started; its data folder is still there.
    pub launch: Launch,
}

impl Sale {
    /// Play a sale on `disk`, or in an ordinary folder and killed where there is none.
    ///
    /// # Errors
    /// When the server does not start again, ended by itself, or the disk cannot be put on.
    pub fn play(plan: &Plan, disk: Option<&CutDisk>) -> io::Result<Sale> {
        let launch = Launch {
            program: plan.program.clone(),
            home: plan.home.clone(),
            supply: SUPPLY,
            limit: 1,
            hold_ms: HOLD_MS,
        };
        let server = launch.start(None)?;
        block_on(async {
            let public = Client::new(server.public, 32, Duration::from_secs(10));
            let admin = Client::new(server.admin, 8, Duration::from_secs(10));
            admin.set_token(&server.token).map_err(io::Error::other)?;
            let next = Rc::new(Cell::new(HOLDS_PER_BLOW));
            let (due, over) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let watch = {
                let (next, due) = (next.clone(), due.clone());
                move |figures: &Figures| {
                    if figures.holds >= next.get() {
                        next.set(figures.holds + HOLDS_PER_BLOW);
                        due.notify_one();
                    }
                }
            };
            let crowd = async {
                let crowd = crowd(plan.seed);
                let played = run(&spec(), &public, Some(&admin), crowd.visits(), watch).await;
                over.notify_one();
                played
            };
            let strike = strike_often(&launch, disk, server, plan.blows, &due, &over);
            let (played, struck) = tokio::join!(crowd, strike);
            let (server, blows) = struck?;
            let seen = wait_for_the_end(&admin).await?;
            drop((public, admin));
            // The last of the crashes: nothing is said goodbye to.
            strike_down(server, disk)?;
            Ok(Sale { played, seen, blows, launch })
        })?
    }

    /// Replay the folder and hold everything that was told against it.
    ///
    /// # Errors
    /// When the folder cannot be read or does not replay.
    pub fn judge(&self) -> Result<(Verdict, Folder), FolderError> {
        let folder = Folder::read(&self.launch.data(), |_, _| {})?;
        let rules = Rules { limit_per_buyer: 1, quiet: true };
        let mut verdict = check(&self.played.told, &folder.truth(NAME), rules);
        verdict.checks.push(folder.history.at_their_lsn(&self.played.told));
        verdict.extend(folder.verdict());
        Ok((verdict, folder))
    }
}

fn spec() -> RunSpec {
    RunSpec {
        campaign: NAME.to_owned(),
        identity: Identity::DevHeader,
        hold: Duration::from_millis(HOLD_MS),
        patience: Duration::from_secs(120),
        come_back_max: 2,
        details: String::new(),
    }
}

fn crowd(seed: u64) -> CrowdSpec {
    CrowdSpec {
        buyers: BUYERS,
        arrivals: Arrivals::Poisson { per_second: ARRIVALS_PER_SECOND },
        mix: MIXED,
        skus: vec!["unit".to_owned()],
        think_max: Duration::from_millis(500),
        seed,
    }
}

async fn strike_often(
    launch: &Launch,
    disk: Option<&CutDisk>,
    mut server: Server,
    most: u64,
    due: &Notify,
    over: &Notify,
) -> io::Result<(Server, u64)> {
    let mut blows = 0;
    while blows < most {
        tokio::select! {
            () = due.notified() => {}
            () = over.notified() => break,
        }
        let (at, launch, disk) = (server.addresses(), launch.clone(), disk.cloned());
        let restart = tokio::task::spawn_blocking(move || {
            strike_down(server, disk.as_ref())?;
            launch.start(Some(at))
        });
        server = restart.await.map_err(io::Error::other)??;
        blows += 1;
    }
    Ok((server, blows))
}

/// Crash a server. A disk that was cut is on again afterwards, with what had reached it.
fn strike_down(server: Server, disk: Option<&CutDisk>) -> io::Result<()> {
    match disk {
        None => server.kill(),
        Some(disk) => {
            disk.shut_down()?;
            // It may have ended by itself meanwhile: that is what it should do without a disk.
            drop(server);
            disk.put_on_again()
        }
    }
}

/// Wait for the last hold's end; if it does not come, the check finds what leaked.
async fn wait_for_the_end(admin: &Client) -> io::Result<Truth> {
    for _ in 0..LAST_LOOKS {
        let units = admin::units(admin, NAME).await.map_err(io::Error::other)?;
        if units.units().held == 0 {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    admin::truth(admin, NAME).await.map_err(io::Error::other)
}

/// What many crashed sales came to.
#[derive(Debug, Default)]
pub struct Total {
    /// Sales.
    pub sales: u64,
    /// Blows, the last one of each sale included.
    pub blows: u64,
    /// Requests that were under way at a blow and got no answer.
    pub unanswered: u64,
    /// Violations of any promise.
    pub violations: u64,
    /// Acknowledgements and other things that were held against the folders.
    pub looked_at: u64,
}

/// Crash sale after sale until there were `blows`, in folders of their own below `home`.
/// `told` hears of each sale; the first one that breaks a promise is the last one, and its folder
/// is left where it is.
///
/// # Errors
/// When a sale cannot be played or a folder does not replay.
pub fn strike(
    program: &Path,
    home: &Path,
    blow: Blow,
    blows: u64,
    seed: u64,
    mut told: impl FnMut(&Total, &Verdict),
) -> io::Result<Total> {
    let mut total = Total::default();
    while total.blows < blows && total.violations == 0 {
        let folder = home.join(format!("sale-{}", total.sales));
        std::fs::create_dir_all(&folder)?;
        let disk = match blow {
            Blow::Kill => None,
            Blow::PowerCut => Some(CutDisk::make(&folder)?),
        };
        let at = disk.as_ref().map_or(folder.clone(), |disk| disk.folder().to_owned());
        let left = (blows - total.blows).saturating_sub(1);
        let plan =
            Plan { program: program.to_owned(), home: at, blows: left, seed: seed + total.sales };
        let sale = Sale::play(&plan, disk.as_ref())?;
        let (verdict, _) = sale.judge().map_err(io::Error::other)?;
        total.sales += 1;
        total.blows += sale.blows + 1;
        total.unanswered += sale.played.figures.unanswered;
        total.violations += verdict.checks.iter().map(|check| check.violations).sum::<u64>();
        total.looked_at += verdict.checks.iter().map(|check| check.looked_at).sum::<u64>();
        told(&total, &verdict);
        if let Some(disk) = disk {
            disk.take_off()?;
        }
        if total.violations == 0 {
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(total)
}
