//! Risk scoring: what is known of a request becomes numbers, the numbers a probability with reasons,
//! and a policy says what follows.
//!
//! ```text
//! Evidence ─► Sketches ─► Signals ─► Scorer ─► Risk ─► Policy ─► Decision
//!  (digests)  (bounded)   [f32; 48]  (no lock)         (data)    admit │ weight │ challenge │ review
//!                                                                refuse only on proof
//! ```
//!
//! Invariants: no I/O, no clock, no randomness, no threads: time and random bytes are arguments.
//! Nothing here knows an address, a device or a name, only digests under a [`RiskKey`] that is made
//! for one campaign and gone after it. Every table has a fixed size. `docs/risk.md` tells what each
//! signal means and what no score can see.

pub mod backtest;
mod calibrate;
pub mod challenge;
mod clusters;
mod combine;
mod counters;
mod decide;
mod entities;
mod evidence;
pub mod forest;
mod guard;
mod hll;
mod key;
pub mod limits;
mod policy;
pub mod recording;
mod score;
mod scorecard;
mod signals;
mod sketches;
mod synchrony;

pub use calibrate::{Calibration, SAMPLES_MIN};
pub use clusters::{ClusterFacts, Clusters};
pub use combine::Combined;
pub use counters::Counts;
pub use decide::{Action, Decision, Proof, decide};
pub use entities::{Entities, Row};
pub use evidence::{ChallengePassed, Evidence, Stage, Transport};
pub use guard::{FAULTS_MAX, Guarded};
pub use hll::Distinct;
pub use key::{EntityId, Kind, RiskKey};
pub use policy::{Caps, Fallback, Policy, PolicyError, RULES_MAX, Rule, RuleAction};
pub use score::{Reason, Risk, Scorer};
pub use scorecard::Scorecard;
pub use signals::{SIGNALS, SIGNALS_VERSION, Signal, Signals};
pub use sketches::{Figures, Outcome, Sketches};
pub use synchrony::Synchrony;
