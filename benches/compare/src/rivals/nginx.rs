//! nginx: as a ceiling, and with Lua in front of Redis.

use super::redis::{Fronted, Store, Sync};
use super::{Setup, plain_requests, write};
use crate::check::{Ask, Books};
use crate::client::Requests;
use crate::process::{Running, Server, finish, free_port};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const BARE: &str = include_str!("nginx-bare.conf");
const WITH_LUA: &str = include_str!("nginx.conf");
const HANDLER: &str = include_str!("nginx.lua");

/// Where Debian keeps the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_http_lua_module.so";

/// nginx that answers by itself.
#[derive(Debug)]
pub(crate) struct Bare {
    server: Running,
    addr: SocketAddr,
    configuration: String,
}

/// Start the ceiling.
///
/// # Errors
/// When nginx is not there or does not start.
pub(crate) fn bare(setup: &Setup) -> Result<Bare> {
    let (server, addr) = start(setup, BARE, &setup.below("nginx")?)?;
    Ok(Bare { server, addr, configuration: format!("{}, no log", version()?) })
}

impl super::Contestant for Bare {
    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.id()]
    }

    fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
        Ok(plain_requests(asks))
    }

    fn mark(&self) -> Option<&'static str> {
        None
    }

    fn counted(&self) -> u16 {
        200
    }

    fn books(&mut self) -> Result<Option<Books>> {
        Ok(None)
    }

    fn configuration(&self) -> String {
        self.configuration.clone()
    }
}

/// Start nginx with Lua in front of a Redis.
///
/// # Errors
/// When one of them is not there or does not start.
pub(crate) fn lua(setup: &Setup, sync: Sync) -> Result<Fronted> {
    ensure!(Path::new(MODULE).exists(), "nginx has no Lua module ({MODULE} is not there)");
    let cjson = cjson().context("lua-cjson is not there")?;
    let store = Store::start(setup, sync)?;
    let folder = setup.below("nginx")?;
    let handler = HANDLER
        .replace("@host@", &store.addr.ip().to_string())
        .replace("@port@", &store.addr.port().to_string())
        .replace("@sha@", &store.sha);
    write(&folder, "reserve-over-http.lua", &handler)?;
    let text = WITH_LUA.replace("@cpath@", &cjson);
    let (front, addr) = start(setup, &text, &folder)?;
    let configuration =
        format!("{} with its Lua module, a pool of connections to Redis", version()?);
    Ok(Fronted { front, addr, store, configuration })
}

/// Find the folder with the JSON library, which differs by architecture.
fn cjson() -> Option<String> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let folder =
        libraries.map(|path| path.join("lua/5.1")).find(|f| f.join("cjson.so").exists())?;
    Some(folder.join("?.so").to_string_lossy().into_owned())
}

fn start(setup: &Setup, configuration: &str, folder: &Path) -> Result<(Running, SocketAddr)> {
    let addr = free_port()?;
    let configuration = configuration
        .replace("@workers@", &setup.place.workers().to_string())
        .replace("@addr@", &addr.to_string());
    write(folder, "nginx.conf", &configuration)?;
    // Absolute: nginx is told where it works, and reads the rest from there.
    let prefix = std::fs::canonicalize(folder)?.to_string_lossy().into_owned();
    let arguments = ["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"];
    // Told to end, the first process ends its workers.
    let server = Server::new(program(), folder).args(arguments).ended_by(Signal::TERM);
    let mut server = server.start(setup.place)?;
    server.wait_for(addr)?;
    Ok((server, addr))
}

fn version() -> Result<String> {
    let said = finish(Command::new(program()).arg("-v"))?;
    Ok(said.trim().trim_start_matches("nginx version: ").replace('/', " "))
}

/// Where servers are, no path may lead.
fn program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/nginx");
    if usual.exists() { usual } else { "nginx".into() }
}
