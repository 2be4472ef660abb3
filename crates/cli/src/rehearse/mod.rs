//! `onrush rehearse`: the crowd of the day against a copy of the real configuration on this machine, and go
//! or no-go with the reasons.
//!
//! The server is this binary with `serve`, on loopback ports, with a scratch folder beside the real data
//! folder: the same disk, other files. What the configuration would ask of the shop is asked of a double.
//! The real data folder is never opened, and no name of the configuration is connected to.

mod certificates;
mod copy;
mod double;
mod idle;
mod machine;
mod verdict;

use crate::args::RehearseArgs;
use crate::load::{by_the_clock, pattern, pattern_word};
use crate::out::{Failure, Out};
use copy::{Changes, Copy, Keys, Signed, choose};
use data_encoding::{BASE64, HEXLOWER};
use double::Double;
use onrush::Timestamp;
use onrush_gateway::config::{self, CampaignBody, Config, Listen};
use onrush_load::crowd::{BOTS, CrowdSpec};
use onrush_load::doubles::{Doubles, Issuer, Provider};
use onrush_load::drive::Queueing;
use onrush_load::folder::Folder;
use onrush_load::outcome::Outcome;
use onrush_load::own::Limit;
use onrush_load::server::Server;
use onrush_load::session::{How, Kind, Session, Site};
use onrush_load::verdict::{Check, Verdict, grouped};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use verdict::{Reason, Reasons};

/// How long a hold lives in a rehearsal, at most.
const HOLD_MAX: Duration = Duration::from_secs(5);
/// Connections that the crowd shares, as behind a proxy.
const CONNECTIONS: usize = 256;
/// Somebody without an answer asks again for this long.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const THINK_MAX: Duration = Duration::from_secs(1);
/// How long people stay in the line after the last arrival.
const STAY: Duration = Duration::from_secs(30);
/// One buyer in so many gets a unit where the configuration does not say how many there are.
const BUYERS_PER_UNIT: u32 = 10;
/// Nobody notices a reserve that takes so long; beyond the second, people press again.
const RESERVE_FINE: Duration = Duration::from_millis(200);
const RESERVE_STOP: Duration = Duration::from_secs(2);

/// What is rehearsed.
struct Plan<'a> {
    args: &'a RehearseArgs,
    config: &'a Config,
    campaign: &'a CampaignBody,
    name: String,
    expected: u32,
}

/// What the crowd saw, and what its folder says.
struct Played {
    outcome: Outcome,
    books: Verdict,
    written: u64,
    asked: u64,
    copy: Copy,
}

pub(crate) fn run(args: &RehearseArgs, out: &Out) -> Result<(), Failure> {
    let config = Config::load(&args.config).map_err(Failure::of)?;
    let campaign = choose(&config, args.campaign.as_deref()).map_err(Failure::Failed)?;
    let name = campaign.campaign.as_ref().map_or_else(String::new, |name| name.to_string());
    let expected = args.expected.unwrap_or(campaign.buyers_expected).max(1);
    let plan = Plan { args, config: &config, campaign, name, expected };
    let folder = beside(&args.data)?;
    let mut reasons = Reasons::default();
    reasons.list.extend(plan.machine(&folder));
    let scratch = tempfile::Builder::new().prefix("onrush-rehearsal-").tempdir_in(&folder);
    let scratch = scratch.map_err(|e| Failure::Failed(format!("{}: {e}", folder.display())))?;
    let played = plan.play(&scratch, out)?;
    reasons.list.push(machine::disk_room(&folder, played.written));
    reasons.list.extend(plan.crowd(&played));
    let value = json!({
        "go": reasons.go(), "campaign": plan.name, "expected": plan.expected,
        "shape": pattern_word(args.shape), "reasons": reasons.list,
        "different_here": played.copy.notes, "hook_asked": played.asked,
        "journal_bytes": played.written, "run": played.outcome,
    });
    out.result(&value, || plan.text(&played, &reasons, out.colour))?;
    if reasons.go() {
        Ok(())
    } else {
        Err(Failure::Failed("no-go: mend what says STOP, and rehearse again".to_owned()))
    }
}

