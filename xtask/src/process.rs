//! Runs a command, shows what it prints, counts the tests that its runner reports, and leaves no
//! process of it behind.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal};
use std::ops::AddAssign;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// No step takes this long; one that does hangs, and is ended.
const STEP_MINUTES_MAX: u64 = 40;

/// Tests as their runner counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that did not run.
    pub skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// It exited with 0 in time.
    pub ok: bool,
    /// What its test runner counted.
    pub counts: Counts,
}

/// Return `cargo` as this process was started by, working in `root`.
pub fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command(cargo, root)
}

/// Return a command that works in `root` and reads no input.
pub fn command(program: impl AsRef<OsStr>, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).stdin(Stdio::null());
    command
}

/// Run `command` to its end, or to the end of the step's time, showing and counting what it prints.
///
/// Where nobody sits at a terminal, everything it started is ended with it.
///
/// # Errors
/// When the command cannot be started.
pub fn run(command: &mut Command) -> Result<Ran> {
    println!("$ {}", shown(command));
    // At a terminal the group stays one, so that Ctrl-C reaches everything.
    let own_group = !std::io::stdin().is_terminal();
    if own_group {
        command.process_group(0);
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("`{program}` cannot be started"))?;
    let (counts, in_time) = follow(&mut child, Duration::from_secs(STEP_MINUTES_MAX * 60));
    if !in_time {
        println!("no end after {STEP_MINUTES_MAX} minutes; ending it");
        child.kill().context("ending a step that hangs")?;
    }
    let status: ExitStatus = child.wait().context("waiting for a step")?;
    if own_group {
        end_group(child.id());
    }
    Ok(Ran { ok: in_time && status.success(), counts })
}

/// Print lines as they come and count; stop when the pipe closes or time is up.
fn follow(child: &mut Child, time: Duration) -> (Counts, bool) {
    let stdout = child.stdout.take().expect("piped by the caller");
    let (send, lines) = channel();
    // Ends with the pipe: nobody waits for it when a process left behind keeps the pipe open.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    let until = std::time::Instant::now() + time;
    let mut counts = Counts::default();
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        match lines.recv_timeout(left.min(Duration::from_millis(500))) {
            Ok(line) => {
                println!("{line}");
                counts += count(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return (counts, true),
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return (counts, false),
            Err(RecvTimeoutError::Timeout) => {
                // The command is over, but a process it left behind keeps the pipe open.
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return (counts, true);
                }
            }
        }
    }
}

/// End what a step left running, servers first of all. The shell's own `kill` is always there.
fn end_group(group: u32) {
    let script = format!("kill -s KILL -- -{group} 2>/dev/null");
    let ended = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status();
    if ended.is_ok_and(|status| status.success()) {
        println!("ended what the step left running");
    }
}

/// Read `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
fn count(line: &str) -> Counts {
    let mut counts = Counts::default();
    let Some(rest) = line.trim_start().strip_prefix("test result: ") else { return counts };
    for part in rest.split([';', '.']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(word)) = (words.next(), words.next()) else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

fn shown(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let settings = settings.map(|(k, v)| format!("{}={:?} ", k.to_string_lossy(), v));
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|arg| format!(" {}", arg.to_string_lossy()));
    let program = [program.to_string_lossy().into_owned()];
    settings.chain(program).chain(arguments).collect()
}

/// Find `program` on the path, or where servers are and no path leads.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// Tell whether `command` can be started and ends well, printing nothing.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = command("sh", Path::new("."));
        command.args(["-c", script]);
        command
    }

    #[test]
    fn counts_what_the_runner_reports() {
        let line = "test result: FAILED. 18 passed; 1 failed; 2 ignored; 0 measured; 7 filtered out; finished in 0.71s";
        assert_eq!(count(line), Counts { passed: 18, failed: 1, skipped: 2 });
        assert_eq!(count("18 passed; 1 failed"), Counts::default());
        assert_eq!(count("test a::passed ... ok"), Counts::default());
    }

    #[test]
    fn adds_up_and_tells_success() {
        let ok = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'";
        let ran = run(&mut sh(&format!("{ok}; {ok}"))).expect("a shell");
        assert!(ran.ok);
        assert_eq!(ran.counts, Counts { passed: 4, failed: 0, skipped: 0 });
        assert!(!run(&mut sh("exit 3")).expect("a shell").ok);
        assert!(run(&mut command("no-such-program", Path::new("."))).is_err());
    }

    #[test]
    fn does_not_wait_for_what_a_step_left_running() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = folder.path().join("pid");
        let mut step = sh(&format!("sleep 1000 & echo $! > {}", note.display()));
        let mut child = step.process_group(0).stdout(Stdio::piped()).spawn().expect("a shell");
        let (_, in_time) = follow(&mut child, Duration::from_secs(60));
        assert!(in_time);
        child.wait().expect("a shell");
        let left = std::fs::read_to_string(&note).expect("written before the shell ended");
        assert!(is_running(left.trim()), "or there is nothing to end");
        end_group(child.id());
        // The kernel may take a moment; only a process that lives on keeps this going.
        while is_running(left.trim()) {
            std::thread::yield_now();
        }
    }

    /// A process that is over has no command line, even before its parent reads its end.
    fn is_running(pid: &str) -> bool {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
    }

    #[test]
    fn shows_the_command_as_one_would_type_it() {
        let mut cargo = command("/some/where/cargo", Path::new("."));
        cargo.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--no-deps"]);
        assert_eq!(shown(&cargo), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn finds_programs() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program"));
    }
}
