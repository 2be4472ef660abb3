//! What a put puts: the campaigns of a history, as they were planned.

use crate::clock::T0;
use crate::history::Run;
use crate::line_asks::outflow;
use crate::plan::LineSetup;
use crate::world::Ask;
use onrush::{
    CampaignSpec, Currency, DurationMs, LineTerms, Schedule, SkuSpec, Terms, Tier, Timestamp,
    WaitTerms, Wave,
};

impl Run<'_> {
    /// Write down what a `Put` puts: the campaign as it was planned, with the given terms.
    pub(crate) fn spec(&self, ask: &Ask) -> CampaignSpec {
        let Ask::Put { camp, limit, hold_ms, price } = *ask else {
            unreachable!("only a put has a campaign")
        };
        let c = &self.plan.setup.camps[camp];
        let first: usize = self.plan.setup.camps[..camp].iter().map(|c| c.skus.len()).sum();
        let name = |sku: usize| crate::world::name(&format!("s{sku}"));
        let opens_at = if c.opens_in_ms == 0 { 1 } else { T0 + c.opens_in_ms };
        let draw_ms = c.line.and_then(|line| line.draw_ms);
        let wave = |&(ms, sku, units): &(u64, usize, u32)| Wave {
            at: Timestamp(T0 + ms),
            sku: name(first + sku),
            units,
        };
        let terms = Terms {
            published: true,
            schedule: Schedule {
                draw_at: draw_ms.map(|ms| Timestamp(opens_at - ms)),
                opens_at: Some(Timestamp(opens_at)),
                closes_at: c.closes_in_ms.map(|ms| Timestamp(T0 + ms)),
                ..Schedule::default()
            },
            currency: Currency::CNY,
            limit_per_buyer: limit,
            hold: DurationMs(hold_ms),
            buyers_expected: 16,
            waves: c.waves.iter().map(wave).collect(),
            attributes: String::new(),
            supply_from_stores: c.from_stores,
        };
        let sku = |(at, &(of_plan, limit_per_buyer, supply)): (usize, &(i64, u32, u32))| SkuSpec {
            name: name(first + at),
            // New terms change the price of the first one.
            price: if at == 0 { price } else { of_plan },
            limit_per_buyer,
            supply,
        };
        let skus = c.skus.iter().enumerate().map(sku).collect();
        let waitlist = c.offer_ms.map(|ms| WaitTerms { offer: DurationMs(ms) });
        let name = crate::world::name(&format!("c{camp}"));
        CampaignSpec { name, terms, skus, waitlist, line: c.line.as_ref().map(line_terms) }
    }
}

/// Everybody, later than members where that is so, and two tiers of members with other weights.
fn line_terms(line: &LineSetup) -> LineTerms {
    let tier = |text: &str, weight, after| Tier {
        name: crate::world::name(text),
        groups: Vec::new(),
        weight,
        after: DurationMs(after),
    };
    let tiers =
        vec![tier("all", 1, line.later_ms), tier("gold", 3, 0), tier("silver", 2, line.later_ms)];
    LineTerms {
        tiers,
        pass: DurationMs(line.pass_ms),
        grace: DurationMs(line.grace_ms),
        outflow: outflow(line.flow),
        public_value_source: line.draw_ms.map_or("", |_| "a lottery").to_owned(),
        invite_only: line.invite_only,
    }
}
