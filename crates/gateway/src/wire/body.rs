//! Reading a JSON body: the media type, then the fields, strictly.

use crate::errors::Code;
use crate::problem::Problem;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::Deserialize;

/// Read a JSON body into `T`.
///
/// # Errors
/// `unsupported_media` when the Content-Type is not JSON or the body is compressed;
/// `invalid_request`, naming the place, when the fields are wrong.
pub(crate) fn read_json<'a, T: Deserialize<'a>>(
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<T, Problem> {
    check_json(headers)?;
    read_object(body)
}

/// Read a JSON object.
///
/// # Errors
/// As [`read_json`], without the media type.
pub(crate) fn read_object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    // The deserialiser would take an array for an object with its fields in order.
    if body.trim_ascii_start().first().is_some_and(|&byte| byte != b'{') {
        return Err(Problem::invalid("this must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        // The parser writes what it met; keep a hostile body from growing the answer.
        let short: String = text.chars().take(300).collect();
        Problem::invalid(short)
    })
}

/// Refuse what does not say that it is JSON by lines, uncompressed.
pub(crate) fn check_lines(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if kind != Some(b"application/x-ndjson") || headers.contains_key(CONTENT_ENCODING) {
        let detail = "send lines of JSON with `Content-Type: application/x-ndjson`, not compressed";
        return Err(Problem::new(Code::UnsupportedMedia, detail));
    }
    Ok(())
}

/// Refuse what does not say that it is plain JSON.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|kind| {
        if kind.as_bytes() == b"application/json" {
            return true;
        }
        let kind = kind.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if !is_json || headers.contains_key(CONTENT_ENCODING) {
        let detail = "send JSON with `Content-Type: application/json` and without compression";
        return Err(Problem::new(Code::UnsupportedMedia, detail));
    }
    Ok(())
}

/// Write a value as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data with string keys is JSON")
}
