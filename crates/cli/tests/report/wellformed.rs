//! Reads a page as strictly as XML, but for the elements that HTML leaves open, and for what a reader that
//! cannot see needs.

use std::collections::HashSet;

const VOID: [&str; 3] = ["!doctype", "meta", "br"];

/// Check that elements nest, attributes are quoted, ids are unique and referred to rightly, each table has
/// a caption and headings, and nothing is asked of another place.
pub(crate) fn check(page: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let (mut ids, mut wanted) = (HashSet::new(), Vec::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').ok_or("a tag without an end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or_else(|| format!("</{name}> closes nothing"))?;
            if last != name {
                return Err(format!("</{name}> closes <{last}>"));
            }
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        for (attribute, value) in attributes(tag)? {
            match attribute {
                "id" if !ids.insert(value) => return Err(format!("the id {value} stands twice")),
                "aria-labelledby" => wanted.push(value),
                "href" => {
                    let id = value.strip_prefix('#');
                    wanted.push(id.ok_or_else(|| format!("{value} leads elsewhere"))?);
                }
                "src" | "srcset" | "action" | "data" => return Err(format!("{value} is fetched")),
                _ => {}
            }
        }
        if name == "style" {
            let end = rest.find("</style>").ok_or("a style without an end")?;
            rest = &rest[end..];
        }
        if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    if !open.is_empty() {
        return Err(format!("{open:?} stay open"));
    }
    if let Some(id) = wanted.into_iter().find(|id| !ids.contains(id)) {
        return Err(format!("there is no id {id}"));
    }
    let count = |text: &str| page.matches(text).count();
    if count("<table>") != count("<caption") || count("<th ") != count("<th scope=\"col\"") {
        return Err("a table without a caption, or a heading without a scope".to_owned());
    }
    if count("viewBox=\"0 0 720") != count("role=\"img\" aria-label=") {
        return Err("a chart without a name".to_owned());
    }
    Ok(())
}

/// Return the attributes of a tag.
fn attributes(tag: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut found = Vec::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("=\"") {
        let name = before.rsplit(' ').next().unwrap_or_default();
        let (value, after) = after.split_once('"').ok_or_else(|| format!("a quote in <{tag}>"))?;
        found.push((name, value));
        rest = after;
    }
    Ok(found)
}

#[test]
fn faults_are_found() {
    for (page, says) in [
        ("<p><b></p></b>", "</p> closes <b>"),
        ("<p>", "stay open"),
        ("<p id=\"a\"></p><p id=\"a\"></p>", "twice"),
        ("<a href=\"#b\"></a>", "no id b"),
        ("<a href=\"https://example.org\"></a>", "elsewhere"),
        ("<img src=\"x\"/>", "fetched"),
        ("<table></table>", "caption"),
    ] {
        assert!(check(page).is_err_and(|what| what.contains(says)), "{page}");
    }
    assert_eq!(check("<!doctype html><p id=\"a\">1 &lt; 2</p><a href=\"#a\">up</a>"), Ok(()));
}
