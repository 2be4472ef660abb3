//! Writing JSON into one buffer.

use super::time::push_timestamp;
use onrush::Reservation;
use onrush_types::Money;

/// Append a number.
pub(crate) fn push_u64(out: &mut Vec<u8>, value: u64) {
    push_padded(out, value, 1);
}

/// Append a number, with leading zeros up to `width` digits.
pub(crate) fn push_padded(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 || digits.len() - at < width {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Append a JSON string with its quotes, escaping what RFC 8259 requires.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

/// Append an amount of money.
pub(crate) fn push_money(out: &mut Vec<u8>, money: &Money) {
    out.extend_from_slice(b"{\"amount\":");
    if money.amount < 0 {
        out.push(b'-');
    }
    push_u64(out, money.amount.unsigned_abs());
    out.extend_from_slice(b",\"currency\":\"");
    out.extend_from_slice(&money.currency.to_bytes());
    out.extend_from_slice(b"\"}");
}

/// Write a reservation as its owner sees it. One buffer, about 260 bytes.
pub(crate) fn reservation_json(r: &Reservation) -> Vec<u8> {
    let mut out = Vec::with_capacity(288);
    push_reservation(&mut out, r);
    out
}

/// Append a reservation as its owner sees it.
pub(crate) fn push_reservation(out: &mut Vec<u8>, r: &Reservation) {
    use std::io::Write;
    // Names and ids need no escaping: their types cannot hold a quote.
    let _ = write!(out, "{{\"id\":\"{}\",\"campaign\":\"{}\"", r.id, r.campaign);
    out.extend_from_slice(b",\"sku\":\"");
    out.extend_from_slice(r.sku.as_str().as_bytes());
    out.extend_from_slice(b"\",\"quantity\":");
    push_u64(out, u64::from(r.quantity.get()));
    out.extend_from_slice(b",\"state\":\"");
    out.extend_from_slice(r.state.as_str().as_bytes());
    out.extend_from_slice(b"\",\"price\":");
    push_money(out, &r.price);
    out.extend_from_slice(b",\"expires_at\":\"");
    push_timestamp(out, r.expires_at);
    out.extend_from_slice(b"\",\"lsn\":");
    push_u64(out, r.lsn.0);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_and_strings_read_back() {
        for n in [0, 7, 10, 99, 100, 12_345, u64::MAX] {
            assert_eq!(written(|out| push_u64(out, n)), n.to_string());
        }
        assert_eq!(written(|out| push_padded(out, 7, 3)), "007");
        for text in ["", "plain", "a\"b\\c\nd\u{1}\u{7f}é五", "\u{0}"] {
            let json = written(|out| push_json_string(out, text));
            assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }
    }

    #[test]
    fn money_keeps_its_sign() {
        let currency = onrush_types::Currency::CNY;
        let money = |amount| written(|out| push_money(out, &Money { amount, currency }));
        assert_eq!(money(129_900), r#"{"amount":129900,"currency":"CNY"}"#);
        assert_eq!(money(-5), r#"{"amount":-5,"currency":"CNY"}"#);
    }
}
