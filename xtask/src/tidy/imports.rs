//! The import diagram of the design, as data, against what cargo says; and the mandatory parts.

use super::source::Tree;
use super::{Finding, Report};
use anyhow::{Context, Result, anyhow};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which of our crates each crate may use. Crates that are not listed may not exist below
/// `crates/`; benches, examples, fuzz bodies and xtask stand outside of the diagram.
const MAY_USE: &[(&str, &[&str])] = &[
    ("onrush-types", &[]),
    ("onrush-core", &["onrush-types"]),
    ("onrush-journal", &["onrush-types"]),
    ("onrush", &["onrush-core", "onrush-journal", "onrush-types"]),
    ("onrush-router", &["onrush-types"]),
    ("onrush-notify", &["onrush-types"]),
    ("onrush-cluster", &["onrush", "onrush-types"]),
    ("onrush-oms", &["onrush", "onrush-router", "onrush-types"]),
    ("onrush-risk", &["onrush-types"]),
    (
        "onrush-gateway",
        &["onrush", "onrush-notify", "onrush-risk", "onrush-router", "onrush-types"],
    ),
    ("onrush-load", &["onrush", "onrush-gateway", "onrush-router", "onrush-types"]),
    ("onrush-linear", &["onrush", "onrush-load", "onrush-types"]),
    (
        "onrush-sim",
        &[
            "onrush",
            "onrush-core",
            "onrush-gateway",
            "onrush-journal",
            "onrush-router",
            "onrush-types",
        ],
    ),
    (
        "onrush-cli",
        &[
            "onrush",
            "onrush-cluster",
            "onrush-core",
            "onrush-gateway",
            "onrush-journal",
            "onrush-load",
            "onrush-oms",
            "onrush-risk",
            "onrush-router",
            "onrush-sim",
            "onrush-types",
        ],
    ),
];

/// Crates that know no runtime and no HTTP, however deep.
const BELOW_GATEWAY: [&str; 6] =
    ["onrush-types", "onrush-core", "onrush-journal", "onrush-risk", "onrush-router", "onrush"];
const ABOVE_ONLY: [&str; 5] = ["tokio", "hyper", "hyper-util", "axum", "async-std"];

/// A mandatory part: any of these packages, in one of these places.
struct Part {
    any_of: &'static [&'static str],
    places: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part { any_of: &["crossbeam-utils"], places: &["onrush-core"] },
    Part { any_of: &["crossbeam-queue", "crossbeam-channel"], places: &["onrush"] },
    Part { any_of: &["parking_lot"], places: &["onrush", "onrush-journal", "onrush-gateway"] },
    Part { any_of: &["dashmap"], places: &["onrush-core"] },
    Part { any_of: &["hyper"], places: &["onrush-gateway"] },
    Part { any_of: &["tokio"], places: &["onrush-gateway"] },
    Part { any_of: &["rkyv"], places: &["onrush-core"] },
    Part { any_of: &["proptest"], places: &["onrush-core"] },
    Part { any_of: &["criterion"], places: &["onrush-bench-engine", "onrush-bench-line"] },
];

/// A crate with fewer lines than this is only laid out: parts are demanded of it later.
const LAID_OUT_LINES: usize = 50;

/// A package of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder from the root.
    pub folder: String,
    /// Direct dependencies that are built into it.
    pub uses: BTreeSet<String>,
    /// Direct dependencies of its tests and benches.
    pub tests_use: BTreeSet<String>,
    /// Everything that is built into it, however deep.
    pub reaches: BTreeSet<String>,
}

/// The packages of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All of them.
    pub packages: Vec<Package>,
}

impl Graph {
    /// Ask cargo.
    ///
    /// # Errors
    /// When cargo fails, as it does when the lockfile does not fit the manifests.
    pub fn read(root: &Path) -> Result<Graph> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(["--locked".to_owned()])
            .exec()
            .context("cargo metadata --locked failed; run `cargo check` and commit Cargo.lock")?;
        let built = built_edges(&metadata)?;
        let root = &metadata.workspace_root;
        let packages = metadata.workspace_packages().into_iter().map(|package| {
            let of = |kind: DependencyKind| -> BTreeSet<String> {
                let all = package.dependencies.iter().filter(|d| d.kind == kind);
                all.map(|dependency| dependency.name.clone()).collect()
            };
            let folder = package.manifest_path.parent().and_then(|p| p.strip_prefix(root).ok());
            Package {
                name: package.name.to_string(),
                folder: folder.map(ToString::to_string).unwrap_or_default(),
                uses: of(DependencyKind::Normal),
                tests_use: of(DependencyKind::Development),
                reaches: reach(&built, &package.id)
                    .into_iter()
                    .map(|id| metadata[id].name.to_string())
                    .collect(),
            }
        });
        Ok(Graph { packages: packages.collect() })
    }
}

