//! Risk in the gateway: what a request showed, what is made of it, and what buyers and operators see.
//!
//! | module | |
//! |---|---|
//! | `evidence` | headers, address prefix and tokens, as numbers and digests |
//! | `figures` | the figures for Prometheus |
//! | `isolated` | a scorer of somebody else's, on a thread of its own |
//! | `kept` | models that were put in force, over a restart |
//! | `outside` | a challenge of somebody else's |
//! | `sale` | what one campaign remembers: key, sketches, scores, challenges; gone with the campaign |
//! | `desk` | policy and models for all campaigns, each swapped whole |
//! | `screen` | the hook in a reserve and in a join |
//! | `screened` | a reserve that the ledger is still deciding, and what it claimed |
//! | `challenge` | `POST …/challenges` |
//! | `admin` | the policy, models and figures of operators |
//! | `worker` | follows how holds end, writes recordings, ends sales |
//!
//! No raw address, device or name is kept: [`evidence`] makes digests under the campaign's key and
//! nothing behind it sees more. A campaign whose risk is not looked at costs one load.

mod admin;
mod challenge;
mod desk;
mod evidence;
mod figures;
mod isolated;
mod kept;
mod outside;
mod sale;
mod schemas;
mod screen;
mod screened;
mod worker;

pub(crate) use desk::Risks;
pub(crate) use figures::RiskPage;
pub(crate) use schemas::{describe, schemas};
pub(crate) use screen::Looked;
pub(crate) use screened::{Screened, UsedProof};
pub(crate) use worker::Worker;
