//! The files that tidy reads, and which of the Rust ones are tests.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use syn::{Attribute, Item};

/// Folders never looked into when there is no git to ask.
const SKIPPED_FOLDERS: [&str; 3] = ["target", "node_modules", ".git"];

/// A file of the project as text.
#[derive(Debug)]
pub struct Source {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Rust that is compiled for tests only.
    pub test: bool,
}

/// The project as tidy sees it.
#[derive(Debug)]
pub struct Tree {
    /// Every path, text or not, from the root.
    pub paths: BTreeSet<String>,
    /// Every file that is text.
    pub sources: Vec<Source>,
}

impl Tree {
    /// Read the project below `root`: what git tracks or would track.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut files = Vec::new();
        for path in paths(root)? {
            let full = root.join(&path);
            if full.is_file() {
                let bytes = std::fs::read(&full).with_context(|| format!("reading {path}"))?;
                files.push((path, bytes));
            }
        }
        Ok(Tree::of(files))
    }

    /// Build a tree from paths and contents.
    pub fn of(files: Vec<(String, Vec<u8>)>) -> Tree {
        let paths: BTreeSet<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let mut sources: Vec<Source> = files
            .into_iter()
            .filter_map(|(path, bytes)| {
                let text = String::from_utf8(bytes).ok()?;
                let test = in_test_folder(&path);
                Some(Source { path, text, test })
            })
            .collect();
        let mut tests: BTreeSet<String> = BTreeSet::new();
        for source in sources.iter().filter(|source| source.is_rust()) {
            if let Ok(file) = syn::parse_file(&source.text) {
                test_modules(&source.path, &file.items, &mut tests);
            }
        }
        for source in &mut sources {
            source.test |= tests.iter().any(|test| is_module(&source.path, test));
        }
        Tree { paths, sources }
    }

    /// Return the text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.sources.iter().find(|source| source.path == path).map(|source| source.text.as_str())
    }

    /// Return the Rust files that are not tests.
    pub fn product(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| source.is_rust() && !source.test)
    }
}

impl Source {
    /// Tell whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Tell whether items with these attributes are compiled for tests only.
pub fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && demands_test(list.tokens.clone()),
        syn::Meta::NameValue(_) => false,
    })
}

/// Look for `test` outside `not(…)` and `any(…)`.
fn demands_test(tokens: proc_macro2::TokenStream) -> bool {
    use proc_macro2::TokenTree;
    let mut opaque = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            opaque = ident == "not" || ident == "any";
            ident == "test"
        }
        TokenTree::Group(group) => !opaque && demands_test(group.stream()),
        _ => false,
    })
}

/// Collect where the bodies of `#[cfg(test)] mod name;` live: a file, or a folder without `/mod.rs`.
fn test_modules(path: &str, items: &[Item], tests: &mut BTreeSet<String>) {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let nested = if matches!(stem, "mod" | "lib" | "main") {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    for item in items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_some() || !is_test(&module.attrs) {
            continue;
        }
        let named = module.attrs.iter().find_map(path_attribute);
        tests.insert(match named {
            Some(file) => format!("{folder}/{}", file.trim_end_matches(".rs")),
            None => format!("{nested}/{}", module.ident),
        });
    }
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(literal) = &pair.value else { return None };
    let syn::Lit::Str(text) = &literal.lit else { return None };
    pair.path.is_ident("path").then(|| text.value())
}

fn is_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn in_test_folder(path: &str) -> bool {
    let code = path.ends_with(".rs");
    code && (path.split('/').any(|part| part == "tests") || path.contains("/benches/"))
}

fn paths(root: &Path) -> Result<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    match listed {
        Ok(out) if out.status.success() => {
            let text =
                String::from_utf8(out.stdout).context("git names a path that is no UTF-8")?;
            Ok(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
        }
        // A source archive has no git: walk.
        _ => {
            let mut found = Vec::new();
            walk(root, "", &mut found)?;
            Ok(found)
        }
    }
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                walk(root, &path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(p, t)| ((*p).to_owned(), t.as_bytes().to_vec())).collect())
    }

    #[test]
    fn knows_which_files_are_tests() {
        let tree = tree(&[
            ("crates/a/src/lib.rs", "mod b; #[cfg(test)] mod model; #[cfg(not(test))] mod real;"),
            ("crates/a/src/b.rs", "#[cfg(test)] #[path = \"b_tests.rs\"] mod tests;"),
            ("crates/a/src/b_tests.rs", ""),
            ("crates/a/src/model.rs", ""),
            ("crates/a/src/model/deep.rs", ""),
            ("crates/a/src/model_of_cars.rs", ""),
            ("crates/a/src/real.rs", ""),
            ("crates/a/tests/loom_b.rs", ""),
        ]);
        let product: Vec<_> = tree.product().map(|source| source.path.as_str()).collect();
        let expected =
            ["lib", "b", "model_of_cars", "real"].map(|n| format!("crates/a/src/{n}.rs"));
        assert_eq!(product, expected);
    }

    #[test]
    fn walks_where_there_is_no_git() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("target/debug")).expect("a folder");
        std::fs::write(root.path().join("target/debug/x.rs"), "").expect("a file");
        std::fs::create_dir_all(root.path().join("src")).expect("a folder");
        std::fs::write(root.path().join("src/lib.rs"), "").expect("a file");
        let mut found = Vec::new();
        walk(root.path(), "", &mut found).expect("walking");
        assert_eq!(found, ["src/lib.rs"]);
    }
}
