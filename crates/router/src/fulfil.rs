//! From a held plan to parcels on their way: confirm, dispatch, reject, source again, improve.
//!
//! ```text
//! held ──confirm──► confirmed ──dispatch──► dispatched
//!  │                    │
//!  └─ cancel ─► void    └─ reject(reason) ─► rejected ─► its lines are sourced again
//! ```
//!
//! What a rejection does:
//!
//! | reason | units of the shipment | the node's other units | acceptance | slot |
//! |---|---|---|---|---|
//! | not in stock | withdrawn | the SKUs' free units are written off: the count was wrong | falls | given back |
//! | damaged | withdrawn | stay | stays | given back |
//! | too busy | free again | stay | falls | the slot takes no more |

use crate::network::Network;
use crate::node::NodeIx;
use crate::order::{Line, Order};
use crate::plan::{Pick, Plan};
use crate::router::{Ask, Routed, Router};

pub use crate::window::{Waiting, improve};

/// Where one shipment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its units are held.
    Held,
    /// It is sold and the node was told.
    Confirmed,
    /// It left the node.
    Dispatched,
    /// The node refused it.
    Rejected,
    /// The order was cancelled.
    Void,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Held, State::Confirmed, State::Dispatched, State::Rejected, State::Void];

    /// Say whether a shipment may go from this state to `next`.
    pub const fn can_move_to(self, next: State) -> bool {
        matches!(
            (self, next),
            (State::Held, State::Confirmed | State::Void)
                | (State::Confirmed, State::Dispatched | State::Rejected | State::Void)
        )
    }
}

/// Why a node refuses a shipment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The shelf is empty.
    NotInStock,
    /// The unit cannot be sent.
    Damaged,
    /// Nobody has time.
    TooBusy,
}

/// A move that a shipment's state does not allow; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongState {
    /// Where the shipment stands.
    pub from: State,
    /// Where it was asked to go.
    pub to: State,
}

impl std::fmt::Display for WrongState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a shipment that is {:?} cannot become {:?}; read its state first",
            self.from, self.to
        )
    }
}

impl std::error::Error for WrongState {}

/// A held plan and where each of its shipments stands. One owner at a time.
#[derive(Clone, Debug)]
pub struct Fulfilment {
    plan: Plan,
    states: Vec<State>,
    /// Nodes that rejected part of the order.
    refused_by: Vec<NodeIx>,
}

impl Fulfilment {
    /// Follow a plan that [`Network::hold`] has taken.
    pub fn of_held(plan: Plan) -> Fulfilment {
        let states = vec![State::Held; plan.shipments.len()];
        Fulfilment { plan, states, refused_by: Vec::new() }
    }

    /// Return the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Return where each shipment stands.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// Return the nodes that rejected part of the order.
    pub fn refused_by(&self) -> &[NodeIx] {
        &self.refused_by
    }

    /// Confirm every held shipment.
    pub fn confirm(&mut self, network: &Network) {
        for at in 0..self.states.len() {
            if self.states[at] == State::Held {
                self.picks(at)
                    .iter()
                    .for_each(|pick| network.entry(pick.entry).confirm(pick.units));
                self.states[at] = State::Confirmed;
            }
        }
    }

    /// A confirmed shipment left its node.
    ///
    /// # Errors
    /// When it is not confirmed.
    pub fn dispatch(&mut self, network: &Network, at: usize) -> Result<(), WrongState> {
        self.move_to(at, State::Dispatched)?;
        self.picks(at).iter().for_each(|pick| network.entry(pick.entry).dispatch(pick.units));
        network.node(self.plan.shipments[at].node).acceptance.accepted();
        Ok(())
    }

    /// Cancel everything that has not left: units, quotas and slots are free again.
    pub fn cancel(&mut self, network: &Network) {
        for at in 0..self.states.len() {
            let before = self.states[at];
            if !before.can_move_to(State::Void) {
                continue;
            }
            self.states[at] = State::Void;
            for pick in self.picks(at) {
                match before {
                    State::Held => network.entry(pick.entry).give_back(pick.units),
                    _ => network.entry(pick.entry).put_back(pick.units),
                }
                network.mark_returned(pick.entry);
                network.give_back_quota(pick, self.plan.channel);
            }
            network.give_back_slot(&self.plan.shipments[at]);
        }
    }

    /// A node refuses a confirmed shipment. See the table above for the effects.
    ///
    /// # Errors
    /// When the shipment is not confirmed.
    pub fn reject(
        &mut self,
        network: &Network,
        at: usize,
        reason: Reason,
    ) -> Result<(), WrongState> {
        self.move_to(at, State::Rejected)?;
        let shipment = &self.plan.shipments[at];
        let node = network.node(shipment.node);
        network.give_back_slot(shipment);
        for pick in self.picks(at) {
            let entry = network.entry(pick.entry);
            match reason {
                Reason::NotInStock => {
                    entry.withdraw(pick.units);
                    entry.write_off();
                }
                Reason::Damaged => entry.withdraw(pick.units),
                Reason::TooBusy => {
                    entry.put_back(pick.units);
                    network.mark_returned(pick.entry);
                }
            }
            network.give_back_quota(pick, self.plan.channel);
        }
        match reason {
            Reason::NotInStock => node.acceptance.rejected(),
            Reason::Damaged => {}
            Reason::TooBusy => {
                node.acceptance.rejected();
                if let Some((capacity, slot)) = node.capacity.as_ref().zip(shipment.slot) {
                    capacity.fill(slot);
                }
            }
        }
        if !self.refused_by.contains(&shipment.node) {
            self.refused_by.push(shipment.node);
        }
        Ok(())
    }

    /// Source the lines of a rejected shipment again, without any node that rejected the order.
    ///
    /// Returns the new part, held, with the same refusals remembered; `None` when other threads
    /// took the units each time.
    pub fn source_again(
        &self,
        order: &Order,
        at: usize,
        router: &mut Router<'_>,
    ) -> Option<(Order, Fulfilment)> {
        let mut lines: Vec<Line> = Vec::new();
        for pick in self.picks(at) {
            match lines.iter_mut().find(|line| line.sku == pick.sku) {
                Some(line) => line.units += pick.units,
                None => lines.push(Line { sku: pick.sku, units: pick.units }),
            }
        }
        let part = Order { lines, ..order.clone() };
        let ask = Ask { without: &self.refused_by, credit: None };
        let mut plan = Plan::default();
        if router.route_with(&part, ask, &mut plan) == Routed::Contended {
            return None;
        }
        let mut again = Fulfilment::of_held(plan);
        again.refused_by.clone_from(&self.refused_by);
        Some((part, again))
    }

    fn move_to(&mut self, at: usize, to: State) -> Result<(), WrongState> {
        let from = self.states[at];
        if !from.can_move_to(to) {
            return Err(WrongState { from, to });
        }
        self.states[at] = to;
        Ok(())
    }

    fn picks(&self, at: usize) -> &[Pick] {
        self.plan.picks_of(&self.plan.shipments[at])
    }
}
