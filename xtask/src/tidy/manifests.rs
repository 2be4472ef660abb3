//! Manifests follow the workspace, every dependency has its reason written down, and lockfiles name
//! the default registry only.

use super::source::Tree;
use super::{Finding, Report};
use std::collections::BTreeMap;
use toml::Table;

const REASONS: &str = "docs/dependencies.md";
const DEFAULT_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM_REGISTRY: &str = "https://registry.npmjs.org/";

/// Check each crate's manifest.
pub fn crates(tree: &Tree) -> Report {
    let mut report = Report::default();
    for (path, manifest) in manifests(tree, &mut report.findings) {
        let Some(package) = manifest.get("package").and_then(|p| p.as_table()) else { continue };
        for field in ["description", "license"] {
            if !package.contains_key(field) {
                let what = format!("[package] has no `{field}`; add it");
                report.findings.push(Finding::new(path, 0, what));
            }
        }
        // The fuzz targets stand outside the workspace: the fuzzer's own macro expands to unsafe code.
        let outside = path == "fuzz/Cargo.toml";
        let lints = manifest.get("lints").and_then(|l| l.get("workspace"));
        if !outside && lints.and_then(|l| l.as_bool()) != Some(true) {
            let what = "add `[lints]` with `workspace = true`";
            report.findings.push(Finding::new(path, 0, what));
        }
    }
    report
}

/// Compare the dependencies in the manifests with the reasons in the document, both ways.
pub fn reasons(tree: &Tree) -> Report {
    let mut report = Report::default();
    let Some(text) = tree.text(REASONS) else {
        let what = "is missing; write it: one line for each direct dependency, `| `name` | why |`";
        report.findings.push(Finding::new(REASONS, 0, what));
        return report;
    };
    let written = written_reasons(text);
    let mut used: BTreeMap<String, &str> = BTreeMap::new();
    let mut offered: BTreeMap<String, &str> = BTreeMap::new();
    for (path, manifest) in manifests(tree, &mut report.findings) {
        let root = manifest.get("workspace").and_then(|w| w.get("dependencies"));
        for name in root.and_then(|d| d.as_table()).into_iter().flat_map(outside) {
            offered.entry(name).or_insert(path);
        }
        for name in direct(&manifest) {
            used.entry(name).or_insert(path);
        }
    }
    for (name, path) in used.iter().chain(&offered) {
        if !written.contains_key(name) {
            let what = format!("`{name}` has no line in {REASONS}; say why it is worth having");
            if !report.findings.iter().any(|finding| finding.what == what) {
                report.findings.push(Finding::new(path, 0, what));
            }
        }
    }
    for (name, line) in &written {
        if !used.contains_key(name) && !offered.contains_key(name) {
            let what = format!("`{name}` is no dependency; take the line out");
            report.findings.push(Finding::new(REASONS, *line, what));
        }
    }
    for (name, path) in offered.iter().filter(|(name, _)| !used.contains_key(*name)) {
        report.notes.push(Finding::new(path, 0, format!("`{name}` is offered, no crate uses it")));
    }
    report
}

/// Check where packages come from.
pub fn lockfiles(tree: &Tree) -> Report {
    let mut report = Report::default();
    for source in &tree.sources {
        let (key, registry) = match source.path.rsplit('/').next() {
            Some("Cargo.lock") => ("source = \"", DEFAULT_REGISTRY),
            Some("package-lock.json") => ("\"resolved\": \"", NPM_REGISTRY),
            _ => continue,
        };
        for (n, line) in source.text.lines().enumerate() {
            let from = line.trim().strip_prefix(key);
            if let Some(from) = from.filter(|from| !from.starts_with(registry)) {
                let from = from.trim_end_matches([',', '"']);
                let what = format!("`{from}` is not the default registry; resolve it from there");
                report.findings.push(Finding::new(&source.path, n + 1, what));
            }
        }
    }
    if !tree.paths.contains("Cargo.lock") {
        let what = "is not kept in the repository; commit it";
        report.findings.push(Finding::new("Cargo.lock", 0, what));
    }
    report
}

fn manifests<'a>(tree: &'a Tree, findings: &mut Vec<Finding>) -> Vec<(&'a str, Table)> {
    let mut manifests = Vec::new();
    for source in &tree.sources {
        if source.path.rsplit('/').next() == Some("Cargo.toml") {
            match source.text.parse::<Table>() {
                Ok(table) => manifests.push((source.path.as_str(), table)),
                Err(error) => findings.push(Finding::new(&source.path, 0, error.to_string())),
            }
        }
    }
    manifests
}

