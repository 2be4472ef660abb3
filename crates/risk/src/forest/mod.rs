//! Forests of decision trees, flat: one array of 16-byte nodes, walked without a branch.
//!
//! A leaf leads to itself, so every walk of a tree takes as many steps as the tree is deep, and eight
//! trees are walked side by side: their loads overlap. All comparisons are `x ≤ t` in 32-bit floats.
//! A 64-bit threshold is rounded down to the next 32-bit float, and `x < t` becomes `x ≤ the float
//! before t`; for 32-bit signals both are the same as the original.
//!
//! Files are hostile until they are checked: every child exists and is reached once, so there is no
//! cycle and no sharing; depth, trees, nodes and bytes are bounded; thresholds and leaves are numbers.

mod build;
mod lightgbm;
mod onnx;
mod xgboost;

pub(crate) use build::{Builder, Split};
pub use build::{Missing, ModelError};

use crate::score::{Risk, Scorer, sigmoid};
use crate::signals::{SIGNALS, Signal, Signals};

/// Trees that are walked side by side.
const LANES: usize = 8;

/// Signals, padded so that a place needs no check.
const PLACES: usize = 64;
const _: () = assert!(SIGNALS <= PLACES && PLACES.is_power_of_two());

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) threshold: f32,
    pub(crate) feature: u16,
    pub(crate) flags: u16,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

const _: () = assert!(size_of::<Node>() == 16);

pub(crate) mod flags {
    /// What is missing goes left.
    pub(crate) const MISSING_LEFT: u16 = 1;
    /// Not a number is missing.
    pub(crate) const NAN_IS_MISSING: u16 = 2;
    /// Zero is missing.
    pub(crate) const ZERO_IS_MISSING: u16 = 4;
    /// Not a number counts as zero.
    pub(crate) const NAN_IS_ZERO: u16 = 8;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub(crate) root: u32,
    pub(crate) depth: u32,
}

/// How a sum of leaves becomes a probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Link {
    /// It is one.
    Identity,
    /// It is log-odds, after this factor.
    Logistic(f64),
}

/// A forest that says how likely something is.
#[derive(Debug)]
pub struct Forest {
    nodes: Box<[Node]>,
    /// What a leaf adds; 0 for a decision.
    values: Box<[f64]>,
    trees: Box<[Tree]>,
    base: f64,
    scale: f64,
    link: Link,
    /// Whether any node has a rule for what is not a number; no signal ever is that.
    nan_matters: bool,
    /// Whether any node has a rule for zero.
    zero_matters: bool,
    /// Sums are kept in 32 bits, as the library that made it does.
    narrow: bool,
    /// How much each signal weighs in the whole forest, heaviest first: its reasons.
    weights: Box<[(Signal, f32)]>,
}

impl Forest {
    /// Read a model: a LightGBM text file, an XGBoost JSON file or an ONNX file with one tree
    /// ensemble. Which one it is follows from its first bytes.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn load(bytes: &[u8]) -> Result<Forest, ModelError> {
        if bytes.len() > crate::limits::MODEL_BYTES_MAX {
            return Err(ModelError::TooLarge("bytes", crate::limits::MODEL_BYTES_MAX));
        }
        match bytes.first() {
            None => Err(ModelError::Unknown),
            Some(b'{' | b' ' | b'\n') => xgboost::load(bytes),
            Some(b't') if bytes.starts_with(b"tree") => lightgbm::load(bytes),
            Some(_) => onnx::load(bytes),
        }
    }

    /// Return the probability for numbers that need not be signals: what is beyond the array is 0.
    pub fn probability(&self, values: &[f32]) -> f64 {
        let mut places = [0.0; PLACES];
        let known = values.len().min(PLACES);
        places[..known].copy_from_slice(&values[..known]);
        self.link(self.sum(&places))
    }

    /// Return how many trees it has.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// Return how many nodes it has, leaves included.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    fn link(&self, sum: f64) -> f64 {
        match self.link {
            Link::Identity => sum.clamp(0.0, 1.0),
            Link::Logistic(factor) => sigmoid(factor * sum),
        }
    }

    fn sum(&self, places: &[f32; PLACES]) -> f64 {
        let has_nan = self.nan_matters && places.iter().any(|x| x.is_nan());
        if self.zero_matters || has_nan {
            self.walk::<true>(places)
        } else {
            self.walk::<false>(places)
        }
    }

    fn walk<const SPECIAL: bool>(&self, places: &[f32; PLACES]) -> f64 {
        let mut sum = Sum { wide: 0.0, narrow: 0.0 };
        let mut groups = self.trees.chunks_exact(LANES);
        for group in &mut groups {
            let mut at: [u32; LANES] = std::array::from_fn(|lane| group[lane].root);
            let depth = group.iter().map(|tree| tree.depth).max().unwrap_or(0);
            for _ in 0..depth {
                for at in &mut at {
                    *at = self.step::<SPECIAL>(*at, places);
                }
            }
            at.iter().for_each(|at| sum.add(self.values[*at as usize]));
        }
        for tree in groups.remainder() {
            let mut at = tree.root;
            for _ in 0..tree.depth {
                at = self.step::<SPECIAL>(at, places);
            }
            sum.add(self.values[at as usize]);
        }
        if self.narrow {
            f64::from(sum.narrow + self.base as f32)
        } else {
            sum.wide * self.scale + self.base
        }
    }

    #[inline(always)]
    fn step<const SPECIAL: bool>(&self, at: u32, places: &[f32; PLACES]) -> u32 {
        let node = &self.nodes[at as usize];
        let x = places[usize::from(node.feature) & (PLACES - 1)];
        let left = if SPECIAL { special(node, x) } else { x <= node.threshold };
        if left { node.left } else { node.right }
    }
}

struct Sum {
    wide: f64,
    narrow: f32,
}

impl Sum {
    #[inline]
    fn add(&mut self, value: f64) {
        self.wide += value;
        self.narrow += value as f32;
    }
}

/// LightGBM treats numbers up to this size as zero.
const ZERO_MAX: f32 = 1e-35;

#[inline]
fn special(node: &Node, x: f32) -> bool {
    let has = |flag| node.flags & flag != 0;
    let x = if x.is_nan() && has(flags::NAN_IS_ZERO) { 0.0 } else { x };
    let missing = (x.is_nan() && has(flags::NAN_IS_MISSING))
        || (x.abs() <= ZERO_MAX && has(flags::ZERO_IS_MISSING));
    if missing { has(flags::MISSING_LEFT) } else { x <= node.threshold }
}

impl Scorer for Forest {
    fn score(&self, signals: &Signals) -> Risk {
        let mut places = [0.0; PLACES];
        places[..SIGNALS].copy_from_slice(signals.values());
        let mut risk = Risk::plain(self.link(self.sum(&places)));
        // Which signals decided for this one person would cost a second walk of every tree: told are
        // the signals that weigh most in the forest, among those that are not zero here.
        let known = self.weights.iter().filter(|(signal, _)| signals.get(*signal) != 0.0);
        for (reason, (signal, weight)) in risk.reasons.iter_mut().zip(known) {
            *reason = crate::score::Reason { signal: Some(*signal), weight: *weight };
        }
        risk
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
