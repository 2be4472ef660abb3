//! Ask the tests about each mutant: the quickest of those that reach it first, until one fails.

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A test that runs away takes no more memory than this, in KiB.
const MEMORY_KIB: u32 = 8 << 20;
/// A mutant may slow a test down; what takes so much longer than without one hangs.
const TIMES_SLOWER: u32 = 25;
const SECONDS_MORE: u64 = 8;
/// Small tests of one program share a process up to this: starting it costs more than they do.
const SHARED: Duration = Duration::from_millis(120);

/// A test, or a run of the simulator.
pub(super) struct Test {
    program: PathBuf,
    folder: PathBuf,
    arguments: Vec<String>,
    /// Goes behind the arguments, perhaps with others; what cannot share a process has none.
    name: Option<String>,
    took: Duration,
    reached: BTreeSet<u32>,
}

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Caught,
    /// A test did not come to its end.
    Hung,
    Survived,
    /// No test comes there.
    Unreached,
}

impl Test {
    pub(super) fn new(program: PathBuf, folder: PathBuf, arguments: &[&str]) -> Test {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (took, reached) = (Duration::ZERO, BTreeSet::new());
        Test { program, folder, arguments, name: None, took, reached }
    }

    /// One test of a program of tests.
    pub(super) fn named(program: PathBuf, folder: PathBuf, name: &str) -> Test {
        let test = Test::new(program, folder, &["--test-threads=1", "--exact"]);
        Test { name: Some(name.to_owned()), ..test }
    }
}

/// A process: one test, or several small ones of a program.
struct Process<'a> {
    first: &'a Test,
    names: Vec<&'a str>,
    took: Duration,
}

impl<'a> Process<'a> {
    fn new(test: &'a Test) -> Process<'a> {
        Process { first: test, names: test.name.as_deref().into_iter().collect(), took: test.took }
    }

    /// Take `other` in, where both are small tests of one program.
    fn share(&mut self, other: &'a Test) -> bool {
        let small = self.took + other.took <= SHARED && self.first.program == other.program;
        let Some(name) = other.name.as_deref().filter(|_| small) else { return false };
        self.names.push(name);
        self.took += other.took;
        true
    }

    /// Run it; `None` where it did not end in time. `sh` keeps the memory small and then becomes it.
    fn run(&self, setting: (&str, &str), limit: Duration) -> Result<Option<ExitStatus>> {
        let test = self.first;
        let bounded = format!("ulimit -c 0; ulimit -v {MEMORY_KIB}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &bounded]).arg(&test.program).args(&test.arguments).args(&self.names);
        command.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder);
        command.env(setting.0, setting.1).env("PROPTEST_MAX_SHRINK_ITERS", "0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("a test did not start")?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() > until {
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn limit(&self) -> Duration {
        self.took * TIMES_SLOWER + Duration::from_secs(SECONDS_MORE)
    }
}

/// Run every test without a mutant: how long it takes, and what it reaches.
///
/// # Errors
/// When one fails.
pub(super) fn measure(mut tests: Vec<Test>, work: &Path) -> Result<Vec<Test>> {
    let file = work.join("reached");
    for test in &mut tests {
        std::fs::write(&file, "")?;
        let started = Instant::now();
        let setting = ("MUTANTS_REACHED", file.to_str().context("a path that is text")?);
        let status = Process::new(test).run(setting, Duration::from_secs(300))?;
        if !status.is_some_and(|status| status.success()) {
            bail!("{:?} {:?} fails without a mutant", test.name, test.arguments);
        }
        test.took = started.elapsed();
        let reached = std::fs::read_to_string(&file)?;
        test.reached = reached.lines().map(str::parse).collect::<Result<_, _>>()?;
    }
    tests.sort_by_key(|test| test.took);
    Ok(tests)
}

/// Switch on one mutant after the other, as many at a time as there are cores.
pub(super) fn judge(
    mutants: &[u32],
    tests: &[Test],
    reached_as: &BTreeMap<u32, u32>,
) -> Result<BTreeMap<u32, End>> {
    let ends = Mutex::new(BTreeMap::new());
    let next = Mutex::new(mutants.iter());
    let work = || -> Result<()> {
        loop {
            let Some(id) = next.lock().expect("nobody panics with it").next() else {
                return Ok(());
            };
            let end = judge_one(*id, tests.iter().filter(|t| t.reached.contains(&reached_as[id])))?;
            ends.lock().expect("nobody panics with it").insert(*id, end);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it returns its errors"))
    })?;
    Ok(ends.into_inner().expect("nobody panics with it"))
}

fn judge_one<'a>(id: u32, tests: impl Iterator<Item = &'a Test>) -> Result<End> {
    let mut processes: Vec<Process<'_>> = Vec::new();
    for test in tests {
        if !processes.iter_mut().any(|process| process.share(test)) {
            processes.push(Process::new(test));
        }
    }
    let on = id.to_string();
    let mut end = End::Unreached;
    for process in processes {
        match process.run(("MUTANT", &on), process.limit())? {
            None => return Ok(End::Hung),
            Some(status) if !status.success() => return Ok(End::Caught),
            Some(_) => end = End::Survived,
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A "test" that fails when mutant 7 is on, hangs with 8, and tells that it reached place 7.
    fn shell(script: &str) -> Test {
        Test::new("/bin/sh".into(), std::env::temp_dir(), &["-c", script])
    }

    #[test]
    fn a_mutant_is_caught_hangs_survives_or_is_not_reached() {
        let script = "[ -z \"$MUTANTS_REACHED\" ] || echo 7 > \"$MUTANTS_REACHED\"; \
            [ \"$MUTANT\" != 7 ]";
        let folder = tempfile::tempdir().expect("a folder");
        let tests = measure(vec![shell(script)], folder.path()).expect("it passes without");
        let reached_as = BTreeMap::from([(7, 7), (9, 7), (10, 10)]);
        let ends = judge(&[7, 9, 10], &tests, &reached_as).expect("they start");
        assert_eq!((ends[&7], ends[&9], ends[&10]), (End::Caught, End::Survived, End::Unreached));
    }

    #[test]
    fn small_tests_of_one_program_share_a_process() {
        let named = |program: &str, name, ms| {
            let test = Test::named(program.into(), std::env::temp_dir(), name);
            Test { took: Duration::from_millis(ms), ..test }
        };
        let tests = [named("a", "one", 50), named("a", "two", 70), named("a", "three", 1)];
        let mut process = Process::new(&tests[0]);
        assert!(process.share(&tests[1]), "together they are small");
        assert_eq!(process.names, ["one", "two"]);
        assert!(!process.share(&tests[2]), "it is long enough");
        let (other, nameless) = (named("b", "one", 1), shell("exit 0"));
        assert!(!Process::new(&tests[2]).share(&other), "another program");
        assert!(!Process::new(&tests[2]).share(&nameless), "it has no name to be told by");
    }

    #[test]
    fn what_fails_without_a_mutant_judges_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = measure(vec![shell("exit 1")], folder.path()).err().expect("it is refused");
        assert!(error.to_string().contains("fails without a mutant"), "{error}");
    }
}
