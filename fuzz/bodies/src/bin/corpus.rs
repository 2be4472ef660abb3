//! Writes the seeds of every fuzz target: `corpus FOLDER`. The same program writes the same bytes.
//!
//! Seeds for the ledger are drawn from a fixed generator and kept when they reach something new;
//! records, snapshots and frames are made from what those runs recorded.

use onrush_core::ledger::{Record, encode};
use onrush_fuzz::snapshot::{Chunk, structured_input, to_input};
use onrush_fuzz::{Reached, ledger};
use onrush_journal::frame::RawFrame;
use onrush_journal::layout::SEGMENT_HEADER_BYTES;
use onrush_journal::{FakeDisk, Journal, JournalId, Options, Storage};
use onrush_types::Lsn;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

const DRAWS: u64 = 120_000;
const SEED_BYTES_MAX: u64 = 700;
const RUNS: usize = 8;

/// Configurations: the example of the project, and small ones that go wrong in their own ways.
const CONFIGS: [&str; 6] = [
    include_str!("../../../../onrush.example.toml"),
    "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"unix:/run/x\"\n",
    "[[campaigns]]\ncampaign = \"drop\"\nhold = \"5m\"\nopens_at = 2026-12-01T20:00:00+08:00\n\
     [[campaigns.skus]]\nsku = \"unit\"\nprice = 100\nsupply = 10\n",
    "[[campaigns]]\ncampaign = \"drop\"\nhold = \"1h30m\"\n[campaigns.line]\npass = \"2m\"\n\
     [[campaigns.line.tiers]]\nname = \"everyone\"\nweight = 1\n",
    "[server]\nworkers = 2\nheader_timeout = \"250ms\"\n[identity]\nissuer = \"x\"\n",
    "[engine]\nreserves_max = 300\nhold = 5\n",
];

/// A body for each address, by its number in the target.
const BODIES: [&str; 18] = [
    r#"{"sku":"unit","quantity":2,"delivery":"one_hour","destination":{"lat":31.2,"lon":121.4,"crs":"wgs84"}}"#,
    r#"{"sku":"unit","quantity":1}"#,
    r#"{"channel":"mail","address":"a@b.example","consent":true,"consent_at":"2026-12-01T11:59:00Z","consent_version":1}"#,
    r#"{"buyer":"ann","groups":["gold"]}"#,
    r#"{"event_id":"e","reservation":"r","reference":"p","amount":100,"currency":"CNY","paid_at":"2026-12-01T11:59:00Z"}"#,
    "",
    r#"{"hold":"2m","limit_per_buyer":3,"skus":[{"sku":"unit","price":100},{"sku":"more","price":5,"supply":7}]}"#,
    r#"{"opens_at":"2026-12-01T20:00:00+08:00","skus":[{"sku":"x","price":1,"supply":1}],"waitlist":{"offer":"2m"}}"#,
    r#"{"sku":"unit","quantity":-3,"reason":"counted again"}"#,
    r#"{"to":"paused","reason":"a look"}"#,
    r#"{"reservations":[{"campaign":"drop","sku":"unit","buyer":"cy","key":"k1"}]}"#,
    r#"{"payments":[{"method":"card","amount":100,"currency":"CNY","reference":"p1"}]}"#,
    r#"{"reason":"changed their mind","restock":true}"#,
    r#"{"accept":true,"reason":"fine"}"#,
    r#"{"per_second":50,"reason":"slower"}"#,
    r#"{"public_value":"7 3 9","reason":"the lottery"}"#,
    r#"{"buyer":"ann","reason":"asked"}"#,
    r#"{"message":"soon"}"#,
];

