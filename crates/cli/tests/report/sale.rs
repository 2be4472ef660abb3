//! A small sale made by the real engine on a clock that stands still, so that each figure can be counted by
//! hand.

use onrush::ledger::{Planned, PlannedShipment, Reason, StockHow};
use onrush::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// When the sale opens.
pub(crate) const T0: u64 = 1_800_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
struct ManualClock {
    passed_ms: AtomicU64,
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        // Relaxed: one thread moves and reads it.
        Timestamp(T0 + self.passed_ms.load(Ordering::Relaxed))
    }

    fn monotonic_ns(&self) -> u64 {
        // Relaxed: as above.
        self.passed_ms.load(Ordering::Relaxed) * 1_000_000
    }
}

/// An engine on a folder, driven by hand.
pub(crate) struct Shop {
    clock: Arc<ManualClock>,
    pub(crate) engine: Engine,
    driver: Driver,
}

impl Shop {
    pub(crate) fn open(dir: &Path) -> Shop {
        let clock = Arc::new(ManualClock::default());
        let parts = Parts { clock: clock.clone(), ..Parts::on_disk(dir).expect("parts") };
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let (engine, driver) = Engine::open_driven(parts, options).expect("open");
        Shop { clock, engine, driver }
    }

    /// Let time pass until so many milliseconds after the opening.
    pub(crate) fn at(&mut self, ms: u64) {
        // Relaxed: one thread moves and reads it.
        self.clock.passed_ms.store(ms, Ordering::Relaxed);
        self.driver.settle();
    }

    pub(crate) fn done<T>(&mut self, pending: Pending<T>) -> T
    where
        T: std::fmt::Debug,
    {
        self.driver.settle();
        match pending.wait().expect("the journal works") {
            Decision::Done(done) | Decision::Already(done) => done,
            Decision::Refused(why) => panic!("refused: {why}"),
        }
    }

