//! Below the queue: the only place where state changes, owned by one thread.
//!
//! An [`Action`] is decided against the present state and becomes [`Record`]s; each record is
//! applied as soon as it is decided, so the next decision sees it. The engine makes a batch of
//! records durable before anybody is told. Replay applies the same records and decides nothing, so
//! it rebuilds the state to the byte (INV-10).
//!
//! | file | idea |
//! |---|---|
//! | `action.rs` | what may be asked, what is answered |
//! | `record.rs`, `codec.rs` | what the journal says, and its bytes |
//! | `decide.rs`, `money.rs`, `catalogue.rs` | decisions: reservations, payments, campaigns |
//! | `apply.rs` | the only mutation, with its assertions |
//! | `extend.rs` | deadlines that are put off |
//! | `waitlist.rs`, `waitlist_apply.rs` | those who wait for units that come back |
//! | `due.rs` | what the passing of time brings: phases, waves, expiries |
//! | `line.rs`, `line_decide.rs`, `line_apply.rs`, … | the line: its state, decisions, records |
//! | `nodes.rs`, `nodes_*.rs` | stores, their stock, and the orders that sales become there |
//! | `naive_model.rs` | the rules once more, for checkers |
//! | `state.rs`, `spread.rs` | the tables; `check.rs` their audit; `snapshot.rs` their image |

mod action;
mod apply;
mod catalogue;
mod check;
mod codec;
mod decide;
mod due;
mod extend;
mod line;
mod line_apply;
mod line_check;
mod line_codec;
mod line_decide;
mod line_snapshot;
mod money;
#[doc(hidden)]
pub mod naive_model;
mod nodes;
mod nodes_apply;
mod nodes_decide;
mod record;
mod snapshot;
mod spread;
mod state;
mod waitlist;
mod waitlist_apply;

pub use action::{Action, Answer, PassUse, Reserve, Subject, Take};
pub use apply::{Divergence, Effect, StockMove, Touched};
pub use check::{Conservation, Violation};
pub use codec::{DecodeError, decode, encode};
pub use decide::Outcome;
pub use extend::Holds;
pub use line::{Again, Called, Drawn, LaneState, LineState, Step, StockSum};
pub use line_decide::DrawFacts;
pub use nodes::{
    NodeChange, NodeState, NodeStock, OrderState, Planned, PlannedShipment, Reason, Routing,
    Shipment, ShipmentState, StockMoved,
};
pub use nodes_decide::{NodeAction, StockHow};
pub use record::{By, Change, Paid, PaidOutcome, PaymentLine, Record, RefundDue, Reserved, Source};
pub use snapshot::{LAYOUT, SnapshotError, SnapshotLoader};
pub use state::{CampaignState, Ledger, Line, ReservationState, SkuState};
pub use waitlist::{Offered, WaitAction, WaitChange};

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod due_tests;
#[cfg(test)]
mod extend_tests;
#[cfg(test)]
mod line_model_tests;
#[cfg(test)]
mod line_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod nodes_tests;
#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod waitlist_tests;
