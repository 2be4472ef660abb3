//! The tables' hashes: buyers and payments are found among many, and spread over all of a table.

use super::*;
use crate::ledger::apply_tests::{HOLD, NOW, at, campaign, ledger, name, phase, reserved, sku};
use crate::ledger::{Change, Reserved};
use sha2::{Digest, Sha256};

/// Uniform digests, as those of buyers are.
fn buyer(n: u32) -> BuyerDigest {
    let all: [u8; 32] = Sha256::digest(n.to_le_bytes()).into();
    BuyerDigest(all[..16].try_into().expect("half of it"))
}

/// How many of `hashes` have each bit: about half of them, where they are uniform.
fn is_uniform(hashes: &[u64]) -> bool {
    (0..64).all(|bit| {
        let set = hashes.iter().filter(|hash| *hash >> bit & 1 == 1).count();
        (hashes.len() * 4 / 10..hashes.len() * 6 / 10).contains(&set)
    })
}

#[test]
fn buyers_are_spread_over_the_table_in_every_campaign() {
    for ix in [0, 1, 2, 1_023] {
        let hashes: Vec<u64> = (0..1_000).map(|n| hash_of(CampaignIx(ix), buyer(n))).collect();
        assert!(is_uniform(&hashes), "campaign {ix}");
    }
    // And one buyer is elsewhere in another campaign.
    let hashes: Vec<u64> = (0..1_000).map(|ix| hash_of(CampaignIx(ix), buyer(7))).collect();
    assert!(is_uniform(&hashes));
}

/// References are chosen outside: who does not know the key cannot choose those that collide.
#[test]
fn payments_are_spread_by_a_secret_key() {
    let shop = name("shop");
    let hash = |key, n: u32| payment_hash(key, &shop, &format!("p{n}"));
    let hashes: Vec<u64> = (0..1_000).map(|n| hash([1, 2], n)).collect();
    assert!(is_uniform(&hashes));
    assert!((0..1_000).all(|n| hash([1, 2], n) != hash([1, 3], n)));
    assert!((0..1_000).all(|n| hash([1, 2], n) != hash([2, 2], n)));
    assert_ne!(hash([1, 2], 1), payment_hash([1, 2], &name("other"), "p1"));
}

/// Thousands of buyers, in two campaigns each: whoever is looked up among them finds what is their
/// own, and a newcomer finds nothing.
#[test]
fn nobody_is_given_what_another_has() {
    const BUYERS: u32 = 3_000;
    let mut ledger = Ledger::new([1, 2]);
    let open = |c: u16| match phase(Phase::Open) {
        Change::Phase { to, by, .. } => Change::Phase { campaign: CampaignIx(c), to, by },
        other => other,
    };
    for c in 0..2 {
        let sku = match sku(u32::from(c), "s", 2 * BUYERS) {
            Change::Sku { sku, name, price, limit_per_buyer, supply, .. } => {
                let campaign = CampaignIx(c);
                Change::Sku { sku, campaign, name, price, limit_per_buyer, supply }
            }
            other => other,
        };
        for change in [campaign(c, &format!("c{c}")), sku, open(c)] {
            ledger.apply(&at(NOW, change)).expect("it follows");
        }
    }
    let mut count = 0;
    for round in 0..2 {
        for n in 0..BUYERS {
            for c in 0..2 {
                let hold = Reserved {
                    buyer: buyer(n),
                    sku: SkuIx(c),
                    expires_at: NOW + HOLD,
                    details: None,
                    ..reserved(count, 0)
                };
                ledger.apply(&at(NOW, Change::Reserved(hold))).expect("it follows");
                let before = if round == 0 { NONE } else { count - 2 * BUYERS };
                let made = ledger.reservation(ReservationSeq(count)).expect("just made");
                assert_eq!(made.previous, before, "buyer {n} in campaign {c}");
                count += 1;
            }
        }
    }
    for n in 0..BUYERS {
        for c in 0..2 {
            let latest = ledger.latest_of(CampaignIx(c as u16), buyer(n));
            assert_eq!(latest, 2 * BUYERS + 2 * n + c, "buyer {n} in campaign {c}");
        }
        assert_eq!(ledger.latest_of(CampaignIx(0), buyer(BUYERS + n)), NONE, "a newcomer");
    }
}

/// The buyers that a campaign expects have room before the first of them comes.
#[test]
fn the_table_does_not_grow_in_the_rush() {
    let mut ledger = Ledger::new([1, 2]);
    let mut change = campaign(0, "c");
    if let Change::Campaign { terms, .. } = &mut change {
        terms.buyers_expected = 100_000;
    }
    ledger.apply(&at(NOW, change)).expect("it follows");
    assert!(ledger.buyers.rooms().iter().sum::<usize>() >= 100_000);
}

#[test]
fn the_stamp_is_that_of_the_last_record() {
    assert_eq!(Ledger::new([1, 2]).stamp(), Timestamp(0));
    assert_eq!(ledger().stamp(), NOW + HOLD);
}
