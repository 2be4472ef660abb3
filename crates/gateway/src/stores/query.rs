//! The query and the names in an address, percent-decoded; unknown fields are errors.

use crate::problem::Problem;

/// A query's fields.
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Read a query that may have these fields.
    pub(super) fn read(query: Option<&str>, known: &[&'static str]) -> Result<Query, Problem> {
        let mut fields = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(field) = known.iter().find(|known| **known == field) else {
                let known = known.join("`, `");
                return Err(Problem::invalid(format!("query: only `{known}` are known")));
            };
            fields.push((*field, decoded(&value.replace('+', " "))?));
        }
        Ok(Query(fields))
    }

    pub(super) fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| *have == field).map(|(_, value)| value.as_str())
    }

    /// Read a number up to `most`.
    pub(super) fn number(&self, field: &str, most: u32) -> Result<Option<u32>, Problem> {
        let Some(text) = self.get(field) else { return Ok(None) };
        let read = text.parse().ok().filter(|number| *number <= most);
        let wrong = || Problem::invalid(format!("{field}: a number up to {most}"));
        read.map(Some).ok_or_else(wrong)
    }

    /// Read a coordinate, which must be there.
    pub(super) fn degrees(&self, field: &str) -> Result<f64, Problem> {
        let read = self.get(field).and_then(|text| text.parse().ok());
        let finite = read.filter(|degrees: &f64| degrees.is_finite());
        finite.ok_or_else(|| Problem::invalid(format!("{field}: give it in degrees")))
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, Problem> {
        match self.get(field) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(_) => Err(Problem::invalid(format!("{field}: true or false"))),
        }
    }
}

/// Decode what an address escapes: stores have names in every script.
pub(super) fn decoded(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::invalid("address: %XX escapes must spell UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_script_are_read() {
        assert_eq!(decoded("%E8%89%B3%E7%B2%89%E5%BA%97").expect("UTF-8"), "艳粉店");
        assert_eq!(decoded("sh-007").expect("plain"), "sh-007");
        for bad in ["%", "%1", "%zz", "%+1", "%ff", "%E8%89"] {
            assert!(decoded(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_is_read_strictly() {
        let query = Query::read(Some("lat=41.8&skip_bad&x=a+b%21"), &["lat", "skip_bad", "x"]);
        let query = query.expect("known fields");
        assert_eq!(query.degrees("lat").expect("degrees"), 41.8);
        assert!(query.flag("skip_bad").expect("a flag") && query.degrees("lon").is_err());
        assert_eq!(query.get("x"), Some("a b!"));
        assert!(Query::read(Some("y=1"), &["x"]).is_err());
        let number = Query::read(Some("limit=7"), &["limit"]).expect("known");
        assert_eq!(number.number("limit", 9).expect("a number"), Some(7));
        assert!(number.number("limit", 6).is_err());
    }
}
