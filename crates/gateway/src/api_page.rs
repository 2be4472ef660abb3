//! The HTTP contract for people: one page on the admin side, written from the same document that machines
//! read, once. No script, nothing from another place, nothing secret: it needs no key.

use crate::openapi;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::sync::LazyLock;

const STYLE: &str = "
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
summary{cursor:pointer;padding:.25rem 0}code{font-size:.9em;overflow-wrap:anywhere}h2{margin-top:2rem}
details{border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}details>*:not(summary){margin-left:1.2rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}
";

/// Sides of the contract: its tag, and what is said of it.
const SIDES: [(&str, &str); 2] = [
    ("public", "For buyers and shop front ends"),
    ("admin", "For operators and back ends: an API key as <code>Authorization: Bearer …</code>"),
];

static PAGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let document: Value = serde_json::from_slice(&openapi::document()).unwrap_or_default();
    page(&document).into_bytes()
});

/// Return the page.
pub(crate) fn bytes() -> &'static [u8] {
    &PAGE
}

fn page(document: &Value) -> String {
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Onrush: the HTTP contract</title>\
         <style>{STYLE}</style></head><body><main><h1>The HTTP contract</h1><p>{}</p>\
         <p>For machines: <code>/openapi.json</code> with an API key. What a code means: \
         <code>/docs/errors/CODE</code>, or <code>onrush explain CODE</code>.</p>",
        text(&document["info"]["description"])
    );
    for (tag, about) in SIDES {
        let _ = write!(out, "<h2>{tag}</h2><p>{about}.</p>");
        for (path, methods) in fields(&document["paths"]) {
            for (method, operation) in fields(methods) {
                if operation["tags"][0] == tag {
                    self::operation(path, method, operation, &mut out);
                }
            }
        }
    }
    out += "<h2>Shapes</h2>";
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let _ =
            write!(out, "<details id=\"{0}\"><summary><code>{0}</code></summary>", escaped(name));
        shape(schema, &mut out);
        out += "</details>";
    }
    out += "</main></body></html>\n";
    out
}

fn operation(path: &str, method: &str, operation: &Value, out: &mut String) {
    let _ = write!(
        out,
        "<details><summary><code>{} {}</code> {}</summary><table>",
        method.to_uppercase(),
        escaped(path),
        text(&operation["summary"])
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let about = text(&parameter["description"]);
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let _ = write!(out, "<tr><th>{name}</th><td>in {place} {about}</td></tr>");
    }
    for (media, content) in fields(&operation["requestBody"]["content"]) {
        let schema = kind(&content["schema"]);
        let _ = write!(out, "<tr><th>body</th><td>{} {schema}</td></tr>", escaped(media));
    }
    for (status, response) in fields(&operation["responses"]) {
        let mut said = text(&response["description"]);
        for (_, content) in fields(&response["content"]) {
            let _ = write!(said, " {}", kind(&content["schema"]));
        }
        let _ = write!(out, "<tr><th>{}</th><td>{said}</td></tr>", escaped(status));
    }
    *out += "</table></details>";
}

/// Write the fields of an object, or what else a shape is.
fn shape(schema: &Value, out: &mut String) {
    let properties = fields(&schema["properties"]).collect::<Vec<_>>();
    if properties.is_empty() {
        let _ = write!(out, "<p>{}</p>", kind(schema));
        return;
    }
    let is_required = |name: &str| {
        schema["required"].as_array().is_some_and(|list| list.iter().any(|field| field == name))
    };
    *out += "<table>";
    for (name, field) in properties {
        let must = if is_required(name) { ", required" } else { "" };
        let _ = write!(
            out,
            "<tr><th><code>{}</code></th><td>{}{must} {}</td></tr>",
            escaped(name),
            kind(field),
            text(&field["description"])
        );
    }
    *out += "</table>";
}

/// Name a shape: a link to one that has a name.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#{name}\"><code>{name}</code></a>");
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(list) = schema[choice].as_array() {
            return list.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| format!("<code>{}</code>", text(word)));
        return words.collect::<Vec<_>>().join(" ");
    }
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        kind => text(kind),
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Return a text of the document, escaped; nothing when it is none.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(String::new, escaped)
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Route;

    #[test]
    fn every_route_and_every_shape_is_on_the_page() {
        let page = std::str::from_utf8(bytes()).expect("UTF-8");
        for route in Route::ALL {
            let (method, path) = route.describe();
            if path != "*" {
                assert!(page.contains(&format!("<code>{method} {path}</code>")), "{method} {path}");
            }
        }
        let targets = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let targets: Vec<&str> = targets.collect();
        assert!(targets.len() > 50, "{}", targets.len());
        for target in targets {
            assert!(page.contains(&format!("<details id=\"{target}\">")), "{target} leads nowhere");
        }
    }

    #[test]
    fn nothing_is_fetched() {
        let page = std::str::from_utf8(bytes()).expect("UTF-8");
        for part in ["<script", "src=", "url(", "http://", "@import"] {
            assert!(!page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
        assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
    }

    #[test]
    fn shapes_are_named_in_words() {
        let of = |schema: Value| kind(&schema);
        assert_eq!(of(serde_json::json!({"type": ["string", "null"]})), "string or null");
        assert_eq!(
            of(serde_json::json!({"type": "array", "items": {"$ref": "#/x/Money"}})),
            "list of <a href=\"#Money\"><code>Money</code></a>"
        );
        assert_eq!(of(serde_json::json!({"enum": ["a<b"]})), "<code>a&lt;b</code>");
    }
}