/// Return the folder in which the data folder lies, or will lie.
fn beside(data: &Path) -> Result<PathBuf, Failure> {
    let parent = data.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    parent.canonicalize().map_err(|e| {
        let what = "say with --data where the data folder will be";
        Failure::Failed(format!("{}: {e}; {what}", parent.display()))
    })
}

impl Plan<'_> {
    /// Ask what can be asked without a crowd.
    fn machine(&self, folder: &Path) -> Vec<Reason> {
        let now = Timestamp(by_the_clock());
        let sale = self.campaign.opens_at.map_or(now, |at| at.0);
        let mut reasons = vec![
            machine::clock(),
            machine::files(self.config.server.connections_max as u64 + self.streams()),
            machine::disk_sync(folder),
            self.connections(),
        ];
        let own = self.config.notify.ca_file.iter().chain(&self.args.certificate);
        reasons.extend(own.map(|file| certificates::judge(file, sale)));
        if self.args.certificate.is_empty() && self.config.listen.tls_proxy {
            let next = "name the proxy's certificate with --certificate FILE";
            reasons.push(Reason::look(
                "certificate",
                "a proxy ends TLS; its certificate is not known",
                next,
            ));
        }
        reasons.extend(self.hooks());
        let hold = self.campaign.hold.duration();
        let ends = self.campaign.closes_at.zip(self.campaign.opens_at);
        let length = ends.map(|(to, from)| Duration::from_millis(to.0.0.saturating_sub(from.0.0)));
        reasons.push(idle::judge(hold, length, self.args.pay_rate));
        let dangers = config::check(self.config, now).dangers;
        reasons.extend(dangers.into_iter().map(|danger| {
            Reason::look("configuration", danger.to_string(), "`onrush check` shows all of it")
        }));
        reasons
    }

    fn streams(&self) -> u64 {
        if self.campaign.line.is_some() { self.config.line.streams_max as u64 } else { 0 }
    }

    /// Compare the connections that the server takes with the people who come.
    fn connections(&self) -> Reason {
        let (most, expected) = (self.config.server.connections_max, self.expected as usize);
        let listen = &self.config.listen;
        let is_direct = !listen.tls_proxy && listen.trusted_proxies.is_empty();
        let is_open = matches!(listen.public, Listen::Tcp(address) if !address.ip().is_loopback());
        let found =
            format!("{} at most, {} people", grouped(most as u64), grouped(expected as u64));
        if is_direct && is_open && most < expected {
            let next =
                "raise server.connections_max, or put a proxy in front that shares connections";
            return Reason::stop("connections", found, next);
        }
        Reason::fine("connections", found)
    }

    /// Look up the names of what the configuration will ask. Nothing is connected to.
    fn hooks(&self) -> Vec<Reason> {
        let line = self.campaign.line.as_ref();
        let eligibility =
            line.and_then(|line| line.eligibility.as_ref()).map(|hook| hook.url.as_str());
        let webhook = self.config.notify.webhook.as_ref().map(|hook| hook.url.as_str());
        let hooks = [("eligibility", eligibility), ("webhook", webhook)];
        hooks.into_iter().filter_map(|(about, url)| Some(resolves(about, url?))).collect()
    }

    /// Run the server on a copy, and the crowd against it.
    fn play(&self, scratch: &TempDir, out: &Out) -> Result<Played, Failure> {
        let double = Double::start().map_err(Failure::of)?;
        let text = std::fs::read_to_string(&self.args.config).map_err(Failure::of)?;
        let secrets = Secrets::make(scratch.path()).map_err(Failure::of)?;
        let changes = Changes {
            keys: &secrets.keys,
            double: double.address,
            hold_ms: u64::try_from(self.campaign.hold.duration().min(HOLD_MAX).as_millis())
                .unwrap_or(u64::MAX),
            units: self.args.units.unwrap_or((self.expected / BUYERS_PER_UNIT).max(1)),
            expected: self.expected,
        };
        let base = self.args.config.parent().unwrap_or(Path::new(""));
        let copy = copy::copy(&text, base, &self.name, &changes).map_err(Failure::Failed)?;
        let file = scratch.path().join("rehearsal.toml");
        std::fs::write(&file, &copy.text).map_err(Failure::of)?;
        let mut command = Command::new(std::env::current_exe().map_err(Failure::of)?);
        command
            .args(["serve", "--dev", "--until-stdin-closes", "--config", "rehearsal.toml"])
            .args(["--data", "data"])
            .env("ONRUSH_PUBLIC", "127.0.0.1:0")
            .env("ONRUSH_ADMIN", "127.0.0.1:0");
        let server = Server::start(command, scratch.path()).map_err(Failure::of)?;
        out.note(format_args!(
            "{} people come to {} within {:.0} s …",
            grouped(self.expected.into()),
            self.name,
            self.args.duration.duration().as_secs_f64()
        ));
        let outcome = self.load(&server, secrets.doubles(&copy.signed))?;
        server.stop().map_err(Failure::of)?;
        let data = scratch.path().join("data");
        let books = Folder::read(&data, |_, _| {}).map_err(Failure::of)?.verdict();
        let written = crate::report::journal_bytes(&data).map_err(Failure::of)?;
        Ok(Played { outcome, books, written, asked: double.asked(), copy })
    }

    fn load(&self, server: &Server, doubles: Doubles) -> Result<Outcome, Failure> {
        let site = Site {
            public: server.public,
            kind: Kind::Onrush {
                campaign: self.name.clone(),
                api_key: None,
                admin: Some((server.admin, server.token.clone())),
                settle: true,
                doubles: Box::new(doubles),
            },
        };
        let session = Session::open(site).map_err(Failure::of)?;
        let duration = self.args.duration.duration();
        let how = How {
            connections: CONNECTIONS,
            streams_max: 0,
            timeout: ANSWER_WITHIN,
            patience: PATIENCE,
            duration,
            drain: STAY,
            warm_up: Duration::ZERO,
            queueing: Queueing::Auto,
            stay: STAY,
            come_back_max: 0,
            arrivals: pattern_word(self.args.shape).to_owned(),
            thresholds: Vec::new(),
            server_pid: Some(server.pid()),
        };
        let skus = self.campaign.skus.iter().map(|sku| sku.sku.to_string()).collect();
        let rate = f64::from(self.expected) / duration.as_secs_f64();
        let crowd = CrowdSpec {
            buyers: self.expected,
            arrivals: pattern(self.args.shape, rate, duration),
            mix: BOTS,
            skus,
            think_max: THINK_MAX,
            seed: self.args.seed.unwrap_or_else(by_the_clock),
        };
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = interrupted.clone();
        // Relaxed: the flag alone is read, nothing is published by it.
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(Failure::of)?;
        // Relaxed: as above.
        let mut go_on = |_: &_, _| !interrupted.load(Ordering::Relaxed);
        let (outcome, _) = session.run(&how, crowd, &mut go_on).map_err(Failure::of)?;
        if outcome.stopped {
            return Err(Failure::Failed("interrupted: nothing is known".to_owned()));
        }
        Ok(outcome)
    }

    /// Judge what the crowd saw.
    fn crowd(&self, played: &Played) -> Vec<Reason> {
        let told = played.outcome.checks.as_deref().unwrap_or_default();
        let mut reasons = vec![capacity(&played.outcome), books(told, &played.books)];
        if played.copy.asks {
            reasons.push(Reason::fine(
                "hook",
                format!("a double was asked {} times", grouped(played.asked)),
            ));
        }
        reasons.extend(signed(&played.copy.signed, &played.outcome));
        reasons
    }

    fn text(&self, played: &Played, reasons: &Reasons, colour: bool) -> String {
        let figures = &played.outcome.figures;
        let mut text = format!(
            "campaign {}: {} people came, {} requests were answered, {} holds, {} sales\n",
            self.name,
            grouped(figures.arrived),
            grouped(figures.answered),
            grouped(figures.holds),
            grouped(figures.sales)
        );
        for note in &played.copy.notes {
            text += &format!("  here: {note}\n");
        }
        text += "\n";
        text += &reasons.table(colour);
        text
    }
}

