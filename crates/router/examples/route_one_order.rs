//! Route one order: `cargo run -p onrush-router --example route_one_order`
#![allow(clippy::print_stdout)]

use onrush_router::cli::{RouteArgs, run_route};
use onrush_router::explain::Language;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = RouteArgs {
        nodes: "node,kind,lat,lon\nnorth,store,41.83,123.40\nsouth,store,41.74,123.40\n".as_bytes(),
        inventory: "node,sku,on_hand\nnorth,tea,3\nsouth,tea,3\nsouth,milk,9\n".as_bytes(),
        orders: "order,time,lat,lon,sku,quantity\n\
                 o1,2026-11-11T04:00:00Z,41.80,123.40,tea,1\n\
                 o1,2026-11-11T04:00:00Z,41.80,123.40,milk,2\n"
            .as_bytes(),
        past: None::<&[u8]>,
        policy: "[costs]\nfixed_per_shipment = 5\nper_unit_km = 0.2\n".to_owned(),
        skip_bad: false,
        dry_run: false,
        language: Language::English,
    };
    let summary = run_route(args, std::io::stdout().lock())?;
    println!("cost an order: {:.2}", summary.kpis.cost_per_order);
    Ok(())
}
