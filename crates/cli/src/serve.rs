//! `onrush serve`: opens the data folder, serves, and stops without losing anything.

use crate::args::ServeArgs;
use crate::out::{Failure, Out};
use onrush::Engine;
use onrush_gateway::config::Config;
use serde_json::json;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;

/// Where the configuration is looked for.
pub(crate) const CONFIG: &str = "onrush.toml";

/// The exit code of a process that was told twice to stop.
const STOPPED_AT_ONCE: i32 = 130;

pub(crate) fn run(args: &ServeArgs, out: &Out) -> Result<(), Failure> {
    log_to_stderr();
    let config = configuration(args)?;
    let engine = Engine::open(&args.data, config.engine.options()).map_err(|error| {
        Failure::Failed(format!("the data folder {}: {error}", args.data.display()))
    })?;
    engine.on_failure(|error| {
        Out::new(false).note(format_args!(
            "error: {error}\nEverything that was acknowledged is on disk. Check the disk, then start \
             the server again on the same data folder; clients ask again with the same key."
        ));
        std::process::exit(1);
    });
    let stop = Arc::new(Notify::new());
    stop_on_signal(stop.clone())?;
    if args.until_stdin_closes {
        stop_when_stdin_closes(stop.clone());
    }
    let stopped = stop.clone();
    let running = onrush_gateway::serve(&config, engine, async move { stopped.notified().await })
        .map_err(Failure::of)?;
    let (public, admin) = (running.public_addr.to_string(), running.admin_addr.to_string());
    let mut ready = json!({"public": public, "admin": admin});
    if let Some(token) = &running.admin_token {
        ready["admin_token"] = token.as_str().into();
    }
    if let Some(link) = &running.console_link {
        ready["console"] = link.as_str().into();
    }
    // Nobody needs to read it; the server serves all the same.
    match out.raw(format!("{ready}\n").as_bytes()) {
        Ok(()) | Err(Failure::NoReader) => {}
        Err(failure) => return Err(failure),
    }
    running.wait().map_err(Failure::of)
}

/// Read the configuration, or make the one of `--dev`.
fn configuration(args: &ServeArgs) -> Result<Config, Failure> {
    let path = args.config.as_deref().unwrap_or(Path::new(CONFIG));
    let mut config = if args.config.is_some() || path.exists() {
        Config::load(path).map_err(Failure::of)?
    } else if args.dev {
        let mut config = Config::dev(args.supply, args.limit, args.hold.0);
        config.apply_env(|name| std::env::var(name).ok()).map_err(Failure::of)?;
        config
    } else {
        let text = format!(
            "there is no {CONFIG} here; write one with `onrush init`, name one with --config, or try \
             `onrush serve --dev`"
        );
        return Err(Failure::Failed(text));
    };
    config.dev = args.dev;
    config.side = Some(args.data.join("side"));
    Ok(config)
}

fn stop_on_signal(stop: Arc<Notify>) -> Result<(), Failure> {
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        // Relaxed: one thread runs this handler, nothing else reads the flag.
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(STOPPED_AT_ONCE);
        }
        stop.notify_one();
    })
    .map_err(Failure::of)
}

fn stop_when_stdin_closes(stop: Arc<Notify>) {
    std::thread::spawn(move || {
        let mut byte = [0];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut byte).is_ok_and(|read| read > 0) {}
        stop.notify_one();
    });
}

fn log_to_stderr() {
    let level = std::env::var("ONRUSH_LOG").ok().and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::INFO);
    let ansi = false;
    let to_stderr = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(ansi);
    // A second call in one process keeps the first subscriber.
    let _ = to_stderr.with_max_level(level).try_init();
}
