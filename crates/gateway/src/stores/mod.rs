//! Stores: a live router beside the engine, promises before anything is bought, and the worker that
//! makes every sold reservation an order at a store, exactly once.
//!
//! The ledger is the truth: which store has what, which sale became which shipments. Here is a copy
//! of it in the form that the router decides on, kept current by one thread that follows the
//! journal, and rebuilt from the ledger at a start. What the copy does not know yet costs a plan
//! that the ledger refuses and that is made anew, never a unit that is sent twice.
//!
//! | file | idea |
//! |---|---|
//! | `live.rs`, `image.rs` | the router's network as it is now, and how it is built from the ledger |
//! | `worker.rs`, `sourcing.rs`, `follow.rs` | the thread: follow records, plan what is sold |
//! | `pricing.rs` | opportunity prices, solved beside the thread |
//! | `ask.rs`, `promise.rs` | from a reservation's details to an order, and what it is promised |
//! | `columns.rs`, `import.rs` | nodes and stock as files have them |
//! | `nodes.rs`, `orders.rs`, `routing.rs`, `public.rs` | what can be asked on either side |
//! | `note.rs`, `pickup.rs`, `later.rs` | explanations, codes, and answers that take several steps |

mod ask;
mod columns;
mod follow;
mod image;
mod import;
mod later;
mod live;
mod nodes;
mod note;
mod orders;
mod pickup;
mod pricing;
mod promise;
mod public;
mod query;
mod routing;
mod schemas;
mod sourcing;
mod worker;

pub(crate) use ask::{Wanted, in_units};
pub(crate) use later::Later;
pub(crate) use promise::Outlook;
pub(crate) use schemas::schemas;

use crate::problem::Problem;
use live::{Live, Net};
use onrush::Engine;
use parking_lot::Mutex;
use pickup::Codes;
use std::sync::Arc;
use worker::Worker;

/// The stores of one gateway. Nothing is kept or started before there is a store.
#[derive(Debug)]
pub(crate) struct Stores {
    live: Arc<Live>,
    codes: Codes,
    worker: Mutex<Option<Worker>>,
    /// No thread is started: somebody else plans.
    driven: bool,
}

impl Stores {
    pub(crate) fn new(engine: &Engine, driven: bool) -> Stores {
        let stores = Stores {
            live: Arc::default(),
            codes: Codes::new(engine.derive_key("pick-up code")),
            worker: Mutex::default(),
            driven,
        };
        stores.wake(engine);
        stores
    }

    /// Start following the engine once there is a store. One load when there is nothing to do.
    pub(crate) fn wake(&self, engine: &Engine) {
        if self.driven || self.live.is_followed() || engine.store_count() == 0 {
            return;
        }
        let mut worker = self.worker.lock();
        if worker.is_none() {
            match Worker::start(engine.clone(), self.live.clone()) {
                Ok(started) => *worker = Some(started),
                Err(error) => tracing::error!(%error, "no thread to follow the stores"),
            }
        }
    }

    /// Return the network as it is now, if there is any.
    pub(crate) fn net(&self) -> Option<Arc<Net>> {
        self.live.net()
    }

    fn net_or_refuse(&self, engine: &Engine) -> Result<Arc<Net>, Problem> {
        self.wake(engine);
        self.net().ok_or_else(|| {
            Problem::invalid("there are no stores yet; put one with PUT /admin/v1/nodes/{node}")
        })
    }
}