type Edges<'a> = BTreeMap<&'a PackageId, Vec<&'a PackageId>>;

fn built_edges(metadata: &Metadata) -> Result<Edges<'_>> {
    let resolve = metadata.resolve.as_ref().ok_or_else(|| anyhow!("cargo resolved nothing"))?;
    let built = |dep: &cargo_metadata::NodeDep| {
        dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal && !model_only(kind))
    };
    let edges = resolve.nodes.iter().map(|node| {
        (&node.id, node.deps.iter().filter(|dep| built(dep)).map(|dep| &dep.pkg).collect())
    });
    Ok(edges.collect())
}

/// Dependencies under `cfg(loom)` and `cfg(shuttle)` are built for model checking only.
fn model_only(kind: &cargo_metadata::DepKindInfo) -> bool {
    let target = kind.target.as_ref().map(ToString::to_string).unwrap_or_default();
    ["loom", "shuttle"].iter().any(|checker| target.contains(checker))
}

fn reach<'a>(edges: &Edges<'a>, from: &PackageId) -> BTreeSet<&'a PackageId> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&PackageId> = edges.get(from).cloned().unwrap_or_default();
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            next.extend(edges.get(id).into_iter().flatten());
        }
    }
    seen
}

/// Check every edge between our crates, and what must stay above the gateway.
pub fn diagram(graph: &Graph) -> Report {
    let mut report = Report::default();
    let ours: BTreeSet<&str> = graph.packages.iter().map(|p| p.name.as_str()).collect();
    for package in &graph.packages {
        let manifest = format!("{}/Cargo.toml", package.folder);
        let row = MAY_USE.iter().find(|(name, _)| *name == package.name);
        if row.is_none() && package.folder.starts_with("crates/") {
            let what = format!("`{}` is not in the import diagram; add it there", package.name);
            report.findings.push(Finding::new(&manifest, 0, what));
        }
        let Some((_, may_use)) = row else { continue };
        for name in package.uses.iter().filter(|name| ours.contains(name.as_str())) {
            if !may_use.contains(&name.as_str()) {
                let what =
                    format!("`{}` must not use `{name}`; imports go downwards", package.name);
                report.findings.push(Finding::new(&manifest, 0, what));
            }
        }
        for name in package.tests_use.iter().filter(|name| ours.contains(name.as_str())) {
            if !may_use.contains(&name.as_str()) {
                let what = format!("tests of `{}` use `{name}`", package.name);
                report.notes.push(Finding::new(&manifest, 0, what));
            }
        }
        if package.name == "onrush-types" && !package.uses.is_empty() {
            let what = format!("`onrush-types` depends on nothing, not on {:?}", package.uses);
            report.findings.push(Finding::new(&manifest, 0, what));
        }
        if BELOW_GATEWAY.contains(&package.name.as_str()) {
            for name in ABOVE_ONLY.iter().filter(|name| package.reaches.contains(**name)) {
                let what = format!(
                    "`{}` pulls in `{name}`; only the gateway and what is above may",
                    package.name
                );
                report.findings.push(Finding::new(&manifest, 0, what));
            }
        }
    }
    report
}

/// Check that each mandatory part is declared and named in code where it belongs.
pub fn parts(graph: &Graph, tree: &Tree) -> Report {
    let mut report = Report::default();
    for part in PARTS {
        let places: Vec<&Package> =
            graph.packages.iter().filter(|p| part.places.contains(&p.name.as_str())).collect();
        if places.iter().any(|package| part.any_of.iter().any(|name| has(package, name, tree))) {
            continue;
        }
        let what = format!("none of {:?} uses {}", part.places, part.any_of.join(" or "));
        let filled = places.iter().find(|package| lines(package, tree) >= LAID_OUT_LINES);
        match filled {
            Some(package) => {
                let what = format!("{what}; use it where it earns its place");
                report.findings.push(Finding::new(
                    &format!("{}/Cargo.toml", package.folder),
                    0,
                    what,
                ));
            }
            None => report.notes.push(Finding::new("Cargo.toml", 0, format!("{what} yet"))),
        }
    }
    report
}

