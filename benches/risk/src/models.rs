//! Full trees of a given depth, as a model file says them.

use onrush_risk::SIGNALS;
use onrush_risk::forest::Forest;
use std::fmt::Write;

/// Make a forest of full trees.
pub(crate) fn forest(trees: usize, depth: u32) -> Forest {
    let names: Vec<String> = (0..SIGNALS).map(|at| format!("Column_{at}")).collect();
    let mut text = format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nobjective=binary sigmoid:1\n\
         feature_names={}\n",
        names.join(" ")
    );
    let inner = (1usize << depth) - 1;
    for tree in 0..trees {
        let mut lists: [String; 6] = Default::default();
        for node in 0..inner {
            let mix = (tree * 131 + node).wrapping_mul(2_654_435_761);
            let child = |at: usize| if at < inner { at as i64 } else { -((at - inner) as i64) - 1 };
            let [features, thresholds, kinds, lefts, rights, gains] = &mut lists;
            write!(features, "{} ", mix % SIGNALS).expect("text");
            write!(thresholds, "{} ", (mix >> 8) % 100).expect("text");
            kinds.push_str("0 ");
            write!(lefts, "{} ", child(2 * node + 1)).expect("text");
            write!(rights, "{} ", child(2 * node + 2)).expect("text");
            gains.push_str("1 ");
        }
        let leaves: Vec<String> =
            (0..=inner).map(|leaf| format!("{}", (leaf as f64 - 31.0) / 1_000.0)).collect();
        let [features, thresholds, kinds, lefts, rights, gains] = lists;
        write!(
            text,
            "\nTree={tree}\nnum_leaves={}\nnum_cat=0\nsplit_feature={features}\nsplit_gain={gains}\n\
             threshold={thresholds}\ndecision_type={kinds}\nleft_child={lefts}\nright_child={rights}\n\
             leaf_value={}\nis_linear=0\n",
            inner + 1,
            leaves.join(" ")
        )
        .expect("text");
    }
    text.push_str("\nend of trees\n");
    Forest::load(text.as_bytes()).expect("a model")
}
