//! Onrush: its release binary with a data folder on the disk, over its own routes.
//!
//! Sessions are opened, places in line taken and passes fetched before the clock runs; what is
//! measured checks them.

use super::{PLENTY_UNITS, SCARCE_UNITS, Setup, write};
use crate::check::{Answer, Ask, Books, PLENTY, Row, Told, Units};
use crate::client::{self, Answers, Requests};
use crate::process::{Running, Server, cpu_of_threads, finish};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const CONFIGURATION: &str = include_str!("onrush.toml");
const LINE: &str = "\n[campaigns.line]\npass = \"24h\"";

/// Buyers that memory is made ready for.
const BUYERS: u32 = 2_000_000;

/// Entries of one batch.
const BATCH: usize = 100;

/// Nobody waits longer for a pass when there are units for everybody.
const PASS_SECONDS_MAX: u64 = 60;

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A reserve with a session and a pass.
    Pass,
    /// A reserve with a session.
    Session,
    /// The same, where no unit ever was.
    SoldOut,
    /// A back end's batch.
    Batch,
}

/// A server of its own.
#[derive(Debug)]
pub(crate) struct Onrush {
    server: Option<Running>,
    public: SocketAddr,
    admin: SocketAddr,
    token: String,
    way: Way,
    binary: PathBuf,
    data: PathBuf,
    version: String,
    workers: usize,
}

/// Start a sale with a line.
///
/// # Errors
/// When the binary is not there or does not start; so for all ways.
pub(crate) fn with_pass(setup: &Setup) -> Result<Onrush> {
    start(setup, Way::Pass)
}

/// Start a sale without a line.
pub(crate) fn with_session(setup: &Setup) -> Result<Onrush> {
    start(setup, Way::Session)
}

/// Start a sale that has nothing to sell.
pub(crate) fn sold_out(setup: &Setup) -> Result<Onrush> {
    start(setup, Way::SoldOut)
}

/// Start a sale for a back end.
pub(crate) fn batch(setup: &Setup) -> Result<Onrush> {
    start(setup, Way::Batch)
}

fn start(setup: &Setup, way: Way) -> Result<Onrush> {
    let folder = setup.below("onrush")?;
    let workers = match setup.place.workers() {
        1 => 1,
        // Its own choice.
        _ => 0,
    };
    let (plenty, scarce) = if way == Way::SoldOut { (0, 0) } else { (PLENTY_UNITS, SCARCE_UNITS) };
    let text = CONFIGURATION
        .replace("@workers@", &workers.to_string())
        .replace("@buyers@", &BUYERS.to_string())
        .replace("@line@", if way == Way::Pass { LINE } else { "" })
        .replace("@plenty@", &plenty.to_string())
        .replace("@scarce@", &scarce.to_string());
    let config = write(&folder, "onrush.toml", &text)?.to_string_lossy().into_owned();
    let data = folder.join("data");
    let version = finish(Command::new(&setup.onrush).arg("--version"))?;
    let mut server = Server::new(&setup.onrush, &folder)
        .args(["serve", "--dev", "--config", &config, "--data", &data.to_string_lossy()])
        .start(setup.place)?;
    let ready: Value = serde_json::from_str(&server.first_line()?)?;
    let text = |name: &str| ready[name].as_str().with_context(|| format!("no {name} in {ready}"));
    let (public, admin) = (text("public")?.parse()?, text("admin")?.parse()?);
    let token = text("admin_token")?.to_owned();
    let (binary, version) = (setup.onrush.clone(), version.trim().to_owned());
    Ok(Onrush { server: Some(server), public, admin, token, way, binary, data, version, workers })
}

impl super::Contestant for Onrush {
    fn addr(&self) -> SocketAddr {
        if self.way == Way::Batch { self.admin } else { self.public }
    }

    fn processes(&self) -> Vec<u32> {
        self.server.iter().map(Running::id).collect()
    }

    fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
        if self.way == Way::Batch {
            return Ok(self.batches(asks));
        }
        // An ask that is repeated is by the same session.
        let mut buyers: Vec<u32> = asks.iter().map(|ask| ask.buyer).collect();
        buyers.sort_unstable();
        buyers.dedup();
        let sessions = self.sessions(&buyers)?;
        let passes = if self.way == Way::Pass { self.passes(&sessions)? } else { Vec::new() };
        let mut requests = Requests::default();
        for ask in asks {
            let at = buyers.binary_search(&ask.buyer).expect("every buyer is in the list");
            let (session, key) = (&sessions[at], ask.key_name());
            let mut headers =
                format!("authorization: Bearer {session}\r\nidempotency-key: {key}\r\n");
            if let Some(pass) = passes.get(at) {
                headers.push_str(&format!("onrush-pass: {pass}\r\n"));
            }
            let body = format!(r#"{{"sku":"{}","quantity":1}}"#, ask.sku);
            requests.post("/v1/campaigns/sale/reservations", &headers, &body);
        }
        Ok(requests)
    }

    fn asks_per_request(&self) -> usize {
        if self.way == Way::Batch { BATCH } else { 1 }
    }

    fn counted(&self) -> u16 {
        match self.way {
            Way::Pass | Way::Session => 201,
            Way::SoldOut => 409,
            Way::Batch => 200,
        }
    }

    fn told(&self, asks: &[Ask], answers: &Answers) -> Vec<Told> {
        let size = self.entries(asks);
        let mut ids: Vec<Vec<String>> = vec![Vec::new(); answers.status().len()];
        answers.texts().for_each(|(request, id)| ids[request].push(id.to_owned()));
        let tell = |(n, ask): (usize, &Ask)| {
            let (ids, status) = (&ids[n / size], answers.status()[n / size]);
            let accepted = matches!(status, 200 | 201);
            let answer = match ids.get(n % size) {
                Some(id) if accepted => Answer::Accepted(id.clone()),
                // There are units for everybody, so an entry without an id was `overloaded`; which one
                // it was does not matter, since no order names its buyer.
                None if accepted && size > 1 => Answer::Busy,
                _ => Answer::Refused,
            };
            Told { ask: *ask, answer }
        };
        asks.iter().enumerate().map(tell).collect()
    }

    fn books(&mut self) -> Result<Option<Books>> {
        let mut books = Books::default();
        let campaign = self.get("/admin/v1/campaigns/sale")?;
        for sku in campaign["skus"].as_array().context("no SKUs")? {
            let number =
                |name: &str| sku[name].as_u64().with_context(|| format!("no {name}: {sku}"));
            let units = Units { supply: number("supplied")?, left: number("free")? as i64 };
            books.units.insert(sku["sku"].as_str().unwrap_or_default().to_owned(), units);
        }
        let mut after = String::new();
        loop {
            let path = format!("/admin/v1/campaigns/sale/reservations?limit=500{after}");
            let page = self.get(&path)?;
            for row in page["reservations"].as_array().context("no reservations")? {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                ensure!(text("state") == "held", "a reservation that nobody changed: {row}");
                books.rows.push(Row { sku: text("sku"), id: text("id"), buyer: None });
            }
            match page["next_after"].as_u64() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        self.verify()?;
        Ok(Some(books))
    }

    fn configuration(&self) -> String {
        let workers = match self.workers {
            0 => "workers as it chooses".to_owned(),
            n => format!("{n} worker"),
        };
        let Onrush { version, .. } = self;
        format!(
            "{version}, `onrush serve`, {workers}, defaults otherwise, fdatasync before each answer"
        )
    }

    fn serial_cpu(&self) -> Option<Duration> {
        Some(cpu_of_threads(self.server.as_ref()?.id(), "onrush-ledger"))
    }
}

impl Onrush {
    fn sessions(&self, buyers: &[u32]) -> Result<Vec<String>> {
        let mut requests = Requests::default();
        for buyer in buyers {
            requests.post("/v1/sessions", &format!("x-onrush-buyer: b-{buyer}\r\n"), "{}");
        }
        self.texts(&requests, "\"session\":")
    }

