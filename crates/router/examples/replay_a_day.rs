//! Replay a day under two policies: `cargo run -p onrush-router --example replay_a_day`
#![allow(clippy::print_stdout)]

use onrush_router::cli::{RouteArgs, SimulateArgs, run_simulate};
use onrush_router::explain::Language;

const NODES: &str = "node,kind,lat,lon\ncity,store,41.80,123.40\nring,store,41.90,123.40\n\
                     depot,warehouse,42.20,123.40\n";
const INVENTORY: &str = "node,sku,on_hand\ncity,tea,60\ncity,milk,30\nring,tea,90\nring,milk,90\n\
                         depot,tea,200\ndepot,milk,200\n";
const POLICY: &str = "[costs]\nfixed_per_shipment = 5\nper_unit = 0.3\nper_unit_km = 0.05\n\
                      unfilled_per_unit = 40\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut orders = String::from("order,time,lat,lon,sku,quantity\n");
    for n in 0..200 {
        let lat = 41.7 + f64::from(n % 10) * 0.03;
        let seconds = 1_794_300_000 + n * 120;
        orders += &format!("o{n},{seconds},{lat},123.40,{},1\n", ["tea", "milk"][n as usize % 2]);
        if n % 3 == 0 {
            orders +=
                &format!("o{n},{seconds},{lat},123.40,{},1\n", ["milk", "tea"][n as usize % 2]);
        }
    }
    let route = RouteArgs {
        nodes: NODES.as_bytes(),
        inventory: INVENTORY.as_bytes(),
        orders: orders.as_bytes(),
        past: None::<&[u8]>,
        policy: POLICY.to_owned(),
        skip_bad: false,
        dry_run: false,
        language: Language::English,
    };
    let priced =
        format!("{POLICY}[prices]\nenabled = true\nreprice_every = 20\nhorizon_orders = 200\n");
    let found = run_simulate(SimulateArgs { route, other: Some((priced, None)) })?;
    print!("{}", found.table());
    Ok(())
}
