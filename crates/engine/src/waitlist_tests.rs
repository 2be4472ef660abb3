//! A caller that looked before the line began and took after it: only possible for a thread that stood
//! still in between, so its steps are made here by hand.

use super::*;
use crate::clock::Clock;
use crate::flight::{Claimed, Work};
use crate::open::{Options, Parts};
use crate::secret::Secret;
use onrush_core::campaign::{CampaignSpec, SkuSpec, Terms, WaitTerms};
use onrush_core::front::Claim;
use onrush_core::ledger::{By, Reserve};
use onrush_core::reservation::State;
use onrush_journal::{FakeDisk, JournalId};
use onrush_types::{Currency, DurationMs, Name, RequestDigest, ReservationSeq, Timestamp};
use std::sync::Arc;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp(1_800_000_000_000)
    }
    fn monotonic_ns(&self) -> u64 {
        1
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn by() -> By {
    By::new("operator", "a test")
}

/// Its take stands in the way of the offer, its reserve is vetoed, the unit comes back and is offered.
#[test]
fn a_caller_that_slept_through_the_joining_passes_nobody() {
    let parts = Parts {
        storage: Arc::new(FakeDisk::new(1)),
        clock: Arc::new(Still),
        secret: Secret::from_bytes([9; 32]),
        new_journal: JournalId([5; 16]),
    };
    let options = Options { segment_bytes: 64 * 1_024, snapshot_every: None, ..Options::default() };
    let (engine, mut driver) = Engine::open_driven(parts, options).expect("opens");
    let skus = vec![SkuSpec::new(name("unit"), 100, 1)];
    let spec = CampaignSpec::new(name("drop"), Terms::open_now(Currency::CNY), skus);
    let waitlist = Some(WaitTerms { offer: DurationMs::from_secs(60) });
    drop(engine.put_campaign(CampaignSpec { waitlist, ..spec }));
    driver.settle();
    let campaign = engine.campaign("drop").expect("put");
    let sku = campaign.sku("unit").expect("it has it").ix;
    let [ann, ben, cem] = ["ann", "ben", "cem"].map(|buyer| engine.buyer(buyer));
    let held = crate::ReserveRequest::new(&campaign, "unit", ann, "k");
    drop(engine.reserve(&held));
    driver.settle();
    let quantity = Quantity::ONE;
    drop(engine.join_waitlist(&WaitRequest {
        campaign: &campaign,
        sku: "unit",
        quantity,
        buyer: ben,
    }));
    drop(engine.move_phase(&campaign, Phase::Paused, by()));
    driver.settle();
    drop(engine.release(ReservationSeq(0), None));
    driver.settle();
    assert_eq!(engine.units(sku), Some(SlotView { free: 1, held: 0 }), "paused: not offered");
    // Cem looked at the line before ben joined it, and goes on from there.
    let shared = &engine.shared;
    let credit = shared.flights.credit(LaneKind::Reserve).expect("free");
    let (key, request) = (KeyDigest(7), RequestDigest(0));
    let claim = Claim { buyer: cem, key, request, sku, quantity: 1, limit: 1, sku_limit: 1 };
    let (review, halvings, details, pass) = (false, 0, None, None);
    let reserve =
        Reserve { sku, quantity, buyer: cem, key, request, review, halvings, details, pass };
    let claimed = Claimed { campaign: campaign.ix, buyer: cem, sku, quantity: 1 };
    shared.flights.fill(credit, Work::Reserve(Action::Reserve(reserve), claimed));
    let catalogue = shared.catalogue.load();
    catalogue.list[0].claims.claim(&claim, credit, &shared.board, &shared.links);
    shared.slots.get(sku.index()).expect("it has one").take(1).expect("free");
    shared.flights.send(credit);
    drop(engine.move_phase(&campaign, Phase::Open, by()));
    driver.turn();
    assert!(engine.waitlisted(&campaign, sku, ben).is_some_and(|s| s.offer.is_none()));
    let outcome = shared.flights.poll(credit, std::task::Waker::noop()).expect("decided");
    let refused = onrush_core::ledger::Answer::Refused(Refusal::SoldOut { free: 0 });
    assert_eq!(outcome.expect("healthy"), refused);
    driver.settle();
    let offer = engine.waitlisted(&campaign, sku, ben).and_then(|s| s.offer).expect("his turn");
    assert_eq!(offer.state, State::Held);
    assert_eq!(engine.units(sku), Some(SlotView { free: 0, held: 1 }));
    assert_eq!(engine.status().vetoes, 1);
    driver.check_mirror().expect("callers and ledger agree");
}
