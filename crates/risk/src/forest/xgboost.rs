//! XGBoost's JSON format (`Booster.save_model("model.json")`), versions 1.6 to 3.
//!
//! `left_children[n] < 0` is a leaf whose value is `split_conditions[n]`. A decision goes left when the
//! number is *below* the condition; what is not a number goes where `default_left` says. Sums are kept
//! in 32 bits there, so they are here.

use super::build::{before, places};
use super::{Builder, Forest, Link, Missing, ModelError, Split};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    learner: Learner,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    feature_names: Vec<String>,
    gradient_booster: Booster,
    learner_model_param: Param,
    objective: Objective,
}

#[derive(Deserialize)]
struct Booster {
    #[serde(default)]
    name: String,
    model: Option<Model>,
}

#[derive(Deserialize)]
struct Model {
    trees: Vec<Tree>,
}

#[derive(Deserialize)]
struct Param {
    base_score: String,
    #[serde(default)]
    num_class: String,
    #[serde(default)]
    num_target: String,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct Tree {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<usize>,
    split_conditions: Vec<f32>,
    default_left: Vec<Flag>,
    #[serde(default)]
    loss_changes: Vec<f32>,
    #[serde(default)]
    split_type: Vec<u8>,
}

/// Older versions write 0 and 1, others true and false.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Flag {
    Word(bool),
    Number(u8),
}

impl Flag {
    fn is_set(self) -> bool {
        matches!(self, Flag::Word(true) | Flag::Number(1..))
    }
}

pub(super) fn load(bytes: &[u8]) -> Result<Forest, ModelError> {
    let file: File =
        serde_json::from_slice(bytes).map_err(|e| ModelError::Broken(e.to_string()))?;
    let Learner { feature_names, gradient_booster, learner_model_param, objective } = file.learner;
    let Some(model) = gradient_booster.model else {
        let name = &gradient_booster.name;
        return Err(unsupported(&format!("the booster \"{name}\"; use gbtree")));
    };
    let many = |text: &str| !matches!(text, "" | "0" | "1");
    if many(&learner_model_param.num_class) || many(&learner_model_param.num_target) {
        return Err(unsupported("several classes or targets; train with two classes"));
    }
    let base = base_score(&learner_model_param.base_score)?;
    let (base, link) = match objective.name.as_str() {
        "binary:logistic" | "reg:logistic" => ((base / (1.0 - base)).ln(), Link::Logistic(1.0)),
        "binary:logitraw" => (base, Link::Logistic(1.0)),
        "reg:squarederror" => (base, Link::Identity),
        other => return Err(unsupported(&format!("the objective \"{other}\""))),
    };
    let places = places(&feature_names);
    let mut builder = Builder::default();
    for tree in &model.trees {
        let splits = splits(tree, &places)?;
        builder.tree(&splits, 0)?;
    }
    builder.finish(base, 1.0, link, true)
}

/// Read `5E-1`, or `[5E-1]` as newer versions write it.
fn base_score(text: &str) -> Result<f64, ModelError> {
    let number = text.trim_start_matches('[').trim_end_matches(']');
    number.parse().map_err(|_| ModelError::Broken("base_score".to_owned()))
}

fn splits(tree: &Tree, places: &[usize]) -> Result<Vec<Split>, ModelError> {
    let nodes = tree.left_children.len();
    let lengths = [
        tree.right_children.len(),
        tree.split_indices.len(),
        tree.split_conditions.len(),
        tree.default_left.len(),
    ];
    if lengths.iter().any(|length| *length != nodes) {
        return Err(ModelError::Broken("a tree's lists differ in length".to_owned()));
    }
    if tree.split_type.iter().any(|kind| *kind != 0) {
        return Err(unsupported("categorical splits"));
    }
    let split = |n: usize| {
        let Ok(left) = usize::try_from(tree.left_children[n]) else {
            return Ok(Split::Leaf(f64::from(tree.split_conditions[n])));
        };
        let right = usize::try_from(tree.right_children[n])
            .map_err(|_| ModelError::Broken("a child".to_owned()))?;
        let index = tree.split_indices[n];
        // Without names a feature is its number.
        let known = if places.is_empty() { Some(&index) } else { places.get(index) };
        let feature = *known.ok_or_else(|| ModelError::NoSuchSignal(format!("number {index}")))?;
        Ok(Split::Decide {
            feature,
            threshold: before(tree.split_conditions[n]),
            left,
            right,
            missing: Missing::Nan { left: tree.default_left[n].is_set() },
            gain: tree.loss_changes.get(n).copied().unwrap_or(1.0),
        })
    };
    (0..nodes).map(split).collect()
}

fn unsupported(what: &str) -> ModelError {
    ModelError::Unsupported(what.to_owned())
}
