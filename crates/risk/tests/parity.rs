//! Models that are trained here and now, by the libraries that own the formats, against what those
//! libraries say of 100,000 rows each.
//!
//! Needs a Python with the packages of `tests/requirements.txt`: `cargo xtask setup` makes one in
//! `target/risk-venv`; `ONRUSH_RISK_PYTHON` names another. Without it the test says so and checks
//! nothing.
#![allow(clippy::print_stdout)]

use onrush_risk::SIGNALS;
use onrush_risk::forest::Forest;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROWS: usize = 100_000;

/// As much as a probability may differ.
const FAR: f64 = 1e-6;

const MODELS: [(&str, &str); 5] = [
    ("lightgbm", "txt"),
    ("lightgbm_zero", "txt"),
    ("xgboost", "json"),
    ("forest", "onnx"),
    ("boosted", "onnx"),
];

/// Find a Python that has the libraries.
fn python() -> Option<PathBuf> {
    let own = std::env::var_os("ONRUSH_RISK_PYTHON").map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target =
        target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
    let python = own.unwrap_or_else(|| target.join("risk-venv/bin/python"));
    let imports = "import lightgbm, onnxruntime, skl2onnx, sklearn, xgboost";
    let ran = Command::new(&python).args(["-c", imports]).output();
    ran.is_ok_and(|ran| ran.status.success()).then_some(python)
}

fn floats<const N: usize, T>(path: &Path, read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let bytes = std::fs::read(path).expect("the trainer wrote it");
    bytes.chunks_exact(N).map(|bytes| read(bytes.try_into().expect("a whole one"))).collect()
}

#[test]
fn forests_equal_the_libraries_that_made_them() {
    let Some(python) = python() else {
        println!("skipped: no Python with lightgbm, xgboost, skl2onnx and onnxruntime");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/train.py");
    let ran = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .arg(ROWS.to_string())
        .output()
        .expect("Python starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let rows: Vec<f32> = floats(&folder.path().join("rows.f32"), f32::from_le_bytes);
    assert_eq!(rows.len(), ROWS * SIGNALS);
    for (name, kind) in MODELS {
        let bytes = std::fs::read(folder.path().join(format!("{name}.{kind}"))).expect("a model");
        let forest = Forest::load(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected: Vec<f64> =
            floats(&folder.path().join(format!("{name}.expected")), f64::from_le_bytes);
        assert_eq!(expected.len(), ROWS, "{name}");
        let told = rows.chunks_exact(SIGNALS).map(|row| forest.probability(row));
        let differences = told.zip(&expected).map(|(told, expected)| (told - expected).abs());
        let worst = differences.fold(0.0, f64::max);
        let spread = expected.iter().fold((1f64, 0f64), |(a, b), p| (a.min(*p), b.max(*p)));
        println!("{name}: {} trees, worst difference {worst:e}", forest.trees());
        assert!(spread.1 - spread.0 > 0.3, "{name} says the same of everything: {spread:?}");
        assert!(worst <= FAR, "{name}: {worst:e}");
        hostile(&bytes);
    }
}

/// What is cut or damaged is refused or loads; it never panics.
fn hostile(bytes: &[u8]) {
    for part in 0..64 {
        let cut = bytes.len() * part / 64;
        let _ = Forest::load(&bytes[..cut]);
        let mut damaged = bytes.to_vec();
        damaged[cut] ^= 0x55;
        let _ = Forest::load(&damaged);
    }
}
