//! Writing JSON into one buffer.

use super::time::push_timestamp;
use bytes::{Bytes, BytesMut};
use onrush::Reservation;
use onrush_types::Money;
use std::cell::RefCell;

/// Memory of a thread's short answers is asked for in pieces of this size.
const PIECE_BYTES: usize = 16 * 1_024;

/// Write a short text and return it. Allocates nothing as long as earlier texts of the thread were
/// sent: they share pieces of memory, and a piece that nobody refers to any more is written again.
///
/// `write` must not prepare a text itself.
pub(crate) fn prepared(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    thread_local! {
        static DESK: RefCell<(Vec<u8>, BytesMut)> = RefCell::default();
    }
    DESK.with_borrow_mut(|(draft, piece)| {
        draft.clear();
        write(draft);
        if piece.capacity() < draft.len() {
            piece.reserve(draft.len().max(PIECE_BYTES));
        }
        piece.extend_from_slice(draft);
        // One long text must not keep its memory for ever.
        draft.shrink_to(PIECE_BYTES);
        piece.split().freeze()
    })
}

/// Append a number.
pub(crate) fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len() - 1;
    digits[at] += (value % 10) as u8;
    while value > 9 {
        value /= 10;
        at -= 1;
        digits[at] += (value % 10) as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Append a JSON string with its quotes, escaping what RFC 8259 requires.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Nearly every text is plain; looking at all of it at once costs less than byte by byte.
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !is_special(byte) {
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

/// Append a reservation as its owner sees it.
pub(crate) fn push_reservation(out: &mut Vec<u8>, r: &Reservation) {
    // Names and ids need no escaping: their types cannot hold a quote.
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(r.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"campaign\":\"");
    out.extend_from_slice(r.campaign.as_str().as_bytes());
    out.extend_from_slice(b"\",\"sku\":\"");
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
