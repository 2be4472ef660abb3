//! What a server told its callers, kept to be compared with the truth.
//!
//! Only what a server can be held to is kept one by one: acknowledgements, and requests whose
//! outcome stayed unknown. Their number is bounded by the stock and the connections; refusals are
//! only counted.

use onrush::State;
use serde::Serialize;
use std::collections::BTreeSet;

/// What a caller asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Units.
    Reserve,
    /// To book a payment.
    Pay {
        /// The payment provider's reference.
        reference: Box<str>,
        /// Minor units.
        amount: i64,
    },
    /// To give a hold back.
    Release,
    /// To take a sale back.
    Cancel,
}

/// An answer that says: done, and durable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Acknowledgement {
    /// What was asked.
    pub asked: Asked,
    /// Who it was for.
    pub buyer: Box<str>,
    /// The idempotency key of the reserve it is about.
    pub key: Box<str>,
    /// The SKU asked for.
    pub sku: Box<str>,
    /// Units asked for.
    pub quantity: u32,
    /// The HTTP status: 201 is new, 200 a repeat or a change.
    pub status: u16,
    /// The reservation.
    pub id: Box<str>,
    /// Its state, as told.
    #[serde(serialize_with = "state_word")]
    pub state: State,
    /// The LSN, as told.
    pub lsn: u64,
}

/// A request that was given up without an answer: it may have been done or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// What was asked.
    pub asked: Asked,
    /// Who asked.
    pub buyer: Box<str>,
    /// The idempotency key of the reserve it is about.
    pub key: Box<str>,
    /// The reservation, where it is known.
    pub id: Option<Box<str>>,
}

/// Everything a run was told.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// Acknowledgements, in the order in which they came.
    pub acknowledged: Vec<Acknowledgement>,
    /// Requests without an answer, retries included.
    pub unknown: Vec<Unknown>,
    /// Reservations that were there before the run.
    pub before: BTreeSet<String>,
}

/// Read the word for a state.
pub fn state_named(word: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == word)
}

pub(crate) fn state_word<S: serde::Serializer>(state: &State, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(state.as_str())
}
