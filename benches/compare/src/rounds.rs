//! Rounds that alternate between the contestants, so that a drift of the machine meets all of them, and
//! the fight over the last units at the end.

use crate::check::{Ask, Fault, PLENTY, SCARCE, Told, compare};
use crate::client;
use crate::process::cpu_of;
use crate::rivals::{Contestant, Entry, SCARCE_UNITS, Setup};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// Asks of the first look at how fast somebody is.
const FIRST_LOOK: usize = 2_000;

/// Asks in one round at most: what buyers, sessions and answers need must fit into memory.
const ASKS_MAX: usize = 4_000_000;

/// A second of a round that shows how fast a way of setting up is.
const TRIAL_SECONDS: f64 = 0.7;

/// One round of one contestant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Counted answers (units, in a batch) a second.
    pub(crate) rate: f64,
    /// Processor seconds of its processes for a million of them.
    pub(crate) cpu_per_million: f64,
    /// Of these, what only one thread can do.
    pub(crate) serial_per_million: Option<f64>,
    /// Share of the asks that were told to come back; not counted.
    pub(crate) busy: f64,
    /// Processors that its processes kept busy.
    pub(crate) server_busy: f64,
    /// Of one processor, what the load kept busy.
    pub(crate) client_busy: f64,
}

/// A contestant who takes part, with everything that it was asked and told.
pub(crate) struct Entrant {
    /// Its short name.
    pub(crate) name: &'static str,
    /// Its row's text.
    pub(crate) what: String,
    /// Versions and settings.
    pub(crate) configuration: String,
    contestant: Box<dyn Contestant>,
    next_buyer: u32,
    asks_a_round: usize,
    told: Vec<Told>,
}

/// Set up `entry` in each of its ways, and keep the fastest.
///
/// # Errors
/// With the reason why its row is left out.
pub(crate) fn enter(entry: Entry, setup: &Setup, seconds: f64) -> Result<Entrant> {
    let mut best: Option<(f64, String, Entrant)> = None;
    let mut tried = Vec::new();
    for (n, (way, make)) in entry.ways.iter().enumerate() {
        let folder = setup.below(&format!("{}-{n}", entry.name))?;
        let contestant = make(&Setup { folder, ..setup.clone() })?;
        let configuration = contestant.configuration();
        let what = entry.what.to_owned();
        let (next_buyer, asks_a_round, told) = (0, FIRST_LOOK, Vec::new());
        let name = entry.name;
        let mut entrant =
            Entrant { name, what, configuration, contestant, next_buyer, asks_a_round, told };
        let first = entrant.round()?.rate;
        entrant.set_asks(first * TRIAL_SECONDS.min(seconds));
        let rate = entrant.round()?.rate;
        entrant.set_asks(rate * seconds);
        tried.push(format!("{way}: {rate:.0}/s"));
        if best.as_ref().is_none_or(|(before, ..)| rate > *before) {
            best = Some((rate, (*way).to_owned(), entrant));
        }
    }
    let (_, way, mut entrant) = best.context("no way to set it up")?;
    if tried.len() > 1 {
        entrant.what = format!("{} ({way})", entrant.what);
        entrant.configuration = format!("{}; tried {}", entrant.configuration, tried.join(", "));
    }
    Ok(entrant)
}

impl Entrant {
    fn set_asks(&mut self, asks: f64) {
        let step = self.contestant.asks_per_request();
        let least = FIRST_LOOK.max(20 * step);
        self.asks_a_round = (asks as usize).clamp(least, ASKS_MAX).next_multiple_of(step);
    }

