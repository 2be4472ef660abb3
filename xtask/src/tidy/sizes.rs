//! Files of 100–350 lines are the aim: from 500 they are listed, beyond 800 they fail. Functions
//! beyond 70 lines are listed.

use super::source::{Source, Tree};
use super::{Finding, Report, scan, source};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

const LISTED_FILE_LINES: usize = 500;
const FILE_LINES_MAX: usize = 800;
const LISTED_FUNCTION_LINES: usize = 70;
const CODE: [&str; 5] = [".rs", ".ts", ".tsx", ".js", ".css"];

/// Check every file of code.
pub fn check(tree: &Tree) -> Report {
    let mut report = Report::default();
    let generated = |path: &str| path.starts_with("web/dist/") || path.contains("/dist/");
    for source in &tree.sources {
        if generated(&source.path) || !CODE.iter().any(|end| source.path.ends_with(end)) {
            continue;
        }
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines; split it, {FILE_LINES_MAX} are the most");
            report.findings.push(Finding::new(&source.path, 0, what));
        } else if lines > LISTED_FILE_LINES {
            let what = format!("{lines} lines; is it still one idea?");
            report.notes.push(Finding::new(&source.path, 0, what));
        }
        if source.is_rust() && !source.test {
            report.notes.extend(functions(source));
        }
    }
    report
}

fn functions(source: &Source) -> Vec<Finding> {
    let Ok(parsed) = syn::parse_file(&source.text) else { return Vec::new() };
    let mut long = Long { path: &source.path, notes: Vec::new() };
    long.visit_file(&parsed);
    long.notes
}

struct Long<'a> {
    path: &'a str,
    notes: Vec<Finding>,
}

impl Long<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (from, to) = (signature.span().start().line, block.span().end().line);
        let lines = to + 1 - from;
        if lines > LISTED_FUNCTION_LINES {
            let what = format!("`{}` has {lines} lines; name its parts", signature.ident);
            self.notes.push(Finding::new(self.path, from, what));
        }
    }
}

impl<'ast> Visit<'ast> for Long<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !source::is_test(scan::attributes(item)) {
            visit::visit_item(self, item);
        }
    }
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(path: &str, text: String) -> Report {
        check(&Tree::of(vec![(path.to_owned(), text.into_bytes())]))
    }

    #[test]
    fn fails_beyond_the_most_and_lists_before() {
        let lines = |n: usize| "// line\n".repeat(n);
        let counts = |n| {
            let report = report("crates/a/src/a.rs", lines(n));
            (report.findings.len(), report.notes.len())
        };
        assert_eq!(counts(500), (0, 0));
        assert_eq!(counts(501), (0, 1));
        assert_eq!(counts(800), (0, 1));
        assert_eq!(counts(801), (1, 0));
        assert!(report("web/dist/a.js", lines(900)).findings.is_empty(), "built");
        assert!(report("docs/a.md", lines(900)).findings.is_empty(), "prose");
    }

    #[test]
    fn lists_long_functions() {
        let function = |body: usize| format!("\nfn long() {{\n{}}}\n", "    f();\n".repeat(body));
        assert!(report("a.rs", function(68)).notes.is_empty());
        let notes = report("a.rs", function(69)).notes;
        assert_eq!(notes[0].to_string(), "a.rs:2: `long` has 71 lines; name its parts");
        let method = format!("impl X {{{}}}", function(69));
        assert_eq!(report("a.rs", method).notes.len(), 1);
        let test = format!("#[cfg(test)] mod t {{{}}}", function(69));
        assert!(report("a.rs", test).notes.is_empty());
    }
}