/// Return the names of dependencies from elsewhere, of every kind and target.
fn direct(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(|t| t.as_table());
    let targets = targets.into_iter().flat_map(|t| t.values()).filter_map(|t| t.as_table());
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(outside)
        .collect()
}

fn outside(dependencies: &Table) -> Vec<String> {
    let ours = |name: &str| name == "onrush" || name.starts_with("onrush-");
    let named = |(name, value): (&String, &toml::Value)| {
        let package = value.get("package").and_then(|p| p.as_str());
        package.unwrap_or(name).to_owned()
    };
    dependencies.iter().map(named).filter(|name| !ours(name)).collect()
}

/// Read the names in the first column: `` | `name` | …``; a cell may hold several.
fn written_reasons(text: &str) -> BTreeMap<String, usize> {
    let mut written = BTreeMap::new();
    for (n, line) in text.lines().enumerate() {
        let Some(cell) = line.strip_prefix('|').and_then(|rest| rest.split('|').next()) else {
            continue;
        };
        for name in cell.split('`').skip(1).step_by(2) {
            written.entry(name.to_owned()).or_insert(n + 1);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())).collect())
    }

    const GOOD: &str =
        "[package]\nname='a'\ndescription='d'\nlicense.workspace=true\n[lints]\nworkspace=true\n";

    #[test]
    fn wants_lints_description_and_license() {
        assert!(crates(&tree(&[("crates/a/Cargo.toml", GOOD)])).findings.is_empty());
        for (line, word) in [
            ("description='d'\n", "description"),
            ("license.workspace=true\n", "license"),
            ("[lints]\nworkspace=true\n", "lints"),
        ] {
            let bad = GOOD.replace(line, "");
            let findings = crates(&tree(&[("crates/a/Cargo.toml", &bad)])).findings;
            assert_eq!(findings.len(), 1, "{line}");
            assert!(findings[0].what.contains(word), "{findings:?}");
        }
        let broken = crates(&tree(&[("crates/a/Cargo.toml", "[package")])).findings;
        assert_eq!(broken.len(), 1, "not TOML");
    }

    #[test]
    fn matches_dependencies_with_reasons_both_ways() {
        let manifest = "[dependencies]\nx='1'\nonrush-core='1'\ny={package='real-y',version='1'}\n\
                        [target.'cfg(loom)'.dependencies]\nz='1'\n[dev-dependencies]\nw='1'\n";
        let check = |table: &str| -> Vec<String> {
            let tree = tree(&[("crates/a/Cargo.toml", manifest), (REASONS, table)]);
            reasons(&tree).findings.into_iter().map(|finding| finding.what).collect()
        };
        assert!(check("| `x`, `real-y` | r |\n| `z` | r |\n| `w` | r |\n").is_empty());
        assert_eq!(check("| `x` | r |\n| `z` | r |\n| `w` | r |\n").len(), 1, "no real-y");
        let stale = check("| `x`, `real-y`, `z`, `w` | r |\n| `gone` | `x` |\n");
        assert_eq!(stale, ["`gone` is no dependency; take the line out"]);
        assert_eq!(reasons(&tree(&[])).findings.len(), 1, "no document");
    }

    #[test]
    fn notes_what_is_offered_and_unused() {
        let root = "[workspace.dependencies]\nx='1'\n";
        let report = reasons(&tree(&[("Cargo.toml", root), (REASONS, "| `x` | r |")]));
        assert!(report.findings.is_empty());
        assert_eq!(report.notes.len(), 1);
    }

    #[test]
    fn refuses_other_registries() {
        let lock = |from: &str| format!("[[package]]\nname = \"x\"\nsource = \"{from}\"\n");
        let good = lock(DEFAULT_REGISTRY);
        assert!(lockfiles(&tree(&[("Cargo.lock", &good)])).findings.is_empty());
        for from in ["registry+https://mirror.example/index", "git+https://example.org/x"] {
            let findings = lockfiles(&tree(&[("Cargo.lock", &lock(from))])).findings;
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].line, 3);
        }
        assert_eq!(lockfiles(&tree(&[])).findings.len(), 1, "no lockfile");
        let npm = "{\n\"resolved\": \"https://mirror.example/x.tgz\",\n}";
        let files = [("Cargo.lock", good.as_str()), ("web/package-lock.json", npm)];
        assert_eq!(lockfiles(&tree(&files)).findings.len(), 1);
    }
}
