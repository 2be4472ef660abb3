//! As much of JSON Schema as `docs/load-result.schema.json` uses; a word that is not known here fails.

use serde_json::{Map, Value};

const WORDS: [&str; 13] = [
    "$schema",
    "$id",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "minimum",
];

/// Return what in `value` does not fit the schema.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    judge(schema, schema, value, "result", &mut faults);
    faults
}

fn judge(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(words) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            faults.push(format!("{at} may not be there"));
        }
        return;
    };
    for word in words.keys().filter(|word| !WORDS.contains(&word.as_str()) && *word != "anyOf") {
        faults.push(format!("{at}: the schema says `{word}`, which is not known here"));
    }
    if let Some(name) = words.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(name.trim_start_matches('#')).expect("the reference exists");
        return judge(root, target, value, at, faults);
    }
    if let Some(all) = words.get("anyOf").and_then(Value::as_array) {
        let fits = |schema: &Value| {
            let mut wrong = Vec::new();
            judge(root, schema, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !all.iter().any(fits) {
            faults.push(format!("{at}: {value} fits none of the choices"));
        }
        return;
    }
    if let Some(wanted) = words.get("type")
        && !has_type(wanted, value)
    {
        faults.push(format!("{at}: {value} is no {wanted}"));
    }
    if let Some(choices) = words.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        faults.push(format!("{at}: {value} is none of {choices:?}"));
    }
    if let (Some(least), Some(number)) =
        (words.get("minimum").and_then(Value::as_f64), value.as_f64())
        && number < least
    {
        faults.push(format!("{at}: {number} is below {least}"));
    }
    if let Some(object) = value.as_object() {
        members(root, words, object, at, faults);
    }
    if let (Some(items), Some(values)) = (words.get("items"), value.as_array()) {
        for (n, value) in values.iter().enumerate() {
            judge(root, items, value, &format!("{at}[{n}]"), faults);
        }
    }
}

fn members(
    root: &Value,
    words: &Map<String, Value>,
    object: &Map<String, Value>,
    at: &str,
    faults: &mut Vec<String>,
) {
    for name in words.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !name.as_str().is_some_and(|name| object.contains_key(name)) {
            faults.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, value) in object {
        let known = words.get("properties").and_then(|properties| properties.get(name));
        if let Some(schema) = known.or(words.get("additionalProperties")) {
            judge(root, schema, value, &format!("{at}.{name}"), faults);
        }
    }
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(choices) => choices.iter().any(|choice| has_type(choice, value)),
        _ => match wanted.as_str().expect("a type is a word") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            other => panic!("{other} is no type"),
        },
    }
}

#[test]
fn the_judge_finds_what_does_not_fit() {
    let schema: Value = serde_json::from_str(
        r##"{"type":"object","required":["a"],"additionalProperties":false,"$defs":{"n":{"type":"integer",
            "minimum":0}},"properties":{"a":{"$ref":"#/$defs/n"},"b":{"type":["string","null"]},
            "c":{"type":"array","items":{"enum":[1,2]}}}}"##,
    )
    .expect("a schema");
    for (text, found) in [
        (r#"{"a":1,"b":null,"c":[1,2]}"#, 0),
        (r#"{"b":"x"}"#, 1),
        (r#"{"a":-1}"#, 1),
        (r#"{"a":1.5}"#, 1),
        (r#"{"a":1,"b":2}"#, 1),
        (r#"{"a":1,"c":[3,4]}"#, 2),
        (r#"{"a":1,"d":1}"#, 1),
        ("[]", 1),
    ] {
        let value = serde_json::from_str(text).expect("JSON");
        assert_eq!(faults(&schema, &value).len(), found, "{text}: {:?}", faults(&schema, &value));
    }
}