    /// Let everybody join the line, and wait until everybody was called up.
    fn passes(&self, sessions: &[String]) -> Result<Vec<String>> {
        let mut joins = Requests::default();
        for session in sessions {
            let headers = format!("authorization: Bearer {session}\r\n");
            joins.post("/v1/campaigns/sale/tickets", &headers, "{}");
        }
        let tickets = self.texts(&joins, "\"ticket\":")?;
        let mut passes = vec![String::new(); tickets.len()];
        let until = Instant::now() + Duration::from_secs(PASS_SECONDS_MAX);
        loop {
            let waiting: Vec<usize> = (0..passes.len()).filter(|&n| passes[n].is_empty()).collect();
            if waiting.is_empty() {
                return Ok(passes);
            }
            ensure!(Instant::now() < until, "{} buyers wait for a pass", waiting.len());
            let mut looks = Requests::default();
            for &n in &waiting {
                looks.get(&format!("/v1/campaigns/sale/tickets/{}", tickets[n]), "");
            }
            let run = client::run(self.public, &looks, Some("\"pass\":"))?;
            for (n, pass) in run.answers.texts() {
                pass.clone_into(&mut passes[waiting[n]]);
            }
        }
    }

    /// Ask everything and return the text after `mark` of each answer.
    fn texts(&self, requests: &Requests, mark: &str) -> Result<Vec<String>> {
        let run = client::run(self.public, requests, Some(mark))?;
        let texts = run.answers.text_of_each();
        match texts.iter().position(String::is_empty) {
            None => Ok(texts),
            Some(n) => bail!("no {mark} in an answer {}", run.answers.status()[n]),
        }
    }

    /// Entries of one request: one where units are fought over, so that answers say whose they are.
    fn entries(&self, asks: &[Ask]) -> usize {
        let whole = self.way == Way::Batch && asks.iter().all(|ask| ask.sku == PLENTY);
        if whole { BATCH } else { 1 }
    }

    fn batches(&self, asks: &[Ask]) -> Requests {
        let mut requests = Requests::default();
        let headers = format!("authorization: Bearer {}\r\n", self.token);
        for asks in asks.chunks(self.entries(asks)) {
            let entry = |ask: &Ask| {
                let (sku, buyer, key) = (ask.sku, ask.buyer_name(), ask.key_name());
                format!(r#"{{"sku":"{sku}","buyer":"{buyer}","key":"{key}"}}"#)
            };
            let entries: Vec<String> = asks.iter().map(entry).collect();
            let body = format!(r#"{{"campaign":"sale","reservations":[{}]}}"#, entries.join(","));
            requests.post("/admin/v1/reservations:batch", &headers, &body);
        }
        requests
    }

    fn get(&self, path: &str) -> Result<Value> {
        let mut request = Requests::default();
        request.get(path, &format!("authorization: Bearer {}\r\n", self.token));
        let (status, body) = client::ask(self.admin, &request)?;
        ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    /// Kill the server, and replay its folder with every check of `onrush verify`.
    fn verify(&mut self) -> Result<()> {
        self.server = None;
        let mut verify = Command::new(&self.binary);
        finish(verify.arg("verify").arg(&self.data)).context("its journal").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::Contestant;

    fn of(way: Way) -> Onrush {
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        let (binary, data, version) = (PathBuf::new(), PathBuf::new(), String::new());
        let token = "t".to_owned();
        let (public, admin) = (addr, addr);
        Onrush { server: None, public, admin, token, way, binary, data, version, workers: 1 }
    }

    #[test]
    fn batches_while_there_is_plenty_and_asks_one_by_one_when_it_is_scarce() {
        let mut onrush = of(Way::Batch);
        let asks = |sku| (0..250).map(move |buyer| Ask { sku, buyer, key: 1 }).collect::<Vec<_>>();
        assert_eq!(onrush.requests(&asks(PLENTY)).expect("made").len(), 3);
        assert_eq!(onrush.requests(&asks(crate::check::SCARCE)).expect("made").len(), 250);
    }
}
