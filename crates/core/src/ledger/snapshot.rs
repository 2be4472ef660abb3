//! The image of a ledger: chunks of plain integers and bytes, archived with rkyv.
//!
//! Every chunk has the same archived form, a vector of 64-bit words and a vector of bytes, both
//! little endian and without alignment; the kind says what they mean. rkyv's own validation accepts
//! flipped data bytes, so whoever stores a chunk checks its checksum before it comes here. Indexes
//! (buyers, payments, names, cursors) are derived and rebuilt. The digest of all chunks is the digest
//! of the state (INV-10).

use super::codec::{decode, encode};
use super::line_snapshot;
use super::record::{Change, Paid, PaidOutcome, Record, RefundDue};
use super::state::{Extra, HoldClass, Ledger, Line, ReservationState, SkuState};
use crate::front::NONE;
use crate::phase::Phase;
use crate::reservation::State;
use onrush_types::planted;
use onrush_types::{
    BuyerDigest, CampaignIx, Currency, DurationMs, KeyDigest, Lsn, Name, Quantity, RequestDigest,
    ReservationSeq, SkuIx, Timestamp,
};
use rkyv::rancor;
use sha2::{Digest, Sha256};
use std::fmt;

#[path = "nodes_snapshot.rs"]
mod nodes;

/// Names this layout; a snapshot of another layout is not read but rebuilt from the journal.
pub const LAYOUT: u64 = 0x6f6e_7275_7368_0001;

/// Rows of the large tables in one chunk: 128 KiB of reservations, some 300 µs of work.
const ROWS_PER_CHUNK: usize = 1 << 11;

const HEAD: u32 = 1;
const CAMPAIGNS: u32 = 2;
const SKUS: u32 = 3;
const RESERVATIONS: u32 = 4;
const EXTRAS: u32 = 5;
const REFUNDS: u32 = 6;
const END: u32 = 7;
/// What the waitlist keeps, see `waitlist_apply.rs`; absent where nobody ever waited.
const WAITS: u32 = 48;

/// The archived form of every chunk.
#[derive(Default, rkyv::Archive, rkyv::Serialize)]
pub(super) struct Chunk {
    pub(super) words: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

/// A snapshot that cannot be used; the journal still can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotError {
    /// What did not fit.
    pub what: &'static str,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the snapshot cannot be used ({}); the journal is read instead", self.what)
    }
}

impl std::error::Error for SnapshotError {}

