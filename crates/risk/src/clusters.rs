//! Many identities, one owner: a union-find over accounts that share a device, a payment instrument
//! or (where few share it) a delivery address or phone.
//!
//! Tarjan 1975: union by size, path halving. A fixed number of nodes of 24 bytes; when none is left,
//! newcomers have no cluster and are counted. Address prefixes never join anything: a campus behind one
//! address is no cluster.

use crate::counters::decay_minute;
use crate::limits::CLUSTER_BYTES;

/// Nobody's cluster.
pub(crate) const NONE: u32 = 0;

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Itself, where it is a root.
    parent: u32,
    accounts: u32,
    growth: f32,
    growth_at_ms: u32,
    /// Units on hold or bought.
    units: u16,
    /// Holds that expired.
    unpaid: u16,
    /// Holds that ended, whichever way.
    ended: u16,
}

const _: () = assert!(size_of::<Node>() == CLUSTER_BYTES);

/// What is known of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClusterFacts {
    /// Accounts in it.
    pub accounts: u32,
    /// Accounts that joined it, decayed over a minute.
    pub growth: f32,
    /// Units that it holds or bought.
    pub units: u32,
    /// Holds that it let expire.
    pub unpaid: u32,
    /// Holds that ended.
    pub ended: u32,
}

/// All clusters of a campaign.
#[derive(Debug)]
pub struct Clusters {
    nodes: Vec<Node>,
    capacity: usize,
    turned_away: u64,
}

impl Clusters {
    /// Make room for `capacity` clusters.
    pub fn new(capacity: usize) -> Clusters {
        // Node 0 is nobody's.
        let mut nodes = Vec::with_capacity(capacity + 1);
        nodes.push(Node::default());
        Clusters { nodes, capacity, turned_away: 0 }
    }

    /// Join the cluster of an account with those of what it uses, and return the cluster they are in
    /// now. `own` is [`NONE`](u32) for an account that has none yet. O(α).
    pub(crate) fn join(&mut self, own: u32, others: &[u32], now_ms: u32) -> u32 {
        let mut root = self.find(own);
        for other in others {
            let other = self.find(*other);
            root = match (root, other) {
                (NONE, NONE) => NONE,
                (NONE, other) => {
                    self.grow(other, 1, now_ms);
                    other
                }
                (root, NONE) => root,
                (a, b) if a == b => a,
                (a, b) => self.union(a, b, now_ms),
            };
        }
        if root == NONE { self.make(now_ms) } else { root }
    }

    /// Return the root of a cluster.
    pub(crate) fn find(&mut self, mut at: u32) -> u32 {
        if at as usize >= self.nodes.len() {
            return NONE;
        }
        loop {
            let parent = self.nodes[at as usize].parent;
            if parent == at {
                return at;
            }
            let above = self.nodes[parent as usize].parent;
            self.nodes[at as usize].parent = above;
            at = above;
        }
    }

    /// Return what is known of the cluster of `at`.
    pub(crate) fn facts(&mut self, at: u32, now_ms: u32) -> ClusterFacts {
        let root = self.find(at);
        if root == NONE {
            return ClusterFacts::default();
        }
        let node = &self.nodes[root as usize];
        ClusterFacts {
            accounts: node.accounts,
            growth: node.growth * decay_minute(now_ms.saturating_sub(node.growth_at_ms)),
            units: u32::from(node.units),
            unpaid: u32::from(node.unpaid),
            ended: u32::from(node.ended),
        }
    }

    /// Count `units` for the cluster of `at` unless it would have more than `most` then.
    ///
    /// # Errors
    /// How many it has, when these would be too many.
    pub(crate) fn claim(&mut self, at: u32, units: u32, most: u32) -> Result<(), u32> {
        let root = self.find(at);
        if root == NONE {
            return Ok(());
        }
        let node = &mut self.nodes[root as usize];
        let has = u32::from(node.units);
        if has + units > most {
            return Err(has);
        }
        node.units = node.units.saturating_add(units as u16);
        Ok(())
    }

    /// Take `units` off again, and note how a hold ended where it did.
    pub(crate) fn give_back(&mut self, at: u32, units: u32, ended: bool, unpaid: bool) {
        let root = self.find(at);
        if root == NONE {
            return;
        }
        let node = &mut self.nodes[root as usize];
        node.units = node.units.saturating_sub(units.min(u32::from(u16::MAX)) as u16);
        node.ended = node.ended.saturating_add(u16::from(ended));
        node.unpaid = node.unpaid.saturating_add(u16::from(unpaid));
    }

