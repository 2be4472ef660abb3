//! Build every mutant of a file in, each behind the number of the one that is on.
//!
//! `a < b` with two mutants becomes `(match m(&[7, 8]) { 7 => a == b, 8 => a > b, _ => a < b })`. A
//! mutant's own branch holds the source as it was: only one is on at a time, so nothing grows beyond
//! what the mutants themselves need.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A mutant as `cargo mutants --list --json` names it.
#[derive(Debug, Clone)]
pub(super) struct Mutant {
    /// From 1, in the order of the list.
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) replacement: String,
    /// Bytes of its file.
    pub(super) span: Range<usize>,
}

/// Where a mutant stands in the new text.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) id: u32,
    pub(super) bytes: Range<usize>,
}

/// A file with its mutants built in.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) text: String,
    /// The branches of the mutants; what the compiler refuses is found by them.
    pub(super) spots: Vec<Spot>,
    /// The place by which each is reached, named by its first mutant.
    pub(super) reached_as: BTreeMap<u32, u32>,
    /// Those for which there is no switch: constants, and fields left out.
    pub(super) without: Vec<u32>,
}

/// Rewrite `source` with `mutants`, but for those that do not compile.
///
/// # Errors
/// When `source` is not Rust.
pub(super) fn rewrite(
    source: &str,
    mutants: &[Mutant],
    refused: &BTreeSet<u32>,
) -> Result<Rewritten> {
    let file = syn::parse_file(source).context("a file of the tree is not Rust")?;
    let mut finder = Finder { mutants: HashMap::new(), refused, places: Vec::new(), iter: false };
    for mutant in mutants {
        let span = (mutant.span.start, mutant.span.end);
        finder.mutants.entry(span).or_default().push(mutant);
    }
    finder.visit_file(&file);
    let without = finder.mutants.values().flatten().map(|mutant| mutant.id).collect();
    let mut writer =
        Writer { source, places: &finder.places, text: String::new(), spots: Vec::new() };
    writer.write(0..source.len(), None);
    let place =
        |p: &Place| p.mutants.iter().map(|(id, _)| (*id, p.mutants[0].0)).collect::<Vec<_>>();
    let reached_as = finder.places.iter().flat_map(place).collect();
    Ok(Rewritten { text: writer.text, spots: writer.spots, reached_as, without })
}

/// Something to be written in another way.
struct Place {
    bytes: Range<usize>,
    kind: Kind,
    /// Number and replacement of the mutants here.
    mutants: Vec<(u32, String)>,
}

enum Kind {
    /// An expression of two sides; the operator is replaced.
    Binary {
        operator: Range<usize>,
    },
    /// `!x` or `-x`; the operator is left out.
    Unary {
        operator: Range<usize>,
    },
    /// What stands between the braces of a function.
    Body,
    /// The same where the function returns some iterator: all branches need one type.
    Iterator,
    /// From the pattern of a match's arm to its arrow; the arm is left out.
    Arm {
        pattern: Range<usize>,
        guard: Option<Range<usize>>,
    },
    Guard,
    /// The `const` of a function: a switch is looked up while the program runs.
    Const,
}

struct Finder<'a> {
    /// By their bytes; taken out as they are found.
    mutants: HashMap<(usize, usize), Vec<&'a Mutant>>,
    refused: &'a BTreeSet<u32>,
    places: Vec<Place>,
    /// Whether the function around returns `impl Iterator`.
    iter: bool,
}

impl Finder<'_> {
    fn found(&mut self, span: &Range<usize>, bytes: Range<usize>, kind: Kind) {
        let Some(here) = self.mutants.remove(&(span.start, span.end)) else { return };
        let mutants: Vec<(u32, String)> = here
            .into_iter()
            .filter(|mutant| !self.refused.contains(&mutant.id))
            .map(|mutant| (mutant.id, mutant.replacement.clone()))
            .collect();
        if !mutants.is_empty() {
            self.places.push(Place { bytes, kind, mutants });
        }
    }

    fn signature(&mut self, signature: &syn::Signature) -> bool {
        if let Some(constant) = &signature.constness {
            let bytes = constant.span().byte_range();
            self.places.push(Place { bytes, kind: Kind::Const, mutants: Vec::new() });
        }
        let iter = matches!(&signature.output,
            syn::ReturnType::Type(_, of) if matches!(**of, syn::Type::ImplTrait(_)));
        std::mem::replace(&mut self.iter, iter)
    }
}

