//! Node: fastify and ioredis in front of Redis.

use super::redis::{Fronted, SCRIPT, Store, Sync};
use super::{Setup, write};
use crate::process::{Server, finish, free_port};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::process::Command;

/// Start it.
///
/// # Errors
/// When Node, its packages or Redis are not there, or it does not start.
pub(crate) fn redis(setup: &Setup, sync: Sync) -> Result<Fronted> {
    let node = finish(Command::new("node").arg("--version")).context("node is not there")?;
    let sources = std::fs::canonicalize(setup.sources.join("node"))?;
    ensure!(
        sources.join("node_modules/fastify").exists(),
        "its packages are not installed; run `npm ci` in benches/compare/node"
    );
    let store = Store::start(setup, sync)?;
    let (folder, addr) = (setup.below("node")?, free_port()?);
    let script = write(&folder, "reserve.lua", SCRIPT)?;
    let server = Server::new("node", &folder)
        .args([sources.join("server.js").to_string_lossy().into_owned()])
        .env("NODE_ENV", "production")
        .env("PORT", addr.port().to_string())
        .env("REDIS_PORT", store.addr.port().to_string())
        .env("SCRIPT", script.to_string_lossy())
        .env("WORKERS", setup.place.workers().to_string())
        .ended_by(Signal::TERM);
    let mut front = server.start(setup.place)?;
    front.wait_for(addr)?;
    let version = |package: &str| -> Result<String> {
        let manifest = sources.join("node_modules").join(package).join("package.json");
        let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest)?)?;
        Ok(format!("{package} {}", manifest["version"].as_str().unwrap_or("?")))
    };
    let configuration = format!(
        "Node {}, {}, {} with automatic pipelining",
        node.trim().trim_start_matches('v'),
        version("fastify")?,
        version("ioredis")?
    );
    Ok(Fronted { front, addr, store, configuration })
}