    /// Return how many newcomers found no room.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// Return the memory it may take.
    pub fn bytes(&self) -> usize {
        (self.capacity + 1) * size_of::<Node>()
    }

    fn make(&mut self, now_ms: u32) -> u32 {
        if self.nodes.len() > self.capacity {
            self.turned_away += 1;
            return NONE;
        }
        let at = self.nodes.len() as u32;
        let node = Node { parent: at, accounts: 1, growth_at_ms: now_ms, ..Node::default() };
        self.nodes.push(node);
        at
    }

    fn grow(&mut self, root: u32, accounts: u32, now_ms: u32) {
        let node = &mut self.nodes[root as usize];
        node.accounts = node.accounts.saturating_add(accounts);
        let elapsed = now_ms.saturating_sub(node.growth_at_ms);
        node.growth = node.growth * decay_minute(elapsed) + accounts as f32;
        node.growth_at_ms = node.growth_at_ms.max(now_ms);
    }

    fn union(&mut self, a: u32, b: u32, now_ms: u32) -> u32 {
        let larger = self.nodes[a as usize].accounts >= self.nodes[b as usize].accounts;
        let (root, under) = if larger { (a, b) } else { (b, a) };
        let under_node = self.nodes[under as usize];
        self.nodes[under as usize].parent = root;
        self.grow(root, under_node.accounts, now_ms);
        let node = &mut self.nodes[root as usize];
        node.units = node.units.saturating_add(under_node.units);
        node.unpaid = node.unpaid.saturating_add(under_node.unpaid);
        node.ended = node.ended.saturating_add(under_node.ended);
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_units_and_stops_at_the_cap() {
        let mut clusters = Clusters::new(4);
        let a = clusters.join(NONE, &[], 0);
        let b = clusters.join(NONE, &[], 0);
        assert_eq!(clusters.claim(a, 2, 3), Ok(()));
        assert_eq!(clusters.claim(b, 2, 3), Ok(()));
        let joined = clusters.join(a, &[b], 10);
        assert_eq!(clusters.claim(joined, 1, 4), Err(4), "both had two");
        clusters.give_back(b, 2, true, true);
        assert_eq!(clusters.claim(a, 1, 4), Ok(()));
        let facts = clusters.facts(b, 10);
        assert_eq!((facts.accounts, facts.units, facts.unpaid, facts.ended), (2, 3, 1, 1));
    }

    #[test]
    fn a_full_table_turns_newcomers_away_and_grows_no_more() {
        let mut clusters = Clusters::new(2);
        let bytes = clusters.bytes();
        let (a, b) = (clusters.join(NONE, &[], 0), clusters.join(NONE, &[], 0));
        assert_eq!(clusters.join(NONE, &[], 0), NONE);
        assert_eq!((clusters.turned_away(), clusters.bytes()), (1, bytes));
        assert_eq!(clusters.join(NONE, &[b], 0), b, "what exists can still be joined");
        assert_eq!(clusters.claim(NONE, 9, 1), Ok(()), "nobody's cluster has no cap");
        assert_eq!(clusters.facts(a, 0).accounts, 1);
        assert_eq!(clusters.facts(99, 0), ClusterFacts::default());
    }

    proptest! {
        /// Against sets kept as plain lists.
        #[test]
        fn is_a_partition(links in proptest::collection::vec((0usize..30, 0usize..30), 0..60)) {
            let mut clusters = Clusters::new(30);
            let nodes: Vec<u32> = (0..30).map(|_| clusters.join(NONE, &[], 0)).collect();
            let mut plain: Vec<usize> = (0..30).collect();
            for (a, b) in links {
                clusters.join(nodes[a], &[nodes[b]], 0);
                let (from, to) = (plain[b], plain[a]);
                plain.iter_mut().filter(|set| **set == from).for_each(|set| *set = to);
            }
            for a in 0..30 {
                let size = plain.iter().filter(|set| **set == plain[a]).count() as u32;
                prop_assert_eq!(clusters.facts(nodes[a], 0).accounts, size);
                for b in 0..30 {
                    let same = clusters.find(nodes[a]) == clusters.find(nodes[b]);
                    prop_assert_eq!(same, plain[a] == plain[b]);
                }
            }
        }
    }
}
