//! What an operator defines: a campaign, its SKUs and its waves.

use crate::line::terms::LineTerms;
use crate::phase::Schedule;
use onrush_types::limits::{
    AMOUNT_MAX, ATTRIBUTES_BYTES_MAX, BUYERS_PER_CAMPAIGN_MAX, HOLD_MS_MAX, HOLD_MS_MIN,
    SKUS_PER_CAMPAIGN_MAX, SUPPLY_MAX, WAVES_MAX,
};
use onrush_types::{Currency, DurationMs, Name, Timestamp};
use std::collections::HashSet;
use std::fmt;

/// A campaign as an operator writes it down.
///
/// Putting it again is an update: terms and prices count from then on for new reservations;
/// a SKU's `supply` acts once, when the SKU first appears (later supply is its own action), and a
/// SKU that is left out stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignSpec {
    /// Its name.
    pub name: Name,
    /// Its terms.
    pub terms: Terms,
    /// Its SKUs, or those to add or change.
    pub skus: Vec<SkuSpec>,
    /// Whether buyers may wait for units that come back, and how.
    pub waitlist: Option<WaitTerms>,
    /// Its line; `None`: whoever comes may reserve.
    pub line: Option<LineTerms>,
}

/// The terms of a campaign's waitlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTerms {
    /// How long a unit is kept for the one whom it is offered.
    pub offer: DurationMs,
}

/// The terms of a campaign: all that a decision depends on, besides stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `false` keeps it a draft, invisible to buyers; publishing cannot be taken back.
    pub published: bool,
    /// Planned times.
    pub schedule: Schedule,
    /// The currency of all its prices.
    pub currency: Currency,
    /// Units one buyer may hold or own.
    pub limit_per_buyer: u32,
    /// How long a hold lives.
    pub hold: DurationMs,
    /// Buyers to have memory ready for.
    pub buyers_expected: u32,
    /// Planned supplies.
    pub waves: Vec<Wave>,
    /// Its units are the stores' stock: they come and go with what the stores report, never by
    /// supply, waves or by hand. Cannot change once the campaign exists.
    pub supply_from_stores: bool,
    /// Text that the layers above keep with the campaign (JSON of the gateway); not looked into.
    pub attributes: String,
}

/// One SKU of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuSpec {
    /// Its name, unique in its campaign.
    pub name: Name,
    /// Price of one unit, in minor units.
    pub price: i64,
    /// Units one buyer may hold or own of it.
    pub limit_per_buyer: u32,
    /// Units to start with.
    pub supply: u32,
}

/// So many units at such a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// When they become free.
    pub at: Timestamp,
    /// Of which SKU.
    pub sku: Name,
    /// How many.
    pub units: u32,
}

impl Terms {
    /// Terms of a sale that is open from now until an operator closes it: one unit a buyer, holds of
    /// five minutes.
    pub fn open_now(currency: Currency) -> Terms {
        Terms {
            published: true,
            schedule: Schedule { opens_at: Some(Timestamp(1)), ..Schedule::default() },
            currency,
            limit_per_buyer: 1,
            hold: DurationMs::from_secs(300),
            buyers_expected: 1_024,
            waves: Vec::new(),
            supply_from_stores: false,
            attributes: String::new(),
        }
    }
}

impl SkuSpec {
    /// A SKU with a price in minor units and so many units; one buyer may have what the campaign
    /// lets one buyer have.
    pub fn new(name: Name, price: i64, supply: u32) -> SkuSpec {
        SkuSpec { name, price, limit_per_buyer: u32::MAX, supply }
    }
}

/// What is wrong with a campaign, in words an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// Which field, as a path (`skus.jacket.price`).
    pub field: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for SpecError {}

impl CampaignSpec {
    /// A campaign that has terms and SKUs and nothing else.
    pub fn new(name: Name, terms: Terms, skus: Vec<SkuSpec>) -> CampaignSpec {
        CampaignSpec { name, terms, skus, waitlist: None, line: None }
    }

