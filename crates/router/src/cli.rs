//! What `onrush route` and `onrush simulate` do, over readers and writers: the command line only
//! opens files and prints.

use crate::csv::{BadRow, CsvError, Rows, read_nodes, read_orders, read_stock};
use crate::document::PlanDocument;
use crate::explain::Language;
use crate::network::{Network, NetworkError};
use crate::order::Order;
use crate::plan::Plan;
use crate::policy::{Policy, Problems};
use crate::prices::Forecast;
use crate::router::Router;
use crate::rules::Ruleset;
use crate::simulate::{
    CURVE_ORDERS, Kpis, Shadow, ShadowTally, hindsight_bound, rehearse, replay, svg,
};
use onrush_types::Timestamp;
use std::fmt;
use std::io::{Read, Write};

/// Days after the last order for which opening hours are compiled.
const HOURS_AFTER_MS: u64 = 14 * 24 * 3_600_000;

/// What `route` reads.
pub struct RouteArgs<N, I, O, P> {
    /// The nodes file.
    pub nodes: N,
    /// The inventory file.
    pub inventory: I,
    /// The orders file.
    pub orders: O,
    /// The past orders that the policy's `forecast` names, opened by the caller.
    pub past: Option<P>,
    /// The policy's text.
    pub policy: String,
    /// Go on without bad rows.
    pub skip_bad: bool,
    /// Take nothing: every order is planned as if it were the first.
    pub dry_run: bool,
    /// The language of `why`.
    pub language: Language,
}

/// What `simulate` reads: `route`'s files and a second policy.
pub struct SimulateArgs<N, I, O, P> {
    /// Files and the first policy.
    pub route: RouteArgs<N, I, O, P>,
    /// The second policy's text and the past orders it names, opened by the caller.
    pub other: Option<(String, Option<P>)>,
}