impl Ledger {
    /// Hand the image of the ledger to `sink`, chunk by chunk (kind, bytes), each at most 4 MiB.
    ///
    /// # Errors
    /// Whatever `sink` returns.
    pub fn snapshot<E>(&self, mut sink: impl FnMut(u32, &[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut put = |kind: u32, chunk: Chunk| {
            let bytes = rkyv::to_bytes::<rancor::Error>(&chunk).expect("archiving two vectors");
            sink(kind, &bytes)
        };
        let mut words = vec![self.lsn.0, self.stamp.0];
        words.extend(self.hold_classes.iter().map(|class| class.hold.0));
        put(HEAD, Chunk { words, bytes: Vec::new() })?;
        for n in 0..self.campaigns.len() {
            put(CAMPAIGNS, self.campaign_chunk(CampaignIx(n as u16)))?;
        }
        for rows in self.skus.chunks(ROWS_PER_CHUNK) {
            put(SKUS, sku_chunk(rows))?;
        }
        let chunks = self.reservations.chunks().iter();
        for rows in chunks.flat_map(|chunk| chunk.chunks(ROWS_PER_CHUNK)) {
            let words = rows.iter().flat_map(reservation_words).collect();
            put(RESERVATIONS, Chunk { words, bytes: Vec::new() })?;
        }
        // An extra is at most some 20 KiB (details and 32 lines), so this many stay below 4 MiB.
        for rows in self.extras.chunks(128) {
            put(EXTRAS, extra_chunk(rows))?;
        }
        for rows in self.refunds.chunks(ROWS_PER_CHUNK) {
            let words = rows.iter().flat_map(refund_words).collect();
            put(REFUNDS, Chunk { words, bytes: Vec::new() })?;
        }
        nodes::chunks(&self.nodes, &mut put)?;
        for (words, bytes) in self.wait_chunks() {
            put(WAITS, Chunk { words, bytes })?;
        }
        for n in 0..self.lines.len() {
            for (kind, chunk) in self.line_chunks(CampaignIx(n as u16)) {
                put(kind, chunk)?;
            }
        }
        put(END, Chunk { words: self.row_counts().to_vec(), bytes: Vec::new() })
    }

    /// Return how many rows each table has; the last chunk says it, so a missing chunk is noticed.
    fn row_counts(&self) -> [u64; 6] {
        let reservations = self.reservations.len as usize;
        let Ledger { campaigns, skus, extras, refunds, .. } = self;
        let waits = self.waits.rows();
        [campaigns.len(), skus.len(), reservations, extras.len(), refunds.len(), waits]
            .map(|n| n as u64)
    }

    /// Return the SHA-256 of the image: equal digests, equal states. O(all).
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let Ok(()) = self.snapshot(|kind, bytes| {
            hasher.update(kind.to_le_bytes());
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        hasher.finalize().into()
    }

    fn campaign_chunk(&self, campaign: CampaignIx) -> Chunk {
        let c = &self.campaigns[campaign.index()];
        let (name, terms) = (c.name.clone(), Box::new(c.terms.clone()));
        let change = Change::Campaign { campaign, name, terms };
        let mut bytes = Vec::new();
        encode(&Record { stamp: self.stamp, change }, &mut bytes);
        Chunk { words: vec![c.reached as u64, u64::from(c.waves_done)], bytes }
    }
}

fn sku_chunk(rows: &[SkuState]) -> Chunk {
    let mut chunk = Chunk::default();
    for s in rows {
        chunk.words.extend([
            u64::from(s.campaign.0),
            s.price as u64,
            u64::from(s.limit_per_buyer) << 32 | u64::from(s.supplied),
            u64::from(s.free) << 32 | u64::from(s.held),
            u64::from(s.sold) << 32 | u64::from(s.withdrawn),
        ]);
        chunk.bytes.push(s.name.as_str().len() as u8);
        chunk.bytes.extend_from_slice(s.name.as_str().as_bytes());
    }
    chunk
}

fn reservation_words(r: &ReservationState) -> [u64; 8] {
    let (low, high) = r.buyer.0.split_at(8);
    let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen"));
    [
        word(low),
        word(high),
        r.key.0,
        r.expires_at.0,
        r.amount as u64,
        u64::from(r.request.0) << 32 | u64::from(r.sku.0),
        u64::from(r.previous) << 32 | u64::from(r.extra),
        u64::from(r.quantity.get()) << 32
            | u64::from(r.unaccepted) << 16
            | u64::from(r.hold_class) << 8
            | r.state as u64,
    ]
}

fn extra_chunk(rows: &[Extra]) -> Chunk {
    let mut chunk = Chunk::default();
    let mut record = Vec::new();
    for extra in rows {
        let details = extra.details.as_deref();
        let length = details.map_or(0, |details| details.len() as u64 + 1);
        chunk.words.extend([length, extra.lines.len() as u64]);
        chunk.words.extend(key_words(extra.confirm));
        chunk.words.extend(key_words(extra.release));
        chunk.bytes.extend_from_slice(details.unwrap_or_default());
        for line in &extra.lines {
            record.clear();
            let (seq, outcome) = (ReservationSeq(0), PaidOutcome::Partial);
            let paid = Paid { seq, line: line.payment.clone(), key: line.key, outcome };
            encode(&Record { stamp: Timestamp(0), change: Change::Paid(paid) }, &mut record);
            chunk.words.extend([record.len() as u64, line.refunded as u64]);
            chunk.bytes.extend_from_slice(&record);
        }
    }
    chunk
}

fn key_words(key: Option<(KeyDigest, RequestDigest)>) -> [u64; 3] {
    key.map_or([0; 3], |(KeyDigest(key), RequestDigest(request))| [1, key, u64::from(request)])
}

fn refund_words(due: &RefundDue) -> [u64; 3] {
    let [a, b, c] = due.currency.to_bytes();
    let tail =
        [due.line, u8::from(planted!("image-forgets-refunded", false, due.done)), a, b, c, 0, 0, 0];
    [u64::from(due.seq.0), due.amount as u64, u64::from_le_bytes(tail)]
}

/// Builds a ledger from the chunks of its image, in the order in which they were made.
#[derive(Debug)]
pub struct SnapshotLoader {
    ledger: Ledger,
    begun: bool,
    ended: bool,
}

pub(super) type Loaded<T> = Result<T, SnapshotError>;

impl SnapshotLoader {
    /// Start with nothing. `hash_key` as in [`Ledger::new`].
    pub fn new(hash_key: [u64; 2]) -> SnapshotLoader {
        SnapshotLoader { ledger: Ledger::new(hash_key), begun: false, ended: false }
    }

    /// Take the next chunk.
    ///
    /// # Errors
    /// When the chunk is not one of this layout or does not fit those before it.
    pub fn chunk(&mut self, kind: u32, bytes: &[u8]) -> Loaded<()> {
        let chunk = rkyv::access::<ArchivedChunk, rancor::Error>(bytes)
            .map_err(|_| bad("not an archive"))?;
        let mut r = ChunkReader {
            words: chunk.words.iter().map(|word| word.to_native()).collect(),
            bytes: &chunk.bytes,
            at: 0,
        };
        if (kind == HEAD) == self.begun || self.ended {
            return Err(bad("the order of its chunks"));
        }
        self.begun = true;
        let ledger = &mut self.ledger;
        match kind {
            HEAD => {
                (ledger.lsn, ledger.stamp) = (Lsn(r.word()?), Timestamp(r.word()?));
                while r.more() {
                    let class = HoldClass { hold: DurationMs(r.word()?), cursor: 0 };
                    ledger.hold_classes.push(class);
                }
            }
            CAMPAIGNS => load_campaign(ledger, &mut r)?,
            SKUS => {
                while r.more() {
                    load_sku(ledger, &mut r)?;
                }
            }
            RESERVATIONS => {
                while r.more() {
                    load_reservation(ledger, &mut r)?;
                }
            }
            EXTRAS => {
                while r.more() {
                    let extra = load_extra(&mut r)?;
                    ledger.extras.push(extra);
                }
            }
            REFUNDS => {
                while r.more() {
                    load_refund(ledger, &mut r)?;
                }
            }
            nodes::HEAD..=nodes::ROUTING => nodes::load(ledger, kind, &mut r)?,
            WAITS => ledger.load_waits(&r.words).map_err(bad)?,
            line_snapshot::LINE => line_snapshot::load_line(ledger, &mut r)?,
            line_snapshot::TICKETS => line_snapshot::load_tickets(ledger, &mut r)?,
            END => self.ended = r.words == ledger.row_counts(),
            _ => return Err(bad("kind of chunk")),
        }
        Ok(())
    }

    /// Rebuild the indexes and return the ledger.
    ///
    /// # Errors
    /// When chunks are missing or a SKU does not conserve its units.
    pub fn finish(self) -> Loaded<Ledger> {
        self.finish_with(&mut || ())
    }

    /// As [`finish`](SnapshotLoader::finish), with a `pause` after every 2,048 reservations.
    ///
    /// # Errors
    /// As of `finish`.
    pub fn finish_with(self, pause: &mut dyn FnMut()) -> Loaded<Ledger> {
        let SnapshotLoader { mut ledger, ended, .. } = self;
        if !ended {
            return Err(bad("its end is missing"));
        }
        if ledger.skus.iter().any(|sku| sku.check().is_err()) {
            return Err(bad("a SKU does not conserve its units"));
        }
        nodes::check_complete(&ledger.nodes)?;
        let extras = ledger.extras.len();
        let rows = ledger.reservations.chunks().iter().flatten();
        if rows.into_iter().any(|r| r.extra != NONE && r.extra as usize >= extras) {
            return Err(bad("a reservation's details are missing"));
        }
        ledger.reserve_buyers(ledger.reservations.len as usize);
        for n in 0..ledger.reservations.len {
            let r = *ledger.reservations.get(n).expect("dense");
            let campaign = ledger.skus[r.sku.index()].campaign;
            planted!("image-forgets-buyers", 0, ledger.swap_latest(campaign, r.buyer, n));
            for line in 0..ledger.lines(ReservationSeq(n)).len() {
                ledger.index_payment(ReservationSeq(n), line as u8);
            }
            if (n as usize + 1).is_multiple_of(ROWS_PER_CHUNK) {
                pause();
            }
        }
        ledger.finish_lines()?;
        ledger.note_switches();
        ledger.note_all_free();
        Ok(ledger)
    }
}

fn load_campaign(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let all = r.bytes.len();
    let record = decode(r.take(all)?).map_err(|e| bad(e.what))?;
    let next = CampaignIx(ledger.campaigns.len() as u16);
    if !matches!(record.change, Change::Campaign { campaign, .. } if campaign == next) {
        return Err(bad("a campaign"));
    }
    ledger.apply_unlogged(&record)?;
    let c = ledger.campaigns.last_mut().ok_or(bad("no campaign"))?;
    let reached = u8::try_from(r.word()?).ok().and_then(Phase::from_u8);
    c.reached = reached.ok_or(bad("phase"))?;
    c.waves_done = r.word()? as u16;
    Ok(())
}

fn load_sku(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let campaign = CampaignIx(r.word()? as u16);
    let price = r.word()? as i64;
    let [limit_per_buyer, supplied] = halves(r.word()?);
    let [free, held] = halves(r.word()?);
    let [sold, withdrawn] = halves(r.word()?);
    let length = usize::from(*r.take(1)?.first().ok_or(bad("a name"))?);
    let name = std::str::from_utf8(r.take(length)?).ok().and_then(|n| Name::new(n).ok());
    let name = name.ok_or(bad("a name"))?;
    let c = ledger.campaigns.get_mut(campaign.index()).ok_or(bad("a SKU's campaign"))?;
    c.skus.insert(name.clone(), SkuIx(ledger.skus.len() as u32));
    ledger.skus.push(SkuState {
        campaign,
        name,
        price,
        limit_per_buyer,
        supplied,
        free,
        held,
        sold,
        withdrawn,
    });
    Ok(())
}

fn load_reservation(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let mut buyer = [0; 16];
    buyer[..8].copy_from_slice(&r.word()?.to_le_bytes());
    buyer[8..].copy_from_slice(&r.word()?.to_le_bytes());
    let (key, expires_at, amount) = (r.word()?, r.word()?, r.word()? as i64);
    let [request, sku] = halves(r.word()?);
    let [previous, extra] = halves(r.word()?);
    let last = r.word()?;
    let state = State::from_u8(last as u8).ok_or(bad("a reservation's state"))?;
    let quantity = Quantity::new((last >> 32) as u32).map_err(|_| bad("a quantity"))?;
    let hold_class = (last >> 8) as u8;
    if sku as usize >= ledger.skus.len()
        || usize::from(hold_class) >= ledger.hold_classes.len()
        || (previous != NONE && previous >= ledger.reservations.len)
    {
        return Err(bad("a reservation points nowhere"));
    }
    ledger.reservations.push(ReservationState {
        buyer: BuyerDigest(buyer),
        key: KeyDigest(key),
        expires_at: Timestamp(expires_at),
        amount,
        request: RequestDigest(request),
        sku: SkuIx(sku),
        previous,
        extra,
        quantity,
        state,
        hold_class,
        unaccepted: last >> 16 & 1 == 1,
    });
    Ok(())
}

fn load_extra(r: &mut ChunkReader<'_>) -> Loaded<Extra> {
    let (details, lines) = (r.word()?, r.word()?);
    let (confirm, release) = (load_key(r)?, load_key(r)?);
    let details = match details {
        0 => None,
        n => Some(r.take(n as usize - 1)?.into()),
    };
    let mut extra = Extra { details, lines: Vec::new(), confirm, release };
    for _ in 0..lines {
        let (length, refunded) = (r.word()? as usize, r.word()? as i64);
        let record = decode(r.take(length)?).map_err(|e| bad(e.what))?;
        let Change::Paid(paid) = record.change else { return Err(bad("a payment line")) };
        extra.lines.push(Line { payment: paid.line, key: paid.key, refunded });
    }
    Ok(extra)
}

fn load_key(r: &mut ChunkReader<'_>) -> Loaded<Option<(KeyDigest, RequestDigest)>> {
    let [known, key, request] = [r.word()?, r.word()?, r.word()?];
    Ok((known == 1).then_some((KeyDigest(key), RequestDigest(request as u32))))
}

fn load_refund(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let (seq, amount) = (ReservationSeq(r.word()? as u32), r.word()? as i64);
    let [line, done, a, b, c, ..] = r.word()?.to_le_bytes();
    let currency = Currency::from_bytes([a, b, c]).map_err(|_| bad("a currency"))?;
    ledger.refunds.push(RefundDue { seq, line, amount, currency, done: done == 1 });
    Ok(())
}

pub(super) fn halves(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}

pub(super) fn bad(what: &'static str) -> SnapshotError {
    SnapshotError { what }
}

pub(super) struct ChunkReader<'a> {
    words: Vec<u64>,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ChunkReader<'a> {
    pub(super) fn more(&self) -> bool {
        self.at < self.words.len()
    }
    pub(super) fn word(&mut self) -> Loaded<u64> {
        let word = self.words.get(self.at).copied().ok_or(bad("too short"))?;
        self.at += 1;
        Ok(word)
    }
    pub(super) fn take(&mut self, n: usize) -> Loaded<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or(bad("too short"))?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