/// `if let` chains bind names, which no branch of a match can pass on.
fn binds(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    // What is computed while compiling knows no switch.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        if let syn::Pat::Guard(guarded) = pattern {
            self.visit_expr(&guarded.guard);
        }
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        let outer = self.signature(&function.sig);
        visit::visit_item_fn(self, function);
        self.iter = outer;
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        let outer = self.signature(&function.sig);
        visit::visit_impl_item_fn(self, function);
        self.iter = outer;
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        if let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) {
            let bytes = first.span().byte_range().start..last.span().byte_range().end;
            let kind = if self.iter { Kind::Iterator } else { Kind::Body };
            self.found(&bytes.clone(), bytes, kind);
        }
        visit::visit_block(self, block);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !binds(&binary.left) && !binds(&binary.right) {
            let operator = binary.op.span().byte_range();
            let kind = Kind::Binary { operator: operator.clone() };
            self.found(&operator, binary.span().byte_range(), kind);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let operator = unary.op.span().byte_range();
        let kind = Kind::Unary { operator: operator.clone() };
        self.found(&operator, unary.span().byte_range(), kind);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let (pattern, guard) = match &arm.pat {
            syn::Pat::Guard(guarded) => (guarded.pat.span(), Some(&guarded.guard)),
            pattern => (pattern.span(), None),
        };
        let (pattern, guarded) = (pattern.byte_range(), guard.map(|g| g.span().byte_range()));
        let bytes = pattern.start..arm.fat_arrow_token.span().byte_range().start;
        let kind = Kind::Arm { pattern, guard: guarded.clone() };
        self.found(&arm.span().byte_range(), bytes, kind);
        if let (Some(bytes), Some(false)) = (guarded, guard.map(|guard| binds(guard))) {
            self.found(&bytes.clone(), bytes, Kind::Guard);
        }
        visit::visit_arm(self, arm);
    }
}

struct Writer<'a> {
    source: &'a str,
    places: &'a [Place],
    text: String,
    spots: Vec<Spot>,
}