    /// Check everything that can be checked without knowing the ledger.
    ///
    /// # Errors
    /// The first field that is wrong. O(SKUs).
    pub fn check(&self) -> Result<(), SpecError> {
        self.terms.check()?;
        if self.waitlist.is_some_and(|w| !(HOLD_MS_MIN..=HOLD_MS_MAX).contains(&w.offer.0)) {
            return Err(wrong("waitlist.offer", "must be between 1 second and 7 days".into()));
        }
        if let Some(line) = &self.line {
            line.check()?;
            let schedule = &self.terms.schedule;
            if !line.public_value_source.is_empty() && schedule.draw_at.is_none() {
                let what = "plan draw_at too: the value is set between it and the opening";
                return Err(wrong("line.public_value_source", what.to_owned()));
            }
        }
        if self.skus.len() > SKUS_PER_CAMPAIGN_MAX {
            return Err(wrong("skus", format!("at most {SKUS_PER_CAMPAIGN_MAX} in a campaign")));
        }
        let mut names = HashSet::with_capacity(self.skus.len());
        for sku in &self.skus {
            let field = |name: &str| format!("skus.{}.{name}", sku.name);
            if !names.insert(&sku.name) {
                return Err(wrong(
                    &field("name"),
                    "appears twice; give each SKU its own name".into(),
                ));
            }
            if !(0..=AMOUNT_MAX / 1000).contains(&sku.price) {
                let most = AMOUNT_MAX / 1000;
                return Err(wrong(&field("price"), format!("must be 0 to {most} minor units")));
            }
            if sku.limit_per_buyer == 0 {
                return Err(wrong(&field("limit_per_buyer"), "must be 1 or more".into()));
            }
            if sku.supply > 0 && self.terms.supply_from_stores {
                let problem = "must be left out: this campaign's supply is the stores' stock";
                return Err(wrong(&field("supply"), problem.into()));
            }
            if sku.supply > SUPPLY_MAX {
                return Err(wrong(&field("supply"), format!("must be at most {SUPPLY_MAX} units")));
            }
        }
        Ok(())
    }
}

