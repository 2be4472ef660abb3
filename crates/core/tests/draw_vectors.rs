//! The published vectors, and the script that anybody can run, against the product's own draw.

use onrush_core::line::draw::{Published, RULE, recompute, verify};
use onrush_core::line::log2::minus_log2;
use onrush_core::line::{
    ListDigest, Order, Pseudonym, Pseudonyms, Seed, Spots, Turn, Weights, Wheel,
};
use onrush_types::BuyerDigest;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const VECTORS: &str = include_str!("vectors/draw.json");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify_draw.py");
const PAGE: &str = include_str!("../../../docs/draw.md");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).expect("the vectors are JSON")
}

fn hex<const N: usize>(value: &Value) -> [u8; N] {
    let text = value.as_str().expect("hexadecimal text");
    assert_eq!(text.len(), 2 * N, "{text}");
    std::array::from_fn(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).expect("digits"))
}

fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(value: &Value) -> u64 {
    u64::from_be_bytes(hex(value))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn published(draw: &Value) -> Published {
    let weights: Vec<u8> =
        list(&draw["weights"]).iter().map(|w| w.as_u64().expect("weight") as u8).collect();
    let person = |p: &Value| (Pseudonym(hex(&p[0])), p[1].as_u64().expect("class") as u8);
    Published {
        rule: draw["rule"].as_str().expect("rule").to_owned(),
        commitment: hex(&draw["commitment"]),
        seed: Seed(hex(&draw["seed"])),
        list_digest: ListDigest(hex(&draw["list_digest"])),
        public_value: draw["public_value"].as_str().map(str::to_owned),
        turn: Turn(number(&draw["turn"])),
        weights: Weights::new(&weights).expect("weights"),
        participants: list(&draw["participants"]).iter().map(person).collect(),
    }
}

/// Run the script on some files in a folder of its own.
fn python(files: &[&Value]) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let names = (0..files.len()).map(|n| folder.path().join(format!("{n}.json")));
    let names: Vec<_> = names.collect();
    for (name, file) in names.iter().zip(files) {
        std::fs::write(name, file.to_string()).expect("written");
    }
    assert!(Path::new(SCRIPT).is_file(), "{SCRIPT}");
    let run = Command::new("python3").arg(SCRIPT).args(&names).output();
    run.expect("python3 runs; `cargo xtask test setup` installs it")
}

/// Return the ranks that the script prints, in the order of the list.
fn ranks_by_python(draw: &Value) -> Vec<u32> {
    let output = python(&[draw]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("text");
    let participants = list(&draw["participants"]);
    let mut ranks = vec![u32::MAX; participants.len()];
    for line in printed.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let at = participants.iter().position(|p| p[0] == parts[1]).expect("in the list");
        assert_eq!(participants[at][1].to_string(), parts[2]);
        ranks[at] = parts[0].parse().expect("a rank");
    }
    ranks
}

#[test]
fn the_logarithms_are_those_of_the_vectors() {
    let vectors = vectors();
    for pair in list(&vectors["minus_log2"]) {
        assert_eq!(minus_log2(number(&pair[0])), number(&pair[1]), "{pair}");
    }
    assert!(list(&vectors["minus_log2"]).len() >= 30);
}

#[test]
fn the_pseudonym_is_that_of_the_vectors() {
    let vector = &vectors()["pseudonym"];
    let pseudonyms = Pseudonyms::new(&hex(&vector["key"]));
    let pseudonym = pseudonyms.of(BuyerDigest(hex(&vector["buyer"])));
    assert_eq!(pseudonym, Pseudonym(hex(&vector["pseudonym"])));
}

#[test]
fn the_draws_are_those_of_the_vectors() {
    let vectors = vectors();
    for vector in list(&vectors["draws"]) {
        let expected: Vec<u32> =
            list(&vector["ranks"]).iter().map(|r| r.as_u64().expect("rank") as u32).collect();
        let drawing = verify(&published(&vector["draw"])).expect("an honest draw");
        assert_eq!(drawing.ranks(), expected);
        assert_eq!(ranks_by_python(&vector["draw"]), expected);
    }
    assert_eq!(list(&vectors["draws"]).len(), 5);
}

