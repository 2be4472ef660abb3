use super::*;
use crate::limits::{DEPTH_MAX, NODES_MAX};
use proptest::prelude::*;

const LIGHTGBM: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=2\n\
objective=binary sigmoid:1\nfeature_names=agent_tool regularity cluster_size\n\nTree=0\nnum_leaves=3\n\
num_cat=0\nsplit_feature=2 0\nsplit_gain=9 3\nthreshold=5.5 0.5\ndecision_type=2 2\nleft_child=1 -2\n\
right_child=-1 -3\nleaf_value=2 -1 0.5\nis_linear=0\n\n\nTree=1\nnum_leaves=1\nnum_cat=0\n\
leaf_value=0.25\n\nend of trees\n";

fn signals(set: &[(Signal, f32)]) -> Signals {
    let mut signals = Signals::ZERO;
    set.iter().for_each(|(signal, value)| signals.set(*signal, *value));
    signals
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} {b}");
}

#[test]
fn a_lightgbm_model_by_hand() {
    let forest = Forest::load(LIGHTGBM.as_bytes()).expect("a model");
    assert_eq!((forest.trees(), forest.nodes()), (2, 6));
    let large = signals(&[(Signal::ClusterSize, 6.0)]);
    close(forest.score(&large).probability, sigmoid(2.25));
    close(forest.score(&signals(&[(Signal::ClusterSize, 5.5)])).probability, sigmoid(-0.75));
    let tool = signals(&[(Signal::AgentTool, 1.0)]);
    close(forest.score(&tool).probability, sigmoid(0.75));
    assert_eq!(forest.score(&large).reasons[0].signal, Some(Signal::ClusterSize));
    assert_eq!(forest.score(&tool).reasons[0].signal, Some(Signal::AgentTool));
}

#[test]
fn an_xgboost_model_by_hand() {
    let json = r#"{"learner":{"feature_names":[],"gradient_booster":{"name":"gbtree","model":{"trees":[
        {"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[4,0,0],
         "split_conditions":[0.5,-2.0,3.0],"default_left":[1,0,0],"loss_changes":[1,0,0]}]}},
        "learner_model_param":{"base_score":"[5E-1]","num_class":"0"},
        "objective":{"name":"binary:logistic"}}}"#;
    let forest = Forest::load(json.as_bytes()).expect("a model");
    let mut row = [0.0; SIGNALS];
    for (x, sum) in [(0.4, -2.0), (0.5, 3.0), (0.6, 3.0), (f32::NAN, -2.0)] {
        row[4] = x;
        close(forest.probability(&row), sigmoid(sum));
    }
}

#[test]
fn hostile_files_are_refused_in_words() {
    let change = |from: &str, to: &str| Forest::load(LIGHTGBM.replacen(from, to, 1).as_bytes());
    let said = |told: Result<Forest, ModelError>| told.expect_err("refused").to_string();
    for (from, to, words) in [
        ("left_child=1 -2", "left_child=0 -2", "reached twice"),
        ("left_child=1 -2", "left_child=-1 -2", "reached twice"),
        ("left_child=1 -2", "left_child=77 -2", "child is missing"),
        ("left_child=1 -2", "left_child=1 -9", "child is missing"),
        ("left_child=1 -2", "left_child=1 -9223372036854775808", "damaged"),
        ("threshold=5.5", "threshold=nan", "threshold is not a number"),
        ("leaf_value=2", "leaf_value=inf", "leaf is not a number"),
        ("leaf_value=2 -1", "leaf_value=2", "differ in length"),
        ("split_feature=2", "split_feature=9", "number 9"),
        ("split_feature=2", "split_feature=-1", "split_feature"),
        ("num_class=1", "num_class=3", "several classes"),
        ("num_cat=0", "num_cat=1", "categorical"),
        ("decision_type=2", "decision_type=3", "categorical"),
        ("objective=binary sigmoid:1", "objective=lambdarank", "lambdarank"),
        ("end of trees", "end", "end is missing"),
    ] {
        let told = said(change(from, to));
        assert!(told.contains(words), "{from} -> {to}: {told}");
    }
    for nothing in [&b""[..], b"MZ\x90", b"{", b"{}", b"tree", b"\x3a\x00", b"\x08\x07", b"[1]"] {
        assert!(Forest::load(nothing).is_err(), "{nothing:?}");
    }
}

#[test]
fn bounds_hold() {
    let chain = |depth: usize| -> Vec<Split> {
        let mut splits = vec![];
        for n in 0..depth {
            let missing = Missing::Never;
            let (left, right) = (n + 1, depth + 1 + n);
            splits.push(Split::Decide {
                feature: 0,
                threshold: 0.0,
                left,
                right,
                missing,
                gain: 1.0,
            });
        }
        splits.extend((0..=depth).map(|n| Split::Leaf(n as f64)));
        splits
    };
    assert_eq!(Builder::default().tree(&chain(DEPTH_MAX), 0), Ok(()));
    let told = Builder::default().tree(&chain(DEPTH_MAX + 1), 0);
    assert!(matches!(told, Err(ModelError::TooLarge(_, DEPTH_MAX))), "{told:?}");
    let many = vec![Split::Leaf(0.0); NODES_MAX + 1];
    let told = Builder::default().tree(&many, 0);
    assert!(matches!(told, Err(ModelError::TooLarge(_, NODES_MAX))), "{told:?}");
    assert!(Builder::default().finish(0.0, 1.0, Link::Identity, false).is_err(), "no tree");
}

/// Walk a tree the plain way.
fn plainly(splits: &[Split], row: &[f32]) -> f64 {
    let mut at = 0;
    loop {
        match splits[at] {
            Split::Leaf(value) => return value,
            Split::Decide { feature, threshold, left, right, .. } => {
                at = if row[feature] <= threshold { left } else { right };
            }
        }
    }
}

fn any_tree() -> impl Strategy<Value = Vec<Split>> {
    let node = (0..SIGNALS, -5f32..5.0, any::<bool>(), -1f64..1.0);
    proptest::collection::vec(node, 1..40).prop_map(|wishes| {
        let mut splits = vec![Split::Leaf(0.0)];
        for (feature, threshold, inner, value) in wishes {
            let open: Vec<usize> = (0..splits.len())
                .filter(|at| matches!(splits[*at], Split::Leaf(v) if v == 0.0))
                .collect();
            let Some(at) = open.first().copied() else { break };
            if inner {
                let (left, right) = (splits.len(), splits.len() + 1);
                let (missing, gain) = (Missing::Never, 1.0);
                splits[at] = Split::Decide { feature, threshold, left, right, missing, gain };
                splits.extend([Split::Leaf(0.0), Split::Leaf(0.0)]);
            } else {
                splits[at] = Split::Leaf(value);
            }
        }
        splits
    })
}

proptest! {
    /// Many trees side by side give what each of them gives alone.
    #[test]
    fn the_flat_walk_is_the_plain_one(
        trees in proptest::collection::vec(any_tree(), 1..20),
        row in proptest::collection::vec(-6f32..6.0, SIGNALS),
    ) {
        let mut builder = Builder::default();
        for tree in &trees {
            prop_assert_eq!(builder.tree(tree, 0), Ok(()));
        }
        let forest = builder.finish(0.0, 1.0, Link::Logistic(1.0), false).expect("sound");
        let exact: f64 = trees.iter().map(|tree| plainly(tree, &row)).sum();
        prop_assert!((forest.probability(&row) - sigmoid(exact)).abs() < 1e-12);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Forest::load(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), to: u8, cut: prop::sample::Index) {
        let mut bytes = LIGHTGBM.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = Forest::load(&bytes);
    }
}
