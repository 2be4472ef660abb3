//! System calls of a real server that fail, one at a time: strace answers them in the kernel's place.
//!
//! A server under a small load has its `n`th write, sync, rename or removal answered with an error or a
//! short count, or is killed at it, for one `n` after the other until there is no such call. What it does then is its business: refuse, or
//! end. After that it is started again without faults, everybody asks again, and everything that was
//! told is compared with what the folder holds; `onrush verify` has its say too.
//!
//! | fault | what the server sees |
//! |---|---|
//! | `EIO` | the disk failed; after a failed sync nobody knows what reached it |
//! | `ENOSPC` | the disk is full, this once |
//! | short | nothing was written, and no error: the call returns 0 |
//! | cut | 512 bytes are said to be written, and are not: a disk that lies |
//! | kill | `SIGKILL` at the call, which is not made: the named points of a crash |
//!
//! No journal can keep its word on a disk that lies. After a cut, what was told is there, or the folder
//! is refused with the place of the damage: it is never wrong in silence.
//! Source: strace(1), `--inject`; calls are counted for each thread.

use crate::arrivals::Arrivals;
use crate::check::{Rules, check};
use crate::client::Client;
use crate::crowd::{CrowdSpec, mix_named};
use crate::folder::{Folder, FolderError};
use crate::run::{Identity, Played, RunSpec, block_on, run};
use crate::server::{Launch, Server};
use crate::verdict::Verdict;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const BUYERS: u32 = 40;
const ARRIVALS_PER_SECOND: f64 = 400.0;
const SUPPLY: u32 = 30;
const HOLD: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const NAME: &str = "demo";
/// The file of a data folder that is written in plain writes.
const SECRET: &str = "secret.new";

/// Nobody who waits for a hold's end: each call that fails is a sale of its own.
const MIX: &str = "buys=50,double-clicks=15,grabs=5,never-pays=5,pays-in-parts=5,pays-half=5,\
                   releases=10,cancels=5";

/// The calls that change a data folder: positioned writes, plain ones (its secret, its first files),
/// syncs of files and of the folder, a file that gets its name, and one that goes.
pub const CALLS: [&str; 6] = ["pwrite64", "write", "fdatasync", "fsync", "rename", "unlink"];

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
    /// Nothing is written, without an error.
    Short,
    /// 512 bytes are not written, and it is said that they are.
    Cut,
    /// The process is killed at it; it is not made.
    Killed,
}

impl Failure {
    /// Every way.
    pub const ALL: [Failure; 5] =
        [Failure::Broken, Failure::Full, Failure::Short, Failure::Cut, Failure::Killed];

    /// Return its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Failure::Broken => "EIO",
            Failure::Full => "ENOSPC",
            Failure::Short => "short",
            Failure::Cut => "cut",
            Failure::Killed => "kill",
        }
    }

    /// Tell whether `call` can fail so.
    pub fn suits(self, call: &str) -> bool {
        match self {
            Failure::Broken | Failure::Killed => true,
            Failure::Full => call != "unlink",
            Failure::Short | Failure::Cut => matches!(call, "pwrite64" | "write"),
        }
    }

    const fn injected(self) -> &'static str {
        match self {
            Failure::Broken => "error=EIO",
            Failure::Full => "error=ENOSPC",
            Failure::Short => "retval=0",
            Failure::Cut => "retval=512",
            Failure::Killed => "signal=SIGKILL",
        }
    }
}

/// One call to fail.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// One of [`CALLS`].
    pub call: &'static str,
    /// How.
    pub failure: Failure,
    /// Which of them, on each thread, from 1.
    pub number: u32,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The call was made, and failed.
    pub happened: bool,
    /// The server ended, or did not start.
    pub ended: bool,
    /// The folder was refused afterwards: only a disk that lies may bring that about.
    pub refused: bool,
    /// What was told against what is.
    pub verdict: Verdict,
}