impl Writer<'_> {
    /// Write `bytes` of the source, with the places in it; `outer` is the one being written.
    fn write(&mut self, bytes: Range<usize>, outer: Option<usize>) {
        let mut at = bytes.start;
        while let Some(next) = self.next(at..bytes.end, outer) {
            let place = &self.places[next];
            self.text.push_str(&self.source[at..place.bytes.start]);
            self.place(next);
            at = place.bytes.end;
        }
        self.text.push_str(&self.source[at..bytes.end]);
    }

    /// The first place in `bytes`, the widest of those that start together. Of two as wide as each
    /// other the one that was found first lies around the other.
    fn next(&self, bytes: Range<usize>, outer: Option<usize>) -> Option<usize> {
        let inside = |(n, place): &(usize, &Place)| {
            let written = outer.is_some_and(|o| *n <= o && self.places[o].bytes == place.bytes);
            place.bytes.start >= bytes.start && place.bytes.end <= bytes.end && !written
        };
        let places = self.places.iter().enumerate().filter(inside);
        let first = places.min_by_key(|(n, p)| (p.bytes.start, usize::MAX - p.bytes.end, *n));
        first.map(|(n, _)| n)
    }

    fn place(&mut self, n: usize) {
        let places = self.places;
        let Place { bytes, kind, mutants } = &places[n];
        let source = self.source;
        let numbers: Vec<String> = mutants.iter().map(|(id, _)| id.to_string()).collect();
        let switch = format!("::mutant_switch::m(&[{}])", numbers.join(","));
        let rest = |cut: &Range<usize>| (bytes.start..cut.start, cut.end..bytes.end);
        match kind {
            Kind::Const => {}
            Kind::Binary { operator } => {
                let (left, right) = rest(operator);
                let sides = (&source[left.clone()], &source[right.clone()]);
                self.branches("(", &switch, mutants, |new| {
                    format!("{} {new} {}", sides.0, sides.1)
                });
                self.write(left, Some(n));
                self.text.push_str(&source[operator.clone()]);
                self.write(right, Some(n));
                self.text.push_str("})");
            }
            Kind::Unary { operator } => {
                let (_, right) = rest(operator);
                self.branches("(", &switch, mutants, |_| source[right.clone()].to_owned());
                self.text.push_str(&source[operator.clone()]);
                self.write(right, Some(n));
                self.text.push_str("})");
            }
            Kind::Body => {
                self.branches("", &switch, mutants, |new| format!("return {new}"));
                self.text.push_str("{}}; ");
                self.write(bytes.clone(), Some(n));
            }
            Kind::Iterator => {
                let other = |new: &str| format!("::mutant_switch::E::Other(Box::new({new}))");
                self.branches("", &switch, mutants, other);
                self.text.push_str("::mutant_switch::E::Own({");
                self.write(bytes.clone(), Some(n));
                self.text.push_str("})}");
            }
            Kind::Guard => {
                self.branches("(", &switch, mutants, str::to_owned);
                self.write(bytes.clone(), Some(n));
                self.text.push_str("})");
            }
            Kind::Arm { pattern, guard } => {
                self.text.push_str(&source[pattern.clone()]);
                self.branch(mutants[0].0, &format!(" if {switch} == 0"));
                if let Some(guard) = guard {
                    self.text.push_str(" && (");
                    self.write(guard.clone(), Some(n));
                    self.text.push(')');
                }
                self.text.push(' ');
            }
        }
    }

    /// Open a match with a branch for each mutant, up to the arrow of what no mutant changes.
    fn branches(
        &mut self,
        open: &str,
        switch: &str,
        mutants: &[(u32, String)],
        text: impl Fn(&str) -> String,
    ) {
        self.text.push_str(&format!("{open}match {switch} {{"));
        for (id, replacement) in mutants {
            self.branch(*id, &format!("{id} => {},", text(replacement)));
        }
        self.text.push_str("_ => ");
    }

    fn branch(&mut self, id: u32, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.spots.push(Spot { id, bytes: start..self.text.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "const fn f(a: u8, b: u8) -> bool { !(a + 1 < b) && a != 3 }\n\
        fn g(a: u8) -> u8 { match a { 1 => 2, 2 if a > 1 => 3, _ => 4 } }\n";

    fn mutant(id: u32, what: &str, replacement: &str) -> Mutant {
        let start = SOURCE.find(what).expect("it is in the source");
        let span = start..start + what.len();
        Mutant { id, name: String::new(), replacement: replacement.to_owned(), span }
    }

    #[test]
    fn each_kind_is_built_in_and_found_again() {
        let mutants = [
            mutant(1, "<", ">"),
            mutant(2, "!", ""),
            mutant(3, "&&", "||"),
            mutant(4, "!(a + 1 < b) && a != 3", "true"),
            mutant(5, "1 => 2,", ""),
            mutant(6, "a > 1", "false"),
        ];
        let written = rewrite(SOURCE, &mutants, &BTreeSet::new()).expect("it is Rust");
        syn::parse_file(&written.text).expect("it is Rust still");
        assert!(written.without.is_empty(), "{:?}", written.without);
        let branch = |id| {
            let spot = written.spots.iter().find(|spot| spot.id == id).expect("it is built in");
            &written.text[spot.bytes.clone()]
        };
        assert_eq!(branch(1), "1 => a + 1  >  b,");
        assert_eq!(branch(2), "2 => (a + 1 < b),");
        assert_eq!(branch(3), "3 => !(a + 1 < b)  ||  a != 3,");
        assert_eq!(branch(4), "4 => return true,");
        assert_eq!(branch(5), " if ::mutant_switch::m(&[5]) == 0");
        assert_eq!(branch(6), "6 => false,");
        assert!(!written.text.contains("const fn"), "a switch is looked up at run time");
    }

    #[test]
    fn what_does_not_compile_or_is_constant_is_left_as_it_was() {
        let refused = BTreeSet::from([1]);
        let written = rewrite(SOURCE, &[mutant(1, "<", ">")], &refused).expect("it is Rust");
        assert_eq!(
            written.text.replace("  fn", "fn").trim_start(),
            SOURCE.replace("const fn", "fn")
        );
        let constant = "const A: u8 = 1 + 2;\n";
        let plus = Mutant { id: 9, name: String::new(), replacement: "-".to_owned(), span: 16..17 };
        let written = rewrite(constant, &[plus], &BTreeSet::new()).expect("it is Rust");
        assert_eq!((written.text.as_str(), written.without.as_slice()), (constant, &[9][..]));
    }
}
