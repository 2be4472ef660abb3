//! What a review should not have to look for: the rules of the house, checked by machine.
//!
//! Each rule is a plain function over a [`Tree`] (and, for imports, over what cargo says), so that
//! its tests plant a violation and see it caught. A [`Finding`] fails; a note is only listed.

pub mod atomics;
pub mod docs;
pub mod imports;
pub mod manifests;
pub mod purity;
pub mod sizes;
pub mod source;
pub mod words;

mod scan;

use anyhow::Result;
use source::Tree;
use std::fmt;
use std::path::Path;

/// A broken rule, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path from the root.
    pub path: String,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl Finding {
    /// Report `what` at `path`:`line`.
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// What one rule found.
#[derive(Debug, Default)]
pub struct Report {
    /// These fail.
    pub findings: Vec<Finding>,
    /// These are worth a look.
    pub notes: Vec<Finding>,
}

/// A rule's name, what it demands, and what it found.
#[derive(Debug)]
pub struct Checked {
    /// Short name.
    pub rule: &'static str,
    /// What it demands.
    pub demands: &'static str,
    /// What it found.
    pub report: Report,
}

/// Check every rule on the project below `root`.
///
/// # Errors
/// When the project cannot be read or cargo does not answer; broken rules are no errors.
pub fn check(root: &Path) -> Result<Vec<Checked>> {
    let tree = Tree::read(root)?;
    let graph = imports::Graph::read(root)?;
    let checked = |rule, demands, report| Checked { rule, demands, report };
    Ok(vec![
        checked("imports", "crates import only downwards", imports::diagram(&graph)),
        checked(
            "parts",
            "each mandatory part is where it earns its place",
            imports::parts(&graph, &tree),
        ),
        checked("sizes", "files and functions stay readable", sizes::check(&tree)),
        checked(
            "purity",
            "below the gateway, time, chance and disk are arguments",
            purity::check(&tree),
        ),
        checked(
            "atomics",
            "each atomic operation says why its ordering is enough",
            atomics::check(&tree),
        ),
        checked("words", "nothing unfinished, nothing of one machine", words::check(&tree)),
        checked("manifests", "each crate follows the workspace", manifests::crates(&tree)),
        checked(
            "dependencies",
            "each dependency has its reason, each reason its dependency",
            manifests::reasons(&tree),
        ),
        checked(
            "lockfiles",
            "packages come from the default registry",
            manifests::lockfiles(&tree),
        ),
        checked("invariants", "each promise names a test that exists", docs::invariants(&tree)),
        checked("links", "links between documents resolve", docs::links(&tree)),
    ])
}
