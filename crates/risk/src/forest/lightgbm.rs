//! LightGBM's text format (`Booster.save_model`), versions 3 and 4.
//!
//! `left_child[n] < 0` is leaf `-left_child[n] - 1`. Bit 0 of `decision_type` is a categorical split
//! (not supported), bit 1 sends what is missing to the left, bits 2 and 3 say what is missing: nothing,
//! zero, or not a number.

use super::build::{down, places};
use super::{Builder, Forest, Link, Missing, ModelError, Split};

pub(super) fn load(bytes: &[u8]) -> Result<Forest, ModelError> {
    let text = std::str::from_utf8(bytes).map_err(|_| broken("it is not text"))?;
    let mut sections = text.split("\nTree=");
    let head = Section(sections.next().unwrap_or_default());
    if head.get("num_class").unwrap_or("1") != "1" {
        return Err(unsupported("several classes; train with two"));
    }
    if head.get("num_tree_per_iteration").unwrap_or("1") != "1" {
        return Err(unsupported("several trees an iteration"));
    }
    let names: Vec<String> =
        head.need("feature_names")?.split_whitespace().map(str::to_owned).collect();
    let places = places(&names);
    let mut builder = Builder::default();
    for section in sections {
        let section = Section(section.split("\nend of trees").next().unwrap_or_default());
        let (splits, root) = tree(&section, &places)?;
        builder.tree(&splits, root)?;
    }
    if !text.contains("\nend of trees") {
        return Err(broken("its end is missing"));
    }
    let trees = builder.len().max(1) as f64;
    let averaged = head.0.lines().any(|line| line.trim() == "average_output");
    let scale = if averaged { 1.0 / trees } else { 1.0 };
    builder.finish(0.0, scale, link(head.get("objective").unwrap_or("regression"))?, false)
}

fn link(objective: &str) -> Result<Link, ModelError> {
    let mut words = objective.split_whitespace();
    match words.next().unwrap_or_default() {
        "binary" => {
            let factor = words.find_map(|word| word.strip_prefix("sigmoid:"));
            let factor = factor.map_or(Ok(1.0), str::parse).map_err(|_| broken("objective"))?;
            Ok(Link::Logistic(factor))
        }
        "cross_entropy" | "xentropy" => Ok(Link::Logistic(1.0)),
        "regression" => Ok(Link::Identity),
        other => Err(unsupported(&format!("the objective \"{other}\""))),
    }
}

/// Return the nodes of a tree, decisions first, then leaves, and its root.
fn tree(section: &Section<'_>, places: &[usize]) -> Result<(Vec<Split>, usize), ModelError> {
    let leaves: Vec<f64> = section.list("leaf_value")?;
    if section.get("num_cat").unwrap_or("0") != "0" {
        return Err(unsupported("categorical splits"));
    }
    if section.get("is_linear").unwrap_or("0") != "0" {
        return Err(unsupported("linear trees"));
    }
    if leaves.len() == 1 {
        return Ok((vec![Split::Leaf(leaves[0])], 0));
    }
    let features: Vec<usize> = section.list("split_feature")?;
    let thresholds: Vec<f64> = section.list("threshold")?;
    let kinds: Vec<u8> = section.list("decision_type")?;
    let lefts: Vec<i64> = section.list("left_child")?;
    let rights: Vec<i64> = section.list("right_child")?;
    let gains: Vec<f32> = section.list("split_gain").unwrap_or_default();
    let inner = features.len();
    let lengths = [thresholds.len(), kinds.len(), lefts.len(), rights.len()];
    if lengths.iter().any(|length| *length != inner) || leaves.len() != inner + 1 {
        return Err(broken("a tree's lists differ in length"));
    }
    let child = |at: i64| -> Result<usize, ModelError> {
        // -1 is the first leaf, which stands behind the decisions.
        let place = if at < 0 { (!at).checked_add(inner as i64) } else { Some(at) };
        place.and_then(|at| usize::try_from(at).ok()).ok_or_else(|| broken("a child"))
    };
    let mut splits = Vec::with_capacity(inner * 2 + 1);
    for n in 0..inner {
        if kinds[n] & 1 != 0 {
            return Err(unsupported("categorical splits"));
        }
        let left = kinds[n] & 2 != 0;
        let missing = match kinds[n] >> 2 & 3 {
            0 => Missing::NanIsZero,
            1 => Missing::Zero { left },
            2 => Missing::Nan { left },
            _ => return Err(broken("a decision type")),
        };
        let feature = *places
            .get(features[n])
            .ok_or_else(|| ModelError::NoSuchSignal(format!("number {}", features[n])))?;
        splits.push(Split::Decide {
            feature,
            threshold: down(thresholds[n]),
            left: child(lefts[n])?,
            right: child(rights[n])?,
            missing,
            gain: gains.get(n).copied().unwrap_or(1.0),
        });
    }
    splits.extend(leaves.into_iter().map(Split::Leaf));
    Ok((splits, 0))
}

/// Lines of `key=value`.
struct Section<'a>(&'a str);

impl<'a> Section<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        let mut lines = self.0.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim)
    }

    fn need(&self, key: &str) -> Result<&'a str, ModelError> {
        self.get(key).ok_or_else(|| broken(&format!("{key} is missing")))
    }

    fn list<T: std::str::FromStr>(&self, key: &str) -> Result<Vec<T>, ModelError> {
        let all = self.need(key)?.split_whitespace();
        all.map(|word| word.parse().map_err(|_| broken(key))).collect()
    }
}

fn broken(what: &str) -> ModelError {
    ModelError::Broken(what.to_owned())
}

fn unsupported(what: &str) -> ModelError {
    ModelError::Unsupported(what.to_owned())
}
