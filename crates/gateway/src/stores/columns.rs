//! A store in the words of `onrush route`: the same columns in a file, in JSON, and in what is kept
//! with it. The router's reader checks them all, so there is one owner of what a column means.

use onrush_router::csv::{CsvError, NODE_COLUMNS, Rows, read_nodes};
use onrush_router::node::NodeSpec;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A store's cells by column, without its name.
pub(super) type Cells = BTreeMap<String, String>;

/// Read the cells that were kept with a store.
pub(super) fn cells_of(attributes: &str) -> Cells {
    serde_json::from_str(attributes).unwrap_or_default()
}

/// Write cells as what is kept with a store; equal cells, equal text.
pub(super) fn attributes_of(cells: &Cells) -> String {
    serde_json::to_string(cells).expect("texts are JSON")
}

/// Read a store's fields as JSON has them: texts, numbers, and lists where a column takes several.
///
/// # Errors
/// Names the field.
pub(super) fn cells_of_json(name: &str, body: &Map<String, Value>) -> Result<Cells, String> {
    let mut cells = Cells::new();
    for (field, value) in body {
        if field == "node" {
            if value.as_str() != Some(name) {
                return Err("node: differs from the one in the address".to_owned());
            }
            continue;
        }
        if !NODE_COLUMNS.contains(&field.as_str()) {
            let known = NODE_COLUMNS.join(", ");
            return Err(format!("{field}: is not known; a node has {known}"));
        }
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Array(list) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                texts.ok_or_else(|| format!("{field}: a list of texts"))?.join(";")
            }
            _ => return Err(format!("{field}: a text or a number")),
        };
        if !text.is_empty() {
            cells.insert(field.clone(), text);
        }
    }
    check(name, &cells)?;
    Ok(cells)
}

/// Check a store's cells as the router reads them.
///
/// # Errors
/// What is wrong and what to write instead.
pub(super) fn check(name: &str, cells: &Cells) -> Result<(), String> {
    let rows = specs([(name, cells)]).map_err(|error| error.to_string())?;
    match rows.bad.first() {
        Some(bad) => Err(bad.message.clone()),
        None => Ok(()),
    }
}

/// Read many stores at once. Bad ones have the place they came in, plus 2, as their line.
pub(super) fn specs<'a>(
    nodes: impl IntoIterator<Item = (&'a str, &'a Cells)>,
) -> Result<Rows<NodeSpec>, CsvError> {
    let mut file = csv::Writer::from_writer(Vec::new());
    let write = "writing to memory";
    file.write_record(NODE_COLUMNS).expect(write);
    for (name, cells) in nodes {
        let cell = |column: &&str| match *column {
            "node" => name,
            column => cells.get(column).map_or("", String::as_str),
        };
        file.write_record(NODE_COLUMNS.iter().map(cell)).expect(write);
    }
    read_nodes(file.into_inner().expect(write).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Result<Cells, String> {
        cells_of_json("店", body.as_object().expect("an object"))
    }

    #[test]
    fn json_and_file_say_the_same() {
        let cells = read(json!({"kind": "store", "lat": 41.78, "lon": "123.36",
            "group": ["north", "vip"], "capacity_per_hour": 40, "cut_off": null}))
        .expect("valid");
        assert_eq!(cells["group"], "north;vip");
        assert_eq!(cells_of(&attributes_of(&cells)), cells);
        let rows = specs([("店", &cells)]).expect("columns");
        let spec = &rows.rows[0];
        assert_eq!((spec.name.as_str(), spec.capacity_per_hour), ("店", Some(40)));
        assert_eq!(spec.groups.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, named) in [
            (json!({"kind": "store", "lat": 41.78}), "lon is empty"),
            (json!({"kind": "shop", "lat": 1, "lon": 2}), "store, warehouse"),
            (json!({"kind": "store", "lat": 91, "lon": 2}), "lat 91"),
            (json!({"kind": "store", "lat": 1, "lon": 2, "colour": "red"}), "colour: is not known"),
            (json!({"kind": "store", "lat": true, "lon": 2}), "lat: a text or a number"),
            (json!({"kind": "store", "lat": 1, "lon": 2, "group": [1]}), "group"),
            (json!({"node": "x", "kind": "store", "lat": 1, "lon": 2}), "node"),
        ] {
            let error = read(body.clone()).expect_err("wrong");
            assert!(error.contains(named), "{body}: {error}");
        }
    }
}
