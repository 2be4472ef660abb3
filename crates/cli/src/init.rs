//! `onrush init`: a commented configuration to start from.

use crate::args::InitArgs;
use crate::out::{Failure, Out};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;

/// The configuration that is written; `tests/contract.rs` sees that it is valid.
const TEMPLATE: &str = include_str!("onrush.init.toml");

pub(crate) fn run(args: &InitArgs, out: &Out) -> Result<(), Failure> {
    let path = args.config.display();
    let fail = |e: std::io::Error| Failure::Failed(format!("{path}: {e}"));
    // `create_new`: somebody's configuration is never overwritten.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&args.config).map_err(fail)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(fail)?;
    let value = json!({"written": args.config});
    out.result(&value, || {
        format!("wrote {path}; change it, then: onrush check --config {path} && onrush serve --config {path}\n")
    })
}
