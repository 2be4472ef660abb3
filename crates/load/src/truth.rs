//! What is, as read from outside after a run.

use onrush::State;
use serde::Serialize;
use std::collections::BTreeMap;

/// The state of one campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Truth {
    /// Its SKUs by name.
    pub skus: BTreeMap<String, SkuTruth>,
    /// Its reservations by public id.
    pub reservations: BTreeMap<String, ReservationTruth>,
}

/// The units of one SKU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SkuTruth {
    /// Units ever supplied.
    pub supplied: u64,
    /// Units nobody holds.
    pub free: u64,
    /// Units on hold.
    pub held: u64,
    /// Units sold.
    pub sold: u64,
    /// Units taken out of the sale.
    pub withdrawn: u64,
}

/// One reservation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReservationTruth {
    /// Something that stands for its buyer, where the source tells.
    pub buyer: Option<String>,
    /// Its SKU.
    pub sku: String,
    /// Units.
    pub quantity: u32,
    /// What became of it.
    #[serde(serialize_with = "crate::told::state_word")]
    pub state: State,
    /// Its price in minor units.
    pub amount: i64,
    /// Its payments.
    pub payments: Vec<PaymentTruth>,
    /// What is or was due back, one entry for each refund.
    pub refunds: Vec<i64>,
}

/// One payment line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentTruth {
    /// The payment provider's reference.
    pub reference: String,
    /// Minor units.
    pub amount: i64,
}

impl Truth {
    /// Return the units of all SKUs together.
    pub fn units(&self) -> SkuTruth {
        self.skus.values().fold(SkuTruth::default(), |sum, sku| SkuTruth {
            supplied: sum.supplied + sku.supplied,
            free: sum.free + sku.free,
            held: sum.held + sku.held,
            sold: sum.sold + sku.sold,
            withdrawn: sum.withdrawn + sku.withdrawn,
        })
    }

    /// Count the reservations in a state.
    pub fn count(&self, state: State) -> usize {
        self.reservations.values().filter(|r| r.state == state).count()
    }

    /// Count the refunds due.
    pub fn refunds(&self) -> usize {
        self.reservations.values().map(|r| r.refunds.len()).sum()
    }
}
