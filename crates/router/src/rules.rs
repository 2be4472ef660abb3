//! A policy made ready for one network: names resolved, nodes marked, terms chosen.

use crate::cost::Cost;
use crate::delivery::Rule;
use crate::geo::{Distance, GreatCircle, Spot};
use crate::network::{Network, Node};
use crate::node::{NodeIx, NodeKind};
use crate::order::{ChannelNo, Order};
use crate::policy::{Policy, Weights};
use std::fmt;

/// A policy bound to a network. Share it between threads; it never changes.
pub struct Ruleset {
    policy: Policy,
    distance: Box<dyn Distance>,
    /// Great circle keeps its own path: no dynamic call for each candidate.
    detour: Option<f64>,
    allowed: Vec<bool>,
    /// Cost of using each node, in micro-units; empty when no priority is stated.
    priority: Vec<i64>,
    least_priority: i64,
    weights_channels: Vec<Option<ChannelNo>>,
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruleset").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Ruleset {
    /// Bind a policy to a network, with great-circle distances. `O(nodes)`.
    pub fn new(policy: Policy, network: &Network) -> Ruleset {
        let detour = policy.detour;
        let mut rules = Ruleset::with_distance(policy, network, Box::new(GreatCircle { detour }));
        rules.detour = Some(detour);
        rules
    }

    /// Bind a policy to a network, with distances of your own. `O(nodes)`.
    pub fn with_distance(
        policy: Policy,
        network: &Network,
        distance: Box<dyn Distance>,
    ) -> Ruleset {
        let bits_of = |groups: &[crate::Label]| -> u64 {
            let have = network.groups().iter().enumerate();
            have.filter(|(_, name)| groups.contains(name)).fold(0, |set, (bit, _)| set | 1 << bit)
        };
        let (only, never) =
            (bits_of(&policy.filters.groups), bits_of(&policy.filters.exclude_groups));
        let allowed = network.nodes().iter().map(|node| is_allowed(&policy, node, only, never));
        let allowed = allowed.collect();
        let mut priority = Vec::new();
        if !policy.priorities.is_empty() {
            let terms: Vec<(u64, i64)> = policy
                .priorities
                .iter()
                .map(|p| (bits_of(std::slice::from_ref(&p.group)), Cost::from_units(p.cost).0))
                .collect();
            let of = |node: &Node| {
                terms.iter().filter(|(bits, _)| node.groups & bits != 0).map(|(_, cost)| cost).sum()
            };
            priority = network.nodes().iter().map(of).collect();
        }
        let least_priority = priority.iter().copied().min().unwrap_or(0).min(0);
        let find = |w: &Weights| w.channel.as_ref().and_then(|c| network.find_channel(c.as_str()));
        let weights_channels = policy.weights.iter().map(find).collect();
        Ruleset {
            policy,
            distance,
            detour: None,
            allowed,
            priority,
            least_priority,
            weights_channels,
        }
    }

    /// Return the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Say whether filters let a node take part.
    #[inline]
    pub fn is_allowed(&self, node: NodeIx) -> bool {
        self.allowed[node.index()]
    }

    /// Return the road kilometres from a node to a place.
    #[inline]
    pub fn km(&self, node: NodeIx, from: Spot, to: Spot) -> f64 {
        match self.detour {
            Some(detour) => GreatCircle { detour }.km(node.0, from, to),
            None => self.distance.km(node.0, from, to),
        }
    }

    /// Return road kilometres for each straight one, when distances are great circles.
    pub(crate) fn detour(&self) -> Option<f64> {
        self.detour
    }

    /// Return the priority cost of a node.
    #[inline]
    pub(crate) fn priority(&self, node: NodeIx) -> Cost {
        Cost(self.priority.get(node.index()).copied().unwrap_or(0))
    }

    /// Return the lowest priority cost of any node, at most zero.
    pub(crate) fn least_priority(&self) -> Cost {
        Cost(self.least_priority)
    }

    /// Return the terms for one order.
    #[inline]
    pub(crate) fn terms(&self, order: &Order) -> Terms<'_> {
        let rule = self.policy.rule(order.delivery);
        let matches = |(weights, channel): &(&Weights, &Option<ChannelNo>)| {
            let channel_fits =
                weights.channel.is_none() || (order.channel == **channel && channel.is_some());
            channel_fits && weights.delivery.is_none_or(|form| form == order.delivery)
        };
        let pairs = self.policy.weights.iter().zip(&self.weights_channels);
        let weights = pairs.into_iter().find(matches).map_or(&Weights::NEUTRAL, |(w, _)| w);
        let max_km = self.policy.max_km.min(rule.max_km).min(weights.max_km);
        Terms { rule, weights, max_km }
    }

    /// Say whether the policy protects units at any kind of node.
    #[inline]
    pub(crate) fn protects_any(&self) -> bool {
        self.policy.protect.iter().any(|&units| units > 0)
    }

    /// Return the units that stay at a node of a kind on top of its safety stock.
    #[inline]
    pub(crate) fn protected(&self, kind: NodeKind) -> u32 {
        self.policy.protect[kind as usize]
    }
}

/// What the policy says about one order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) weights: &'a Weights,
    pub(crate) max_km: f64,
}

fn is_allowed(policy: &Policy, node: &Node, only: u64, never: u64) -> bool {
    let filters = &policy.filters;
    (filters.kinds == 0 || filters.kinds & node.kind.bit() != 0)
        && filters.owner.is_none_or(|owner| owner == node.owner)
        && (filters.groups.is_empty() || node.groups & only != 0)
        && node.groups & never == 0
        && !filters.exclude_nodes.contains(&node.name)
}