/// Return what would be published of a draw of `count` people, all fixed by `seed`.
fn drawn(seed: u8, count: u16, weights: &[u8], public_value: Option<&str>) -> (Value, Vec<u32>) {
    let secret = Seed([seed; 32]);
    let pseudonyms = Pseudonyms::new(&[seed ^ 0xff; 32]);
    let list: Vec<(Pseudonym, u8)> = (0..count)
        .map(|n| {
            let mut buyer = [0; 16];
            buyer[..2].copy_from_slice(&n.to_be_bytes());
            (pseudonyms.of(BuyerDigest(buyer)), (usize::from(n) * 7 % weights.len()) as u8)
        })
        .collect();
    let of = Weights::new(weights).expect("weights");
    let drawing = recompute(&secret, public_value, &list, of).expect("a list");
    let mut wheel = Wheel::default();
    let spots = Spots::new(&secret);
    for (n, &(pseudonym, class)) in (0..).zip(&list) {
        wheel.push(n, 0, spots.of(pseudonym), class);
    }
    let mut order = Order::new(&wheel, 0, drawing.turn, of);
    let mut ranks = vec![u32::MAX; list.len()];
    for rank in 0.. {
        let Some(ticket) = order.next_ticket(&wheel, &|n| list[n as usize].0) else { break };
        ranks[ticket as usize] = rank;
    }
    let draw = json!({
        "campaign": "drop", "lane": 0, "rule": RULE,
        "commitment": text_of(&secret.commitment()), "seed": text_of(&secret.0),
        "list_digest": text_of(&drawing.list_digest.0),
        "public_value": public_value, "public_value_source": public_value.map(|_| "a lottery"),
        "turn": format!("{:016x}", drawing.turn.0), "weights": weights,
        "participants": list.iter().map(|(p, class)| json!([p.to_string(), class])).collect::<Vec<_>>(),
    });
    (draw, ranks)
}

#[test]
fn the_script_finds_the_ranks_that_the_wheel_gave() {
    for (seed, count, weights, value) in [
        (1, 3_000, &[1_u8][..], None),
        (2, 3_000, &[1, 2, 5], Some("20:00 17.4 °C")),
        (3, 2_000, &[255, 1, 17, 3, 200, 64, 9, 128], Some("")),
    ] {
        let (draw, ranks) = drawn(seed, count, weights, value);
        assert_eq!(ranks_by_python(&draw), ranks);
    }
}

#[test]
fn the_script_reads_the_list_in_pages() {
    let (draw, _) = drawn(4, 300, &[1, 4], None);
    let mut head = draw.clone();
    let people = head["participants"].take();
    head.as_object_mut().expect("object").remove("participants");
    let page = |from: usize, to: usize| json!({"participants": list(&people)[from..to]});
    let (first, second) = (page(0, 120), page(120, 300));
    let paged = python(&[&head, &first, &second]);
    assert_eq!(paged.status.code(), Some(0));
    assert_eq!(paged.stdout, python(&[&draw]).stdout);
    let swapped = python(&[&head, &second, &first]);
    assert_eq!(swapped.status.code(), Some(3), "the order of joining counts");
}

#[test]
fn the_script_refuses_what_does_not_hold() {
    let (honest, _) = drawn(5, 50, &[1, 4], Some("7"));
    let changed = |field: &str, value: Value| {
        let mut draw = honest.clone();
        draw[field] = value;
        draw
    };
    let mut twice = honest.clone();
    twice["participants"][1] = twice["participants"][0].clone();
    for (draw, says) in [
        (changed("rule", json!(format!("{RULE} "))), "rule does not hold"),
        (changed("seed", json!("00".repeat(32))), "commitment does not hold"),
        (changed("commitment", json!("00".repeat(32))), "commitment does not hold"),
        (changed("public_value", json!("8")), "turn does not hold"),
        (changed("turn", json!("0".repeat(16))), "turn does not hold"),
        (changed("list_digest", json!("00".repeat(32))), "list digest does not hold"),
        (twice, "list digest does not hold"),
    ] {
        let output = python(&[&draw]);
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(3) && said.contains(says), "{says}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn the_script_and_the_page_are_about_this_rule() {
    use sha2::{Digest, Sha256};
    let script = std::fs::read_to_string(SCRIPT).expect("the script");
    assert!(script.contains(&text_of(&Sha256::digest(RULE))), "the script checks another rule");
    assert!(script.lines().count() <= 40, "short enough to be read by a sceptic");
    assert!(PAGE.contains(RULE), "docs/draw.md shows another rule");
}
