//! Any HTTP service as a target, described in a small TOML file, so that two systems meet the same
//! crowd.
//!
//! ```toml
//! name = "redis with one script"
//!
//! [reserve]                       # the only part that must be there
//! method = "POST"
//! path = "/reserve"
//! headers = { "content-type" = "application/json", "x-buyer" = "{buyer}" }
//! body = '{"sku":"{sku}","quantity":{quantity},"key":"{key}"}'
//! accepted = [200, 201]           # default: every 2xx
//! refused = [403, 409, 410]       # an ordinary no; default: every 4xx but 408 and 429
//! again = [429, 503]              # asked again with the same key; default: none
//! when = { pointer = "/ok", is = true }   # accepted only if the JSON says so, else refused
//! id = "/order/id"                # JSON pointer to what the reservation is called
//!
//! [confirm]                       # paying; {id} is what reserve said
//! [release]                       # giving back
//!
//! [check]                         # asked once before and once after the run
//! path = "/stats"
//! taken = "/taken"                # JSON pointer to units held and sold
//! supplied = "/supply"            # optional: taken may never be more
//! ```
//!
//! Placeholders: see [`crate::template`]. Whatever is in none of the lists is an error of the server.

use crate::template::{Fill, Request};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A described target, not yet compiled for an address.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called in reports.
    pub name: String,
    /// Asks for units.
    pub reserve: Step,
    /// Pays.
    pub confirm: Option<Step>,
    /// Gives back.
    pub release: Option<Step>,
    /// Asks what was sold.
    pub check: Option<Count>,
}

/// One request and how its answers are read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// GET, POST, …
    #[serde(default = "post")]
    pub method: String,
    /// The path with its query; may have placeholders.
    pub path: String,
    /// Headers; values may have placeholders.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; may have placeholders.
    #[serde(default)]
    pub body: String,
    /// Statuses that say yes.
    pub accepted: Option<Vec<u16>>,
    /// Statuses that say no.
    pub refused: Option<Vec<u16>>,
    /// Statuses after which the same is asked again.
    #[serde(default)]
    pub again: Vec<u16>,
    /// A yes only if the body says so too; a no otherwise.
    pub when: Option<When>,
    /// Where the answer says what the reservation is called.
    pub id: Option<String>,
}

/// A condition on a JSON body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// What must stand there.
    pub is: Value,
}

/// A request that tells how many units are taken.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Its path.
    pub path: String,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON pointer to the units that are held or sold.
    pub taken: String,
    /// A JSON pointer to the units there are.
    pub supplied: Option<String>,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It was done.
    Accepted,
    /// An ordinary no.
    Refused,
    /// Ask again with the same key.
    Again,
    /// The server failed, or says something that was not expected.
    Failed,
}

/// Why a file describes no target.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetError {
    /// It is not the TOML that was expected; with the line.
    Shape(String),
    /// A value makes no sense; where, and what to write.
    Value(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (TargetError::Shape(what) | TargetError::Value(what)) = self;
        f.write_str(what)
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Read a description.
    ///
    /// # Errors
    /// [`TargetError`], with what to write instead.
    pub fn read(text: &str) -> Result<Target, TargetError> {
        let target: Target = toml::from_str(text).map_err(|e| TargetError::Shape(e.to_string()))?;
        target.reserve.check("reserve")?;
        for (step, name) in [(&target.confirm, "confirm"), (&target.release, "release")] {
            let Some(step) = step else { continue };
            step.check(name)?;
            if step.needs_id() && target.reserve.id.is_none() {
                let text = format!(
                    "[{name}] uses {{id}}, but [reserve] does not say where its answer has it; add \
                     id = \"/id\" (a JSON pointer)"
                );
                return Err(TargetError::Value(text));
            }
        }
        if let Some(count) = &target.check {
            let path = [Some(&count.taken), count.supplied.as_ref()];
            for pointer in path.into_iter().flatten() {
                check_pointer("check", pointer)?;
            }
        }
        Ok(target)
    }
}

impl Count {
    /// Write the request for a server that is called `host`.
    ///
    /// # Errors
    /// [`TargetError::Value`].
    pub fn request(&self, host: &str) -> Result<Vec<u8>, TargetError> {
        let headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let request = Request::new("GET", &self.path, host, &headers, "");
        let request = request.map_err(|e| TargetError::Value(format!("[check] {e}")))?;
        let mut out = Vec::new();
        request.write(&Fill::NOTHING, &mut Vec::new(), &mut out);
        Ok(out)
    }
}

impl Step {
    /// Compile for a server that is called `host`.
    ///
    /// # Errors
    /// [`TargetError::Value`].
    pub fn request(&self, host: &str) -> Result<Request, TargetError> {
        let headers: Vec<(String, String)> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Request::new(&self.method, &self.path, host, &headers, &self.body)
            .map_err(|e| TargetError::Value(e.to_string()))
    }

    /// Tell how an answer is to be read.
    pub fn class(&self, status: u16, body: &[u8]) -> Class {
        if self.again.contains(&status) {
            return Class::Again;
        }
        let yes = match &self.accepted {
            Some(list) => list.contains(&status),
            None => (200..300).contains(&status),
        };
        let no = match &self.refused {
            Some(list) => list.contains(&status),
            None => (400..500).contains(&status) && status != 408 && status != 429,
        };
        match (yes, no, &self.when) {
            (true, _, None) => Class::Accepted,
            (true, _, Some(when)) => match serde_json::from_slice::<Value>(body) {
                Ok(json) if json.pointer(&when.pointer) == Some(&when.is) => Class::Accepted,
                Ok(_) => Class::Refused,
                Err(_) => Class::Failed,
            },
            (false, true, _) => Class::Refused,
            (false, false, _) => Class::Failed,
        }
    }

