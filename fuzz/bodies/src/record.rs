//! Records of the journal, from bytes nobody vouches for.

use onrush_core::ledger::{Record, decode, encode};

/// Decode `data`; what decodes must encode to a record that is equal, and settled: encoding it once
/// more gives the same bytes. Returns the record.
///
/// The bytes may differ from `data` only where the format has padding that it does not read.
///
/// # Panics
/// When a round trip changes the record.
pub fn record(data: &[u8]) -> Option<Record> {
    let record = decode(data).ok()?;
    let mut bytes = Vec::new();
    encode(&record, &mut bytes);
    let again = decode(&bytes).expect("what was encoded decodes");
    assert_eq!(again, record, "a round trip changed the record");
    let mut settled = Vec::new();
    encode(&again, &mut settled);
    assert_eq!(settled, bytes, "one record has two encodings");
    assert_eq!(bytes.len(), data.len(), "a record was read from more bytes than it has");
    Some(record)
}