impl Terms {
    fn check(&self) -> Result<(), SpecError> {
        if !self.schedule.is_ordered() {
            return Err(wrong(
                "schedule",
                "preheat_at, draw_at, opens_at and closes_at must follow each other".into(),
            ));
        }
        // The journal writes "not planned" as zero.
        if self.schedule.times().contains(&Some(Timestamp(0))) {
            return Err(wrong("schedule", "times must be after 1970-01-01T00:00:00Z".into()));
        }
        if self.limit_per_buyer == 0 {
            return Err(wrong("limit_per_buyer", "must be 1 or more".into()));
        }
        if !(HOLD_MS_MIN..=HOLD_MS_MAX).contains(&self.hold.0) {
            return Err(wrong("hold", "must be between 1 second and 7 days".into()));
        }
        if self.buyers_expected as usize > BUYERS_PER_CAMPAIGN_MAX {
            let most = BUYERS_PER_CAMPAIGN_MAX;
            return Err(wrong("buyers_expected", format!("must be at most {most}")));
        }
        if self.supply_from_stores && !self.waves.is_empty() {
            let problem = "must be left out: this campaign's supply is the stores' stock";
            return Err(wrong("waves", problem.into()));
        }
        if self.waves.len() > WAVES_MAX {
            return Err(wrong("waves", format!("at most {WAVES_MAX}")));
        }
        if self.waves.iter().any(|wave| wave.units == 0 || wave.units > SUPPLY_MAX) {
            return Err(wrong("waves", format!("each has 1 to {SUPPLY_MAX} units")));
        }
        if self.waves.windows(2).any(|pair| pair[0].at > pair[1].at) {
            return Err(wrong("waves", "must be in the order of their times".into()));
        }
        if self.attributes.len() > ATTRIBUTES_BYTES_MAX {
            return Err(wrong("attributes", format!("at most {ATTRIBUTES_BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

pub(crate) fn wrong(field: &str, problem: String) -> SpecError {
    SpecError { field: field.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CampaignSpec {
        CampaignSpec {
            waitlist: None,
            name: Name::new("drop").expect("name"),
            terms: Terms {
                published: true,
                schedule: Schedule::default(),
                currency: Currency::CNY,
                limit_per_buyer: 1,
                hold: DurationMs::from_secs(300),
                buyers_expected: 1000,
                waves: vec![],
                supply_from_stores: false,
                attributes: String::new(),
            },
            skus: vec![SkuSpec {
                name: Name::new("unit").expect("name"),
                price: 100,
                limit_per_buyer: 1,
                supply: 10,
            }],
            line: None,
        }
    }

    fn wave(at: u64, units: u32) -> Wave {
        Wave { at: Timestamp(at), sku: Name::new("unit").expect("name"), units }
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        assert_eq!(spec().check(), Ok(()));
        type Edit = fn(&mut CampaignSpec);
        let offer = |ms| Some(WaitTerms { offer: DurationMs(ms) });
        let mut fits = spec();
        fits.waitlist = offer(1_000);
        assert_eq!(fits.check(), Ok(()));
        fits.waitlist = offer(999);
        assert_eq!(fits.check().expect_err("too short").field, "waitlist.offer");
        let change: [(&str, Edit); 10] = [
            ("schedule", |s| s.terms.schedule.preheat_at = Some(Timestamp(0))),
            ("limit_per_buyer", |s| s.terms.limit_per_buyer = 0),
            ("hold", |s| s.terms.hold = DurationMs(999)),
            ("hold", |s| s.terms.hold = DurationMs(HOLD_MS_MAX + 1)),
            ("buyers_expected", |s| s.terms.buyers_expected = u32::MAX),
            ("schedule", |s| {
                s.terms.schedule.opens_at = Some(Timestamp(2));
                s.terms.schedule.closes_at = Some(Timestamp(2));
            }),
            ("skus.unit.price", |s| s.skus[0].price = -1),
            ("skus.unit.limit_per_buyer", |s| s.skus[0].limit_per_buyer = 0),
            ("skus.unit.supply", |s| s.skus[0].supply = u32::MAX),
            ("skus.unit.name", |s| s.skus.push(s.skus[0].clone())),
        ];
        for (field, edit) in change {
            let mut bad = spec();
            edit(&mut bad);
            assert_eq!(bad.check().expect_err(field).field, field);
        }
        for waves in [vec![wave(2, 1), wave(1, 1)], vec![wave(1, 0)], vec![wave(1, 1); 65]] {
            let mut bad = spec();
            bad.terms.waves = waves;
            assert_eq!(bad.check().expect_err("waves").field, "waves");
        }
    }

    /// An edit that makes as much of something as it is told.
    type Edit = fn(&mut CampaignSpec, u64);

    #[test]
    fn each_limit_is_allowed_and_one_more_is_refused_by_name() {
        let price = AMOUNT_MAX as u64 / 1000;
        let limits: [(&str, u64, &str, Edit); 7] = [
            ("skus", SKUS_PER_CAMPAIGN_MAX as u64, "at most 100000", |s, n| {
                let sku = |n| SkuSpec::new(Name::new(&format!("s{n}")).expect("a name"), 1, 1);
                s.skus = (0..n).map(sku).collect();
            }),
            ("skus.unit.price", price, "0 to 70368744177 minor", |s, n| s.skus[0].price = n as i64),
            ("skus.unit.supply", SUPPLY_MAX.into(), "2147483647 units", |s, n| {
                s.skus[0].supply = n as u32;
            }),
            ("buyers_expected", BUYERS_PER_CAMPAIGN_MAX as u64, "67108864", |s, n| {
                s.terms.buyers_expected = n as u32;
            }),
            ("waves", WAVES_MAX as u64, "at most 64", |s, n| {
                s.terms.waves = vec![wave(1, 1); n as usize];
            }),
            ("waves", SUPPLY_MAX.into(), "1 to 2147483647", |s, n| {
                s.terms.waves = vec![wave(1, n as u32)];
            }),
            ("attributes", ATTRIBUTES_BYTES_MAX as u64, "16384 bytes", |s, n| {
                s.terms.attributes = "a".repeat(n as usize);
            }),
        ];
        for (field, limit, said, edit) in limits {
            let mut it = spec();
            edit(&mut it, limit);
            assert_eq!(it.check(), Ok(()), "{field}: {limit}");
            edit(&mut it, limit + 1);
            let refused = it.check().expect_err(field);
            assert_eq!(refused.field, field);
            assert!(refused.problem.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_campaign_that_lives_from_the_stores_brings_no_units_of_its_own() {
        let mut it = spec();
        (it.terms.supply_from_stores, it.skus[0].supply) = (true, 0);
        assert_eq!(it.check(), Ok(()));
        it.skus[0].supply = 1;
        assert_eq!(it.check().expect_err("its own units").field, "skus.unit.supply");
        it.skus[0].supply = 0;
        it.terms.waves = vec![wave(1, 1)];
        assert_eq!(it.check().expect_err("planned units").field, "waves");
    }
}
