//! A crowd that joins, is drawn and looks at its places, in the engine without threads: memory, joins,
//! polls, and how long a start takes.

use crate::machine::{on_processor, resident_bytes};
use crate::{Row, Setup, median};
use onrush::{
    BuyerDigest, Campaign, CampaignSpec, Clock, Currency, Driver, Engine, JoinRequest, LineTerms,
    Name, Options, Outflow, Parts, Schedule, SkuSpec, Standing, Terms, TicketNo, Timestamp,
};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const IN_FLIGHT: u32 = 1 << 16;
const T0: u64 = 1_800_000_000_000;
const OPENS_MS: u64 = 3_600_000;

/// A clock that stands still until it is moved, so that a start can be waited for.
#[derive(Debug, Default)]
struct ManualClock {
    passed_ms: AtomicU64,
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        // Relaxed: a figure that stands alone.
        Timestamp(T0 + self.passed_ms.load(Ordering::Relaxed))
    }

    fn monotonic_ns(&self) -> u64 {
        // Relaxed: as above.
        self.passed_ms.load(Ordering::Relaxed) * 1_000_000
    }
}

/// Fill a line, draw it and look at it.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let people = setup.people;
    let clock = Arc::new(ManualClock::default());
    let before = resident_bytes();
    let parts = Parts { clock: clock.clone(), ..Parts::on_disk(dir.path()).expect("parts") };
    let options = Options {
        joins_max: IN_FLIGHT,
        reserves_max: 1_024,
        snapshot_every: None,
        ..Options::default()
    };
    let (engine, mut driver) = Engine::open_driven(parts, options).expect("open");
    let put = engine.put_campaign(spec());
    driver.settle();
    let campaign = put.wait().expect("put").granted().expect("granted");
    let joins = join_all(&engine, &mut driver, &campaign, people);
    let lsn = engine.durable_lsn();
    // Relaxed: this thread alone moves it.
    clock.passed_ms.store(OPENS_MS, Ordering::Relaxed);
    let (first, all) = start(&engine, &mut driver, &campaign, people);
    let ms = |took: Took| {
        let (wall, busy) = (took.wall.as_secs_f64() * 1e3, took.busy.as_secs_f64() * 1e3);
        format!("{wall:.1} ms at {people} people, {busy:.1} ms of it on the processor")
    };
    let drawn = records(&engine, lsn);
    let polls: Vec<(f64, f64)> =
        (0..5).map(|round| looks(&engine, &campaign, people, round)).collect();
    let by_processor = median(polls.iter().map(|poll| poll.1).collect()).0;
    let polls = median(polls.into_iter().map(|poll| poll.0).collect());
    let each = (resident_bytes() - before) as f64 / f64::from(people);
    let row = |what: &str, target, measured, reached| Row {
        what: what.into(),
        target,
        measured,
        reached,
    };
    let speed = |(rate, low, high): (f64, f64, f64)| format!("{rate:.2} M/s ({low:.2}–{high:.2})");
    vec![
        row(
            "memory per waiting person, all in",
            "≤ 52 bytes",
            format!("{each:.1} bytes at {people} people, drawn and placed"),
            each <= 52.0,
        ),
        row("join, engine call, 1 thread", "≥ 2 M/s", speed(joins), joins.0 >= 2.0),
        row(
            "poll, engine call, 1 thread, any ticket",
            "≥ 5 M/s",
            format!("{}; by processor time {by_processor:.2} M/s", speed(polls)),
            polls.0 >= 5.0,
        ),
        row(
            "draw: first pass after the start",
            "≤ 10 ms",
            format!("{}, durable", ms(first)),
            first.wall <= Duration::from_millis(10),
        ),
        row(
            "draw: everybody's exact position",
            "≤ 5 s",
            ms(all),
            all.wall <= Duration::from_secs(5),
        ),
        row("draw: journal records", "1", drawn.to_string(), drawn == 1),
    ]
}

/// 100 units, drawn at the opening in an hour.
fn spec() -> CampaignSpec {
    let name = |text: &str| Name::new(text).expect("a name");
    let schedule = Schedule {
        preheat_at: Some(Timestamp(T0)),
        draw_at: None,
        opens_at: Some(Timestamp(T0 + OPENS_MS)),
        closes_at: None,
    };
    let outflow = Outflow { per_second: Some(100), ..Outflow::default() };
    CampaignSpec {
        waitlist: None,
        name: name("bench"),
        terms: Terms { schedule, buyers_expected: 1_000, ..Terms::open_now(Currency::CNY) },
        skus: vec![SkuSpec::new(name("unit"), 100, 100)],
        line: Some(LineTerms { outflow, ..LineTerms::equal() }),
    }
}

