//! The audit of the tables: conservation of units and of money.

use super::state::{Ledger, SkuState};
use crate::reservation::State;
use onrush_types::{ReservationSeq, SkuIx};
use std::fmt;

/// The units of one SKU, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conservation {
    /// Units ever supplied.
    pub supplied: u32,
    /// Units nobody holds.
    pub free: u32,
    /// Units on hold.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
    /// Units taken out of the sale.
    pub withdrawn: u32,
}

impl Conservation {
    /// Tell whether free + held + sold + withdrawn = supplied (INV-1).
    pub fn holds(&self) -> bool {
        let parts = [self.free, self.held, self.sold, self.withdrawn];
        parts.iter().map(|&units| u64::from(units)).sum::<u64>() == u64::from(self.supplied)
    }
}

/// Something the audit found that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub promise: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

impl SkuState {
    /// Return the SKU's units.
    pub fn units(&self) -> Conservation {
        let SkuState { supplied, free, held, sold, withdrawn, .. } = *self;
        Conservation { supplied, free, held, sold, withdrawn }
    }

    /// Check conservation, in production too: four additions for each record that moves units.
    pub(super) fn check(&self) -> Result<(), String> {
        let units = self.units();
        if units.holds() { Ok(()) } else { Err(format!("conservation broke: {units:?}")) }
    }
}

impl Ledger {
    /// Count everything again from the reservations and compare with the running figures. O(all).
    ///
    /// # Errors
    /// The first violation found.
    pub fn audit(&self) -> Result<(), Violation> {
        let mut counted = vec![(0u64, 0u64); self.skus.len()];
        for n in 0..self.reservations.len {
            let seq = ReservationSeq(n);
            let r = self.reservation(seq).expect("dense");
            let (held, sold) = &mut counted[r.sku.index()];
            *held += if r.state.is_held() { u64::from(r.quantity.get()) } else { 0 };
            *sold += if r.state == State::Sold { u64::from(r.quantity.get()) } else { 0 };
            self.audit_money(seq)?;
            self.audit_limit(seq)?;
        }
        for (n, (sku, &(held, sold))) in self.skus.iter().zip(&counted).enumerate() {
            let units = sku.units();
            if !units.holds() || u64::from(units.held) != held || u64::from(units.sold) != sold {
                let ix = SkuIx(n as u32);
                let what =
                    format!("{ix:?} says {units:?}, its reservations {held} held, {sold} sold");
                return Err(Violation { promise: "INV-1", what });
            }
        }
        self.audit_nodes()?;
        self.audit_waits()?;
        self.audit_lines()
    }

    /// A sale keeps exactly its price; anything else keeps nothing once it is over (INV-8).
    fn audit_money(&self, seq: ReservationSeq) -> Result<(), Violation> {
        let r = self.reservation(seq).expect("the caller counts");
        let lines = self.lines(seq);
        if lines.is_empty() || r.state.is_held() {
            return Ok(());
        }
        let kept: i64 = lines.iter().map(|line| line.payment.money.amount - line.refunded).sum();
        let due = if r.state == State::Sold { r.amount } else { 0 };
        if kept != due {
            let what = format!("{seq:?} is {} and keeps {kept}, not {due}", r.state.as_str());
            return Err(Violation { promise: "INV-8", what });
        }
        Ok(())
    }

    /// Walk each buyer's chain once, from its latest reservation.
    fn audit_limit(&self, seq: ReservationSeq) -> Result<(), Violation> {
        let r = self.reservation(seq).expect("the caller counts");
        let campaign = self.skus[r.sku.index()].campaign;
        if self.latest_of(campaign, r.buyer) != seq.0 {
            return Ok(());
        }
        let length = self.chain(seq.0).count();
        if length > onrush_types::limits::RESERVATIONS_PER_BUYER_MAX {
            let what = format!("{:?} has {length} reservations in one campaign", r.buyer);
            return Err(Violation { promise: "INV-6", what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_conserved_or_they_are_not() {
        let right = Conservation { supplied: 10, free: 1, held: 2, sold: 3, withdrawn: 4 };
        assert!(right.holds());
        for wrong in [
            Conservation { supplied: 11, ..right },
            Conservation { free: 0, ..right },
            Conservation { held: 3, ..right },
            Conservation { sold: 2, ..right },
            Conservation { withdrawn: 5, ..right },
        ] {
            assert!(!wrong.holds(), "{wrong:?}");
        }
    }
}
