//! What a buyer must be told at once: every check of the contract in its order, by plain loops over
//! what is durable and what is under way.

use crate::lexicon::Lexicon;
use crate::oracle::{Oracle, reserve_request};
use crate::world::{Ask, Shown};
use onrush::Phase;
use onrush_types::limits::RESERVATIONS_PER_BUYER_MAX;

/// A reserve under way, as the front sees it.
#[derive(Clone, Copy, Debug)]
pub struct Flying {
    sku: usize,
    buyer: u8,
    units: u32,
    key: u8,
    shown: Shown,
}

impl Flying {
    /// Return what the front sees of `ask`, if it is a reserve.
    pub fn of(ask: &Ask) -> Option<Flying> {
        match *ask {
            Ask::Reserve { sku, buyer, units, key, shown, .. } => {
                Some(Flying { sku, buyer, units, key, shown })
            }
            _ => None,
        }
    }

    /// Tell whether it wants this SKU.
    pub fn is_for(&self, sku: usize) -> bool {
        self.sku == sku
    }
}

impl Oracle {
    /// Return what this reserve must be told at once; nothing when the ledger has to decide.
    pub fn at_once(
        &self,
        ask: Flying,
        flying: &[Flying],
        now: u64,
        lexicon: &Lexicon,
    ) -> Option<String> {
        let Flying { sku, buyer, units, key, shown } = ask;
        let camp = self.model.skus[sku].camp;
        let digest = lexicon.key(key);
        let known = self.model.of_buyer(camp, buyer).find(|(_, r)| r.key.0 == digest);
        if let Some((n, r)) = known {
            let same = r.key.1 == reserve_request(sku, units);
            return Some(if same { self.model.tell("already", n) } else { "key_reused".into() });
        }
        let theirs =
            || flying.iter().filter(|f| f.buyer == buyer && self.model.skus[f.sku].camp == camp);
        if let Some(f) = theirs().find(|f| f.key == key) {
            let same = (f.sku, f.units) == (sku, units);
            return Some(if same { "key_in_flight" } else { "key_reused" }.into());
        }
        match self.model.camps[camp].phase_at(now) {
            Phase::Open => {}
            Phase::Paused => return Some("paused".into()),
            Phase::Closed | Phase::Settled => return Some("ended".into()),
            _ => return Some("not_open".into()),
        }
        if let Some(refusal) = self.stopped_at_pass(camp, buyer, shown, now) {
            return Some(refusal.into());
        }
        let owned = |only: Option<usize>| -> u32 {
            let counts = |at: usize| only.is_none_or(|only| only == at);
            let live = self.model.of_buyer(camp, buyer).map(|(_, r)| r);
            let live =
                live.filter(|r| matches!(r.state, "held" | "review" | "sold") && counts(r.sku));
            let durable: u32 = live.map(|r| r.units).sum();
            durable + theirs().filter(|f| counts(f.sku)).map(|f| f.units).sum::<u32>()
        };
        let (limit, sku_limit) = (self.model.camps[camp].limit, self.model.skus[sku].limit);
        if owned(None) + units > limit {
            return Some(format!("limit_reached {limit}"));
        }
        if owned(Some(sku)) + units > sku_limit {
            return Some(format!("limit_reached {sku_limit}"));
        }
        if self.model.of_buyer(camp, buyer).count() + theirs().count() >= RESERVATIONS_PER_BUYER_MAX
        {
            return Some("limit_reached 16".into());
        }
        let [free, held, ..] = self.model.figures(sku);
        let (free, held) = (free - self.flying_units[sku], held + self.flying_units[sku] > 0);
        let shortage = |free: u32| format!("{} {free}", if held { "all_held" } else { "sold_out" });
        if self.waits.is_waiting(sku) {
            return Some(shortage(0));
        }
        (free < units).then(|| shortage(free))
    }
}
