//! Nothing unfinished and nothing of one machine stays in the text of the project.

use super::source::{Source, Tree};
use super::{Finding, Report};

/// Whole words that mark unfinished work. Spelled in halves, so that this file passes its own rule.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Rust that is a stub, or a test that does not run.
const STUBS: [&str; 3] =
    [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[ig", "nore")];

/// Folders that exist on one machine only, and ways around the default registry.
const LOCAL: [&str; 7] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("artif", "actory"),
    concat!("replace", "-with"),
    concat!("sparse", "+http"),
];

const ENDINGS: [&str; 14] = [
    ".rs", ".toml", ".md", ".sh", ".yml", ".yaml", ".ts", ".tsx", ".js", ".css", ".html", ".sql",
    ".json", "run",
];

/// Check every text that people write.
pub fn check(tree: &Tree) -> Report {
    Report { findings: tree.sources.iter().filter(written).flat_map(file).collect(), notes: vec![] }
}

fn written(source: &&Source) -> bool {
    let made = source.path.contains("/dist/")
        || source.path.starts_with("fuzz/corpus/")
        || source.path.ends_with("package-lock.json");
    !made && ENDINGS.iter().any(|end| source.path.ends_with(end))
}

fn file(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (n, line) in source.text.lines().enumerate() {
        let mut report = |what: String| {
            findings.push(Finding::new(&source.path, n + 1, what));
        };
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            report(format!("`{word}`: finish it, or open an issue and take the mark out"));
        }
        if let Some(stub) = STUBS.iter().find(|stub| source.is_rust() && line.contains(*stub)) {
            report(format!("`{stub}`: write it, or take it out; every test runs"));
        }
        if let Some(local) = LOCAL.iter().find(|local| has_path(line, local)) {
            report(format!("`{local}` belongs to one machine; use a relative path or a setting"));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// A path counts where it starts, not as the middle of a longer one.
fn has_path(line: &str, path: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '*');
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(path.starts_with('/') && before.is_some_and(joins))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Tree::of(vec![(path.to_owned(), text.as_bytes().to_vec())])).findings.len()
    }

    #[test]
    fn catches_each_planted_word() {
        for word in UNFINISHED {
            assert_eq!(found("a.rs", &format!("// {word}: later")), 1, "{word}");
            assert_eq!(found("a.md", &format!("({word})")), 1, "{word}");
            assert_eq!(found("a.rs", &format!("// {word}S")), 0, "a longer word");
        }
        for stub in STUBS {
            assert_eq!(found("a.rs", stub), 1, "{stub}");
            assert_eq!(found("a.md", stub), 0, "{stub} in prose");
        }
        for local in LOCAL {
            assert_eq!(found(".ci/run", &format!("x=\"{local}a\"")), 1, "{local}");
        }
    }

    #[test]
    fn tells_a_root_path_from_the_middle_of_one() {
        let home = LOCAL[1];
        assert_eq!(found("a.md", &format!("see docs{home}page")), 0);
        assert_eq!(found("a.md", &format!("{home}me")), 1);
    }

    #[test]
    fn leaves_made_files_alone() {
        let text = format!("{} {}", UNFINISHED[0], LOCAL[0]);
        assert_eq!(found("web/dist/app.js", &text), 0);
        assert_eq!(found("fuzz/corpus/record/run", &text), 0);
    }
}
