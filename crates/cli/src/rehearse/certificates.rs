//! When certificates end, read from PEM files: the few bytes of X.509 (RFC 5280, 4.1.2.5) that say so.

use super::verdict::Reason;
use data_encoding::BASE64;
use onrush::Timestamp;
use onrush_gateway::wire::{format_timestamp, parse_timestamp};
use std::path::Path;

const DAY_MS: u64 = 86_400_000;
/// A certificate that ends so soon is renewed before the sale, not after.
const SOON_DAYS: u64 = 14;

/// Judge every certificate of a file at `sale`, the time of the sale.
pub(super) fn judge(file: &Path, sale: Timestamp) -> Reason {
    let shown = file.display();
    let read = std::fs::read_to_string(file).map_err(|e| e.to_string());
    let ends = read.and_then(|text| ends(&text));
    let first = match ends {
        Ok(ends) => ends.into_iter().min().expect("a file with certificates has one"),
        Err(what) => {
            let next = "name a PEM file with certificates";
            return Reason::stop("certificate", format!("{shown}: {what}"), next);
        }
    };
    let found = format!("{shown}: good until {}", format_timestamp(first));
    if first <= sale {
        Reason::stop("certificate", format!("{found}, before the sale"), "renew it")
    } else if first.0 - sale.0 < SOON_DAYS * DAY_MS {
        Reason::look("certificate", found, "renew it before the sale")
    } else {
        Reason::fine("certificate", found)
    }
}

/// Return when each certificate of a PEM text ends.
fn ends(pem: &str) -> Result<Vec<Timestamp>, String> {
    let mut found = Vec::new();
    for part in pem.split("-----BEGIN CERTIFICATE-----").skip(1) {
        let body = part.split("-----END CERTIFICATE-----").next().unwrap_or_default();
        let text: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = BASE64.decode(text.as_bytes()).map_err(|e| format!("no base64: {e}"))?;
        found.push(not_after(&der).ok_or("a certificate cannot be read")?);
    }
    if found.is_empty() { Err("has no certificate".to_owned()) } else { Ok(found) }
}

/// Return the end of a certificate's validity: the fifth part of its first part, counting the version.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut signed, _) = element(certificate, SEQUENCE)?;
    if signed.first() == Some(&EXPLICIT_0) {
        signed = element(signed, EXPLICIT_0)?.1;
    }
    // Serial number, signature's algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        signed = element(signed, tag)?.1;
    }
    let (validity, _) = element(signed, SEQUENCE)?;
    let (_, rest) = time(validity)?;
    let (text, _) = time(rest)?;
    parse_timestamp(&text).ok()
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Take an element of DER with this tag: its content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // A length of one to three bytes: no certificate is larger.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Take a time, as RFC 3339 text.
fn time(der: &[u8]) -> Option<(String, &[u8])> {
    let (content, rest, two_digits) = match der.first()? {
        &UTC_TIME => element(der, UTC_TIME).map(|(content, rest)| (content, rest, true))?,
        _ => element(der, GENERALIZED_TIME).map(|(content, rest)| (content, rest, false))?,
    };
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let year = if two_digits {
        // RFC 5280: 50 to 99 are of the last century.
        let century = if text.get(..2)?.parse::<u8>().ok()? >= 50 { "19" } else { "20" };
        format!("{century}{text}")
    } else {
        text.to_owned()
    };
    if year.len() != 14 || !year.is_ascii() {
        return None;
    }
    let part = |from: usize| &year[from..from + 2];
    let (month, day, hour) = (part(4), part(6), part(8));
    let text = format!("{}-{month}-{day}T{hour}:{}:{}Z", &year[..4], part(10), part(12));
    Some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Weight;
    use super::*;
    use proptest::prelude::*;

    /// Write an element of DER.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = if length < 0x80 {
            vec![tag, length as u8]
        } else {
            vec![tag, 0x82, (length >> 8) as u8, length as u8]
        };
        [head, content.to_vec()].concat()
    }

    /// A certificate as far as it is read; the rest is padding.
    fn certificate(from: &[u8], to: &[u8]) -> String {
        let issuer = der(SEQUENCE, &[5; 300]);
        let validity = der(SEQUENCE, &[from, to].concat());
        let parts = [
            der(EXPLICIT_0, &der(INTEGER, &[2])),
            der(INTEGER, &[1; 20]),
            der(SEQUENCE, &[6, 1, 1]),
            issuer,
            validity,
            der(SEQUENCE, &[9; 10]),
        ];
        let whole = der(SEQUENCE, &der(SEQUENCE, &parts.concat()));
        let text = BASE64.encode(&whole);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn the_first_end_counts() {
        let near = certificate(&der(UTC_TIME, b"260101000000Z"), &der(UTC_TIME, b"261201120000Z"));
        let far = certificate(
            &der(UTC_TIME, b"990101000000Z"),
            &der(GENERALIZED_TIME, b"20510101000000Z"),
        );
        let times = ends(&format!("{far}{near}")).expect("two");
        let times: Vec<String> = times.into_iter().map(format_timestamp).collect();
        assert_eq!(times, ["2051-01-01T00:00:00.000Z", "2026-12-01T12:00:00.000Z"]);
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("cert.pem");
        std::fs::write(&file, format!("{far}{near}")).expect("written");
        let at = |text: &str| judge(&file, parse_timestamp(text).expect("a time"));
        assert_eq!(at("2026-11-01T00:00:00Z").weight, Weight::Fine);
        assert_eq!(at("2026-11-20T00:00:00Z").weight, Weight::Look);
        assert_eq!(at("2026-12-01T12:00:00Z").weight, Weight::Stop);
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        assert!(ends("hello").is_err_and(|e| e.contains("no certificate")));
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
        assert!(ends(wrong).is_err_and(|e| e.contains("cannot be read")));
        let missing = judge(Path::new("nowhere.pem"), Timestamp(0));
        assert_eq!(missing.weight, Weight::Stop);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&bytes);
            let _ = not_after(&der(SEQUENCE, &der(SEQUENCE, &bytes)));
        }
    }
}
