//! The router's network as it is now: read by any thread without a lock, changed by one.

use arc_swap::ArcSwapOption;
use onrush::{NodeNo, SkuIx, Timestamp};
use onrush_router::network::Network;
use onrush_router::node::NodeIx;
use onrush_router::order::SkuNo;
use onrush_router::{Planner, Ruleset};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A network under a policy, with the ledger's numbers for its nodes and SKUs.
#[derive(Debug)]
pub(crate) struct Net {
    pub(super) network: Network,
    pub(super) rules: Ruleset,
    /// The policy's version; 0 is the default one.
    pub(super) policy: u32,
    /// By the ledger's SKU; `None`: no store ever had it.
    pub(super) skus: Vec<Option<SkuNo>>,
    /// By the ledger's store; `None`: what is kept with it cannot be read.
    pub(super) nodes: Vec<Option<NodeIx>>,
    /// By the network's node.
    pub(super) numbers: Vec<NodeNo>,
    /// Opening hours are known until then.
    pub(super) hours_until: Timestamp,
}

impl Net {
    pub(super) fn sku(&self, sku: SkuIx) -> Option<SkuNo> {
        *self.skus.get(sku.index())?
    }

    pub(super) fn node(&self, node: NodeNo) -> Option<NodeIx> {
        *self.nodes.get(node.index())?
    }

    pub(super) fn number(&self, node: NodeIx) -> NodeNo {
        self.numbers[node.index()]
    }

    pub(super) fn name(&self, node: NodeIx) -> &str {
        self.network.node(node).name.as_str()
    }
}

/// The network of this moment.
#[derive(Debug, Default)]
pub(crate) struct Live {
    net: ArcSwapOption<Net>,
    followed: AtomicBool,
}

impl Live {
    pub(super) fn net(&self) -> Option<Arc<Net>> {
        self.net.load_full()
    }

    pub(super) fn put(&self, net: Arc<Net>) {
        self.net.store(Some(net));
        // Release: pairs with the Acquire in `is_followed`; the network is there before.
        self.followed.store(true, Ordering::Release);
    }

    pub(super) fn is_followed(&self) -> bool {
        // Acquire: pairs with the Release in `put`.
        self.followed.load(Ordering::Acquire)
    }
}

thread_local! {
    static PLANNER: RefCell<Planner> = RefCell::default();
}

/// Plan with this thread's working memory.
pub(super) fn with_planner<R>(plan: impl FnOnce(&mut Planner) -> R) -> R {
    PLANNER.with_borrow_mut(plan)
}
