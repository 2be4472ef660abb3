//! The end of a history: what broke is mended, the provider and the buyers come back, every hold runs
//! out; then nothing may be missing and nothing left over (INV-3, 4, 5, 8, 10).

use crate::history::{Armed, Flow, Run};
use crate::oracle::{Holds, broken};
use crate::world::{Ask, Shown};
use onrush::journal::Loss;
use onrush::{ReservationSeq, replay_storage};

impl Run<'_> {
    /// End the history.
    pub(crate) fn finish(&mut self) -> Flow {
        self.tell(|| "the end: everything is mended, everybody comes back".to_owned());
        if let Some(armed) = self.armed {
            // What was to break did not get that far: it breaks now.
            self.crash(armed, None)?;
        } else if self.astray {
            self.crash(Armed::PowerCut(Loss::Random), None)?;
        }
        self.world.disk.set_capacity(None);
        self.settle()?;
        for _ in 0..8 * u8::from(self.full) {
            self.turn()?;
        }
        self.full = false;
        self.provider_returns()?;
        self.router_returns()?;
        self.buyers_return()?;
        self.lines_go()?;
        // The longest hold, or what became of it where deadlines were put off.
        let last = self.oracle.model.res.iter().map(|r| r.expires).max().unwrap_or(0);
        let left_ms = last.saturating_sub(self.world.now().0);
        self.world.clock.pass(301_000.max(left_ms + 1_000));
        self.settle()?;
        self.settle()?;
        if self.oracle.queues.camps().next().is_some() {
            // A draw takes two turns, and three where the indexer comes late.
            for _ in 0..16 {
                self.turn()?;
            }
            self.check_drawn()?;
        }
        let ledger = self.world.driver.ledger();
        self.oracle.compare(ledger)?;
        self.check_bounds()?;
        self.check_quiet()?;
        self.check_money()?;
        Ok(self.check_replay()?)
    }

    /// The provider sends whatever it has no answer to, and is answered.
    fn provider_returns(&mut self) -> Flow {
        self.post.clear();
        for notice in 0..self.notices.len() {
            let n = self.notices[notice];
            if n.answered {
                continue;
            }
            let ask = Ask::Confirm { n: n.n, line: Some(n.line), key: n.key };
            self.send(ask, Some(notice), false)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Every buyer asks for everything again, with the same keys, and is told what became of it.
    fn buyers_return(&mut self) -> Flow {
        for n in 0..self.oracle.model.res.len() {
            let r = &self.oracle.model.res[n];
            // What the waitlist offered was never asked for with a key.
            if r.key.0 == 0 {
                continue;
            }
            let key = (0..crate::plan::KEYS).find(|key| self.lexicon.key(*key) == r.key.0);
            let Some(key) = key else { return Ok(broken("INV-5", "a key nobody used")?) };
            let (sku, buyer, units) = (r.sku, r.buyer, r.units);
            self.send(
                Ask::Reserve { sku, buyer, units, key, review: false, shown: Shown::Nothing },
                None,
                false,
            )?;
            if !self.reserves.is_empty() {
                return Ok(broken("INV-5", format!("#{n} was asked for again and not known"))?);
            }
        }
        Ok(())
    }

    /// Whoever waits gives up, or what runs out would be offered for ever.
    fn lines_go(&mut self) -> Flow {
        for sku in 0..self.oracle.waits.lines.len() {
            for buyer in 0..self.plan.setup.buyers {
                if self.oracle.waits.place(sku, buyer).is_some() {
                    self.send(Ask::Leave { sku, buyer }, None, false)?;
                    self.settle()?;
                }
            }
        }
        Ok(())
    }

    /// Nothing is held, nothing leaked (INV-3).
    fn check_quiet(&self) -> Holds {
        if let Err(what) = self.world.driver.check_mirror() {
            return broken("INV-3", what);
        }
        if let Err(violation) = self.world.driver.ledger().audit() {
            return broken(violation.promise, violation.what);
        }
        for sku in self.world.driver.ledger().skus() {
            let units = sku.units();
            if units.held != 0 || units.free + units.sold + units.withdrawn != units.supplied {
                return broken("INV-3", format!("{} at rest: {units:?}", sku.name));
            }
        }
        Ok(())
    }

    /// Each payment is there once; a sale keeps its price, anything else nothing; what is not kept is
    /// due back exactly once (INV-8).
    fn check_money(&self) -> Holds {
        let ledger = self.world.driver.ledger();
        let mut references = std::collections::BTreeSet::new();
        let mut due = 0;
        for n in 0..ledger.reservation_count() {
            let seq = ReservationSeq(n);
            let r = ledger.reservation(seq).expect("dense");
            let mut kept = 0;
            for line in ledger.lines(seq) {
                if !references.insert(line.payment.reference.clone()) {
                    return broken("INV-5", format!("{} counts twice", line.payment.reference));
                }
                kept += line.payment.money.amount - line.refunded;
                due += line.refunded;
            }
            let price = if r.state == onrush::State::Sold { r.amount } else { 0 };
            if kept != price {
                return broken("INV-8", format!("#{n} is {:?} and keeps {kept}", r.state));
            }
        }
        let refunds: i64 = ledger.refunds().iter().map(|refund| refund.amount).sum();
        if refunds != due {
            return broken("INV-8", format!("{due} should be due back, {refunds} is"));
        }
        for notice in &self.notices {
            let reference = format!("p{}", notice.line.reference);
            if notice.known && !references.contains(reference.as_str()) {
                return broken("INV-8", format!("payment {reference} was answered and is lost"));
            }
        }
        Ok(())
    }

    /// The journal from its first record gives the same state to the byte (INV-10).
    fn check_replay(&self) -> Holds {
        let live = self.world.driver.ledger().digest();
        match replay_storage(&self.world.disk, &mut |_, _, _| {}) {
            Ok(replayed) if replayed.ledger.digest() == live => Ok(()),
            Ok(_) => broken("INV-10", "a replay gives another state"),
            // A start from a snapshot does not read what lies before it, and a flipped bit or a write
            // that went astray may have met that.
            Err(error) if (self.flipped || self.astray) && is_damage(&error) => Ok(()),
            // Two snapshots may have let the first segments go.
            Err(error) if error.to_string().contains("no longer kept") => Ok(()),
            Err(error) => broken("INV-10", format!("does not replay: {error}")),
        }
    }
}

/// Tell whether what is kept cannot be read, rather than not followed.
fn is_damage(error: &onrush::OpenError) -> bool {
    matches!(error, onrush::OpenError::Journal(_))
}
