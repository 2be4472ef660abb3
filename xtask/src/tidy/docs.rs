//! Documents keep their word: each promise names a test that exists, each relative link leads
//! somewhere.

use super::source::Tree;
use super::{Finding, Report};
use std::collections::BTreeSet;

const INVARIANTS: &str = "docs/invariants.md";
/// The promises of the design, INV-1 to this.
const PROMISES: usize = 10;

/// Check that every row of the table of invariants names at least one test, and only tests that
/// exist, as `` `crates/x/src/y.rs::test_name` `` in its last column.
pub fn invariants(tree: &Tree) -> Report {
    let mut report = Report::default();
    let Some(text) = tree.text(INVARIANTS) else {
        let what = "is missing; write the table `| INV-n | statement | assertion | `file::test` |`";
        report.findings.push(Finding::new(INVARIANTS, 0, what));
        return report;
    };
    let mut seen = BTreeSet::new();
    for (n, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let number = cells[0].trim_matches('*').strip_prefix("INV-");
        let Some(number) = number.and_then(|n| n.parse::<usize>().ok()) else { continue };
        if !line.starts_with('|') {
            continue;
        }
        seen.insert(number);
        let mut report = |what: String| report.findings.push(Finding::new(INVARIANTS, n + 1, what));
        let tests: Vec<&str> =
            cells.last().map_or(vec![], |c| c.split('`').skip(1).step_by(2).collect());
        if tests.is_empty() {
            report(format!("INV-{number} names no test; name one that dies when it is broken"));
        }
        for test in tests {
            if let Err(what) = find_test(tree, test) {
                report(format!("INV-{number} names `{test}`: {what}"));
            }
        }
    }
    for number in (1..=PROMISES).filter(|number| !seen.contains(number)) {
        let what = format!("has no row for INV-{number}; add it");
        report.findings.push(Finding::new(INVARIANTS, 0, what));
    }
    report
}

fn find_test(tree: &Tree, test: &str) -> Result<(), &'static str> {
    let (path, name) = test.split_once("::").unwrap_or((test, ""));
    let text = tree.text(path).ok_or("no such file")?;
    if name.is_empty() {
        return if text.contains("#[test]") { Ok(()) } else { Err("no test in this file") };
    }
    let name = name.rsplit("::").next().unwrap_or(name);
    let call = format!("fn {name}(");
    if text.contains(&call) { Ok(()) } else { Err("no such function in this file") }
}

/// Check that relative links between documents lead to files of the project.
pub fn links(tree: &Tree) -> Report {
    let mut report = Report::default();
    for source in tree.sources.iter().filter(|source| source.path.ends_with(".md")) {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in targets(&source.text) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !resolve(folder, file).is_some_and(|path| exists(tree, &path)) {
                let what = format!("`{target}` leads nowhere; correct the link");
                report.findings.push(Finding::new(&source.path, line, what));
            }
        }
    }
    report
}

fn exists(tree: &Tree, path: &str) -> bool {
    let folder = format!("{path}/");
    path.is_empty()
        || tree.paths.contains(path)
        || tree.paths.iter().any(|p| p.starts_with(&folder))
}

/// Find `](target)` and `[name]: target` outside code.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Even pieces lie outside of `code`.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (at, _) in prose.match_indices("](") {
            let rest = &prose[at + 2..];
            if let Some(end) = rest.find([')', ' ']) {
                found.push((n + 1, rest[..end].to_owned()));
            }
        }
        if let Some((_, target)) = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((n + 1, target.trim().to_owned()));
        }
    }
    found
}

/// Join `file` to `folder`; `None` when it leaves the project.
fn resolve(folder: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if file.starts_with('/') {
        parts.clear();
    }
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())).collect())
    }

    fn table(last_cell: &str) -> Vec<String> {
        let rows: String =
            (1..=PROMISES).map(|n| format!("| INV-{n} | s | a | {last_cell} |\n")).collect();
        let code = "#[test]\nfn holds() {}\n";
        let tree = tree(&[(INVARIANTS, &rows), ("crates/x/src/y.rs", code), ("crates/x/z.rs", "")]);
        invariants(&tree).findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn wants_a_test_that_exists_for_each_promise() {
        assert_eq!(table("`crates/x/src/y.rs::holds`"), [""; 0]);
        assert_eq!(table("`crates/x/src/y.rs::tests::holds`, `crates/x/src/y.rs`"), [""; 0]);
        for bad in
            ["", "`crates/x/src/y.rs::hold`", "`crates/x/src/n.rs::holds`", "`crates/x/z.rs`"]
        {
            assert_eq!(table(bad).len(), PROMISES, "{bad}");
        }
    }

    #[test]
    fn wants_the_document_and_every_row() {
        assert!(invariants(&tree(&[])).findings[0].what.starts_with("is missing"));
        let one = "| INV-1 | s | `y.rs::f` |\n";
        let tree = tree(&[(INVARIANTS, one), ("y.rs", "fn f() {}")]);
        assert_eq!(invariants(&tree).findings.len(), PROMISES - 1);
    }

    #[test]
    fn follows_links() {
        let text = "[a](../README.md#x) [b](b.md) [c](https://example.org/) [d](#d)\n[e]: sub\n\
                    ```\n[no](no.md)\n```\n`[no](no.md)` [gone](gone.md) [out](../../x.md)\n[r]: r.md\n";
        let tree = tree(&[
            ("docs/a.md", text),
            ("docs/b.md", ""),
            ("README.md", ""),
            ("docs/sub/c.md", ""),
        ]);
        let found: Vec<String> = links(&tree).findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/a.md:6: `gone.md` leads nowhere; correct the link",
                "docs/a.md:6: `../../x.md` leads nowhere; correct the link",
                "docs/a.md:7: `r.md` leads nowhere; correct the link",
            ]
        );
    }
}
