//! `onrush check`: what a configuration or a routing policy comes to, and what about it is dangerous.

use crate::args::CheckArgs;
use crate::out::{Failure, Out};
use onrush::{Clock, SystemClock};
use onrush_gateway::config::{self, Config};
use onrush_router::csv::read_nodes;
use onrush_router::network::Network;
use onrush_router::policy::Policy;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(args: &CheckArgs, out: &Out) -> Result<(), Failure> {
    if let Some(policy) = &args.policy {
        return run_policy(policy, args, out);
    }
    let path = args.config.display();
    std::fs::read(&args.config).map_err(|error| {
        Failure::Failed(format!(
            "{path}: {error}; name the file with --config, or write one with \
                                 `onrush init`"
        ))
    })?;
    let config = match Config::load(&args.config) {
        Ok(config) => config,
        Err(errors) => {
            let list: Vec<Value> = errors.errors.iter().map(|error| {
                json!({"line": error.line, "column": error.column, "field": error.field, "problem": error.problem})
            }).collect();
            let value = json!({"valid": false, "source": errors.source, "errors": list});
            out.result(&value, || format!("{errors}\n"))?;
            return Err(Failure::NotHeld(format!("{path} is not valid")));
        }
    };
    let report = config::check(&config, SystemClock::default().wall());
    let dangers = report
        .dangers
        .iter()
        .map(|danger| json!({"field": danger.field, "problem": danger.problem}));
    let dangers: Vec<Value> = dangers.collect();
    let value = json!({"valid": true, "effective": report.effective, "dangers": dangers});
    out.result(&value, || {
        let mut text = String::new();
        let effective = serde_json::to_string_pretty(&report.effective).unwrap_or_default();
        let _ = writeln!(text, "{path} is valid. Effective values:\n{effective}");
        for danger in &report.dangers {
            let _ = writeln!(text, "danger: {danger}");
        }
        text
    })?;
    if args.strict && !report.dangers.is_empty() {
        return Err(Failure::NotHeld(format!("{} dangers, see above", report.dangers.len())));
    }
    Ok(())
}

fn run_policy(path: &Path, args: &CheckArgs, out: &Out) -> Result<(), Failure> {
    let text = crate::route::text(path)?;
    let path = path.display();
    let policy = match Policy::from_toml(&text) {
        Ok(policy) => policy,
        Err(problems) => {
            let list: Vec<Value> = problems.0.iter().map(|error| {
                json!({"line": error.line, "column": error.column, "field": error.field, "problem": error.message})
            }).collect();
            let value = json!({"valid": false, "source": path.to_string(), "errors": list});
            out.result(&value, || {
                problems.0.iter().map(|error| format!("{path}: {error}\n")).collect()
            })?;
            return Err(Failure::NotHeld(format!("{path} is not valid")));
        }
    };
    let network = args.nodes.as_deref().map(nodes).transpose()?;
    let dangers = policy.dangers(network.as_ref());
    let list: Vec<Value> = dangers
        .iter()
        .map(|danger| json!({"field": danger.field, "problem": danger.problem}))
        .collect();
    let effective = policy.effective();
    let value = json!({"valid": true, "effective": effective, "dangers": list});
    out.result(&value, || {
        let effective = serde_json::to_string_pretty(&effective).unwrap_or_default();
        let mut text = format!("{path} is valid. Effective values:\n{effective}\n");
        for danger in &dangers {
            let _ = writeln!(text, "danger: {}: {}", danger.field, danger.problem);
        }
        text
    })?;
    if args.strict && !dangers.is_empty() {
        return Err(Failure::NotHeld(format!("{} dangers, see above", dangers.len())));
    }
    Ok(())
}

fn nodes(path: &Path) -> Result<Network, Failure> {
    let shown = path.display();
    let rows = read_nodes(crate::route::input(path)?)
        .map_err(|error| Failure::Failed(format!("{shown}: {error}")))?;
    if let Some(bad) = rows.bad.first() {
        return Err(Failure::Failed(format!("{shown}: {bad}")));
    }
    Network::build(rows.rows, Vec::new()).map_err(Failure::of)
}
