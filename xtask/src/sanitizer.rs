//! Real threads under ThreadSanitizer: the engine's races, built with the standard library, by nightly.
//!
//! It sees what the model checkers do not: the claim table, the read table and every library between
//! them, on real threads. The standard library has to be built with it, or its own locks look like
//! races; so it needs nightly and the library's sources, and says what is missing where they are not.

use crate::process::{command, run, succeeds};
use crate::steps::{End, ended, target_folder};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The only target that this step builds for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What runs: threads that reserve, release, pay and supply at once.
const TESTS: [&str; 3] = ["races", "line_races", "waitlist_races"];

/// Run the engine's races under ThreadSanitizer, or say why that cannot be done here.
///
/// # Errors
/// When cargo cannot be started.
pub fn threads(root: &Path) -> Result<End> {
    let skipped = |why: &str| Ok(End::Skipped(why.to_owned()));
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        return skipped("ThreadSanitizer runs on x86-64 Linux here");
    }
    let Some(sysroot) = nightly(root) else {
        return skipped("needs nightly: rustup toolchain install nightly");
    };
    if !sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
        return skipped(
            "needs the library's sources: rustup component add rust-src --toolchain nightly",
        );
    }
    let target = target_folder(root)?.join("tsan");
    let tests = |more: &[&str]| {
        let mut tests = command("cargo", root);
        tests.args(["+nightly", "test", "-Zbuild-std", "--target", TARGET, "-p", "onrush"]);
        tests.args(TESTS.iter().flat_map(|test| ["--test", *test])).args(more);
        tests.env("RUSTFLAGS", "-Zsanitizer=thread").env("CARGO_TARGET_DIR", &target);
        // The toolchain that runs this one must not win over `+nightly`.
        tests.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
        tests
    };
    if !run(&mut tests(&["--no-run"]))?.ok {
        return skipped("this nightly does not build the engine with its own standard library");
    }
    ended(&mut tests(&[]))
}

/// Return where nightly is, if it is installed.
fn nightly(root: &Path) -> Option<PathBuf> {
    if !succeeds(
        command("rustc", root).arg("+nightly").arg("--version").env_remove("RUSTUP_TOOLCHAIN"),
    ) {
        return None;
    }
    let mut ask = command("rustc", root);
    let said = ask.args(["+nightly", "--print", "sysroot"]).env_remove("RUSTUP_TOOLCHAIN").output();
    let said = String::from_utf8(said.ok()?.stdout).ok()?;
    Some(PathBuf::from(said.trim()))
}
