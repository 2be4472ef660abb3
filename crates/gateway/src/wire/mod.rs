//! The shapes on the wire: reading requests strictly, writing answers without a tree of values.
//!
//! Times are RFC 3339 UTC with milliseconds, ids are strings, money is `{"amount","currency"}` in
//! minor units. Unknown request fields are errors.

mod body;
mod details;
mod short;
mod time;
mod write;

pub(crate) use body::{check_lines, json, read_json, read_object};
pub use details::{Attribution, Crs, Delivery, Destination, Details, Window};
pub(crate) use time::{format_duration, push_timestamp};
pub use time::{format_timestamp, parse_duration, parse_timestamp};
pub(crate) use write::{prepared, push_json_string, push_money, push_reservation, push_u64};

mod requests;
pub use requests::{
    BatchBody, BatchEntry, CancelBody, ConfirmBody, JudgeBody, PaymentBody, PaymentNotice,
    PhaseBody, RefundedBody, ReserveBody, SessionBody, SupplyBody,
};