/// What doubles sign with in one rehearsal.
struct Secrets {
    keys: Keys,
    tokens: Vec<u8>,
    notices: Vec<u8>,
}

impl Secrets {
    /// Make secrets, and leave them in the scratch folder for the server.
    fn make(folder: &Path) -> std::io::Result<Secrets> {
        let mut bytes = [0; 64];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let tokens = HEXLOWER.encode(&bytes[..32]).into_bytes();
        let notices = bytes[32..].to_vec();
        let keys = Keys { tokens: folder.join("tokens"), notices: folder.join("notices") };
        std::fs::write(&keys.tokens, &tokens)?;
        std::fs::write(&keys.notices, format!("whsec_{}", BASE64.encode(&notices)))?;
        Ok(Secrets { keys, tokens, notices })
    }

    fn doubles(&self, signed: &Signed) -> Doubles {
        let issuer = signed.tokens.as_ref();
        let issuer = issuer.map(|(iss, aud)| Issuer::new(iss, aud.as_deref(), &self.tokens));
        let provider = signed.provider.as_ref();
        Doubles { issuer, provider: provider.map(|name| Provider::new(name, &self.notices)) }
    }
}

/// Say what was checked of what doubles signed: where nothing of it was taken, the books say nothing.
fn signed(signed: &Signed, outcome: &Outcome) -> Vec<Reason> {
    let (holds, sales) = (outcome.figures.holds, outcome.figures.sales);
    let judged = |about, taken: u64, what: String| match taken {
        0 => Reason::stop(
            about,
            format!("no {what} was taken"),
            "compare issuer, audience and the clock; `run` in --json has the refusals",
        ),
        taken => Reason::fine(about, format!("{} times {what} was taken", grouped(taken))),
    };
    let tokens = signed.tokens.as_ref();
    let tokens = tokens.map(|(issuer, _)| {
        judged("identity", holds, format!("reserve with a token of {issuer}, signed by a double,"))
    });
    let notices = signed.provider.as_ref();
    let notices = notices
        .map(|name| judged("payments", sales, format!("notice of {name}, signed by a double,")));
    tokens.into_iter().chain(notices).collect()
}