/// Return why no call can be made to fail here, if so.
pub fn why_not() -> Option<String> {
    let there =
        Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        return Some("`strace` is not installed".to_owned());
    }
    let tried = Command::new("strace").args(["-D", "-o", "/dev/null", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("tracing is not allowed here ({})", said.trim()))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// What many failed calls came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    /// Calls that failed, each in a sale of its own.
    pub failed: u64,
    /// Servers that ended.
    pub ended: u64,
    /// Folders that were refused after a disk that lied.
    pub refused: u64,
    /// Violations of any promise.
    pub violations: u64,
    /// Acknowledgements and other things that were held against the folders.
    pub looked_at: u64,
}

/// Let each of the first `most` calls of each kind fail in each way, in folders of their own below
/// `home`. `told` hears of each sale; the first one that breaks a promise is the last one.
///
/// # Errors
/// As [`play`], with the call that failed.
pub fn fail_each(
    program: &Path,
    home: &Path,
    most: u32,
    seed: u64,
    mut told: impl FnMut(Fault, &Outcome),
) -> io::Result<Total> {
    let mut total = Total::default();
    let ways = CALLS.iter().flat_map(|&call| Failure::ALL.map(|failure| (call, failure)));
    for (call, failure) in ways.filter(|(call, failure)| failure.suits(call)) {
        for number in 1..=most {
            let fault = Fault { call, failure, number };
            let folder = home.join(format!("{call}-{}-{number}", failure.as_str()));
            fs::create_dir_all(&folder)?;
            let outcome = play(program, &folder, fault, seed + u64::from(number))
                .map_err(|error| io::Error::other(format!("{fault:?}: {error}")))?;
            let checks = &outcome.verdict.checks;
            total.failed += u64::from(outcome.happened);
            total.ended += u64::from(outcome.ended);
            total.refused += u64::from(outcome.refused);
            total.violations += checks.iter().map(|check| check.violations).sum::<u64>();
            total.looked_at += checks.iter().map(|check| check.looked_at).sum::<u64>();
            told(fault, &outcome);
            if total.violations > 0 {
                return Ok(total);
            }
            fs::remove_dir_all(&folder)?;
            if !outcome.happened {
                break;
            }
        }
    }
    Ok(total)
}