/// Let everybody join; return the speed of the calls up to the queue, in millions a second.
fn join_all(
    engine: &Engine,
    driver: &mut Driver,
    campaign: &Campaign,
    people: u32,
) -> (f64, f64, f64) {
    let mut rates = Vec::new();
    let mut from = 0;
    while from < people {
        let to = (from + IN_FLIGHT).min(people);
        let buyers: Vec<BuyerDigest> = (from..to).map(|n| buyer(u64::from(n))).collect();
        let mut pending = Vec::with_capacity(buyers.len());
        let started = Instant::now();
        for &buyer in &buyers {
            pending.push(engine.join(&JoinRequest { campaign, buyer, class: 0 }));
        }
        let elapsed = started.elapsed();
        driver.settle();
        for answer in pending {
            assert!(answer.wait().expect("answer").granted().is_some(), "everybody gets a ticket");
        }
        if to - from == IN_FLIGHT {
            rates.push(f64::from(IN_FLIGHT) / elapsed.as_micros() as f64);
        }
        from = to;
    }
    median(if rates.is_empty() { vec![0.0] } else { rates })
}

/// How long something took, and how much of it on the processor.
#[derive(Clone, Copy, Default)]
struct Took {
    wall: Duration,
    busy: Duration,
}

/// Let the sale start; return when the first pass was there, and when everybody had a place.
fn start(engine: &Engine, driver: &mut Driver, campaign: &Campaign, people: u32) -> (Took, Took) {
    // Looking for the pass is not counted: its owner knows the ticket.
    let sample = people.min(10_000);
    let step = people / sample;
    let is_called = || {
        (0..sample).any(|n| {
            matches!(
                engine.standing(campaign, TicketNo(n * step)),
                Some(Standing::Served { .. } | Standing::Waiting { place: 0..16_384, .. })
            )
        })
    };
    let (mut took, mut first) = (Took::default(), None);
    loop {
        let (started, before) = (Instant::now(), on_processor());
        driver.turn();
        let busy = driver.index();
        took.wall += started.elapsed();
        took.busy += on_processor() - before;
        let serving = engine.line(campaign).expect("a line").serving > 0;
        if first.is_none() && serving && is_called() {
            first = Some(took);
        }
        let last = engine.standing(campaign, TicketNo(people - 1));
        let placed = matches!(last, Some(Standing::Waiting { .. } | Standing::Served { .. }));
        if first.is_some() && !busy && placed {
            return (first.unwrap_or(took), took);
        }
    }
}

/// Count the records of draws after `lsn`.
fn records(engine: &Engine, lsn: onrush::Lsn) -> u32 {
    let mut events = engine.events(lsn).expect("the journal is kept");
    let mut drawn = 0;
    while let Some((_, record)) = events.next(Duration::ZERO).expect("records") {
        drawn += u32::from(matches!(record.change, onrush::ledger::Change::Drawn { .. }));
    }
    drawn
}

/// Return looks in millions a second, and in millions a second of processor time.
fn looks(engine: &Engine, campaign: &Campaign, people: u32, round: u32) -> (f64, f64) {
    const POLLS: u32 = 4_000_000;
    let numbers: Vec<TicketNo> = (0..POLLS)
        .map(|n| TicketNo(n.wrapping_add(round).wrapping_mul(0x9e37_79b1) % people))
        .collect();
    let (started, before) = (Instant::now(), on_processor());
    for &number in &numbers {
        black_box(engine.standing(campaign, number));
    }
    let rate = |took: Duration| f64::from(POLLS) / took.as_micros() as f64;
    (rate(started.elapsed()), rate(on_processor() - before))
}

/// Return buyer number `n`, spread like a keyed digest.
fn buyer(n: u64) -> BuyerDigest {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (low, high) = (mix(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)), mix(!n));
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&low.to_le_bytes());
    digest[8..].copy_from_slice(&high.to_le_bytes());
    BuyerDigest(digest)
}
