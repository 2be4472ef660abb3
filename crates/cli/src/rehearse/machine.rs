//! What can be asked of this machine before a sale: clock, open files, disk, certificates.

use super::verdict::Reason;
use onrush_load::own::open_files_max;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Syncs that are measured.
const SYNCS: usize = 200;
/// Bytes written before each: a small batch.
const SYNC_BYTES: usize = 4_096;
/// Every buyer waits for a sync: up to this nobody notices, beyond the second a crowd queues.
const SYNC_FINE: Duration = Duration::from_millis(20);
const SYNC_STOP: Duration = Duration::from_millis(200);
/// A clock further off than this opens a sale visibly early or late.
const OFFSET_STOP_MS: f64 = 500.0;
/// Files beside connections: segments, side files, sockets, timers.
const OTHER_FILES: u64 = 256;
/// Room for the journal, as a multiple of what the rehearsal wrote.
const ROOM: u64 = 4;

/// What a time service says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ClockState {
    /// It follows a time server; so far off, if that is told.
    Synced(Option<f64>),
    /// It follows none.
    Free,
    /// Nobody here tells.
    Unknown,
}

/// Ask whether this machine's clock follows a time server.
pub(super) fn clock() -> Reason {
    judge_clock(read_clock())
}

fn judge_clock(state: ClockState) -> Reason {
    let next =
        "switch on chrony or systemd-timesyncd, and wait until it says that it is synchronised";
    match state {
        ClockState::Synced(Some(ms)) if ms.abs() > OFFSET_STOP_MS => {
            Reason::stop("clock", format!("{ms:.1} ms off, {OFFSET_STOP_MS} ms at most"), next)
        }
        ClockState::Synced(Some(ms)) => {
            Reason::fine("clock", format!("follows a time server, {ms:.1} ms off"))
        }
        ClockState::Synced(None) => Reason::fine("clock", "follows a time server"),
        ClockState::Free => Reason::stop("clock", "follows no time server", next),
        ClockState::Unknown => {
            let found = "no time service tells (asked chronyc and timedatectl)";
            Reason::look(
                "clock",
                found,
                "compare it with another clock by hand; in a container ask its host",
            )
        }
    }
}

fn read_clock() -> ClockState {
    if let Some(text) = said("chronyc", &["-c", "tracking"]) {
        return read_chrony(&text);
    }
    match said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).as_deref() {
        Some("yes") => ClockState::Synced(None),
        Some("no") => ClockState::Free,
        _ => ClockState::Unknown,
    }
}

/// Read `chronyc -c tracking`: fields by commas, the fifth is the offset in seconds, the last the leap status.
fn read_chrony(text: &str) -> ClockState {
    let fields: Vec<&str> = text.split(',').collect();
    let offset_ms = fields.get(4).and_then(|field| field.parse::<f64>().ok()).map(|s| s * 1e3);
    match (fields.last(), offset_ms) {
        (Some(&"Not synchronised"), _) => ClockState::Free,
        (_, Some(offset_ms)) => ClockState::Synced(Some(offset_ms)),
        _ => ClockState::Unknown,
    }
}

/// Return what a program says on its standard output, if it is there and content.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Compare the limit on open files with the connections that are expected.
pub(super) fn files(connections: u64) -> Reason {
    judge_files(open_files_max(), connections + OTHER_FILES)
}

fn judge_files(allowed: Option<u64>, needed: u64) -> Reason {
    match allowed {
        Some(allowed) if allowed < needed => {
            let next = format!(
                "start the server with a limit of {needed} (ulimit -Hn, or LimitNOFILE= of its unit)"
            );
            Reason::stop("open files", format!("{allowed} allowed, {needed} needed"), next)
        }
        Some(allowed) => Reason::fine("open files", format!("{allowed} allowed, {needed} needed")),
        None => Reason::fine("open files", format!("not limited, {needed} needed")),
    }
}

/// Measure how long the disk below `folder` takes to sync a small write.
pub(super) fn disk_sync(folder: &Path) -> Reason {
    match measure_sync(folder) {
        Ok(p99) => judge_sync(p99),
        Err(e) => {
            let next = "the data folder must be on a disk that can be written and synced";
            Reason::stop("disk sync", format!("{}: {e}", folder.display()), next)
        }
    }
}