/// What `route` did.
#[derive(Clone, Debug)]
pub struct RouteSummary {
    /// The figures.
    pub kpis: Kpis,
    /// Rows left out, by file.
    pub skipped: Vec<(&'static str, usize)>,
    /// Columns that were not read, by file.
    pub unknown_columns: Vec<(&'static str, String)>,
}

/// What `simulate` found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Figures of each policy, in the order given.
    pub kpis: Vec<(String, Kpis)>,
    /// The second policy asked beside the first, on the stock that the first one left.
    pub shadow: Option<ShadowTally>,
    /// Pictures: file name and SVG text.
    pub plots: Vec<(String, String)>,
    /// Rows left out, by file.
    pub skipped: Vec<(&'static str, usize)>,
    /// Columns that were not read, by file.
    pub unknown_columns: Vec<(&'static str, String)>,
}

impl Comparison {
    /// Return the figures side by side, as a text table.
    pub fn table(&self) -> String {
        let columns: Vec<Vec<(&str, String)>> = self.kpis.iter().map(|(_, k)| k.rows()).collect();
        let mut out = format!("{:<26}", "");
        for (name, _) in &self.kpis {
            out += &format!("{name:>18}");
        }
        out.push('\n');
        for row in 0..columns.first().map_or(0, Vec::len) {
            out += &format!("{:<26}", columns[0][row].0);
            for column in &columns {
                out += &format!("{:>18}", column[row].1);
            }
            out.push('\n');
        }
        if let Some(shadow) = &self.shadow {
            out += "\nthe second policy as a shadow beside the first\n";
            for (name, value) in shadow.rows() {
                out += &format!("{name:<26}{value:>18}\n");
            }
        }
        out
    }
}

/// Why `route` or `simulate` stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum CliError {
    /// The policy has problems.
    Policy(Problems),
    /// A file cannot be read.
    Csv(&'static str, CsvError),
    /// A file has bad rows and they were not to be skipped.
    BadRows(&'static str, Vec<BadRow>, usize),
    /// The nodes and the inventory do not make a network.
    Network(NetworkError),
    /// A time is out of range.
    Time,
    /// Writing failed.
    Write(std::io::Error),
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Policy(problems) => problems.fmt(f),
            CliError::Csv(file, error) => write!(f, "{file}: {error}"),
            CliError::BadRows(file, rows, count) => {
                for row in rows {
                    writeln!(f, "{file} {row}")?;
                }
                write!(f, "{file}: {count} bad rows; correct them or pass --skip-bad")
            }
            CliError::Network(error) => error.fmt(f),
            CliError::Time => f.write_str("orders: a time is outside the years 1970 to 9999"),
            CliError::Write(error) => write!(f, "writing plans failed: {error}"),
        }
    }
}

impl std::error::Error for CliError {}

/// Route every order and write one JSON line for each, in the order of the input.
///
/// # Errors
/// See [`CliError`]; plans written before an error stay written.
pub fn run_route<N: Read, I: Read, O: Read, P: Read>(
    args: RouteArgs<N, I, O, P>,
    mut out: impl Write,
) -> Result<RouteSummary, CliError> {
    let (language, dry_run) = (args.language, args.dry_run);
    let world = World::read(args)?;
    let network = world.network()?;
    let rules = Ruleset::new(world.policy.clone(), &network);
    let mut failed = None;
    let write = |router: &Router<'_>, order: &Order, plan: &Plan| {
        if failed.is_some() {
            return;
        }
        let explanation = router.explain(order, plan);
        let document = PlanDocument::new(&network, order, plan, Some((&explanation, language)));
        let written = serde_json::to_writer(&mut out, &document).map_err(std::io::Error::from);
        failed = written.and_then(|()| out.write_all(b"\n")).err();
    };
    let tally = if dry_run {
        rehearse(&network, &rules, &world.orders, write)
    } else {
        replay(&network, &rules, &world.orders, world.forecast(), write)
    };
    if let Some(error) = failed {
        return Err(CliError::Write(error));
    }
    out.flush().map_err(CliError::Write)?;
    let World { skipped, unknown_columns, .. } = world;
    Ok(RouteSummary { kpis: tally.finish(None), skipped, unknown_columns })
}

/// Replay the orders under one or two policies, each on the same stock, with the hindsight bound;
/// the second also as a shadow of the first.
///
/// # Errors
/// See [`CliError`].
pub fn run_simulate<N: Read, I: Read, O: Read, P: Read>(
    args: SimulateArgs<N, I, O, P>,
) -> Result<Comparison, CliError> {
    let mut world = World::read(args.route)?;
    let Some((text, past)) = args.other else {
        let kpis = vec![("policy".to_owned(), world.replay(None)?.0)];
        return Ok(world.comparison(kpis, None));
    };
    let other = Policy::from_toml(&text).map_err(CliError::Policy)?;
    let (first, shadow) = world.replay(Some(&other))?;
    world.policy = other;
    world.past = match past {
        Some(past) => world.read_past(past)?,
        None => None,
    };
    let kpis = vec![("policy".to_owned(), first), ("against".to_owned(), world.replay(None)?.0)];
    Ok(world.comparison(kpis, shadow))
}

fn plots(kpis: &[(String, Kpis)]) -> Vec<(String, String)> {
    let curves: Vec<svg::Series<'_>> =
        kpis.iter().map(|(name, k)| svg::Series { name, values: &k.cost_curve }).collect();
    let cost = svg::lines("Cost over the orders", "cost", CURVE_ORDERS, &curves);
    let bar = |title: &str, unit: &str, of: fn(&Kpis) -> f64| {
        let values: Vec<(&str, [f64; 1])> =
            kpis.iter().map(|(name, k)| (name.as_str(), [of(k)])).collect();
        let series: Vec<svg::Series<'_>> =
            values.iter().map(|(name, values)| svg::Series { name, values }).collect();
        svg::bars(title, unit, &series)
    };
    vec![
        ("cost.svg".to_owned(), cost),
        ("cost_per_order.svg".to_owned(), bar("Cost an order", "cost", |k| k.cost_per_order)),
        ("split_rate.svg".to_owned(), bar("Split rate", "%", |k| k.split_rate * 100.0)),
        ("distance.svg".to_owned(), bar("Mean distance", "km", |k| k.distance_km_mean)),
    ]
}

/// The files, read once.
struct World {
    policy: Policy,
    nodes: Vec<crate::node::NodeSpec>,
    stock: Vec<crate::network::StockSpec>,
    orders: Vec<Order>,
    past: Option<Vec<Order>>,
    /// SKUs and channels that orders name, in the order they were first seen.
    sku_names: Vec<crate::Label>,
    channel_names: Vec<crate::Label>,
    range: (Timestamp, Timestamp),
    skip_bad: bool,
    skipped: Vec<(&'static str, usize)>,
    unknown_columns: Vec<(&'static str, String)>,
}

impl World {
    fn read<N: Read, I: Read, O: Read, P: Read>(
        args: RouteArgs<N, I, O, P>,
    ) -> Result<World, CliError> {
        let policy = Policy::from_toml(&args.policy).map_err(CliError::Policy)?;
        let mut world = World {
            policy,
            nodes: Vec::new(),
            stock: Vec::new(),
            orders: Vec::new(),
            past: None,
            sku_names: Vec::new(),
            channel_names: Vec::new(),
            range: (Timestamp(0), Timestamp(0)),
            skip_bad: args.skip_bad,
            skipped: Vec::new(),
            unknown_columns: Vec::new(),
        };
        world.nodes = world.take("nodes", read_nodes(args.nodes))?;
        world.stock = world.take("inventory", read_stock(args.inventory))?;
        let mut network =
            Network::build(world.nodes.clone(), world.stock.clone()).map_err(CliError::Network)?;
        let orders = read_orders(args.orders, &mut network);
        world.orders = world.take("orders", orders)?;
        world.remember_names(&network);
        let placed = || world.orders.iter().map(|order| order.placed);
        let last = placed().max().unwrap_or_default();
        let due = world.orders.iter().filter_map(|order| order.deadline).max();
        let end = last.max(due.unwrap_or_default());
        world.range = (placed().min().unwrap_or_default(), Timestamp(end.0 + HOURS_AFTER_MS));
        if let Some(past) = args.past {
            world.past = world.read_past(past)?;
        }
        Ok(world)
    }

    fn read_past<P: Read>(&mut self, past: P) -> Result<Option<Vec<Order>>, CliError> {
        let mut network = self.network()?;
        let past = self.take("forecast", read_orders(past, &mut network))?;
        self.remember_names(&network);
        Ok(Some(past))
    }

    fn remember_names(&mut self, network: &Network) {
        let skus = (0..network.skus() as u32).map(crate::order::SkuNo);
        self.sku_names = skus.map(|sku| network.sku_name(sku).clone()).collect();
        self.channel_names = network.channels().to_vec();
    }

    /// Build the network anew, with every number the orders use.
    fn network(&self) -> Result<Network, CliError> {
        let mut network =
            Network::build(self.nodes.clone(), self.stock.clone()).map_err(CliError::Network)?;
        for name in &self.sku_names {
            network.intern_sku(name).map_err(CliError::Network)?;
        }
        for name in &self.channel_names {
            network.intern_channel(name).map_err(CliError::Network)?;
        }
        network.compile_hours(self.range.0, self.range.1).map_err(|_| CliError::Time)?;
        Ok(network)
    }

    fn forecast(&self) -> Option<Forecast> {
        self.past.as_ref().map(Forecast::learn)
    }

    fn replay(&self, shadow: Option<&Policy>) -> Result<(Kpis, Option<ShadowTally>), CliError> {
        let network = self.network()?;
        let rules = Ruleset::new(self.policy.clone(), &network);
        let bound = hindsight_bound(&network, &rules, &self.orders);
        let other = shadow.map(|policy| Ruleset::new(policy.clone(), &network));
        let mut shadow = other.as_ref().map(|rules| Shadow::new(&network, rules));
        let tally = replay(&network, &rules, &self.orders, self.forecast(), |_, order, plan| {
            if let Some(shadow) = &mut shadow {
                shadow.compare(order, plan);
            }
        });
        Ok((tally.finish(bound), shadow.map(Shadow::finish)))
    }

    fn comparison(self, kpis: Vec<(String, Kpis)>, shadow: Option<ShadowTally>) -> Comparison {
        let plots = plots(&kpis);
        let World { skipped, unknown_columns, .. } = self;
        Comparison { kpis, shadow, plots, skipped, unknown_columns }
    }

    fn take<T>(
        &mut self,
        file: &'static str,
        read: Result<Rows<T>, CsvError>,
    ) -> Result<Vec<T>, CliError> {
        let rows = read.map_err(|error| CliError::Csv(file, error))?;
        let unknown = rows.unknown_columns.into_iter().map(|column| (file, column));
        self.unknown_columns.extend(unknown);
        if rows.bad_count > 0 {
            if !self.skip_bad {
                return Err(CliError::BadRows(file, rows.bad, rows.bad_count));
            }
            self.skipped.push((file, rows.bad_count));
        }
        Ok(rows.rows)
    }
}
