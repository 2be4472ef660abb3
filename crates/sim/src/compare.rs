//! The model against the ledger's own tables: what the last turn touched, and everything after a crash
//! and at the end.

use crate::oracle::{Holds, Oracle, broken};
use onrush::ReservationSeq;
use onrush::ledger::Ledger;

impl Oracle {
    /// Compare what the last turn touched with the ledger (INV-1, 2, 6).
    ///
    /// # Errors
    /// The first difference.
    pub fn compare_touched(&self, ledger: &Ledger) -> Holds {
        for &n in &self.touched.0 {
            self.compare_reservation(ledger, n)?;
            self.compare_sku(ledger, self.model.res[n].sku)?;
        }
        self.touched.1.iter().try_for_each(|&sku| self.compare_sku(ledger, sku))?;
        if self.stores.touched { self.compare_stores(ledger) } else { Ok(()) }
    }

    /// Compare everything with the ledger.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, ledger: &Ledger) -> Holds {
        let counts = (ledger.skus().len(), ledger.reservation_count() as usize);
        if counts != (self.model.skus.len(), self.model.res.len()) {
            return broken("INV-10", format!("the ledger has {counts:?} SKUs and reservations"));
        }
        (0..counts.0).try_for_each(|sku| self.compare_sku(ledger, sku))?;
        (0..counts.1).try_for_each(|n| self.compare_reservation(ledger, n))?;
        for (c, state) in self.model.camps.iter().zip(ledger.campaigns()) {
            if c.phase != state.reached {
                return broken(
                    "INV-7",
                    format!("{} is {:?}, it should be {:?}", state.name, state.reached, c.phase),
                );
            }
        }
        self.compare_lines(ledger)?;
        self.compare_stores(ledger)?;
        let refunds = ledger.refunds().iter();
        let refunds = refunds.map(|d| (d.seq.index(), usize::from(d.line), d.amount, d.done));
        if !refunds.eq(self.model.refunds.iter().copied()) {
            return broken(
                "INV-8",
                format!(
                    "refunds due are {:?}, they should be {:?}",
                    ledger.refunds(),
                    self.model.refunds
                ),
            );
        }
        Ok(())
    }

    fn compare_sku(&self, ledger: &Ledger, sku: usize) -> Holds {
        let units = ledger.skus()[sku].units();
        let seen = [units.free, units.held, units.sold, units.withdrawn, units.supplied];
        let known = self.model.figures(sku);
        if seen == known && units.holds() {
            return Ok(());
        }
        broken(
            "INV-1",
            format!(
                "SKU {sku} has free, held, sold, withdrawn, supplied {seen:?}; it should be {known:?}"
            ),
        )
    }

    fn compare_reservation(&self, ledger: &Ledger, n: usize) -> Holds {
        let known = &self.model.res[n];
        let Some(seen) = ledger.reservation(ReservationSeq(n as u32)) else {
            return broken("INV-4", format!("#{n} is lost"));
        };
        let same = seen.state.as_str() == known.state
            && (seen.amount, seen.expires_at.0) == (known.amount, known.expires)
            && seen.key.0 == known.key.0
            && seen.quantity.get() == known.units;
        if same {
            Ok(())
        } else {
            broken("INV-5", format!("#{n} is {seen:?}, it should be {known:?}"))
        }
    }
}
