//! One sale from the first start of the server to the verdict.

use super::report::{Killed, Outcome};
use crate::out::{Failure, Out};
use crate::progress::Progress;
use onrush_load::admin;
use onrush_load::check::{Rules, check};
use onrush_load::client::Client;
use onrush_load::crowd::Visit;
use onrush_load::folder::Folder;
use onrush_load::run::{Figures, Identity, RunSpec, run};
use onrush_load::server::{Launch, Server};
use onrush_load::told::Told;
use onrush_load::truth::Truth;
use onrush_load::verdict::{Check, Verdict};
use serde_json::Value;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const CONNECTIONS: usize = 128;
const ADMIN_CONNECTIONS: usize = 16;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Somebody without an answer asks again for this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// After the last hold's deadline, how long to wait until nothing is held any more.
const SETTLE_GRACE: Duration = Duration::from_secs(15);
/// The attribution that every order of the demo carries, to be seen in an export.
const DETAILS: &str = r#""delivery":"one_hour","attribution":{"channel":"mini_program"}"#;

/// Tells from the figures so far whether it is time.
pub(super) type When = Rc<dyn Fn(&Figures) -> bool>;

/// Everything a sale needs.
pub(super) struct Sale {
    pub(super) launch: Launch,
    pub(super) campaign: String,
    /// The campaign to make first; `None`: the one that `--dev` makes.
    pub(super) put: Option<Value>,
    pub(super) visits: Box<dyn Iterator<Item = Visit>>,
    /// How many visits there are.
    pub(super) expected: u64,
    pub(super) limit: u32,
    /// When to kill the server; `None`: never.
    pub(super) kill_when: Option<When>,
    pub(super) come_back_max: u32,
    /// What the outcome depends on, in words.
    pub(super) facts: Vec<String>,
}

impl Sale {
    /// Play it. The future must run inside a `LocalSet`.
    pub(super) async fn play(self, out: &Out) -> Result<Outcome, Failure> {
        let server = self.launch.start(None).map_err(Failure::of)?;
        let public = Client::new(server.public, CONNECTIONS, ANSWER_WITHIN);
        let admin = Client::new(server.admin, ADMIN_CONNECTIONS, ANSWER_WITHIN);
        admin.set_token(&server.token).map_err(Failure::Failed)?;
        if let Some(body) = &self.put {
            admin::put_campaign(&admin, &self.campaign, body).await.map_err(Failure::of)?;
        }
        let spec = RunSpec {
            campaign: self.campaign.clone(),
            identity: Identity::DevHeader,
            hold: Duration::from_millis(self.launch.hold_ms),
            patience: PATIENCE,
            come_back_max: self.come_back_max,
            details: DETAILS.to_owned(),
        };
        let due = Rc::new(Notify::new());
        let over = Rc::new(Notify::new());
        let progress = Progress::new(out, self.expected);
        let watch = {
            let (progress, due, kill_when) =
                (progress.clone(), due.clone(), self.kill_when.clone());
            move |figures: &Figures| {
                progress.show(figures);
                if kill_when.as_ref().is_some_and(|when| when(figures)) {
                    due.notify_one();
                }
            }
        };
        let crowd = async {
            let played = run(&spec, &public, Some(&admin), self.visits, watch).await;
            over.notify_one();
            played
        };
        let crash = crash_once(&self.launch, server, &due, &over, &progress);
        let (played, crashed) = tokio::join!(crowd, crash);
        let (server, killed) = crashed?;
        progress.say("waiting until every hold was paid for or expired");
        settle(&admin, &self.campaign, self.launch.hold_ms).await?;
        let seen = admin::truth(&admin, &self.campaign).await.map_err(Failure::of)?;
        progress.say("stopping the server; replaying its data folder");
        drop((public, admin));
        server.stop().map_err(Failure::of)?;
        let folder = Folder::read(&self.launch.data(), |_, _| {}).map_err(Failure::of)?;
        progress.finish();
        let truth = folder.truth(&self.campaign);
        let rules = Rules { limit_per_buyer: self.limit, quiet: true };
        let mut verdict = judge(&played.told, &seen, &truth, &folder, rules);
        let facts = self.facts;
        if self.kill_when.is_some() {
            verdict.checks.push(killed_in_the_middle(killed.is_some()));
        }
        Ok(Outcome {
            facts,
            killed,
            figures: played.figures.summary(),
            truth,
            verdict,
            lsn: folder.replayed.ledger.lsn().0,
            chain: folder.chain(),
            money: folder.history.outcomes,
        })
    }
}

/// A demo that shows no crash has not shown what it is for.
fn killed_in_the_middle(killed: bool) -> Check {
    let example = "the sale was over before it was time to kill the server; try more buyers";
    Check {
        name: "kills in the middle that did not happen",
        promise: "INV-4",
        looked_at: 1,
        what: "kill",
        violations: u64::from(!killed),
        examples: if killed { Vec::new() } else { vec![example.to_owned()] },
    }
}

/// Wait until it is time, kill the server and start it again at the same addresses. Returns at once
/// when the crowd is done before.
async fn crash_once(
    launch: &Launch,
    server: Server,
    due: &Notify,
    over: &Notify,
    progress: &Progress,
) -> Result<(Server, Option<Killed>), Failure> {
    tokio::select! {
        () = due.notified() => {}
        () = over.notified() => return Ok((server, None)),
    }
    let holds_told = progress.holds();
    let at = server.addresses();
    let launch = launch.clone();
    let restarted = tokio::task::spawn_blocking(move || {
        let since = Instant::now();
        server.kill()?;
        launch.start(Some(at)).map(|server| (server, since.elapsed()))
    });
    let (server, away) = restarted.await.map_err(Failure::of)?.map_err(Failure::of)?;
    let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
    progress.say(&format!("server killed after {holds_told} holds, back in {away_ms} ms"));
    Ok((server, Some(Killed { holds_told, away_ms })))
}

/// Wait until nothing is held any more, or long enough that it should be.
async fn settle(admin: &Client, campaign: &str, hold_ms: u64) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_millis(hold_ms) + SETTLE_GRACE;
    loop {
        let truth = admin::units(admin, campaign).await.map_err(Failure::of)?;
        // When it takes too long the leak check says so, with numbers.
        if truth.units().held == 0 || Instant::now() > until {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Compare what was told with the folder, the server's last answers with the folder, and the folder
/// with itself.
fn judge(told: &Told, seen: &Truth, truth: &Truth, folder: &Folder, rules: Rules) -> Verdict {
    let mut verdict = check(told, truth, rules);
    verdict.checks.push(folder.history.at_their_lsn(told));
    verdict.checks.push(differing(seen, truth));
    verdict.extend(folder.verdict());
    verdict
}

/// The server's last answers and its data folder tell the same.
fn differing(seen: &Truth, truth: &Truth) -> Check {
    let mut check = Check::new("answers that differ from the data folder", "INV-10", "answers");
    for (name, units) in &truth.skus {
        let answered = seen.skus.get(name);
        check.look(answered == Some(units), || format!("{name}: {answered:?} and {units:?}"));
    }
    for (id, r) in &truth.reservations {
        let answered = seen.reservations.get(id);
        let same = answered.is_some_and(|seen| {
            // The admin API does not tell buyers.
            seen.state == r.state && seen.payments == r.payments && seen.refunds == r.refunds
        });
        check.look(same, || format!("{id}: {answered:?} and {r:?}"));
    }
    let (answered, there) = (seen.reservations.len(), truth.reservations.len());
    check.look(answered == there, || format!("{answered} and {there} reservations"));
    check
}
