//! What a promise adds to a hold, and how long a sale waits for its plan, with 247 stores.
//!
//! `cargo xtask bench stores [--data FOLDER]`: places are those of `FOLDER/stores_shenyang.csv`, or a
//! grid of as many. The gateway is embedded: no socket, no parser, one thread asks. Holds with and
//! without a destination alternate, so both see the same machine.
#![allow(clippy::print_stdout)]

use http::{HeaderMap, HeaderValue, Method};
use onrush::ledger::StockHow;
use onrush::{
    By, CampaignSpec, Currency, Decision, Engine, Name, Options, PaymentLine, ReservationSeq,
    SkuSpec, Terms,
};
use onrush_gateway::{Ask, Config, Gateway, Jitter, Reply, Side};
use std::error::Error;
use std::time::{Duration, Instant};

const STORES: usize = 247;
const HOLDS: usize = 40_000;
const WARM_UP: usize = 2_000;
const SALES: usize = 2_000;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let places = places()?;
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), Options::default())?;
    fill(&engine, &places)?;
    let mut config = Config::default();
    config.dev = true;
    let gateway = Gateway::new(&config, engine.clone())?;
    wait_for_stores(&gateway);
    println!("stores {}, holds {HOLDS} of each kind, alternating, one thread", places.len());
    let (plain, promised, told) = holds(&gateway, &places)?;
    row("hold, no destination", &plain);
    row("hold, one-hour promise", &promised);
    let adds = median(&promised).saturating_sub(median(&plain));
    let p99 = rank(&promised, 0.99).saturating_sub(rank(&plain, 0.99));
    println!("{:<44} {:>9.2} µs   <= 10 µs", "promise adds, median", micros(adds));
    println!("{:<44} {:>9.2} µs", "promise adds, between the 99th percentiles", micros(p99));
    println!("{:<44} {told:>9} of {HOLDS}", "holds that carried a promise");
    sales(&engine)?;
    drop(gateway);
    engine.shutdown()?;
    Ok(())
}

/// Read the places, or make a grid around one city.
fn places() -> Fallible<Vec<(f64, f64)>> {
    let mut arguments = std::env::args().skip(1);
    let mut folder = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--data" => folder = arguments.next(),
            other => return Err(format!("{other}: only --data FOLDER is known").into()),
        }
    }
    let Some(folder) = folder else {
        let grid = |n: usize| (41.7 + (n / 16) as f64 / 60.0, 123.2 + (n % 16) as f64 / 40.0);
        return Ok((0..STORES).map(grid).collect());
    };
    let text = std::fs::read_to_string(format!("{folder}/stores_shenyang.csv"))?;
    let place = |line: &str| {
        let mut cells = line.rsplit(',');
        let (lon, lat) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
        Some((lat, lon))
    };
    Ok(text.lines().skip(1).filter_map(place).collect())
}