fn measure_sync(folder: &Path) -> io::Result<Duration> {
    let mut file = tempfile::tempfile_in(folder)?;
    let bytes = [0x5a; SYNC_BYTES];
    // As the journal does it: the blocks are there before they are needed.
    file.write_all(&bytes)?;
    file.sync_all()?;
    let mut took: Vec<Duration> =
        (0..SYNCS).map(|_| one_sync(&mut file, &bytes)).collect::<Result<_, _>>()?;
    took.sort_unstable();
    Ok(took[SYNCS * 99 / 100])
}

fn one_sync(file: &mut File, bytes: &[u8]) -> io::Result<Duration> {
    file.seek(SeekFrom::Start(0))?;
    let from = Instant::now();
    file.write_all(bytes)?;
    file.sync_data()?;
    Ok(from.elapsed())
}

fn judge_sync(p99: Duration) -> Reason {
    let found = format!("99 of 100 take at most {:.1} ms", p99.as_secs_f64() * 1e3);
    let next =
        "use a local disk with power-loss protection, not a network disk, and nothing else on it";
    if p99 > SYNC_STOP {
        Reason::stop("disk sync", format!("{found}, {} ms at most", SYNC_STOP.as_millis()), next)
    } else if p99 > SYNC_FINE {
        Reason::look("disk sync", found, next)
    } else {
        Reason::fine("disk sync", found)
    }
}

/// Compare the free space below `folder` with what a sale writes.
pub(super) fn disk_room(folder: &Path, written: u64) -> Reason {
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge_room(disk.f_bavail.saturating_mul(disk.f_frsize), written),
        Err(e) => {
            let next = "say with --data where the data folder will be";
            Reason::stop("free disk", format!("{}: {e}", folder.display()), next)
        }
    }
}

fn judge_room(free: u64, written: u64) -> Reason {
    let needed = written.saturating_mul(ROOM);
    let mib = |bytes: u64| bytes >> 20;
    let found = format!(
        "{} MiB free, {} MiB needed: {ROOM} times what the rehearsal wrote",
        mib(free),
        mib(needed)
    );
    if free < needed {
        Reason::stop("free disk", found, "make room, or put the data folder on another disk")
    } else {
        Reason::fine("free disk", found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Weight;
    use super::*;

    #[test]
    fn clocks_are_judged_by_what_is_told() {
        for (state, weight) in [
            (ClockState::Synced(Some(0.2)), Weight::Fine),
            (ClockState::Synced(Some(-600.0)), Weight::Stop),
            (ClockState::Synced(None), Weight::Fine),
            (ClockState::Free, Weight::Stop),
            (ClockState::Unknown, Weight::Look),
        ] {
            assert_eq!(judge_clock(state).weight, weight, "{state:?}");
        }
        let line = "A9FEA97B,169.254.169.123,4,1794000000.1,-0.000012,0.0,0.0,1.0,0.0,0.0,0.1,0.0,16.1,Normal";
        assert_eq!(read_chrony(line), ClockState::Synced(Some(-0.012)));
        assert_eq!(read_chrony("7F7F0101,,0,0.0,0.0,Not synchronised"), ClockState::Free);
        assert_eq!(read_chrony("nonsense"), ClockState::Unknown);
    }

    #[test]
    fn limits_are_compared_with_what_is_needed() {
        assert_eq!(judge_files(Some(1_024), 1_025).weight, Weight::Stop);
        assert!(judge_files(Some(1_024), 1_025).next.contains("1025"));
        assert_eq!(judge_files(Some(1_025), 1_025).weight, Weight::Fine);
        assert_eq!(judge_files(None, u64::MAX).weight, Weight::Fine);
        assert_eq!(judge_room(40 << 20, 10 << 20).weight, Weight::Fine);
        assert_eq!(judge_room((40 << 20) - 1, 10 << 20).weight, Weight::Stop);
    }

    #[test]
    fn syncs_are_measured_and_judged() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(measure_sync(dir.path()).expect("a disk") > Duration::ZERO);
        assert_eq!(disk_sync(&dir.path().join("nowhere")).weight, Weight::Stop);
        for (ms, weight) in [(20, Weight::Fine), (21, Weight::Look), (201, Weight::Stop)] {
            assert_eq!(judge_sync(Duration::from_millis(ms)).weight, weight, "{ms}");
        }
        assert_eq!(disk_room(&dir.path().join("nowhere"), 1).weight, Weight::Stop);
    }
}