    /// Ask for one unit for each of as many new buyers as a round has.
    ///
    /// # Errors
    /// When anything but the counted answer comes, or the server breaks.
    pub(crate) fn round(&mut self) -> Result<Round> {
        let from = self.next_buyer;
        self.next_buyer += self.asks_a_round as u32;
        let asks: Vec<Ask> =
            (from..self.next_buyer).map(|buyer| Ask { sku: PLENTY, buyer, key: 1 }).collect();
        let requests = self.contestant.requests(&asks)?;
        let processes = self.contestant.processes();
        let (cpu, serial) = (cpu_of(&processes), self.contestant.serial_cpu());
        let run = client::run(self.contestant.addr(), &requests, self.contestant.mark())?;
        let cpu = cpu_of(&processes) - cpu;
        let serial = serial.zip(self.contestant.serial_cpu()).map(|(from, to)| to - from);
        let counted = self.contestant.counted();
        let other = run.answers.status().iter().find(|&&status| status != counted);
        ensure!(other.is_none(), "an answer {other:?} where {counted} was expected");
        self.told.extend(self.contestant.told(&asks, &run.answers));
        let granted = self.contestant.counted_in(asks.len(), &run.answers);
        let million = granted as f64 / 1e6;
        let took = run.took.as_secs_f64();
        let per_million = |cpu: Duration| cpu.as_secs_f64() / million;
        Ok(Round {
            rate: granted as f64 / took,
            busy: 1.0 - granted as f64 / asks.len() as f64,
            cpu_per_million: per_million(cpu),
            serial_per_million: serial.map(per_million),
            server_busy: cpu.as_secs_f64() / took,
            client_busy: run.client_cpu.as_secs_f64() / took,
        })
    }

    /// Let three times as many buyers as there are units fight over the last ones, each clicking twice
    /// and trying for a second unit, then compare everything told with the books. `None`: it has none.
    ///
    /// # Errors
    /// When the server breaks or the books cannot be read.
    pub(crate) fn check(mut self) -> Result<Option<Vec<Fault>>> {
        let from = self.next_buyer;
        // Side by side, so that they are under way at the same time on different connections.
        let of = |buyer| [1, 2, 1].map(|key| Ask { sku: SCARCE, buyer, key });
        let asks: Vec<Ask> = (from..from + 3 * SCARCE_UNITS as u32).flat_map(of).collect();
        let requests = self.contestant.requests(&asks)?;
        let run = client::run(self.contestant.addr(), &requests, self.contestant.mark())?;
        let broken = run.answers.status().iter().filter(|&&status| status >= 500).count();
        ensure!(broken == 0, "{broken} answers of 500 and more in the fight over the last units");
        self.told.extend(self.contestant.told(&asks, &run.answers));
        let books = self.contestant.books()?;
        Ok(books.map(|books| compare(&self.told, &books)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Books, Row, Units};
    use crate::client::Requests;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    /// Fewer than wanted, and odd.
    const UNITS: usize = SCARCE_UNITS as usize - 1;

    /// A rival that checks and takes in two steps, and forgets that a buyer came before.
    struct Careless {
        addr: SocketAddr,
        orders: Arc<Mutex<Vec<(String, String)>>>,
    }

    impl Contestant for Careless {
        fn addr(&self) -> SocketAddr {
            self.addr
        }
        fn processes(&self) -> Vec<u32> {
            Vec::new()
        }
        fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
            let mut requests = Requests::default();
            for ask in asks {
                let (sku, buyer, key) = (ask.sku, ask.buyer_name(), ask.key_name());
                let body = format!(r#"{{"sku":"{sku}","buyer":"{buyer}","key":"{key}"}}"#);
                requests.post("/reserve", "", &body);
            }
            Ok(requests)
        }
        fn books(&mut self) -> Result<Option<Books>> {
            let mut books = Books::default();
            let orders = self.orders.lock().expect("orders");
            for (n, (sku, buyer)) in orders.iter().enumerate() {
                let (sku, id) = (sku.clone(), (n + 1).to_string());
                books.rows.push(Row { sku, id, buyer: Some(buyer.clone()) });
            }
            let left = UNITS as i64 - orders.len() as i64;
            books.units.insert(SCARCE.to_owned(), Units { supply: UNITS as u64, left });
            Ok(Some(books))
        }
        fn configuration(&self) -> String {
            String::new()
        }
    }

    #[test]
    fn catches_a_rival_that_oversells() {
        let (addr, orders) = crate::serve::tests::careless(UNITS);
        let entrant = Entrant {
            name: "careless",
            what: String::new(),
            configuration: String::new(),
            contestant: Box::new(Careless { addr, orders }),
            next_buyer: 0,
            asks_a_round: 0,
            told: Vec::new(),
        };
        let faults = entrant.check().expect("it answers").expect("it has books");
        let found: Vec<&str> = faults.iter().map(|fault| fault.what).collect();
        assert!(found.contains(&"buyers with two orders"), "{faults:?}");
        assert!(found.contains(&"units sold that do not exist"), "{faults:?}");
    }
}
