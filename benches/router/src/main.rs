//! Router benchmarks.
#![allow(clippy::print_stdout)]
mod dice;
mod published;

use onrush_router::plan::Plan;
use onrush_router::prices::fluid::{Climb, Fluid};
use onrush_router::prices::{Forecast, Pricer};
use onrush_router::{Router, Ruleset};
use published::World;

fn nearest(world: &World, seed: u64) -> f64 {
    // nearest stocked centre per item
    let network = world.network();
    let rules = Ruleset::new(world.policy(""), &network);
    let orders = world.orders(&network, seed);
    let c = &rules.policy().costs;
    let mut total = 0.0;
    for o in &orders {
        let mut used = std::collections::BTreeSet::new();
        let mut unf = 0;
        for l in &o.lines {
            let to = o.destination.on_sphere();
            let best = network
                .holders(l.sku)
                .iter()
                .filter(|&&e| network.entry(e).available(0) > 0)
                .min_by(|&&a, &&b| {
                    network
                        .spot(network.node_of(a))
                        .km(to)
                        .total_cmp(&network.spot(network.node_of(b)).km(to))
                });
            match best {
                Some(&e) => {
                    assert!(network.entry(e).take(1, 0));
                    used.insert(network.node_of(e));
                    total += c.per_unit + c.per_unit_km * network.spot(network.node_of(e)).km(to);
                }
                None => {
                    unf += 1;
                    total += c.unfilled_per_unit;
                }
            }
        }
        total += c.fixed_per_shipment * used.len() as f64;
        if unf > 0 {
            total += c.unfilled_fixed;
        }
    }
    total
}

fn run(
    world: &World,
    seed: u64,
    toml: &str,
    forecast: Option<Forecast>,
    trust: Option<f64>,
) -> f64 {
    let network = world.network();
    let rules = Ruleset::new(world.policy(toml), &network);
    let orders = world.orders(&network, seed);
    let mut pricer =
        toml.contains("enabled = true").then(|| Pricer::new(&network, &rules, forecast, trust));
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    let mut total = 0.0;
    for o in &orders {
        router.route(o, &mut plan);
        total += plan.cost.to_units();
        if let Some(p) = &mut pricer {
            p.observe(&network, &rules, o, &plan);
        }
    }
    total
}

fn main() {
    for w in 0..4 {
        let world = World::draw(w);
        let network = world.network();
        let rules = Ruleset::new(world.policy(""), &network);
        let orders = world.orders(&network, 1000 + w);
        let fc = Forecast::learn(&orders);
        let t = std::time::Instant::now();
        let mut fluid = Fluid::default();
        let counts = fc.weights();
        for (o, c) in counts {
            let k = fluid.add_class(&network, &rules, o);
            fluid.set_weight(k, c);
        }
        fluid.read_stock(&network);
        let b1 = fluid.climb(Climb { steps: 500, first: 0.3, last: 0.003 });
        let bound = fluid.climb(Climb { steps: 3000, first: 0.02, last: 0.0003 }).max(b1);
        println!(
            "world {w} classes {} bound {b1:.1} {bound:.1} in {:?} whole {}",
            fc.classes(),
            t.elapsed(),
            fluid.is_whole()
        );
        let pct = |x: f64| (x / bound - 1.0) * 100.0;
        println!("nearest {:.2}%", pct(nearest(&world, 1000 + w)));
        println!("greedy {:.2}%", pct(run(&world, 1000 + w, "", None, None)));
        for every in [1000, 200] {
            let toml = format!("[prices]\nenabled = true\nreprice_every = {every}\nhorizon_orders = 10000\n");
            let rates = world.rates(&network);
            let known = Forecast::rates(rates.iter().map(|(o, c)| (o, *c)));
            let t = std::time::Instant::now();
            println!(
                "known/{every} {:.2}% {:?}",
                pct(run(&world, 1000 + w, &toml, Some(known), None)),
                t.elapsed()
            );
            let past = Forecast::learn(&world.orders(&network, 5000 + w));
            println!("learned/{every} {:.2}%", pct(run(&world, 1000 + w, &toml, Some(past), None)));
            let open = toml.replace("horizon_orders = 10000\n", "");
            println!("none-open/{every} {:.2}%", pct(run(&world, 1000 + w, &open, None, None)));
            println!("none/{every} {:.2}%", pct(run(&world, 1000 + w, &toml, None, None)));
            let mut d = dice::Dice::new(w + 99);
            let wrong = Forecast::rates(
                rates.iter().map(|(o, c)| (o, if d.unit() < 0.5 { *c * 2.0 } else { *c * 0.5 })),
            );
            println!(
                "wrong2/{every} {:.2}%",
                pct(run(&world, 1000 + w, &toml, Some(wrong), None))
            );
        }
    }
}
