//! Reads a reserve in its shortest form without a parser: `{"sku":"…"}`, and `{"sku":"…","quantity":1}`,
//! written as every JSON library writes them. Nearly the whole crowd sends one of these two.
//!
//! Whatever is not exactly of this form is left to the parser, which alone refuses.

use super::body::{check_json, read_json};
use super::requests::ReserveBody;
use crate::problem::Problem;
use http::HeaderMap;
use std::borrow::Cow;

/// Digits of a quantity that is read here.
const DIGITS_MAX: usize = 4;

impl<'a> ReserveBody<'a> {
    /// Read a reserve.
    ///
    /// # Errors
    /// As for every JSON body.
    pub(crate) fn read(headers: &HeaderMap, body: &'a [u8]) -> Result<ReserveBody<'a>, Problem> {
        match short(body) {
            Some((sku, quantity)) => {
                check_json(headers)?;
                Ok(ReserveBody::plain(sku, quantity))
            }
            None => read_json(headers, body),
        }
    }

    fn plain(sku: &'a str, quantity: u32) -> ReserveBody<'a> {
        ReserveBody {
            sku: Cow::Borrowed(sku),
            quantity,
            buyer: None,
            destination: None,
            delivery: None,
            pickup_node: None,
            window: None,
            attribution: None,
        }
    }
}

/// Take SKU and quantity out of a body of the short form.
fn short(body: &[u8]) -> Option<(&str, u32)> {
    let rest = body.strip_prefix(b"{\"sku\":\"")?;
    let (sku, rest) = rest.split_at(rest.iter().position(|&byte| byte == b'"')?);
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\\';
    if !sku.iter().all(is_plain) {
        return None;
    }
    let sku = std::str::from_utf8(sku).ok()?;
    if rest == b"\"}" {
        return Some((sku, 1));
    }
    let digits = rest.strip_prefix(b"\",\"quantity\":")?.strip_suffix(b"}")?;
    // JSON allows no zero in front.
    let is_number = digits.iter().all(u8::is_ascii_digit)
        && (1..=DIGITS_MAX).contains(&digits.len())
        && (digits[0] != b'0' || digits.len() == 1);
    is_number.then(|| {
        let value = |sum: u32, digit: &u8| sum * 10 + u32::from(digit - b'0');
        (sku, digits.iter().fold(0, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(body: &[u8]) -> Option<(String, u32)> {
        let body: ReserveBody<'_> = serde_json::from_slice(body).ok()?;
        let ReserveBody { sku, quantity, buyer: None, destination: None, .. } = body else {
            return None;
        };
        Some((sku.into_owned(), quantity))
    }

    #[test]
    fn reads_both_forms_and_nothing_else() {
        let of = |text: &'static str| short(text.as_bytes());
        assert_eq!(of(r#"{"sku":"unit"}"#), Some(("unit", 1)));
        assert_eq!(of(r#"{"sku":"unit","quantity":17}"#), Some(("unit", 17)));
        assert_eq!(of(r#"{"sku":"","quantity":0}"#), Some(("", 0)));
        for left in [
            "",
            "{}",
            r#"{"sku":"unit"#,
            r#"{"sku":"unit"} "#,
            r#"{"sku":"unit"}}"#,
            r#"{"sku":"un\u0069t"}"#,
            r#"{"sku":"五"}"#,
            "{\"sku\":\"a\nb\"}",
            r#"{ "sku":"unit"}"#,
            r#"{"sku":"unit","quantity":}"#,
            r#"{"sku":"unit","quantity":01}"#,
            r#"{"sku":"unit","quantity":-1}"#,
            r#"{"sku":"unit","quantity":1.0}"#,
            r#"{"sku":"unit","quantity":10000}"#,
            r#"{"sku":"unit","quantity":1,"buyer":"ann"}"#,
            r#"{"sku":"unit","buyer":"ann"}"#,
        ] {
            assert_eq!(short(left.as_bytes()), None, "{left}");
        }
    }

    proptest! {
        #[test]
        fn says_what_the_parser_says(
            sku in "[ -~]{0,8}", number in "[0-9-]{0,5}", form in 0..4usize, at in 0..40usize, with: u8,
        ) {
            let mut body = match form {
                0 => format!(r#"{{"sku":"{sku}"}}"#),
                _ => format!(r#"{{"sku":"{sku}","quantity":{number}}}"#),
            }.into_bytes();
            if form > 1 && at < body.len() {
                body[at] = with;
            }
            if let Some((sku, quantity)) = short(&body) {
                prop_assert_eq!(parsed(&body), Some((sku.to_owned(), quantity)));
            }
        }
    }
}