/// Play a small sale in which one call fails, in an empty folder.
///
/// # Errors
/// When a server does not start though nothing fails, or a folder cannot be read.
pub fn play(program: &Path, home: &Path, fault: Fault, seed: u64) -> io::Result<Outcome> {
    let plain = Launch {
        program: program.to_owned(),
        home: home.to_owned(),
        supply: SUPPLY,
        limit: 1,
        hold_ms: HOLD.as_millis() as u64,
    };
    let log = home.join("calls.log");
    let traced = Launch { program: traced(program, home, &log, fault)?, ..plain.clone() };
    let lies = fault.failure == Failure::Cut;
    let begun = traced.start(None);
    let started = begun.is_ok();
    let server = match begun {
        Ok(server) => server,
        Err(_) => match plain.start(None) {
            Ok(server) => server,
            Err(_) if lies => return Ok(refused(happened(&log, fault)?)),
            Err(error) => return Err(error),
        },
    };
    let (played, lasted) = block_on(crowd(server, &plain, seed))??;
    let happened = happened(&log, fault)?;
    let Some(played) = played else {
        let error = || io::Error::other("it did not start again without a fault");
        return if lies { Ok(refused(happened)) } else { Err(error()) };
    };
    let data = plain.data();
    let rules = Rules { limit_per_buyer: 1, quiet: false };
    let folder = match Folder::read(&data, |_, _| {}) {
        Ok(folder) => folder,
        Err(FolderError::Broken(_)) if lies => return Ok(refused(happened)),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut verdict = check(&played.told, &folder.truth(NAME), rules);
    verdict.checks.push(folder.history.at_their_lsn(&played.told));
    verdict.extend(folder.verdict());
    let verified = Command::new(program).arg("verify").arg(&data).output()?;
    if !verified.status.success() {
        let said = String::from_utf8_lossy(&verified.stdout);
        return Err(io::Error::other(format!("onrush verify: {said}")));
    }
    Ok(Outcome { happened, ended: !(started && lasted), refused: false, verdict })
}

fn refused(happened: bool) -> Outcome {
    Outcome { happened, ended: true, refused: true, verdict: Verdict::default() }
}

/// Write a program that runs the server under strace; the server is its own process, to be killed.
fn traced(program: &Path, home: &Path, log: &Path, fault: Fault) -> io::Result<PathBuf> {
    let Fault { call, failure, number } = fault;
    let script = home.join("traced.sh");
    let inject = format!("inject={call}:{}:when={number}", failure.injected());
    // A plain write may also wake a thread or answer a caller: only the secret's are a disk's.
    let only = match call {
        "write" => format!("-P '{}'", home.join("data").join(SECRET).display()),
        _ => String::new(),
    };
    let text = format!(
        "#!/bin/sh\nexec strace -D -f -q -o '{}' {only} -e trace={call} -e '{inject}' '{}' \"$@\"\n",
        log.display(),
        program.display(),
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

/// Tell whether the call was made. Of a process that dies at it nothing says that strace did it: then
/// one of its threads has come to the number.
fn happened(log: &Path, fault: Fault) -> io::Result<bool> {
    let log = fs::read_to_string(log)?;
    if fault.failure != Failure::Killed {
        return Ok(log.contains("(INJECTED)"));
    }
    let made = format!(" {}(", fault.call);
    let mut calls: BTreeMap<&str, u32> = BTreeMap::new();
    for (thread, _) in log.lines().filter_map(|line| line.split_once(&made)) {
        *calls.entry(thread.trim()).or_default() += 1;
    }
    Ok(calls.values().any(|calls| *calls >= fault.number))
}

/// Play the crowd; start the server again, without faults, when it ends. `None`: it does not start.
/// At the end it is killed, started once more and killed again.
async fn crowd(server: Server, plain: &Launch, seed: u64) -> io::Result<(Option<Played>, bool)> {
    let public = Client::new(server.public, 16, Duration::from_secs(10));
    let admin = Client::new(server.admin, 8, Duration::from_secs(10));
    admin.set_token(&server.token).map_err(io::Error::other)?;
    let over = Cell::new(false);
    let played = async {
        let spec = RunSpec {
            campaign: NAME.to_owned(),
            identity: Identity::DevHeader,
            hold: Duration::ZERO,
            patience: Duration::from_secs(20),
            come_back_max: 0,
            details: String::new(),
        };
        let crowd = CrowdSpec {
            buyers: BUYERS,
            arrivals: Arrivals::Poisson { per_second: ARRIVALS_PER_SECOND },
            mix: mix_named(MIX).expect("the words of the crowd"),
            skus: vec!["unit".to_owned()],
            think_max: Duration::from_millis(20),
            seed,
        };
        let played = run(&spec, &public, Some(&admin), crowd.visits(), |_| {}).await;
        over.set(true);
        played
    };
    let keep_up = async {
        let (mut server, mut lasted) = (server, true);
        let at = server.addresses();
        while !over.get() {
            tokio::time::sleep(LOOK_EVERY).await;
            if server.has_ended()? {
                lasted = false;
                match plain.start(Some(at)) {
                    Ok(again) => server = again,
                    Err(_) => return Ok(None),
                }
            }
        }
        if server.has_ended()? {
            lasted = false;
        } else {
            server.kill()?;
        }
        match plain.start(Some(at)) {
            Ok(again) => again.kill().map(|()| Some(lasted)),
            Err(_) => Ok::<_, io::Error>(None),
        }
    };
    tokio::pin!(played, keep_up);
    tokio::select! {
        kept = &mut keep_up => Ok((None, kept?.unwrap_or(false))),
        played = &mut played => {
            let lasted = keep_up.await?;
            Ok((lasted.map(|_| played), lasted.unwrap_or(false)))
        }
    }
}
