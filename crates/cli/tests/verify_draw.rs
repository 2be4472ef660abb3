//! `onrush verify-draw` on the published vectors.

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

const VECTORS: &str = include_str!("../../core/tests/vectors/draw.json");

fn vector(n: usize) -> Value {
    serde_json::from_str::<Value>(VECTORS).expect("JSON")["draws"][n].take()
}

fn verify(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onrush"));
    command.arg("verify-draw").args(args).current_dir(dir).output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn tells_the_rank_of_everybody_in_the_vectors() {
    let dir = tempfile::tempdir().expect("folder");
    for n in [1, 2, 3] {
        let vector = vector(n);
        std::fs::write(dir.path().join("draw.json"), vector["draw"].to_string()).expect("written");
        let people = vector["draw"]["participants"].as_array().expect("people");
        for (person, rank) in people.iter().zip(vector["ranks"].as_array().expect("ranks")) {
            let who = person[0].as_str().expect("a pseudonym");
            let output = verify(dir.path(), &["draw.json", "--pseudonym", who, "--json"]);
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!((&value["rank"], &value["holds"]), (rank, &json!(true)));
        }
    }
}

#[test]
fn reads_pages_and_shows_what_matters() {
    let dir = tempfile::tempdir().expect("folder");
    let mut draw = vector(3)["draw"].take();
    let people = draw["participants"].take();
    let people = people.as_array().expect("people");
    draw.as_object_mut().expect("object").remove("participants");
    let write = |name: &str, value: Value| {
        std::fs::write(dir.path().join(name), value.to_string()).expect("written");
    };
    write("draw.json", draw.clone());
    write("1.json", json!({"participants": people[..10]}));
    write("2.json", json!({"participants": people[10..], "next": null}));
    let kept = draw["commitment"].as_str().expect("a commitment");
    let output = verify(dir.path(), &["draw.json", "1.json", "2.json", "--commitment", kept]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = said(&output);
    for part in [kept, "people   24", "of weight 5", "\"4711\", from the number", "rank 0   "] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let swapped = verify(dir.path(), &["draw.json", "2.json", "1.json"]);
    assert_eq!(swapped.status.code(), Some(3));
    assert!(said(&swapped).contains("fetch all of its pages in order"), "{}", said(&swapped));
}

#[test]
fn says_what_does_not_hold() {
    let dir = tempfile::tempdir().expect("folder");
    let zeros = "00".repeat(32);
    let who = "ee".repeat(16);
    let cases: [(&str, Value, &[&str], i32, &str); 6] = [
        ("seed", json!(zeros), &[], 3, "commitment does not belong to this seed"),
        ("turn", json!("0".repeat(16)), &[], 3, "turn does not follow"),
        ("rule", json!("mine"), &[], 3, "rule is not the text of version 1"),
        ("seed", Value::Null, &[], 1, "has no seed"),
        ("campaign", json!("drop"), &["--commitment", &zeros], 3, "is not the one that was seen"),
        ("campaign", json!("drop"), &["--pseudonym", &who], 3, "is not in the list"),
    ];
    for (field, value, more, code, says) in cases {
        let mut draw = vector(4)["draw"].take();
        draw[field] = value;
        std::fs::write(dir.path().join("draw.json"), draw.to_string()).expect("written");
        let output = verify(dir.path(), &[&["draw.json"], more].concat());
        assert_eq!(output.status.code(), Some(code), "{field}: {}", said(&output));
        assert!(said(&output).contains(says), "{says}: {}", said(&output));
        assert!(!said(&output).contains("holds    yes"));
    }
}
