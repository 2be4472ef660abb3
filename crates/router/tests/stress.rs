//! Eight threads, scarce stock: nothing oversold, nothing leaked.

mod common;

use common::{Dice, label, order, rules, stock, store};
use onrush_router::fulfil::{Fulfilment, Reason};
use onrush_router::network::{Network, StockSpec};
use onrush_router::plan::Plan;
use onrush_router::{Routed, Router};

const THREADS: u64 = 8;
const ORDERS_EACH: u64 = 400;

fn scarce() -> Network {
    let mut nodes = Vec::new();
    let mut rows: Vec<StockSpec> = Vec::new();
    for n in 0..12 {
        let name = format!("n{n:02}");
        let mut node = store(&name, 41.0 + f64::from(n) * 0.01, 123.0);
        node.capacity_per_hour = (n % 3 == 0).then_some(25);
        nodes.push(node);
        for sku in 0..6u32 {
            let mut row = stock(&name, &format!("s{sku}"), 20 + sku * 7);
            row.safety_stock = sku;
            if sku == 2 {
                row.channel_quotas = vec![(label("live"), 9)];
            }
            rows.push(row);
        }
    }
    Network::build(nodes, rows).expect("a network")
}

#[test]
fn eight_threads_neither_oversell_nor_leak() {
    let network = scarce();
    let rules = rules(&network, "[split]\nlimit = 3\n");
    let live = network.find_channel("live");
    let quotas: Vec<u32> = {
        let mut left: Vec<_> = network.quotas().map(|(e, _, q)| (e, q.left())).collect();
        left.sort_unstable_by_key(|&(entry, _)| entry);
        left.into_iter().map(|(_, left)| left).collect()
    };
    let kept: Vec<Vec<Fulfilment>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (network, rules) = (&network, &rules);
                scope.spawn(move || work(network, rules, thread))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
    });

    let mut sold = std::collections::HashMap::new();
    let mut live_sold = std::collections::HashMap::new();
    for fulfilment in kept.iter().flatten() {
        for pick in &fulfilment.plan().picks {
            *sold.entry(pick.entry).or_insert(0) += pick.units;
            if fulfilment.plan().channel == live {
                *live_sold.entry(pick.entry).or_insert(0) += pick.units;
            }
        }
    }
    for (entry, _, _, stock) in network.entries() {
        let levels = stock.levels();
        assert!(levels.is_conserved(), "{levels:?}");
        assert_eq!(levels.held, 0, "nothing is left held");
        assert_eq!(levels.sold, sold.get(&entry).copied().unwrap_or(0));
        assert!(levels.free >= levels.safety, "safety stock stays");
    }
    let mut left: Vec<_> = network.quotas().map(|(e, _, q)| (e, q.left())).collect();
    left.sort_unstable_by_key(|&(entry, _)| entry);
    for (&(entry, left), start) in left.iter().zip(quotas) {
        let taken = live_sold.get(&entry).copied().unwrap_or(0);
        assert_eq!(left + taken, start, "a quota is used exactly by what its channel bought");
    }
    let bought: u32 = sold.values().sum();
    assert!(bought > 1_000, "scarce stock was fought over: {bought}");
}

/// Buy, cancel and be rejected at random; return what stays sold.
fn work(network: &Network, rules: &onrush_router::Ruleset, thread: u64) -> Vec<Fulfilment> {
    let mut dice = Dice(thread + 1);
    let mut router = Router::new(network, rules);
    let mut kept = Vec::new();
    for _ in 0..ORDERS_EACH {
        let (a, b) = (dice.roll(6), dice.roll(5));
        let (first, second) = (format!("s{a}"), format!("s{}", (a + 1 + b) % 6));
        let lines = [(first.as_str(), 1 + dice.roll(3) as u32), (second.as_str(), 1)];
        let mut asked = order(network, &lines, 41.0 + dice.unit() * 0.1, 123.0);
        asked.channel = network.find_channel("live").filter(|_| dice.roll(2) == 0);
        let mut plan = Plan::default();
        if router.route(&asked, &mut plan) == Routed::Contended {
            continue;
        }
        let mut fulfilment = Fulfilment::of_held(plan);
        match dice.roll(4) {
            0 => fulfilment.cancel(network),
            1 if !fulfilment.states().is_empty() => {
                fulfilment.confirm(network);
                fulfilment.reject(network, 0, Reason::TooBusy).expect("confirmed");
                if let Some((_, mut again)) = fulfilment.source_again(&asked, 0, &mut router) {
                    let refused = fulfilment.refused_by()[0];
                    assert!(again.plan().shipments.iter().all(|s| s.node != refused));
                    again.confirm(network);
                    kept.push(again);
                }
                // What was not rejected is cancelled, so that only whole plans are kept.
                fulfilment.cancel(network);
            }
            _ => {
                fulfilment.confirm(network);
                kept.push(fulfilment);
            }
        }
    }
    kept
}
