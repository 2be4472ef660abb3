//! What machine the figures are from, and who else used it.

use anyhow::{Result, ensure};
use std::fs;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How statfs(2) names a file system that is memory.
const TMPFS: i64 = 0x0102_1994;

/// Writes of which the middle one tells how long the disk takes.
const WRITES: usize = 201;

/// Refuse a folder in memory: syncing there costs nothing, and nobody would be durable.
///
/// # Errors
/// When it is one.
pub(crate) fn on_disk(folder: &Path) -> Result<()> {
    let kind = rustix::fs::statfs(folder)?.f_type;
    let shown = folder.display();
    ensure!(kind as i64 != TMPFS, "{shown} is in memory; name a folder on a disk with --folder");
    Ok(())
}

/// Return a line about processor, cores, memory and kernel.
pub(crate) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cpu = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cpu}, {cores} cores, {memory}, Linux {}", kernel.trim())
}

/// Return how many wanted a processor during the last minute: those of others, before a run.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Return how long a write of 512 bytes and its fdatasync take, in the middle.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn sync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("sync");
    let mut file = fs::File::create(&path)?;
    file.write_all(&[0; 1 << 20])?;
    file.sync_all()?;
    file.rewind()?;
    let mut times = Vec::new();
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&[1; 512])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    fs::remove_file(path)?;
    times.sort();
    Ok(times[WRITES / 2])
}

/// Return today's date, in UTC.
pub(crate) fn date() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    civil(now.as_secs() / 86_400)
}

/// Days since 1970 as a date: years of 400 repeat, and March begins them so that leap days end them.
fn civil(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dates() {
        let cases =
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_779, "2026-11-22")];
        cases.iter().for_each(|&(days, text)| assert_eq!(civil(days), text));
    }

    #[test]
    fn refuses_memory() {
        if Path::new("/dev/shm").is_dir() {
            assert!(on_disk(Path::new("/dev/shm")).is_err());
        }
        assert!(on_disk(Path::new("/proc/no/such")).is_err());
    }
}
