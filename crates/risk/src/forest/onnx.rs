//! ONNX files with one tree ensemble (`ai.onnx.ml` TreeEnsembleClassifier or TreeEnsembleRegressor).
//!
//! Only what such a file needs of the protobuf schema is declared here; everything else is passed over.
//! A graph may also have nodes that leave the probability as it is (`ZipMap`, `Identity`, `Cast`);
//! any other node is refused by name, because the score would not be the model's.

use super::build::before;
use super::{Builder, Forest, Link, Missing, ModelError, Split};
use prost::Message;
use std::collections::HashMap;

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(float, repeated, tag = "7")]
    floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    strings: Vec<Vec<u8>>,
}

pub(super) fn load(bytes: &[u8]) -> Result<Forest, ModelError> {
    let model = Model::decode(bytes).map_err(|e| broken(&e.to_string()))?;
    let graph = model.graph.ok_or(ModelError::Unknown)?;
    let mut ensemble = None;
    for node in graph.node {
        match node.op_type.as_str() {
            "TreeEnsembleClassifier" | "TreeEnsembleRegressor" if ensemble.is_none() => {
                ensemble = Some(node);
            }
            "ZipMap" | "Identity" | "Cast" => {}
            other => return Err(unsupported(&format!("the operator \"{other}\""))),
        }
    }
    let node = ensemble.ok_or_else(|| unsupported("no tree ensemble"))?;
    let is_classifier = node.op_type == "TreeEnsembleClassifier";
    let all = Attributes(node.attribute.into_iter().map(|a| (a.name.clone(), a)).collect());
    for wide in ["nodes_values_as_tensor", "class_weights_as_tensor", "target_weights_as_tensor"] {
        if all.0.contains_key(wide) {
            return Err(unsupported("64-bit thresholds; convert with float inputs"));
        }
    }
    let weights = leaf_weights(&all, is_classifier)?;
    let mut builder = Builder::default();
    add_trees(&all, &weights.of, &mut builder)?;
    let link = match all.text("post_transform").as_str() {
        "" | "NONE" => Link::Identity,
        "LOGISTIC" => Link::Logistic(1.0),
        other => return Err(unsupported(&format!("the transformation \"{other}\""))),
    };
    builder.finish(weights.base, 1.0, link, true)
}

struct Weights {
    /// By tree and node.
    of: HashMap<(i64, i64), f64>,
    base: f64,
}

/// Return what each leaf adds to the probability of the positive class.
fn leaf_weights(all: &Attributes, is_classifier: bool) -> Result<Weights, ModelError> {
    let prefix = if is_classifier { "class" } else { "target" };
    let list = |name: &str| all.ints(&format!("{prefix}_{name}"));
    let (ids, nodes, trees) = (list("ids"), list("nodeids"), list("treeids"));
    let values = all.floats(&format!("{prefix}_weights"));
    if [nodes.len(), trees.len(), values.len()].iter().any(|length| *length != ids.len()) {
        return Err(broken("its weights differ in length"));
    }
    if !is_classifier && all.text("aggregate_function").as_str() == "AVERAGE" {
        return Err(unsupported("averages; convert it as a classifier"));
    }
    let classes = all.ints("classlabels_int64s").len() + all.count("classlabels_strings");
    if is_classifier && classes != 2 {
        return Err(unsupported("other than two classes"));
    }
    // With weights for one class only they are the positive one's, whatever its number.
    let one_class = ids.iter().all(|id| Some(id) == ids.first());
    let wanted = if one_class { ids.first().copied().unwrap_or(0) } else { 1 };
    let mut of: HashMap<(i64, i64), f64> = HashMap::with_capacity(ids.len());
    for n in 0..ids.len() {
        if ids[n] == wanted {
            *of.entry((trees[n], nodes[n])).or_default() += f64::from(values[n]);
        }
    }
    let bases = all.floats("base_values");
    let base = match (bases.len(), one_class) {
        (0, _) => 0.0,
        (1, true) => f64::from(bases[0]),
        (2, false) => f64::from(bases[1]),
        _ => return Err(unsupported("base values of another number than classes")),
    };
    Ok(Weights { of, base })
}

fn add_trees(
    all: &Attributes,
    weights: &HashMap<(i64, i64), f64>,
    builder: &mut Builder,
) -> Result<(), ModelError> {
    let (trees, ids) = (all.ints("nodes_treeids"), all.ints("nodes_nodeids"));
    let (lefts, rights) = (all.ints("nodes_truenodeids"), all.ints("nodes_falsenodeids"));
    let (features, values) = (all.ints("nodes_featureids"), all.floats("nodes_values"));
    let modes = all.strings("nodes_modes");
    let tracks = all.ints("nodes_missing_value_tracks_true");
    let nodes = ids.len();
    let lengths =
        [trees.len(), lefts.len(), rights.len(), features.len(), values.len(), modes.len()];
    if lengths.iter().any(|length| *length != nodes) {
        return Err(broken("its lists differ in length"));
    }
    let mut first = 0;
    while first < nodes {
        let tree = trees[first];
        let end = (first..nodes).find(|n| trees[*n] != tree).unwrap_or(nodes);
        let range = first..end;
        let places: HashMap<i64, usize> =
            range.clone().map(|n| (ids[n], n - range.start)).collect();
        // A child that does not exist leads beyond the end, where the builder finds it.
        let child = |id: i64| places.get(&id).copied().unwrap_or(usize::MAX);
        let mut splits = Vec::with_capacity(range.len());
        for n in range.clone() {
            let threshold = match modes[n] {
                b"LEAF" => {
                    let weight = weights.get(&(tree, ids[n])).copied().unwrap_or(0.0);
                    splits.push(Split::Leaf(weight));
                    continue;
                }
                b"BRANCH_LEQ" => values[n],
                b"BRANCH_LT" => before(values[n]),
                other => {
                    let mode = String::from_utf8_lossy(other).into_owned();
                    return Err(unsupported(&format!("nodes of the mode \"{mode}\"")));
                }
            };
            let feature = usize::try_from(features[n])
                .map_err(|_| ModelError::NoSuchSignal(format!("number {}", features[n])))?;
            let tracks = tracks.get(n).is_some_and(|tracks| *tracks != 0);
            let missing = if tracks { Missing::Nan { left: true } } else { Missing::Never };
            let (left, right) = (child(lefts[n]), child(rights[n]));
            splits.push(Split::Decide { feature, threshold, left, right, missing, gain: 1.0 });
        }
        builder.tree(&splits, 0)?;
        first = end;
    }
    Ok(())
}

struct Attributes(HashMap<String, Attribute>);

impl Attributes {
    fn ints(&self, name: &str) -> &[i64] {
        self.0.get(name).map_or(&[], |a| &a.ints)
    }
    fn floats(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], |a| &a.floats)
    }
    fn strings(&self, name: &str) -> Vec<&[u8]> {
        self.0.get(name).map_or(vec![], |a| a.strings.iter().map(Vec::as_slice).collect())
    }
    fn count(&self, name: &str) -> usize {
        self.0.get(name).map_or(0, |a| a.strings.len())
    }
    fn text(&self, name: &str) -> String {
        self.0.get(name).map_or(String::new(), |a| String::from_utf8_lossy(&a.s).into_owned())
    }
}

fn broken(what: &str) -> ModelError {
    ModelError::Broken(what.to_owned())
}

fn unsupported(what: &str) -> ModelError {
    ModelError::Unsupported(what.to_owned())
}
