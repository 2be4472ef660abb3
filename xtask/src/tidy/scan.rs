//! Finds every path that Rust code outside tests names: in expressions, types, imports and, token
//! by token, inside macros.

use super::source::is_test;
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A path as written, `std::fs::read`, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its parts.
    pub(super) parts: Vec<String>,
    /// Its line.
    pub(super) line: usize,
    /// The line where the innermost call around it starts.
    pub(super) call: usize,
    /// Named by `use`.
    pub(super) import: bool,
}

impl Named {
    /// Tell whether `parts` appear in a row anywhere in the path.
    pub(super) fn contains(&self, parts: &[&str]) -> bool {
        self.parts.windows(parts.len()).any(|window| window == parts)
    }
}

/// Return every path named in `file`, tests left out, in the order of the text.
pub(super) fn paths(file: &syn::File) -> Vec<Named> {
    let mut scan = Scan::default();
    scan.visit_file(file);
    scan.found
}

#[derive(Default)]
struct Scan {
    found: Vec<Named>,
    calls: Vec<usize>,
}

impl Scan {
    fn add(&mut self, parts: Vec<String>, line: usize, import: bool) {
        let call = self.calls.last().copied().unwrap_or(line).min(line);
        self.found.push(Named { parts, line, call, import });
    }

    fn within(&mut self, call: &impl Spanned, visit: impl FnOnce(&mut Scan)) {
        self.calls.push(call.span().start().line);
        visit(self);
        self.calls.pop();
    }

    fn import(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |part: String| [before, &[part]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(path.ident.to_string()), &path.tree),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.import(before, item));
            }
            syn::UseTree::Name(name) => {
                self.add(with(name.ident.to_string()), name.span().start().line, true);
            }
            syn::UseTree::Rename(name) => {
                self.add(with(name.ident.to_string()), name.span().start().line, true);
            }
            syn::UseTree::Glob(glob) => {
                self.add(with("*".to_owned()), glob.span().start().line, true);
            }
        }
    }

    /// Macros are not parsed: read `a :: b :: c` off their tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut parts: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) if colons == 2 && !parts.is_empty() => {
                    parts.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Ident(ident) => {
                    self.flush(&mut parts, line);
                    (line, colons) = (ident.span().start().line, 0);
                    parts.push(ident.to_string());
                }
                TokenTree::Group(group) => {
                    self.flush(&mut parts, line);
                    colons = 0;
                    self.tokens(group.stream());
                }
                _ => {
                    self.flush(&mut parts, line);
                    colons = 0;
                }
            }
        }
        self.flush(&mut parts, line);
    }

    fn flush(&mut self, parts: &mut Vec<String>, line: usize) {
        if parts.len() > 1 {
            self.add(std::mem::take(parts), line, false);
        }
        parts.clear();
    }
}

impl<'ast> Visit<'ast> for Scan {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&[], &item.tree);
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(parts, path.span().start().line, false);
        visit::visit_path(self, path);
    }
    fn visit_macro(&mut self, invoked: &'ast syn::Macro) {
        self.tokens(invoked.tokens.clone());
        visit::visit_macro(self, invoked);
    }
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        self.within(call, |scan| visit::visit_expr_call(scan, call));
    }
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.within(call, |scan| visit::visit_expr_method_call(scan, call));
    }
}

/// Return an item's attributes.
pub(super) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let file = syn::parse_file(text).expect("Rust");
        paths(&file)
            .iter()
            .map(|named| format!("{}@{}", named.parts.join("::"), named.line))
            .collect()
    }

    #[test]
    fn flattens_imports() {
        let text = "use std::{fs::{self, File},\n thread as t, net::*};";
        assert_eq!(
            named(text),
            ["std::fs::self@1", "std::fs::File@1", "std::thread@2", "std::net::*@2"]
        );
    }

    #[test]
    fn sees_into_bodies_types_and_macros() {
        let text = "fn f(x: std::net::IpAddr) {\n let t = Instant::now();\n assert!(a(std::fs::read(p)));\n}";
        let found = named(text);
        for expected in ["std::net::IpAddr@1", "Instant::now@2", "std::fs::read@3"] {
            assert!(found.iter().any(|name| name == expected), "{expected} in {found:?}");
        }
    }

    #[test]
    fn leaves_tests_out() {
        let text = "#[cfg(test)] mod tests { fn f() { std::fs::read(p); } }\n\
                    #[test] fn g() { std::fs::read(p); }\n\
                    #[cfg(all(test, not(loom)))] use std::thread;\n\
                    impl X { #[cfg(test)] fn h() { Instant::now(); } }";
        let found = named(text);
        assert!(!found.iter().any(|n| n.contains("std::") || n.contains("Instant")), "{found:?}");
    }
}