/// Look a hook's name up.
fn resolves(about: &'static str, url: &str) -> Reason {
    use std::net::ToSocketAddrs;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:{}", if url.starts_with("http://") { 80 } else { 443 })
    };
    match with_port.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(address)) => {
            Reason::fine(about, format!("{host} is {}; it was not asked", address.ip()))
        }
        _ => {
            let next = "correct the address, or this machine's name service";
            Reason::stop(about, format!("{host} has no address here"), next)
        }
    }
}

/// Judge answers and how long they took.
fn capacity(outcome: &Outcome) -> Reason {
    let figures = &outcome.figures;
    let p99 = Duration::from_micros(outcome.latencies.reserves.latency.p99_us);
    // When a run ends, each connection may have a look at the line under way; nobody gave up there.
    let given_up = figures.given_up.saturating_sub(CONNECTIONS as u64);
    let found = format!(
        "{:.0} answers a second, 99 of 100 reserves within {:.0} ms, {} without an answer, {given_up} given up",
        figures.answered_per_second,
        p99.as_secs_f64() * 1e3,
        figures.unanswered,
    );
    let is_load = outcome.limited_by == Limit::Load;
    if given_up + figures.unanswered > 0 || p99 > RESERVE_STOP {
        let next = if is_load {
            "the crowd shares this machine with the server and was the limit: rehearse from a second one \
             with `onrush load`, or on more cores"
        } else {
            "more cores, fewer expected people, or a line in front: [campaigns.line]"
        };
        return Reason::stop("capacity", found, next);
    }
    if is_load || p99 > RESERVE_FINE {
        return Reason::look("capacity", found, outcome.limit_why.clone());
    }
    Reason::fine("capacity", found)
}

/// Judge what was promised: to the crowd, and in the folder.
fn books(told: &[Check], folder: &Verdict) -> Reason {
    let broken = told.iter().chain(&folder.checks).filter(|check| check.violations > 0);
    let broken: Vec<&str> = broken.map(|check| check.name).collect();
    if broken.is_empty() && !told.is_empty() && folder.holds() {
        let count = told.len() + folder.checks.len();
        let found = format!("{count} checks held, on the answers and on the journal");
        return Reason::fine("books", found);
    }
    let next = "do not sell with this; keep the configuration and the seed, and report it";
    Reason::stop("books", format!("broken: {}", broken.join(", ")), next)
}

