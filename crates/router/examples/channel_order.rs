//! A live-stream order goes to the nearest store, within the channel's quota; the store is too busy,
//! and the order is sourced again: `cargo run -p onrush-router --example channel_order`
#![allow(clippy::print_stdout)]

use onrush_router::delivery::Delivery;
use onrush_router::fulfil::{Fulfilment, Reason};
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use onrush_router::{Label, Router, Ruleset};
use onrush_types::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut nodes, mut stock) = (Vec::new(), Vec::new());
    for (name, lat) in [("north", 41.83), ("south", 41.74)] {
        let node = Label::new(name)?;
        nodes.push(NodeSpec::new(node.clone(), NodeKind::Store, Position::new(lat, 123.40)?));
        let channel_quotas = vec![(Label::new("live")?, 2)];
        let sku = Label::new("jacket")?;
        stock.push(StockSpec { node, sku, on_hand: 5, safety_stock: 1, channel_quotas });
    }
    let network = Network::build(nodes, stock)?;
    let policy = Policy::from_toml("[[weights]]\nchannel = \"live\"\nmax_km = 20\n")?;
    let rules = Ruleset::new(policy, &network);
    let jacket = network.find_sku("jacket").ok_or("no jacket")?;
    let lines = vec![Line { sku: jacket, units: 1 }];
    let to = Position::new(41.80, 123.40)?;
    let mut order = Order::new(Label::new("live-1")?, Timestamp(1_794_300_000_000), to, lines);
    order.channel = network.find_channel("live");
    order.delivery = Delivery::OneHour;

    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    router.route(&order, &mut plan);
    let name = |plan: &Plan| network.node(plan.shipments[0].node).name.clone();
    println!("{} from {}", order.id, name(&plan));

    let mut fulfilment = Fulfilment::of_held(plan);
    fulfilment.confirm(&network);
    fulfilment.reject(&network, 0, Reason::TooBusy)?;
    let (_, again) = fulfilment.source_again(&order, 0, &mut router).ok_or("contended")?;
    println!("too busy there, now from {}", name(again.plan()));
    Ok(())
}