    /// Return what the answer calls the reservation.
    pub fn id_in(&self, body: &[u8]) -> Option<Box<str>> {
        let json: Value = serde_json::from_slice(body).ok()?;
        match json.pointer(self.id.as_ref()?)? {
            Value::String(text) => Some(text.as_str().into()),
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    fn needs_id(&self) -> bool {
        let has = |text: &str| text.contains("{id}");
        has(&self.path) || has(&self.body) || self.headers.values().any(|value| has(value))
    }

    fn check(&self, part: &str) -> Result<(), TargetError> {
        let wrong = |what: String| Err(TargetError::Value(format!("[{part}] {what}")));
        let method = self.method.as_str();
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return wrong(format!("method = {method:?}: write it in capitals, as in \"POST\""));
        }
        if !self.path.starts_with('/') || self.path.contains([' ', '\r', '\n']) {
            return wrong(format!(
                "path = {:?}: it must start with / and have no spaces",
                self.path
            ));
        }
        for (name, value) in &self.headers {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n']) {
                return wrong(format!("the header {name:?} cannot be sent as it is written"));
            }
            if ["content-length", "transfer-encoding", "connection", "host"]
                .contains(&name.to_ascii_lowercase().as_str())
            {
                return wrong(format!("the header {name:?} is written by the load itself"));
            }
        }
        let lists = [self.accepted.as_ref(), self.refused.as_ref(), Some(&self.again)];
        for status in lists.into_iter().flatten().flatten() {
            if !(200..600).contains(status) {
                return wrong(format!("{status} is no final HTTP status"));
            }
        }
        for pointer in [self.id.as_ref(), self.when.as_ref().map(|when| &when.pointer)] {
            check_pointer(part, pointer.map_or("", String::as_str))?;
        }
        self.request("h").map(drop).map_err(|e| TargetError::Value(format!("[{part}] {e}")))
    }
}

fn check_pointer(part: &str, pointer: &str) -> Result<(), TargetError> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    let text = format!("[{part}] {pointer:?} is no JSON pointer; write \"/{pointer}\"");
    Err(TargetError::Value(text))
}

fn post() -> String {
    "POST".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = 'x'\n[reserve]\npath = '/r'\n";

    fn step(more: &str) -> Step {
        Target::read(&format!("{SMALL}{more}")).expect("a target").reserve
    }

    #[test]
    fn statuses_are_read_as_listed_or_by_their_hundreds() {
        let plain = step("");
        assert_eq!(plain.method, "POST");
        for (status, class) in [
            (200, Class::Accepted),
            (204, Class::Accepted),
            (409, Class::Refused),
            (429, Class::Failed),
            (302, Class::Failed),
            (503, Class::Failed),
        ] {
            assert_eq!(plain.class(status, b""), class, "{status}");
        }
        let listed = step("accepted = [302]\nrefused = [200]\nagain = [503]\n");
        for (status, class) in [
            (302, Class::Accepted),
            (200, Class::Refused),
            (503, Class::Again),
            (409, Class::Failed),
        ] {
            assert_eq!(listed.class(status, b""), class, "{status}");
        }
    }

    #[test]
    fn a_body_can_say_no_with_a_good_status() {
        let step = step("when = { pointer = '/ok', is = true }\nid = '/o/id'\n");
        assert_eq!(step.class(200, br#"{"ok":true}"#), Class::Accepted);
        assert_eq!(step.class(200, br#"{"ok":false}"#), Class::Refused);
        assert_eq!(step.class(200, b"{}"), Class::Refused);
        assert_eq!(step.class(200, b"not JSON"), Class::Failed);
        assert_eq!(step.id_in(br#"{"o":{"id":17}}"#).as_deref(), Some("17"));
        assert_eq!(step.id_in(br#"{"o":{"id":"a"}}"#).as_deref(), Some("a"));
        assert_eq!(step.id_in(br#"{"o":{}}"#), None);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_what_to_write() {
        for (more, says) in [
            ("metod = 'GET'\n", "metod"),
            ("method = 'post'\n", "capitals"),
            ("headers = { 'content-length' = '1' }\n", "written by the load itself"),
            ("headers = { 'a b' = '1' }\n", "cannot be sent"),
            ("body = '{byer}'\n", "{buyer}"),
            ("accepted = [100]\n", "100 is no final"),
            ("id = 'id'\n", "write \"/id\""),
            ("[confirm]\npath = '/c/{id}'\n", "id = \"/id\""),
            ("[check]\npath = '/s'\ntaken = 'n'\n", "write \"/n\""),
        ] {
            let error = Target::read(&format!("{SMALL}{more}")).expect_err(more).to_string();
            assert!(error.contains(says), "{more}: {error}");
        }
        let path = SMALL.replace("'/r'", "'r'");
        assert!(Target::read(&path).is_err_and(|e| e.to_string().contains("start with /")));
        assert!(Target::read("name = 'x'\n").is_err_and(|e| e.to_string().contains("reserve")));
    }
}
