//! Processes of the contestants: pinned, counted, and ended whatever happens.
//!
//! Each is started through `setpriv --pdeathsig`, so that the kernel ends it when this program is
//! killed; a normal end, an error and Ctrl-C end it here, and take the data folders away.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No server needs longer to be ready, or to end.
const START_SECONDS_MAX: u64 = 60;
const END_SECONDS_MAX: u64 = 10;

/// Where processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Servers on core 0, the load on core 1.
    Pinned,
    /// Wherever the kernel likes.
    Free,
}

impl Place {
    /// Return the worker threads or processes that a server is given.
    pub(crate) fn workers(self) -> usize {
        match self {
            Place::Pinned => 1,
            Place::Free => std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Put this thread, the load, on its core.
    ///
    /// # Errors
    /// When the kernel refuses, as it does where there is no second core.
    pub(crate) fn settle(self) -> Result<()> {
        match self {
            Place::Pinned => pin(1).context("pinning the load to core 1; try --unpinned"),
            Place::Free => Ok(()),
        }
    }
}

fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// A command to be started as a server.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    user: Option<String>,
    end: Signal,
    log: PathBuf,
    folder: PathBuf,
}

impl Server {
    /// Name a program; it works in `folder` and writes what it says into a log there.
    pub(crate) fn new(program: impl Into<PathBuf>, folder: &Path) -> Server {
        let program = program.into();
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}.log"));
        let (arguments, settings) = (Vec::new(), Vec::new());
        let folder = folder.to_owned();
        Server { program, arguments, settings, user: None, end: Signal::KILL, log, folder }
    }

    /// Add arguments.
    pub(crate) fn args<T: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Server {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Set a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Server {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// End it with this signal: one that makes it take its own children with it.
    pub(crate) fn ended_by(mut self, signal: Signal) -> Server {
        self.end = signal;
        self
    }

    /// Run it as another user, where this program may.
    pub(crate) fn owned_by(mut self, user: Option<String>) -> Server {
        self.user = user;
        self
    }

    /// Start it, on the server's core when `place` says so.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(self, place: Place) -> Result<Running> {
        let signal = match self.end {
            Signal::QUIT => "QUIT",
            Signal::TERM => "TERM",
            _ => "KILL",
        };
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", signal]);
        if let Some(user) = &self.user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        let log = fs::File::create(&self.log)?;
        command.arg(&self.program).args(&self.arguments).envs(self.settings);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C at the terminal is for this program, which then ends its servers in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // Held while it starts: an interrupt either finds it in the list or lets none start.
        let mut started = STARTED.lock().expect("no panic inside");
        let before = sched_getaffinity(None)?;
        if place == Place::Pinned {
            // A child inherits the core of the thread that starts it.
            pin(0)?;
        }
        let child = command.spawn();
        sched_setaffinity(None, &before)?;
        let program = self.program.display();
        let child = child.with_context(|| format!("starting {program}"))?;
        started.push((child.id(), self.end));
        Ok(Running { child, end: self.end, log: self.log })
    }
}

/// A server that runs; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    end: Signal,
    log: PathBuf,
}

impl Running {
    /// Return its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Wait until it accepts on `addr`.
    ///
    /// # Errors
    /// When it ends before, with the end of its log, or does not in a minute.
    pub(crate) fn wait_for(&mut self, addr: SocketAddr) -> Result<()> {
        self.wait_until(|_| TcpStream::connect(addr).is_ok().then_some(()))
    }

    /// Wait until it has printed a line, and return the line.
    ///
    /// # Errors
    /// As [`Running::wait_for`].
    pub(crate) fn first_line(&mut self) -> Result<String> {
        self.wait_until(|said| {
            let line = said.lines().find(|line| line.starts_with('{'))?;
            said.contains(&format!("{line}\n")).then(|| line.to_owned())
        })
    }

    /// Wait until `ready` finds, perhaps in what the server has printed, that it is.
    ///
    /// # Errors
    /// As [`Running::wait_for`].
    pub(crate) fn wait_until<T>(&mut self, ready: impl Fn(&str) -> Option<T>) -> Result<T> {
        let until = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            let said = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once ({status}): {}", tail(&said));
            }
            if let Some(done) = ready(&said) {
                return Ok(done);
            }
            ensure!(Instant::now() < until, "not ready in {START_SECONDS_MAX} s: {}", tail(&said));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.child.id();
        let until = Instant::now() + Duration::from_secs(END_SECONDS_MAX);
        send(id, self.end);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Ok(mut started) = STARTED.lock() {
            started.retain(|(other, _)| *other != id);
        }
    }
}

fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

/// What Ctrl-C must end, and how.
static STARTED: Mutex<Vec<(u32, Signal)>> = Mutex::new(Vec::new());

/// End everything and take `folder` away when somebody interrupts this program.
///
/// # Errors
/// When no handler can be set.
pub(crate) fn clean_up_on_interrupt(folder: &Path) -> Result<()> {
    let folder = folder.to_owned();
    let handler = move || {
        // Never let go: whatever this program still does, it starts no server any more.
        let Ok(started) = STARTED.lock() else { std::process::exit(130) };
        started.iter().for_each(|&(id, signal)| send(id, signal));
        let until = Instant::now() + Duration::from_secs(END_SECONDS_MAX);
        let alive = |id: u32| fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|l| !l.is_empty());
        while started.iter().any(|&(id, _)| alive(id)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        started.iter().for_each(|&(id, _)| send(id, Signal::KILL));
        // A file that is being written meanwhile may make it fail once.
        while fs::remove_dir_all(&folder).is_err() && folder.exists() && Instant::now() < until {}
        std::process::exit(130);
    };
    Ok(ctrlc::set_handler(handler)?)
}

fn send(id: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(id as i32) {
        let _ = kill_process(pid, signal);
    }
}

/// Run a command to its end.
///
/// # Errors
/// With what it printed when it fails.
pub(crate) fn finish(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{program} failed: {}",
        tail(&format!("{said}\n{complained}"))
    );
    // `nginx -v` speaks on the other channel.
    Ok(if said.trim().is_empty() { complained } else { said })
}

/// Find a free port of this machine. Somebody else may take it before it is used.
///
/// # Errors
/// When there is none.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Return the processor time of processes and all they started, user and system.
pub(crate) fn cpu_of(roots: &[u32]) -> Duration {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().parse::<u32>();
        let Some((id, stat)) =
            id.ok().and_then(|id| Some((id, stat(&format!("/proc/{id}/stat"))?)))
        else {
            continue;
        };
        children.entry(stat.parent).or_default().push(id);
        // With what its children used that it waited for: those are gone from the list.
        ticks.insert(id, stat.own + stat.ended_children);
    }
    let mut left = roots.to_vec();
    let mut sum = 0;
    while let Some(id) = left.pop() {
        sum += ticks.get(&id).copied().unwrap_or(0);
        left.extend(children.remove(&id).unwrap_or_default());
    }
    in_time(sum)
}

/// Return the processor time of a process's threads whose name starts with `name`.
pub(crate) fn cpu_of_threads(id: u32, name: &str) -> Duration {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| stat(&thread.path().join("stat").to_string_lossy()));
    in_time(stats.filter(|stat| stat.name.starts_with(name)).map(|stat| stat.own).sum())
}

fn in_time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// A line of `/proc/…/stat`, as proc(5) has it.
struct Stat {
    name: String,
    parent: u32,
    own: u64,
    ended_children: u64,
}

fn stat(path: &str) -> Option<Stat> {
    let line = fs::read_to_string(path).ok()?;
    // The name may hold anything, brackets included.
    let (before, after) = line.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    let (own, ended_children) = (number(11)? + number(12)?, number(13)? + number(14)?);
    Some(Stat { name, parent: number(1)? as u32, own, ended_children })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_a_process_and_its_children_use() {
        let me = std::process::id();
        let until = cpu_of(&[me]) + Duration::from_millis(200);
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        while cpu_of(&[me]) < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(cpu_of(&[child.id()]) > Duration::ZERO);
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        assert!(cpu_of(&[me]) >= until, "also of a child that is over");
        assert_eq!(cpu_of(&[]), Duration::ZERO);
    }

    #[test]
    fn ends_a_server_and_tells_why_one_did_not_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let sleeper = Server::new("/bin/sleep", folder.path()).args(["1000"]);
        let running = sleeper.start(Place::Free).expect("started");
        let id = running.id();
        drop(running);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        let failing = Server::new("/bin/sh", folder.path()).args(["-c", "echo no luck; exit 3"]);
        let error = failing.start(Place::Free).expect("started").first_line().expect_err("ends");
        assert!(error.to_string().contains("no luck"), "{error}");
    }
}
