//! Snapshots, chunk by chunk, from bytes nobody vouches for.
//!
//! ```text
//! chunk: kind (1)  form and length (2, little endian)  content
//! ```
//!
//! The highest bit of the second field set: the content is the archive itself. Not set: the content
//! is a byte count of words, the words, and bytes, and the archive is made here, since a fuzzer does
//! not guess one.

use crate::input::Input;
use onrush_core::ledger::{Ledger, SnapshotLoader};

const RAW: u16 = 1 << 15;

/// The archived form of every chunk, as the snapshot's layout has it.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize)]
pub struct Chunk {
    /// Numbers.
    pub words: Vec<u64>,
    /// Texts and nested records.
    pub bytes: Vec<u8>,
}

/// Load the chunks in `data`; what loads must save and load again as the same state. Returns whether
/// it loaded.
///
/// # Panics
/// When the image of what was loaded does not load, or is another state.
pub fn snapshot(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut loader = SnapshotLoader::new([1, 2]);
    while input.more() {
        let (kind, form) = (u32::from(input.byte()), input.u16());
        let content = input.bytes(usize::from(form & !RAW));
        let loaded = if form & RAW != 0 {
            loader.chunk(kind, content)
        } else {
            loader.chunk(kind, &archive(&structured(content)))
        };
        if loaded.is_err() {
            return false;
        }
    }
    let Ok(ledger) = loader.finish() else { return false };
    assert_eq!(reload(&ledger).digest(), ledger.digest(), "the image is of another state");
    true
}

/// Save `ledger` and load what was saved.
///
/// # Panics
/// When the image does not load.
pub fn reload(ledger: &Ledger) -> Ledger {
    let mut loader = SnapshotLoader::new([3, 4]);
    ledger
        .snapshot(|kind, bytes| loader.chunk(kind, bytes))
        .expect("a chunk that was just made is one of this layout");
    loader.finish().expect("an image that was just made is whole")
}

/// Write the image of `ledger` as input for [`snapshot`].
pub fn to_input(ledger: &Ledger) -> Vec<u8> {
    let mut input = Vec::new();
    let Ok(()) = ledger.snapshot(|kind, bytes| {
        let length = u16::try_from(bytes.len()).expect("seeds are small");
        assert!(length < RAW, "seeds are small");
        input.push(kind as u8);
        input.extend_from_slice(&(length | RAW).to_le_bytes());
        input.extend_from_slice(bytes);
        Ok::<(), std::convert::Infallible>(())
    });
    input
}

/// Write one chunk in the form that fuzzers understand.
pub fn structured_input(kind: u8, chunk: &Chunk) -> Vec<u8> {
    let mut content = vec![chunk.words.len() as u8];
    content.extend(chunk.words.iter().flat_map(|word| word.to_le_bytes()));
    content.extend_from_slice(&chunk.bytes);
    let length = u16::try_from(content.len()).expect("seeds are small").to_le_bytes();
    [&[kind][..], &length, &content].concat()
}

fn structured(content: &[u8]) -> Chunk {
    let mut input = Input::new(content);
    let words = usize::from(input.byte());
    let words = input.bytes(words * 8).chunks(8).map(|word| {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        u64::from_le_bytes(bytes)
    });
    let words = words.collect();
    Chunk { words, bytes: input.bytes(usize::MAX).to_vec() }
}

fn archive(chunk: &Chunk) -> Vec<u8> {
    rkyv::to_bytes::<rkyv::rancor::Error>(chunk).expect("archiving two vectors").to_vec()
}
