//! `cargo xtask compare`: makes ready and runs `benches/compare`, which is a workspace of its own so that
//! no other command builds any of it.

use crate::process::{cargo, command, on_path, run};
use crate::{setup, steps};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Its folder.
const FOLDER: &str = "benches/compare";

/// Its manifest.
pub const MANIFEST: &str = "benches/compare/Cargo.toml";

/// Arguments that need nothing but the program itself.
const TELLING: [&str; 3] = ["--help", "-h", "--list"];

/// Install what rivals need, build both sides in release, and run the comparison with `arguments`.
///
/// A rival that cannot be installed is named by the program, which then refuses, or with `--partial`
/// leaves its row out.
///
/// # Errors
/// When something cannot be started or built.
pub fn compare(root: &Path, arguments: &[String]) -> Result<bool> {
    let target = steps::target_folder(root)?;
    let telling = arguments.iter().any(|argument| TELLING.contains(&argument.as_str()));
    if !telling {
        if !setup::prepare_rivals(root)? {
            println!("rivals that need what is missing will be named");
        }
        install_node_packages(root)?;
        let onrush = ["build", "--release", "-p", "onrush-cli"];
        if !run(cargo(root).args(onrush))?.ok {
            bail!("onrush did not build");
        }
    }
    let own_target = own_target(&target);
    let build = ["build", "--release", "--locked", "--manifest-path", MANIFEST];
    if !run(cargo(root).args(build).env("CARGO_TARGET_DIR", &own_target))?.ok {
        bail!("{FOLDER} did not build");
    }
    let mut compare = command(own_target.join("release/onrush-compare"), root);
    compare.arg("--onrush").arg(target.join("release/onrush")).args(["--sources", FOLDER]);
    // Not `run`: many rounds take longer than a step may.
    let status = compare.args(arguments).status().context("the comparison did not start")?;
    Ok(status.success())
}

/// Return where it is built: apart, since features of shared dependencies differ.
pub fn own_target(target: &Path) -> PathBuf {
    target.join("compare")
}

/// Let npm install what the lockfile names, when that changed.
fn install_node_packages(root: &Path) -> Result<()> {
    let folder = root.join(FOLDER).join("node");
    let changed = |path: PathBuf| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let installed = changed(folder.join("node_modules/.package-lock.json"));
    if installed >= changed(folder.join("package-lock.json")) && installed.is_some() {
        return Ok(());
    }
    if on_path("npm") && !run(command("npm", &folder).arg("ci"))?.ok {
        println!("npm could not install the packages of the rival on Node");
    }
    Ok(())
}
