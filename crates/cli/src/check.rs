//! `onrush check`: what a configuration comes to, and what about it is dangerous.

use crate::args::CheckArgs;
use crate::out::{Failure, Out};
use onrush::{Clock, SystemClock};
use onrush_gateway::config::{self, Config};
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn run(args: &CheckArgs, out: &Out) -> Result<(), Failure> {
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
