//! A world in which nothing happens by itself: a disk in memory, two clocks that a test moves, and
//! an engine that takes a turn when it is told to.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod crowd;
pub(crate) mod race;
pub(crate) mod story;
pub(crate) mod watched;

use onrush::journal::{FakeDisk, JournalId, Loss};
use onrush::ledger::Ledger;
use onrush::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where every world's wall clock starts.
pub(crate) const T0: u64 = 1_800_000_000_000;
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;

/// Clocks that stand still until they are moved.
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
}

impl ManualClock {
    pub(crate) fn new() -> Arc<ManualClock> {
        Arc::new(ManualClock { wall_ms: AtomicU64::new(T0), monotonic_ms: AtomicU64::new(7) })
    }

    /// Let time pass: both clocks move.
    pub(crate) fn advance(&self, ms: u64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Step the wall clock alone, as an operator or NTP would.
    pub(crate) fn step_wall(&self, ms: i64) {
        self.wall_ms.store(
            self.wall_ms.load(Ordering::Relaxed).saturating_add_signed(ms),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.wall_ms())
    }

    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ms.load(Ordering::Relaxed) * 1_000_000
    }
}

/// Small segments, so that a short history crosses several.
pub(crate) fn options() -> Options {
    Options {
        reserves_max: 256,
        joins_max: 1_024,
        settles_max: 64,
        segment_bytes: 16 * 1_024,
        snapshot_every: None,
        screen: None,
    }
}

pub(crate) fn parts(disk: &FakeDisk, clock: &Arc<ManualClock>) -> Parts {
    Parts {
        storage: Arc::new(disk.clone()),
        clock: clock.clone(),
        secret: Secret::from_bytes([9; 32]),
        new_journal: JournalId([5; 16]),
    }
}

pub(crate) struct World {
    pub(crate) disk: FakeDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: Options,
    pub(crate) engine: Engine,
    pub(crate) driver: Driver,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World::with(seed, options())
    }

    pub(crate) fn with(seed: u64, options: Options) -> World {
        World::open(FakeDisk::new(seed), ManualClock::new(), options).expect("a new disk opens")
    }

    pub(crate) fn open(
        disk: FakeDisk,
        clock: Arc<ManualClock>,
        options: Options,
    ) -> Result<World, OpenError> {
        let (engine, driver) = Engine::open_driven(parts(&disk, &clock), options.clone())?;
        Ok(World { disk, clock, options, engine, driver })
    }

    /// Cut the power and open what is left.
    pub(crate) fn crash(self, loss: Loss) -> Result<World, OpenError> {
        let World { disk, clock, options, engine, driver } = self;
        drop((engine, driver));
        disk.power_cut(loss);
        World::open(disk, clock, options)
    }

    /// End the process and open again; nothing that was written is lost.
    pub(crate) fn restart(self) -> World {
        let World { disk, clock, options, engine, driver } = self;
        drop((engine, driver));
        disk.kill();
        World::open(disk, clock, options).expect("a killed process restarts")
    }

    /// Take turns until all is quiet, and return the answer.
    pub(crate) fn done<T>(&mut self, mut pending: Pending<T>) -> Decision<T> {
        self.driver.settle();
        pending.try_take().expect("it was settled").expect("the engine is healthy")
    }

    pub(crate) fn put(&mut self, spec: CampaignSpec) -> Arc<Campaign> {
        let pending = self.engine.put_campaign(spec);
        granted(self.done(pending))
    }

    /// Queue a request for units.
    pub(crate) fn ask(
        &self,
        campaign: &Campaign,
        sku: &str,
        buyer: &str,
        key: &str,
        units: u32,
    ) -> Pending<Reservation> {
        let buyer = self.engine.buyer(buyer);
        let mut ask = ReserveRequest::new(campaign, sku, buyer, key);
        ask.quantity = Quantity::new(units).expect("a legal quantity");
        self.engine.reserve(&ask)
    }

    /// Ask for units and wait for the answer.
    pub(crate) fn reserve(
        &mut self,
        campaign: &Campaign,
        sku: &str,
        buyer: &str,
        key: &str,
        units: u32,
    ) -> Decision<Reservation> {
        let pending = self.ask(campaign, sku, buyer, key, units);
        self.done(pending)
    }

    /// Hold units, or fail.
    pub(crate) fn hold(
        &mut self,
        campaign: &Campaign,
        sku: &str,
        buyer: &str,
        units: u32,
    ) -> Reservation {
        done(self.reserve(campaign, sku, buyer, "k", units))
    }

    pub(crate) fn sku(&self, campaign: &Campaign, name: &str) -> SkuIx {
        campaign.sku(name).expect("the campaign has it").ix
    }

    pub(crate) fn view(&self, sku: SkuIx) -> SlotView {
        self.engine.units(sku).expect("the SKU exists")
    }

    /// Check everything that can be checked when all is quiet.
    pub(crate) fn check(&self) {
        check_ledger(self.driver.ledger());
        self.driver.check_mirror().expect("callers and ledger agree");
    }
}

/// INV-1 and INV-2 in a ledger, and its own audit.
pub(crate) fn check_ledger(ledger: &Ledger) {
    ledger.audit().expect("the audit holds");
    for sku in ledger.skus() {
        let units = sku.units();
        assert!(units.holds(), "INV-1: {} {units:?}", sku.name);
        assert!(units.held + units.sold <= units.supplied, "INV-2: {} {units:?}", sku.name);
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}

/// A campaign that is open already: limit 10 a buyer, holds of an hour, SKUs at a price of 100.
pub(crate) fn spec(campaign: &str, skus: &[(&str, u32)]) -> CampaignSpec {
    let terms =
        Terms { limit_per_buyer: 10, hold: DurationMs(HOUR), ..Terms::open_now(Currency::CNY) };
    let skus = skus.iter().map(|(sku, supply)| SkuSpec::new(name(sku), 100, *supply));
    CampaignSpec::new(name(campaign), terms, skus.collect())
}

pub(crate) fn pay(reference: &str, amount: i64) -> PaymentLine {
    PaymentLine {
        provider: name("bank"),
        method: name("card"),
        reference: reference.into(),
        money: Money { amount, currency: Currency::CNY },
    }
}

pub(crate) fn by() -> By {
    By::new("operator", "a test")
}

/// Return what was done now; anything else fails the test.
#[track_caller]
pub(crate) fn done<T: std::fmt::Debug>(decision: Decision<T>) -> T {
    match decision {
        Decision::Done(value) => value,
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn already<T: std::fmt::Debug>(decision: Decision<T>) -> T {
    match decision {
        Decision::Already(value) => value,
        other => panic!("not done before: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn granted<T: std::fmt::Debug>(decision: Decision<T>) -> T {
    match decision {
        Decision::Done(value) | Decision::Already(value) => value,
        Decision::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(decision: Decision<T>) -> Refusal {
    match decision {
        Decision::Refused(refusal) => refusal,
        other => panic!("granted: {other:?}"),
    }
}

/// Names the case at hand, should it fail.
pub(crate) struct Case(pub(crate) String);

impl Drop for Case {
    #[allow(clippy::print_stderr, reason = "whoever reads a failed test needs its seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in this case: {}", self.0);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a test that fails prints its seed, see [`Case`].
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
