//! Makes a fresh Debian machine that has Rust ready: the components of the toolchain and the few
//! packages that the tests need.

use crate::process::{command, on_path, run, succeeds};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// A program that a step needs, the package that has it, and why.
struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need { program: "cc", package: "gcc libc6-dev", why: "links every program" },
    Need { program: "c++", package: "g++", why: "builds the fuzzer's runtime" },
    Need { program: "python3", package: "python3", why: "repeats a draw in another language" },
    Need { program: "nginx", package: "nginx-light", why: "runs the example of a waiting room" },
    Need { program: "caddy", package: "caddy", why: "runs the same example" },
    Need { program: "php", package: "php-cli", why: "runs the snippets for shops" },
    Need { program: "faketime", package: "faketime", why: "steps a running server's clock" },
    Need { program: "strace", package: "strace", why: "lets system calls fail" },
    Need { program: "node", package: "nodejs", why: "builds the pages' scripts" },
    Need { program: "npm", package: "npm", why: "brings what builds and tests them" },
    Need {
        program: "chromium",
        package: "chromium fonts-wqy-microhei",
        why: "opens the pages as people do",
    },
    Need { program: "valgrind", package: "valgrind", why: "counts instructions a request" },
    Need { program: "git", package: "git", why: "lists the files that tidy reads" },
];

/// What building the MIP solver HiGHS needs besides; only the router's bench asks for it.
const SOLVER_NEEDS: &[Need] = &[
    Need { program: "c++", package: "g++", why: "builds the MIP solver" },
    Need { program: "cmake", package: "cmake", why: "builds the MIP solver" },
    Need { program: "llvm-config", package: "llvm-dev libclang-dev", why: "reads its headers" },
];

/// What rivals of the comparison need; only `cargo xtask compare` asks for it.
const RIVAL_NEEDS: &[Need] = &[
    Need { program: "nginx", package: "nginx-light", why: "is a ceiling of the comparison" },
    Need {
        program: "/usr/lib/nginx/modules/ngx_http_lua_module.so",
        package: "libnginx-mod-http-lua lua-cjson",
        why: "runs Lua in nginx",
    },
    Need { program: "redis-server", package: "redis-server", why: "keeps the stock of rivals" },
    Need { program: "node", package: "nodejs", why: "runs a rival" },
    Need { program: "npm", package: "npm", why: "installs that rival's packages" },
    Need { program: "pg_ctlcluster", package: "postgresql", why: "keeps the stock of rivals" },
];

/// A component of the toolchain and the program that it brings.
const COMPONENTS: [(&str, &str); 2] = [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")];

/// Install what is missing; return whether everything is there.
///
/// # Errors
/// When a command cannot be started.
pub fn prepare(root: &Path) -> Result<bool> {
    let mut ready = true;
    for (component, program) in COMPONENTS {
        if !on_path(program) || !succeeds(command(program, root).arg("--version")) {
            println!("{component} is missing");
            let add = &mut command("rustup", root);
            ready &= on_path("rustup") && run(add.args(["component", "add", component]))?.ok;
        }
    }
    prepare_models(root)?;
    Ok(install(root, NEEDS)? && ready)
}

/// Make a Python in which models are trained for the parity test, where there is none. Nothing else
/// needs it: without it that test says that it checked nothing.
fn prepare_models(root: &Path) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let folder = target.join("risk-venv");
    let python = folder.join("bin/python");
    let name = python.to_string_lossy().into_owned();
    let imports = "import lightgbm, onnxruntime, skl2onnx, sklearn, xgboost";
    if python.is_file() && succeeds(command(&name, root).args(["-c", imports])) {
        return Ok(());
    }
    let made = on_path("python3")
        && run(command("python3", root).args(["-m", "venv"]).arg(&folder))?.ok
        && run(command(&name, root).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            "crates/risk/tests/requirements.txt",
        ]))?
        .ok;
    if !made {
        println!("no Python with the libraries of models (package python3-venv, and PyPI): their");
        println!("parity is not checked here");
    }
    Ok(())
}

/// Install what building the MIP solver needs; return whether everything is there.
///
/// # Errors
/// When a command cannot be started.
pub fn prepare_solver(root: &Path) -> Result<bool> {
    install(root, SOLVER_NEEDS)
}

/// Install what rivals of the comparison need; return whether everything is there.
///
/// # Errors
/// When a command cannot be started.
pub fn prepare_rivals(root: &Path) -> Result<bool> {
    install(root, RIVAL_NEEDS)
}

fn install(root: &Path, needs: &[Need]) -> Result<bool> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !on_path(need.program)).collect();
    for need in &missing {
        println!("`{}` is missing: it {} (package {})", need.program, need.why, need.package);
    }
    if missing.is_empty() {
        println!("everything is there");
        return Ok(true);
    }
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| need.package.split_whitespace()).collect();
    let Some(apt) = apt(root) else {
        println!("install it as root: apt-get install -y {}", packages.join(" "));
        return Ok(false);
    };
    let update = run(apt().arg("update"))?.ok;
    let install = ["install", "-y", "--no-install-recommends"];
    Ok(update && run(apt().args(install).args(&packages))?.ok)
}

/// Return how to call apt-get here: as root, or through a sudo that asks for no password.
fn apt(root: &Path) -> Option<impl Fn() -> Command> {
    let is_root = succeeds(command("sh", root).args(["-c", "test \"$(id -u)\" = 0"]));
    let sudo = !is_root && on_path("sudo") && succeeds(command("sudo", root).args(["-n", "true"]));
    let usable = on_path("apt-get") && (is_root || sudo);
    let root = root.to_owned();
    usable.then_some(move || {
        let mut apt = command(if sudo { "sudo" } else { "apt-get" }, &root);
        if sudo {
            apt.args(["-n", "apt-get"]);
        }
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    })
}
