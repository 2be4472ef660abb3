//! The words every Onrush crate shares: ids, quantities, money, time and limits.
//!
//! This crate depends on nothing and does nothing: no clock, no randomness, no I/O. A value of one
//! of these types has been checked once, at the edge where it was made, and is trusted afterwards
//! (`Name` cannot hold a character that needs escaping, `Quantity` cannot be zero).

mod digest;
mod ids;
pub mod limits;
mod money;
mod name;
#[doc(hidden)]
pub mod planting;
mod time;

pub use digest::{BuyerDigest, KeyDigest, RequestDigest};
pub use ids::{CampaignIx, Lsn, NodeNo, ReservationSeq, SkuIx, TicketNo};
pub use money::{Currency, CurrencyError, Money};
pub use name::{Name, NameError};
pub use time::{DurationMs, Timestamp};

mod quantity;
pub use quantity::{Quantity, QuantityError};
