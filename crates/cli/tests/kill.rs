//! Kills a real server again and again under load, and compares what its clients were told with what
//! its data folder holds.
//!
//! A second test proves the comparison: it takes away the end of a journal, as a server would lose it
//! that answers before its records are durable, and sees that the loss is found.

use onrush_load::admin;
use onrush_load::arrivals::Arrivals;
use onrush_load::check::{Rules, check};
use onrush_load::client::Client;
use onrush_load::crowd::{CrowdSpec, MIXED};
use onrush_load::folder::Folder;
use onrush_load::run::{Figures, Identity, Played, RunSpec, block_on, run};
use onrush_load::server::{Launch, Server};
use onrush_load::truth::Truth;
use onrush_load::verdict::Verdict;
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

const SUPPLY: u32 = 400;
const BUYERS: u32 = 2_000;
const HOLD_MS: u64 = 1_500;
/// A kill after each so many new holds.
const HOLDS_PER_KILL: u64 = 16;
const KILLS: u64 = 24;

struct Sale {
    played: Played,
    /// What the server said at the end.
    seen: Truth,
    kills: u64,
    _home: tempfile::TempDir,
    launch: Launch,
}

fn launch(home: &Path) -> Launch {
    Launch {
        program: env!("CARGO_BIN_EXE_onrush").into(),
        home: home.to_owned(),
        supply: SUPPLY,
        limit: 1,
        hold_ms: HOLD_MS,
    }
}

/// Play a sale; kill the server after every `HOLDS_PER_KILL` new holds, `kills` times at most.
fn sale(kills: u64) -> Sale {
    let home = tempfile::tempdir().expect("a folder");
    let launch = launch(home.path());
    let server = launch.start(None).expect("the server starts");
    let (played, seen, kills) = block_on(async {
        let public = Client::new(server.public, 32, Duration::from_secs(10));
        let admin = Client::new(server.admin, 8, Duration::from_secs(10));
        admin.set_token(&server.token).expect("a token");
        let spec = RunSpec {
            campaign: "demo".to_owned(),
            identity: Identity::DevHeader,
            hold: Duration::from_millis(HOLD_MS),
            patience: Duration::from_secs(120),
            come_back_max: 2,
            details: String::new(),
        };
        let crowd = CrowdSpec {
            buyers: BUYERS,
            arrivals: Arrivals::Poisson { per_second: 500.0 },
            mix: MIXED,
            skus: vec!["unit".to_owned()],
            think_max: Duration::from_millis(500),
            seed: 11,
        };
        let next = Rc::new(Cell::new(HOLDS_PER_KILL));
        let (due, over) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let watch = {
            let (next, due) = (next.clone(), due.clone());
            move |figures: &Figures| {
                if figures.holds >= next.get() {
                    next.set(figures.holds + HOLDS_PER_KILL);
                    due.notify_one();
                }
            }
        };
        let crowd = async {
            let played = run(&spec, &public, Some(&admin), crowd.visits(), watch).await;
            over.notify_one();
            played
        };
        let (played, (server, kills)) =
            tokio::join!(crowd, kill_often(&launch, server, kills, &due, &over));
        // Wait for the last hold's end; if it does not come, the check finds what leaked.
        for _ in 0..400 {
            if admin::units(&admin, "demo").await.expect("units").units().held == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let seen = admin::truth(&admin, "demo").await.expect("the truth");
        drop((public, admin));
        // The last of the crashes: nothing is said goodbye to.
        server.kill().expect("it ran until now");
        (played, seen, kills)
    })
    .expect("a runtime");
    Sale { played, seen, kills, _home: home, launch }
}

async fn kill_often(
    launch: &Launch,
    mut server: Server,
    most: u64,
    due: &Notify,
    over: &Notify,
) -> (Server, u64) {
    let mut kills = 0;
    while kills < most {
        tokio::select! {
            () = due.notified() => {}
            () = over.notified() => break,
        }
        let (at, launch) = (server.addresses(), launch.clone());
        let restart = tokio::task::spawn_blocking(move || {
            server.kill().expect("it ran until now");
            launch.start(Some(at)).expect("it starts again on the same folder and ports")
        });
        server = restart.await.expect("no panic");
        kills += 1;
    }
    (server, kills)
}

fn judge(sale: &Sale, folder: &Folder) -> Verdict {
    let rules = Rules { limit_per_buyer: 1, quiet: true };
    let mut verdict = check(&sale.played.told, &folder.truth("demo"), rules);
    verdict.checks.push(folder.history.at_their_lsn(&sale.played.told));
    verdict.extend(folder.verdict());
    verdict
}

#[test]
fn a_server_killed_again_and_again_keeps_its_word() {
    let sale = sale(KILLS);
    assert!(sale.kills >= 20, "only {} kills", sale.kills);
    assert!(sale.played.figures.unanswered > 0, "no kill met a request under way");
    let folder = Folder::read(&sale.launch.data(), |_, _| {}).expect("it replays");
    let verdict = judge(&sale, &folder);
    assert!(verdict.holds(), "after {} kills:\n{verdict}", sale.kills);
    for check in &verdict.checks {
        assert!(check.looked_at > 0, "{} looked at nothing", check.name);
    }
    let truth = folder.truth("demo");
    assert_eq!(sale.seen.skus, truth.skus);
    assert!(sale.seen.reservations.keys().eq(truth.reservations.keys()));
    assert!(truth.units().sold > 0 && truth.refunds() > 0, "{:?}", truth.units());
}

#[test]
fn a_journal_that_lost_its_end_is_found_out() {
    let sale = sale(0);
    let data = sale.launch.data();
    assert!(judge(&sale, &Folder::read(&data, |_, _| {}).expect("it replays")).holds());
    lose_the_end(&data.join("journal"));
    let folder = Folder::read(&data, |_, _| {}).expect("what is left replays");
    let verdict = judge(&sale, &folder);
    for name in [
        "acknowledged holds lost",
        "acknowledged sales lost",
        "acknowledged payments lost",
        "holds not at the LSN told",
    ] {
        assert!(verdict.violations(name) > 0, "{name}:\n{verdict}");
    }
}

/// Zero the last third of what is written, marks included: the disk never saw it.
fn lose_the_end(journal: &Path) {
    let mut written = Vec::new();
    for entry in fs::read_dir(journal).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            written.push((last, path, bytes));
        }
    }
    // One segment holds the whole sale; the next one is prepared and has a header only.
    let (last, path, mut bytes) =
        written.into_iter().max_by_key(|(last, ..)| *last).expect("a segment");
    bytes[last / 3 * 2..].fill(0);
    fs::write(path, bytes).expect("written");
}