fn has(package: &Package, name: &str, tree: &Tree) -> bool {
    let declared = package.uses.contains(name) || package.tests_use.contains(name);
    let in_code = name.replace('-', "_");
    declared && rust_of(package, tree).any(|text| text.contains(&in_code))
}

fn lines(package: &Package, tree: &Tree) -> usize {
    rust_of(package, tree).map(|text| text.lines().count()).sum()
}

fn rust_of<'a>(package: &Package, tree: &'a Tree) -> impl Iterator<Item = &'a str> {
    let folder = format!("{}/", package.folder);
    let inside = move |path: &str| path.starts_with(&folder) && path.ends_with(".rs");
    tree.sources.iter().filter(move |s| inside(&s.path)).map(|source| source.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, uses: &[&str]) -> Package {
        let uses: BTreeSet<String> = uses.iter().map(ToString::to_string).collect();
        let (name, folder) = (name.to_owned(), folder.to_owned());
        Package { name, folder, reaches: uses.clone(), uses, tests_use: BTreeSet::new() }
    }

    fn found(packages: Vec<Package>) -> Vec<String> {
        diagram(&Graph { packages }).findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn accepts_the_diagram() {
        let all = MAY_USE.iter().map(|(name, uses)| package(name, "crates/x", uses)).collect();
        assert_eq!(found(all), [""; 0]);
    }

    #[test]
    fn catches_an_edge_that_goes_up() {
        let packages = |uses| {
            vec![
                package("onrush-types", "crates/types", &[]),
                package("onrush", "crates/engine", &[]),
                package("onrush-core", "crates/core", uses),
            ]
        };
        assert_eq!(found(packages(&["onrush-types"])), [""; 0]);
        let caught = found(packages(&["onrush"]));
        assert_eq!(caught.len(), 1);
        assert!(
            caught[0].starts_with("crates/core/Cargo.toml: `onrush-core` must not use `onrush`")
        );
    }

    #[test]
    fn catches_a_runtime_however_deep_and_anything_in_types() {
        let mut engine = package("onrush", "crates/engine", &["innocent"]);
        engine.reaches.insert("tokio".to_owned());
        assert_eq!(found(vec![engine]).len(), 1);
        assert_eq!(found(vec![package("onrush-gateway", "crates/gateway", &["tokio"])]), [""; 0]);
        assert_eq!(found(vec![package("onrush-types", "crates/types", &["serde"])]).len(), 1);
    }

    #[test]
    fn catches_a_crate_outside_of_the_diagram() {
        assert_eq!(found(vec![package("onrush-extra", "crates/extra", &[])]).len(), 1);
        assert_eq!(found(vec![package("onrush-bench-x", "benches/x", &["tokio"])]), [""; 0]);
    }

    #[test]
    fn notes_what_tests_use() {
        let mut core = package("onrush-core", "crates/core", &[]);
        core.tests_use.insert("onrush".to_owned());
        let graph = Graph { packages: vec![core, package("onrush", "crates/engine", &[])] };
        let report = diagram(&graph);
        assert_eq!((report.findings.len(), report.notes.len()), (0, 1));
    }

    #[test]
    fn demands_parts_of_crates_that_are_filled() {
        let graph =
            |uses: &[&str]| Graph { packages: vec![package("onrush-core", "crates/core", uses)] };
        let tree =
            |text: String| Tree::of(vec![("crates/core/src/a.rs".into(), text.into_bytes())]);
        let missing = |graph: &Graph, tree: &Tree| {
            let report = parts(graph, tree);
            report.findings.iter().filter(|f| f.what.contains("dashmap")).count()
        };
        let filled = "// line\n".repeat(LAID_OUT_LINES);
        assert_eq!(missing(&graph(&[]), &tree(filled.clone())), 1, "not declared");
        assert_eq!(missing(&graph(&["dashmap"]), &tree(filled.clone())), 1, "declared, not used");
        let used = format!("use dashmap::DashMap;\n{filled}");
        assert_eq!(missing(&graph(&["dashmap"]), &tree(used)), 0);
        assert_eq!(missing(&graph(&[]), &tree(String::new())), 0, "only laid out");
    }

    #[test]
    fn follows_built_edges_all_the_way() {
        let id = |repr: &str| PackageId { repr: repr.to_owned() };
        let (a, b, c, d) = (id("a"), id("b"), id("c"), id("d"));
        let edges: Edges<'_> = [(&a, vec![&b]), (&b, vec![&c, &a]), (&d, vec![])].into();
        assert_eq!(reach(&edges, &a), [&a, &b, &c].into());
    }
}
