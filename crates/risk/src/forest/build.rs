//! From checked parts to a flat forest.

use super::{Forest, Link, Node, Tree, flags};
use crate::limits::{DEPTH_MAX, NODES_MAX, TREES_MAX};
use crate::signals::{SIGNALS, Signal};
use std::fmt;

/// A model that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelError {
    /// None of the three formats.
    Unknown,
    /// It ends too early, or is not of the format that it began as.
    Broken(String),
    /// It uses something that is not supported.
    Unsupported(String),
    /// It has more of something than is allowed.
    TooLarge(&'static str, usize),
    /// A tree is no tree: a child is missing, reached twice, or its own ancestor.
    NotATree {
        /// Which one, from 0.
        tree: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It looks at a signal that does not exist.
    NoSuchSignal(String),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelError::Unknown => f.write_str(
                "not a model: give a LightGBM text file (`save_model`), an XGBoost JSON file \
                 (`save_model(\"x.json\")`) or an ONNX file with one tree ensemble",
            ),
            ModelError::Broken(what) => {
                write!(f, "the model file is damaged or cut short ({what}); save it again")
            }
            ModelError::Unsupported(what) => {
                write!(f, "the model uses {what}, which is not supported; train it without")
            }
            ModelError::TooLarge(what, most) => {
                write!(f, "the model has too many {what}; at most {most} are allowed")
            }
            ModelError::NotATree { tree, what } => {
                write!(f, "tree {tree} of the model is no tree: {what}; save the model again")
            }
            ModelError::NoSuchSignal(name) => write!(
                f,
                "the model looks at \"{name}\", which is no signal of version {}; docs/risk.md has \
                 the list",
                crate::signals::SIGNALS_VERSION
            ),
        }
    }
}

impl std::error::Error for ModelError {}

/// What counts as missing at a node, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: not a number is greater than everything.
    Never,
    /// Not a number counts as zero.
    NanIsZero,
    /// Not a number.
    Nan {
        /// Where it goes.
        left: bool,
    },
    /// Not a number, and zero.
    Zero {
        /// Where it goes.
        left: bool,
    },
}

/// A node as a file has it: children are places in the same tree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Split {
    Leaf(f64),
    Decide {
        feature: usize,
        /// Go left when the number is at most this.
        threshold: f32,
        left: usize,
        right: usize,
        missing: Missing,
        gain: f32,
    },
}

/// Collects trees and checks them.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    nodes: Vec<Node>,
    values: Vec<f64>,
    trees: Vec<Tree>,
    gains: Vec<f32>,
    nan_matters: bool,
    zero_matters: bool,
}

impl Builder {
    /// Add a tree whose root is at `root` of `splits`.
    pub(crate) fn tree(&mut self, splits: &[Split], root: usize) -> Result<(), ModelError> {
        let tree = self.trees.len();
        let wrong = |what| ModelError::NotATree { tree, what };
        if tree >= TREES_MAX {
            return Err(ModelError::TooLarge("trees", TREES_MAX));
        }
        if self.nodes.len() + splits.len() > NODES_MAX {
            return Err(ModelError::TooLarge("nodes", NODES_MAX));
        }
        let base = self.nodes.len();
        let mut reached = vec![false; splits.len()];
        let mut deepest = 0;
        let mut open = vec![(root, 0)];
        while let Some((at, depth)) = open.pop() {
            let split = splits.get(at).ok_or(wrong("a child is missing"))?;
            if std::mem::replace(&mut reached[at], true) {
                return Err(wrong("a node is reached twice"));
            }
            if depth > DEPTH_MAX {
                return Err(ModelError::TooLarge("decisions on the way to a leaf", DEPTH_MAX));
            }
            deepest = deepest.max(depth);
            if let Split::Decide { left, right, .. } = split {
                open.extend([(*left, depth + 1), (*right, depth + 1)]);
            }
        }
        for (at, split) in splits.iter().enumerate() {
            // What pruning left behind is reached from nowhere and may say anything.
            let split = if reached[at] { *split } else { Split::Leaf(0.0) };
            self.push(base, at, &split, tree)?;
        }
        self.trees.push(Tree { root: (base + root) as u32, depth: deepest as u32 });
        Ok(())
    }