    /// Pay `amount` fen for a reservation.
    fn pay(&mut self, seq: ReservationSeq, amount: i64) {
        let line = PaymentLine {
            provider: name("bank"),
            method: name("card"),
            reference: format!("{seq:?}-{amount}").into(),
            money: Money { amount, currency: Currency::CNY },
        };
        let pending = self.engine.confirm(seq, vec![line], None);
        self.done(pending);
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}

fn by(why: &str) -> By {
    By::new("olga", why)
}

fn campaign() -> CampaignSpec {
    CampaignSpec {
        waitlist: Some(WaitTerms { offer: DurationMs(120_000) }),
        name: name("drop"),
        terms: Terms { hold: DurationMs(300_000), ..Terms::open_now(Currency::CNY) },
        skus: vec![SkuSpec::new(name("jacket"), 1_000, 10), SkuSpec::new(name("cap"), 300, 3)],
        line: None,
    }
}

/// What buyer `n` said when reserving a jacket.
fn details(n: u64) -> String {
    let channel = if n.is_multiple_of(2) { "app" } else { "web" };
    let guide = if n.is_multiple_of(2) { r#","guide":"mei""# } else { "" };
    let store = if n < 5 { r#","store":"=sh-1""# } else { "" };
    let (lat, lon) = if n < 6 { (31.2, 121.4) } else { (-33.9, 18.4) };
    format!(
        r#"{{"destination":{{"lat":{lat},"lon":{lon}}},"attribution":{{"channel":"{channel}","touchpoint":"push"{guide}{store}}}}}"#
    )
}

/// Sell: ten jackets and three caps, and what comes of them.
pub(crate) fn sell(dir: &Path) {
    let mut shop = Shop::open(dir);
    let pending = shop.engine.put_campaign(campaign());
    let drop = shop.done(pending);
    let (jacket, cap) =
        (drop.sku("jacket").expect("a jacket").ix, drop.sku("cap").expect("a cap").ix);
    let mut jackets = Vec::new();
    for n in 0..10 {
        shop.at(n * 1_000);
        jackets.push(reserve(&mut shop, &drop, "jacket", n, Some(&details(n))));
    }
    let caps: Vec<_> = (10..13).map(|n| reserve(&mut shop, &drop, "cap", n, None)).collect();
    let buyer = shop.engine.buyer("buyer-13");
    let wish = WaitRequest { campaign: &drop, sku: "cap", buyer, quantity: Quantity::ONE };
    let pending = shop.engine.join_waitlist(&wish);
    shop.done(pending);
    // Five jackets are paid for, each twenty seconds after it was held; two caps at second 30.
    for n in 0..5 {
        shop.at(20_000 + n * 1_000);
        shop.pay(jackets[n as usize], 1_000);
    }
    shop.at(30_000);
    shop.pay(jackets[5], 400);
    let pending = shop.engine.release(jackets[6], None);
    shop.done(pending);
    shop.pay(caps[0], 300);
    shop.pay(caps[1], 300);
    let pending = shop.engine.cancel(caps[0], false, by("torn"));
    shop.done(pending);
    shop.at(40_000);
    let pending = shop.engine.supply(jacket, 5, by("more came"));
    shop.done(pending);
    after_the_deadlines(&mut shop, &drop, &jackets, &caps);
    stores(&mut shop, cap, &caps);
    let pending = shop.engine.refunded(0, by("bank"));
    shop.done(pending);
    let pending = shop.engine.move_phase(&drop, Phase::Closed, by("enough"));
    shop.done(pending);
    shop.engine.shutdown().expect("the journal works");
}

fn reserve(
    shop: &mut Shop,
    drop: &Campaign,
    sku: &str,
    n: u64,
    details: Option<&str>,
) -> ReservationSeq {
    let buyer = shop.engine.buyer(&format!("buyer-{n}"));
    let mut ask = ReserveRequest::new(drop, sku, buyer, "k");
    ask.details = details.map(str::as_bytes);
    let pending = shop.engine.reserve(&ask);
    shop.done(pending).seq
}

/// Holds end; one late payment finds units, the other finds that they went to who waited.
fn after_the_deadlines(
    shop: &mut Shop,
    drop: &Campaign,
    jackets: &[ReservationSeq],
    caps: &[ReservationSeq],
) {
    shop.at(320_000);
    let waiting = shop.engine.buyer("buyer-13");
    let offered = shop.engine.reservations_of(drop, waiting);
    let [offer] = offered.as_slice() else { panic!("one offer: {offered:?}") };
    shop.at(330_000);
    shop.pay(offer.seq, 300);
    shop.at(400_000);
    shop.pay(jackets[9], 1_000);
    shop.pay(caps[2], 300);
}

/// The second cap is planned twice and sent in time, the offered one is sent too late.
fn stores(shop: &mut Shop, cap: SkuIx, caps: &[ReservationSeq]) {
    let mut nodes = Vec::new();
    for store in ["s1", "s2"] {
        let pending = shop.engine.put_node(store, "{}", by("import"));
        let node = shop.done(pending);
        let pending = shop.engine.move_stock(node, cap, StockHow::Add(2), by("import"));
        shop.done(pending);
        nodes.push(node);
    }
    let plan = |seq, attempt, node, promise_ms| Planned {
        seq,
        attempt,
        shipments: vec![PlannedShipment {
            node,
            units: 1,
            promise_at: Timestamp(T0 + promise_ms),
            sure: 9_000,
        }],
        note: Box::default(),
    };
    let offered = ReservationSeq(13);
    for (seq, attempt, node, promise_ms) in
        [(caps[1], 1, nodes[0], 500_000), (offered, 1, nodes[0], 450_000)]
    {
        let pending = shop.engine.plan(plan(seq, attempt, node, promise_ms));
        shop.done(pending);
    }
    let pending = shop.engine.reject(caps[1], nodes[0], Reason::TooBusy, by("queue"));
    shop.done(pending);
    let pending = shop.engine.plan(plan(caps[1], 2, nodes[1], 500_000));
    shop.done(pending);
    shop.at(460_000);
    for (seq, node) in [(caps[1], nodes[1]), (offered, nodes[0])] {
        let pending = shop.engine.dispatch(seq, node, by("van"));
        shop.done(pending);
    }
}
