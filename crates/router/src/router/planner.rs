//! Working memory that outlives one network: for services whose network is rebuilt under them.

use super::Router;
use super::gather::Work;
use crate::network::Network;
use crate::rules::Ruleset;

/// Keeps a router's memory between networks. One for each thread.
#[derive(Debug, Default)]
pub struct Planner {
    work: Work,
}

impl Planner {
    /// Plan on a network under some rules. Allocates only while the memory grows.
    pub fn on<R>(
        &mut self,
        network: &Network,
        rules: &Ruleset,
        plan: impl FnOnce(&mut Router<'_>) -> R,
    ) -> R {
        let mut router = Router { network, rules, work: std::mem::take(&mut self.work) };
        let planned = plan(&mut router);
        self.work = router.work;
        planned
    }
}
