//! Why a plan won, short enough to be journaled with it: figures, what lost, and the sentences in
//! both languages, most important first, as many as fit.

use super::live::Net;
use onrush::limits::PLAN_NOTE_BYTES_MAX;
use onrush_router::explain::{Explanation, Language};
use onrush_router::plan::Plan;
use serde_json::{Value, json};

/// Write the note.
pub(super) fn note(net: &Net, plan: &Plan, why: &Explanation) -> Vec<u8> {
    let losers: Vec<Value> = why
        .alternatives
        .iter()
        .map(|lost| {
            let nodes: Vec<&str> = lost.nodes.iter().map(|&node| net.name(node)).collect();
            json!({"nodes": nodes, "more": lost.more.to_units()})
        })
        .collect();
    let proof = &why.proof;
    let mut note = json!({
        "policy": net.policy,
        "cost": plan.cost.to_units(),
        "weighed": plan.weighed.to_units(),
        "looked_at": proof.looked_at,
        "proven": proof.covers_network(),
        "en": [], "zh": [],
    });
    fit(&mut note, "alternatives", Value::Array(losers));
    let sentences = |language| why.sentences(&net.network, plan, language);
    let both = sentences(Language::English).into_iter().zip(sentences(Language::Chinese));
    for (english, chinese) in both {
        let before = note.clone();
        push(&mut note["en"], english);
        push(&mut note["zh"], chinese);
        if written(&note).len() > PLAN_NOTE_BYTES_MAX {
            note = before;
            break;
        }
    }
    written(&note)
}

/// Add a field if the note stays short enough.
fn fit(note: &mut Value, field: &str, value: Value) {
    let before = note.clone();
    note[field] = value;
    if written(note).len() > PLAN_NOTE_BYTES_MAX {
        *note = before;
    }
}

fn push(list: &mut Value, text: String) {
    if let Value::Array(list) = list {
        list.push(text.into());
    }
}

fn written(note: &Value) -> Vec<u8> {
    crate::wire::json(note)
}
