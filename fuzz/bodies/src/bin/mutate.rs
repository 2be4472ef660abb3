//! `mutate FOLDER SECONDS [SEED]`: changes the seeds of every target blindly for so many seconds each,
//! one target a core, on any toolchain. It sees no coverage, so it goes less far than libFuzzer
//! (`cargo xtask fuzz`); it runs wherever the tests run. What breaks a promise is written to
//! `FOLDER/TARGET/found-…`: commit it with the fix, and every test over the corpora runs it from then on.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use onrush_fuzz::{Body, TARGETS};
use std::error::Error;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const INPUT_BYTES_MAX: usize = 4_096;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, seconds, rest @ ..] = arguments.as_slice() else {
        return Err("usage: mutate FOLDER SECONDS [SEED]".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let seed: u64 = rest.first().map_or(Ok(1), |seed| seed.parse())?;
    let next = AtomicUsize::new(0);
    // Relaxed: each number is handed out once, whatever else is seen.
    let take = || TARGETS.get(next.fetch_add(1, Ordering::Relaxed));
    let work = || -> Result<u32, String> {
        let mut found = 0;
        while let Some(&(name, body)) = take() {
            let target = Target { name, body, folder: Path::new(folder).join(name) };
            found += u32::from(!target.run(time, seed).map_err(|e| format!("{name}: {e}"))?);
        }
        Ok(found)
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let found: Result<Vec<u32>, String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("targets are caught")).collect()
    });
    let found: u32 = found?.iter().sum();
    let word = if found == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {word}. {} passed; {found} failed; 0 ignored",
        TARGETS.len() as u32 - found
    );
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

struct Target {
    name: &'static str,
    body: Body,
    folder: PathBuf,
}

impl Target {
    /// Run it until its time is over or a promise breaks; returns whether all held.
    fn run(&self, time: Duration, seed: u64) -> Result<bool, Box<dyn Error>> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&self.folder)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        let seeds: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
        let mut random = Random(seed);
        let (start, mut runs) = (Instant::now(), 0_u64);
        while start.elapsed() < time {
            let input = random.mutant(&seeds);
            runs += 1;
            if catch_unwind(AssertUnwindSafe(|| (self.body)(&input))).is_err() {
                let path = self.folder.join(format!("found-{seed}-{runs}"));
                std::fs::write(&path, &input)?;
                println!("{}: a promise broke; the input is {}", self.name, path.display());
                return Ok(false);
            }
        }
        println!("{}: {runs} inputs in {:.1} s", self.name, start.elapsed().as_secs_f64());
        Ok(true)
    }
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Change one of the seeds a few times: bits, bytes, numbers at the edge, parts of itself and of
    /// another one.
    fn mutant(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(input.len());
            let length = self.below(input.len() - at).min(64);
            match self.below(7) {
                _ if input.is_empty() => input.push(self.next() as u8),
                0 => input[at] ^= 1 << self.below(8),
                1 => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b'0'][self.below(8)],
                2 => drop(input.drain(at..at + length)),
                3 => {
                    let part = input[at..at + length].to_vec();
                    input.splice(at..at, part);
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    let part = other[from..(from + 64).min(other.len())].to_vec();
                    input.splice(at..at + length, part);
                }
                5 => input.truncate(at),
                _ => input.insert(at, self.next() as u8),
            }
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }
}
