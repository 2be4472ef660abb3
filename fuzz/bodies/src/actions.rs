//! Makes actions for the ledger out of choices: few names, few buyers, few keys, so that they meet.
//! Shapes are legal, as the layers above the ledger see to; their sense is left to the ledger.

use crate::input::Input;
use onrush_core::campaign::{CampaignSpec, SkuSpec, Terms, WaitTerms, Wave};
use onrush_core::ledger::{Action, By, Holds, Ledger, PaymentLine, Reserve, WaitAction};
use onrush_core::phase::{Phase, Schedule};
use onrush_types::limits::{EXTEND_MS_MAX, SUPPLY_MAX};
use onrush_types::{
    BuyerDigest, CampaignIx, Currency, DurationMs, KeyDigest, Money, Name, Quantity, RequestDigest,
    ReservationSeq, SkuIx, Timestamp,
};

/// Kinds of actions that [`action`] knows.
pub const KINDS: u32 = 11;

/// Read the next action.
pub fn action(input: &mut Input<'_>, ledger: &Ledger, now: Timestamp) -> Action {
    let kind = input.below(KINDS);
    match if ledger.campaigns().is_empty() { 0 } else { kind } {
        0 => Action::Put(Box::new(campaign(input, now))),
        1 => Action::Supply { sku: sku(input, ledger), units: supply(input), by: by() },
        2 => {
            let campaign = CampaignIx(input.below(ledger.campaigns().len() as u32 + 1) as u16);
            let to = Phase::ALL[input.below(Phase::ALL.len() as u32) as usize];
            Action::Move { campaign, to, by: by() }
        }
        3 | 4 => Action::Reserve(reserve(input, ledger)),
        5 => Action::Confirm {
            seq: seq(input, ledger),
            lines: (0..input.below(3)).map(|_| line(input)).collect(),
            key: key(input),
        },
        6 => Action::Release { seq: seq(input, ledger), key: key(input) },
        7 => match input.below(3) {
            0 => Action::Judge { seq: seq(input, ledger), accept: input.flag(), by: by() },
            1 => {
                let campaign = CampaignIx(input.below(ledger.campaigns().len() as u32 + 1) as u16);
                let all = input.flag();
                let holds =
                    if all { Holds::Campaign(campaign) } else { Holds::One(seq(input, ledger)) };
                let more = [0, 1_000, 30_000, EXTEND_MS_MAX][input.below(4) as usize];
                Action::Extend { holds, more: DurationMs(more), by: by() }
            }
            _ => Action::Cancel { seq: seq(input, ledger), restock: input.flag(), by: by() },
        },
        8 => {
            let refund = input.below(ledger.refunds().len().min(255) as u32 + 1);
            Action::Refunded { refund, by: by() }
        }
        _ => {
            let (sku, buyer) = (sku(input, ledger), buyer(input));
            Action::Wait(match input.below(4) {
                0 => WaitAction::Leave { sku, buyer },
                units => {
                    let quantity = Quantity::new(units).expect("1 to 3");
                    WaitAction::Join { sku, buyer, quantity }
                }
            })
        }
    }
}

fn campaign(input: &mut Input<'_>, now: Timestamp) -> CampaignSpec {
    let mut last = now;
    let schedule = Schedule {
        preheat_at: moment(input, &mut last),
        draw_at: moment(input, &mut last),
        opens_at: moment(input, &mut last),
        closes_at: moment(input, &mut last),
    };
    let skus = (0..input.below(4)).map(|n| SkuSpec {
        name: name("sku", n),
        price: [0, 1, 100, 250][input.below(4) as usize],
        limit_per_buyer: [1, 2, 4, 9, 1000, 3, 2, 0][input.below(8) as usize],
        supply: [0, 1, 5, SUPPLY_MAX][input.below(4) as usize],
    });
    let skus = skus.collect();
    let mut at = now;
    let waves = (0..input.below(6).saturating_sub(3)).map(|_| {
        at = at + DurationMs::from_secs(u64::from(input.below(60)));
        Wave { at, sku: name("sku", input.below(2)), units: input.below(9) }
    });
    let waves = waves.collect();
    let offer = DurationMs::from_secs([30, 5, 20, 0][input.below(4) as usize]);
    CampaignSpec {
        waitlist: input.flag().then_some(WaitTerms { offer }),
        name: name("campaign", input.below(3)),
        terms: Terms {
            published: input.below(8) != 7,
            schedule,
            currency: currency(input),
            limit_per_buyer: [2, 1, 4, 9, 1000, 3, 2, 0][input.below(8) as usize],
            hold: DurationMs::from_secs([30, 1, 30, 60, 600, 30, 30, 0][input.below(8) as usize]),
            buyers_expected: u32::from(input.u16()),
            waves,
            supply_from_stores: false,
            attributes: "{}".repeat(input.below(3) as usize),
        },
        skus,
        line: None,
    }
}

/// Half of the moments are not planned; the others follow each other, the first one at once or soon.
fn moment(input: &mut Input<'_>, last: &mut Timestamp) -> Option<Timestamp> {
    let seconds = input.below(128).checked_sub(64)?;
    *last = *last + DurationMs::from_secs(u64::from(seconds));
    Some(*last)
}

fn reserve(input: &mut Input<'_>, ledger: &Ledger) -> Reserve {
    let key = input.below(32);
    Reserve {
        sku: sku(input, ledger),
        quantity: Quantity::new(1 + input.below(4)).expect("1 to 4"),
        buyer: buyer(input),
        key: KeyDigest(u64::from(key) + 1),
        request: RequestDigest(input.below(2)),
        review: input.below(8) == 7,
        halvings: 0,
        details: (input.below(3) == 2).then(|| input.bytes(8).into()),
        pass: None,
    }
}

fn buyer(input: &mut Input<'_>) -> BuyerDigest {
    BuyerDigest([input.below(6) as u8; 16])
}

fn supply(input: &mut Input<'_>) -> i64 {
    let units = i64::from(input.below(16));
    match input.below(4) {
        0 => -units,
        1 => units << 28,
        2 => i64::MIN,
        _ => units,
    }
}

fn line(input: &mut Input<'_>) -> PaymentLine {
    PaymentLine {
        provider: name("provider", input.below(2)),
        method: name("method", input.below(2)),
        reference: format!("reference-{}", input.below(64)).into(),
        money: Money {
            amount: [1, 50, 100, 250, 1000, 0, -1, i64::MAX][input.below(8) as usize],
            currency: currency(input),
        },
    }
}

fn key(input: &mut Input<'_>) -> Option<(KeyDigest, RequestDigest)> {
    let number = input.below(8);
    let request = RequestDigest(input.below(2));
    (number > 3).then_some((KeyDigest(u64::from(number)), request))
}

fn seq(input: &mut Input<'_>, ledger: &Ledger) -> ReservationSeq {
    let count = ledger.reservation_count().min(255);
    ReservationSeq(input.below(count + 1))
}

fn sku(input: &mut Input<'_>, ledger: &Ledger) -> SkuIx {
    SkuIx(input.below(ledger.skus().len().min(255) as u32 + 1))
}

fn currency(input: &mut Input<'_>) -> Currency {
    let other = Currency::new("USD").expect("three capital letters");
    if input.below(8) == 7 { other } else { Currency::CNY }
}

fn name(kind: &str, number: u32) -> Name {
    Name::new(&format!("{kind}-{number}")).expect("short and plain")
}

fn by() -> By {
    By::new("operator", "fuzzing")
}