    fn push(
        &mut self,
        base: usize,
        at: usize,
        split: &Split,
        tree: usize,
    ) -> Result<(), ModelError> {
        let wrong = |what| ModelError::NotATree { tree, what };
        match *split {
            Split::Leaf(value) => {
                if !value.is_finite() {
                    return Err(wrong("a leaf is not a number"));
                }
                let itself = (base + at) as u32;
                self.nodes.push(Node {
                    threshold: 0.0,
                    feature: 0,
                    flags: 0,
                    left: itself,
                    right: itself,
                });
                self.values.push(value);
            }
            Split::Decide { feature, threshold, left, right, missing, gain } => {
                if threshold.is_nan() {
                    return Err(wrong("a threshold is not a number"));
                }
                if feature >= SIGNALS {
                    return Err(ModelError::NoSuchSignal(format!("number {feature}")));
                }
                self.gains.resize(self.gains.len().max(feature + 1), 0.0);
                self.gains[feature] += gain.clamp(0.0, f32::MAX);
                self.nan_matters |= missing != Missing::Never;
                self.zero_matters |= matches!(missing, Missing::Zero { .. });
                let flags = flags_of(missing);
                self.nodes.push(Node {
                    threshold,
                    feature: feature as u16,
                    flags,
                    left: (base + left) as u32,
                    right: (base + right) as u32,
                });
                self.values.push(0.0);
            }
        }
        Ok(())
    }

    /// Return how many trees there are.
    pub(crate) fn len(&self) -> usize {
        self.trees.len()
    }

    /// Finish: `base` is added to the sum of the leaves times `scale`.
    pub(crate) fn finish(
        self,
        base: f64,
        scale: f64,
        link: Link,
        narrow: bool,
    ) -> Result<Forest, ModelError> {
        if self.trees.is_empty() {
            return Err(ModelError::Broken("it has no tree".to_owned()));
        }
        if !base.is_finite() || !scale.is_finite() {
            return Err(ModelError::Broken("its base is not a number".to_owned()));
        }
        let total: f32 = self.gains.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let named = self.gains.iter().enumerate().filter(|(_, gain)| **gain > 0.0);
        let mut weights: Vec<(Signal, f32)> =
            named.filter_map(|(at, gain)| Some((Signal::at(at)?, gain / total))).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Forest {
            nodes: self.nodes.into(),
            values: self.values.into(),
            trees: self.trees.into(),
            base,
            scale,
            link,
            nan_matters: self.nan_matters,
            zero_matters: self.zero_matters,
            narrow,
            weights: weights.into(),
        })
    }
}

fn flags_of(missing: Missing) -> u16 {
    let left = |is: bool| if is { flags::MISSING_LEFT } else { 0 };
    match missing {
        Missing::Never => 0,
        Missing::NanIsZero => flags::NAN_IS_ZERO,
        Missing::Nan { left: l } => flags::NAN_IS_MISSING | left(l),
        Missing::Zero { left: l } => flags::NAN_IS_MISSING | flags::ZERO_IS_MISSING | left(l),
    }
}

/// Return the place of a feature: that of the signal with its name, where all names are signals',
/// otherwise its number.
pub(crate) fn places(names: &[String]) -> Vec<usize> {
    let named: Option<Vec<usize>> =
        names.iter().map(|name| Signal::named(name).map(|signal| signal as usize)).collect();
    named.unwrap_or_else(|| (0..names.len()).collect())
}

/// Return the largest 32-bit float that is not above `t`.
pub(crate) fn down(t: f64) -> f32 {
    let near = t as f32;
    if f64::from(near) > t { before(near) } else { near }
}

/// Return the largest 32-bit float below `t`.
pub(crate) fn before(t: f32) -> f32 {
    if t.is_nan() || t == f32::NEG_INFINITY {
        return t;
    }
    t.next_down()
}