const CONNECTIONS: [&str; 8] = [
    "GET /v1/time HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET /v1/time HTTP/1.0\r\n\r\n",
    "POST /v1/campaigns/demo/reservations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
     x-onrush-buyer: ann\r\nidempotency-key: k\r\ncontent-length: 14\r\n\r\n{\"sku\":\"unit\"}",
    "POST /v1/campaigns/demo/reservations HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
     e\r\n{\"sku\":\"unit\"}\r\n0\r\n\r\nGET /v1/time HTTP/1.1\r\nhost: a\r\n\r\n",
    "HEAD /v1/campaigns/demo HTTP/1.1\r\nhost: a\r\nif-none-match: \"x\"\r\nexpect: 100-continue\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost: a\r\norigin: https://b.example\r\n\r\n",
    "GET /v1/reservations/x HTTP/1.1\r\nhost: a\r\ncookie: onrush_session=abc\r\nconnection: close\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

fn request_seeds() -> Vec<Vec<u8>> {
    let of = |(n, body): (usize, &&str)| [&[n as u8], body.as_bytes()].concat();
    BODIES.iter().enumerate().map(of).collect()
}

/// Ann's own token at each place, then one byte of it changed, then words that are none.
fn token_seeds() -> Vec<Vec<u8>> {
    let own = (0..4).map(|place| vec![place, 1]);
    let changed = (0..4).map(|place| vec![place, 1, 9, 1]);
    let made_up = (0..4).map(|place| [&[place, 0], &b"eyJhbGciOiJub25lIn0.e30."[..]].concat());
    own.chain(changed).chain(made_up).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the corpora")?;
    let folder = Path::new(&folder);
    let (seeds, runs) = ledger_seeds();
    write(folder, "ledger", &seeds)?;
    write(folder, "record", &record_seeds(&runs))?;
    write(folder, "snapshot", &snapshot_seeds(&runs))?;
    write(folder, "frame", &frame_seeds(&runs)?)?;
    write(folder, "config", &CONFIGS.map(|text| text.as_bytes().to_vec()))?;
    write(folder, "request", &request_seeds())?;
    write(folder, "token", &token_seeds())?;
    write(folder, "connection", &CONNECTIONS.map(|text| text.as_bytes().to_vec()))?;
    Ok(())
}

/// Draw inputs, anew or with an earlier seed's beginning, and keep each that reaches a pair of
/// things no earlier one did.
fn ledger_seeds() -> (Vec<Vec<u8>>, Vec<Reached>) {
    let mut random = SplitMix(0x6f6e_7275_7368);
    let (mut seen, mut seeds, mut runs) = (BTreeSet::new(), Vec::<Vec<u8>>::new(), Vec::new());
    for _ in 0..DRAWS {
        let mut seed = Vec::new();
        if !seeds.is_empty() && random.below(4) > 0 {
            let earlier = &seeds[random.below(seeds.len() as u64) as usize];
            seed.extend_from_slice(&earlier[..random.below(earlier.len() as u64) as usize]);
        }
        let length = (seed.len() as u64 + 40 + random.below(200)).min(SEED_BYTES_MAX);
        seed.resize_with(length as usize, || random.next() as u8);
        let reached = ledger(&seed);
        let all: Vec<&str> = reached.changes.iter().chain(&reached.states).copied().collect();
        let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b)));
        let new: Vec<_> = pairs.filter(|pair| !seen.contains(pair)).collect();
        if !new.is_empty() {
            seen.extend(new);
            seeds.push(seed);
            runs.push(reached);
        }
    }
    (seeds, runs)
}

/// One record of each kind and flag, as its first two bytes tell them apart.
fn record_seeds(runs: &[Reached]) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let records = runs.iter().flat_map(|run| &run.records).map(bytes_of);
    records.filter(|bytes| seen.insert([bytes[0], bytes[1]])).collect()
}

/// The runs that reached the most kinds of changes.
fn longest(runs: &[Reached]) -> impl Iterator<Item = &Reached> {
    let mut runs: Vec<&Reached> = runs.iter().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.changes.len()));
    runs.into_iter().take(RUNS)
}

fn snapshot_seeds(runs: &[Reached]) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = longest(runs).map(|run| to_input(&run.ledger)).collect();
    let words = |words: Vec<u64>| Chunk { words, bytes: Vec::new() };
    // An empty ledger in the form that a fuzzer can change: a head, and the end.
    let head = structured_input(1, &words(vec![0, 0]));
    seeds.push([head, structured_input(7, &words(vec![0]))].concat());
    seeds
}

/// Frames of journals of the runs' records, with the checksum as written and to be mended.
fn frame_seeds(runs: &[Reached]) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut seeds = Vec::new();
    for run in longest(runs) {
        let disk = Arc::new(FakeDisk::new(1));
        let options = Options { segment_bytes: 64 * 1024, ..Options::new(JournalId([7; 16])) };
        let nothing = |_: Lsn, _: &[u8]| Ok::<(), std::convert::Infallible>(());
        let (mut journal, _) = Journal::open(disk.clone(), &options, Lsn::ZERO, nothing)?;
        for record in run.records.iter().take(6) {
            journal.append(&bytes_of(record))?;
        }
        journal.commit()?;
        let segment = disk.list()?.into_iter().min().ok_or("a journal has a segment")?;
        let bytes = disk.content(&segment).ok_or("it was listed")?;
        let mut rest = &bytes[SEGMENT_HEADER_BYTES..];
        // A mark without records comes first, then the records; zeros end the segment.
        while let Ok(length) = RawFrame::claimed_bytes(rest) {
            let frame;
            (frame, rest) = rest.split_at(length);
            seeds.extend([0, 1].map(|mend| [&[mend], frame].concat()));
        }
    }
    Ok(seeds)
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

/// Write seeds as numbered files; seeds of an earlier version go, what a fuzzer found stays.
fn write(folder: &Path, target: &str, seeds: &[Vec<u8>]) -> std::io::Result<()> {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-")) {
            std::fs::remove_file(path)?;
        }
    }
    for (n, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{n:03}")), seed)?;
    }
    Ok(())
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