#[cfg(test)]
mod tests {
    use super::verdict::Weight;
    use super::*;
    use onrush_load::drive::Tally;
    use onrush_load::outcome::Settings;
    use onrush_load::own::Start;

    /// What a crowd would have said of which `tell` tells.
    fn outcome(tell: impl FnOnce(&mut Tally)) -> Outcome {
        let settings = Settings {
            target: String::new(),
            address: String::new(),
            arrivals: String::new(),
            rate: 1.0,
            duration_ms: 1,
            warm_up_ms: 0,
            connections: CONNECTIONS,
            seed: 1,
            queueing: "auto",
        };
        let mut tally = Tally::empty();
        tell(&mut tally);
        let own = Start::now().cost(&tally);
        let mut outcome = Outcome::new(settings, &BOTS, &tally, own);
        outcome.limited_by = Limit::None;
        outcome
    }

    #[test]
    fn slow_answers_and_missing_ones_are_reasons_to_stop() {
        let took = |us: u64| outcome(move |tally| tally.reserves.record(us).expect("in range"));
        assert_eq!(capacity(&took(100_000)).weight, Weight::Fine);
        assert_eq!(capacity(&took(400_000)).weight, Weight::Look);
        assert_eq!(capacity(&took(3_000_000)).weight, Weight::Stop);
        let looks = CONNECTIONS as u64;
        let gave_up = |count| outcome(move |tally| tally.figures.given_up = count);
        assert_eq!(capacity(&gave_up(looks)).weight, Weight::Fine, "looks at the end");
        assert_eq!(capacity(&gave_up(looks + 1)).weight, Weight::Stop);
        let unanswered = outcome(|tally| tally.figures.unanswered = 1);
        assert_eq!(capacity(&unanswered).weight, Weight::Stop);
        let mut own = took(1_000);
        own.limited_by = Limit::Load;
        assert_eq!(capacity(&own).weight, Weight::Look, "the crowd was the limit");
    }

    #[test]
    fn one_broken_check_is_a_reason_to_stop_and_none_looked_at_is_no_proof() {
        let mut bad = Check::new("units oversold", "INV-2", "SKUs");
        bad.violate(String::new);
        let fine = [Check::new("units leaked", "INV-3", "SKUs")];
        let folder = Verdict { checks: fine.to_vec() };
        assert_eq!(books(&fine, &folder).weight, Weight::Fine);
        let broken = books(std::slice::from_ref(&bad), &folder);
        assert!(broken.weight == Weight::Stop && broken.found.contains("units oversold"));
        assert_eq!(books(&fine, &Verdict { checks: vec![bad] }).weight, Weight::Stop);
        assert_eq!(books(&[], &folder).weight, Weight::Stop, "nobody compared the answers");
    }

    #[test]
    fn nothing_taken_of_what_was_signed_is_a_reason_to_stop() {
        let tokens = Some(("shop".to_owned(), None));
        let all = Signed { tokens, provider: Some("acme".to_owned()) };
        let none = outcome(|_| {});
        let stops = signed(&all, &none);
        assert_eq!(stops.len(), 2);
        assert!(stops.iter().all(|reason| reason.weight == Weight::Stop), "{stops:?}");
        let held = outcome(|tally| tally.figures.holds = 3);
        let weights = signed(&all, &held).into_iter().map(|reason| reason.weight);
        assert_eq!(weights.collect::<Vec<_>>(), [Weight::Fine, Weight::Stop]);
        assert!(signed(&Signed::default(), &none).is_empty());
    }

    #[test]
    fn hooks_are_looked_up_by_name() {
        let here = resolves("webhook", "http://localhost:1/x");
        assert_eq!(here.weight, Weight::Fine, "{here:?}");
        assert!(here.found.contains("was not asked"));
        let gone = resolves("webhook", "https://no..body/hook");
        assert_eq!(gone.weight, Weight::Stop, "an empty label is no name");
    }

    #[test]
    fn the_folder_beside_is_that_of_the_data() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("data");
        assert_eq!(beside(&data).ok(), dir.path().canonicalize().ok());
        assert!(beside(&dir.path().join("no/where/data")).is_err());
        assert!(beside(Path::new("onrush-data")).is_ok());
    }
}