fn fill(engine: &Engine, places: &[(f64, f64)]) -> Fallible<()> {
    let by = || By::new("bench", "set up");
    let terms = Terms {
        supply_from_stores: true,
        buyers_expected: 200_000,
        ..Terms::open_now(Currency::CNY)
    };
    let sku = SkuSpec::new(Name::new("milk")?, 100, 0);
    let campaign = engine.put_campaign(CampaignSpec::new(Name::new("drop")?, terms, vec![sku]));
    let campaign = campaign.wait()?.granted().ok_or("refused")?;
    let sku = campaign.sku("milk").ok_or("no SKU")?.ix;
    for (n, (lat, lon)) in places.iter().enumerate() {
        let attributes = format!(r#"{{"kind":"store","lat":"{lat}","lon":"{lon}"}}"#);
        let put = engine.put_node(&format!("s{n:03}"), &attributes, by()).wait()?;
        let node = put.granted().ok_or("refused")?;
        let moved = engine.move_stock(node, sku, StockHow::Add(1_000), by()).wait()?;
        moved.granted().ok_or("refused")?;
    }
    Ok(())
}

fn wait_for_stores(gateway: &Gateway) {
    let headers = HeaderMap::new();
    let ask = Ask {
        side: Side::Public,
        method: &Method::GET,
        path: "/v1/campaigns/drop/stores",
        query: Some("lat=41.8&lon=123.4&sku=milk"),
        headers: &headers,
        body: b"",
        peer: None,
        memo: None,
    };
    loop {
        let now = gateway.engine().now();
        if let Reply::Ready(answer) = gateway.handle(&ask, now, &Jitter::new(1))
            && answer.body.len() > 100
        {
            return;
        }
        std::thread::yield_now();
    }
}

/// Time `handle` alone: what the thread that serves a connection spends before it goes on.
fn holds(
    gateway: &Gateway,
    places: &[(f64, f64)],
) -> Fallible<(Vec<Duration>, Vec<Duration>, usize)> {
    let jitter = Jitter::new(7);
    let (mut plain, mut promised, mut told) = (Vec::new(), Vec::new(), 0);
    let mut waiting = Vec::new();
    for n in 0..2 * (HOLDS + WARM_UP) {
        let with = n % 2 == 1;
        let (lat, lon) = places[n * 31 % places.len()];
        let (lat, lon) = (lat + 0.004, lon - 0.003);
        let body = if with {
            format!(
                r#"{{"sku":"milk","delivery":"one_hour","destination":{{"lat":{lat},"lon":{lon}}}}}"#
            )
        } else {
            r#"{"sku":"milk"}"#.to_owned()
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("x-onrush-buyer", HeaderValue::from_str(&format!("b{n}"))?);
        headers.insert("idempotency-key", HeaderValue::from_static("k"));
        let ask = Ask {
            side: Side::Public,
            method: &Method::POST,
            path: "/v1/campaigns/drop/reservations",
            query: None,
            headers: &headers,
            body: body.as_bytes(),
            peer: None,
            memo: None,
        };
        let now = gateway.engine().now();
        let started = Instant::now();
        let reply = gateway.handle(&ask, now, &jitter);
        let took = started.elapsed();
        let Reply::Wait(held) = reply else { return Err("a hold was refused".into()) };
        if n >= 2 * WARM_UP {
            if with { &mut promised } else { &mut plain }.push(took);
        }
        waiting.push((with && n >= 2 * WARM_UP, held));
        // Answers are taken together, so that the queue never fills.
        if waiting.len() == 1_024 || n + 1 == 2 * (HOLDS + WARM_UP) {
            for (counts, held) in waiting.drain(..) {
                let answer = held.wait().answer(gateway.engine(), &jitter);
                let has = answer.body.windows(9).any(|part| part == b"\"promise\"");
                told += usize::from(has && counts);
            }
        }
    }
    Ok((plain, promised, told))
}

/// Time from the answer to a payment until the plan is durable.
fn sales(engine: &Engine) -> Fallible<()> {
    let count = engine.inspect(|ledger| ledger.reservation_count()).wait()?;
    // Holds with a destination have odd numbers here.
    let sold: Vec<ReservationSeq> =
        (0..SALES as u32).map(|n| ReservationSeq(2 * n + 1)).filter(|seq| seq.0 < count).collect();
    let started = Instant::now();
    for seq in &sold {
        let line = PaymentLine {
            provider: Name::new("bank")?,
            method: Name::new("card")?,
            reference: format!("r{seq}").into(),
            money: onrush::Money { amount: 100, currency: Currency::CNY },
        };
        if let Decision::Refused(refusal) = engine.confirm(*seq, vec![line], None).wait()? {
            return Err(refusal.to_string().into());
        }
    }
    let paid = started.elapsed();
    let last = *sold.last().ok_or("nothing was sold")?;
    loop {
        let planned = engine.inspect(move |ledger| ledger.order(last).is_some()).wait()?;
        if planned {
            break;
        }
    }
    let after = started.elapsed() - paid;
    println!(
        "{:<44} {:>9.2} ms",
        "last of 2,000 sales, paid to planned",
        after.as_secs_f64() * 1e3
    );
    Ok(())
}

fn row(name: &str, times: &[Duration]) {
    let (p50, p99) = (median(times), rank(times, 0.99));
    println!("{name:<44} {:>9.2} µs p50, {:.2} µs p99", micros(p50), micros(p99));
}

fn median(times: &[Duration]) -> Duration {
    rank(times, 0.5)
}

fn rank(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
