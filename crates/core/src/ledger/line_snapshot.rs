//! The image of a line: its records, its figures and its tickets. Indexes, and the places of those
//! who came after a draw, are derived and rebuilt.

use super::codec::{decode, encode};
use super::line::{Again, Drawn, LaneState, LineState, Step, StockSum};
use super::line_decide::DrawFacts;
use super::record::{By, Change, Record};
use super::snapshot::{Chunk, ChunkReader, Loaded, bad, halves};
use super::state::Ledger;
use crate::line::outflow::Learned;
use crate::line::tickets::TicketRow;
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, TicketNo, Timestamp};

/// Kinds of chunks.
pub(super) const LINE: u32 = 32;
pub(super) const TICKETS: u32 = 33;

/// Tickets in one chunk: 1.5 MiB.
const TICKETS_PER_CHUNK: u32 = 1 << 16;

const USED: u64 = 1 << 6;
const RETURNED: u64 = 1 << 7;

impl Ledger {
    /// Return the chunks of one line, lazily: the line, then its tickets.
    pub(super) fn line_chunks(
        &self,
        campaign: CampaignIx,
    ) -> impl Iterator<Item = (u32, Chunk)> + '_ {
        let line = self.line(campaign);
        line.into_iter().flat_map(move |line| {
            let starts = (0..line.joined()).step_by(TICKETS_PER_CHUNK as usize);
            let tickets = starts.map(move |from| (TICKETS, ticket_chunk(campaign, line, from)));
            std::iter::once((LINE, self.line_chunk(campaign, line))).chain(tickets)
        })
    }

    fn line_chunk(&self, campaign: CampaignIx, line: &LineState) -> Chunk {
        let mut chunk = Chunk::default();
        let by = || By::new("", "");
        let (terms, commitments) = (Box::new(line.terms.clone()), line.commitments.clone());
        let mut changes = vec![
            Change::Line { campaign, terms, commitments },
            Change::Outflow { campaign, outflow: line.outflow, by: by() },
        ];
        for (n, lane) in (0..).zip(&line.lanes) {
            if let Some(value) = lane.public_value.clone() {
                changes.push(Change::PublicValue { campaign, lane: n, value, by: by() });
            }
            if let Some(drawn) = lane.drawn {
                let Drawn { count, list_digest, turn, seed } = drawn;
                let facts = DrawFacts { lane: n, count, list_digest, turn, seed };
                changes.push(Change::Drawn { campaign, public_value: None, facts });
            }
        }
        chunk.words.extend([u64::from(campaign.0), changes.len() as u64]);
        for change in changes {
            let before = chunk.bytes.len();
            encode(&Record { stamp: self.stamp(), change }, &mut chunk.bytes);
            chunk.words.push((chunk.bytes.len() - before) as u64);
        }
        line_words(line, &mut chunk.words);
        chunk
    }
}

fn line_words(line: &LineState, words: &mut Vec<u64>) {
    let time = |at: Option<Timestamp>| at.map_or(0, |at| at.0);
    let learned = &line.learned;
    words.extend([
        time(line.opened_at),
        time(line.paused_at),
        u64::from(line.forgotten),
        line.pace.paid_us,
        u64::from(learned.passes) << 32 | u64::from(learned.units),
        u64::from(learned.ended) << 32 | u64::from(learned.back),
    ]);
    let counts = |lane: &LaneState| u64::from(lane.participants) << 32 | u64::from(lane.arrivals);
    words.extend(line.lanes.iter().map(counts));
    words.extend([line.steps.len(), line.waiting.len(), line.again.len()].map(|n| n as u64));
    for step in &line.steps {
        let used = u64::from(step.used) << 32 | u64::from(step.units);
        let through = u64::from(step.through) << 1 | u64::from(step.counted);
        words.extend([through, step.at.0, used]);
    }
    words.extend(line.waiting.iter().map(|&number| u64::from(number)));
    words.extend(line.again.iter().flat_map(|again| [u64::from(again.number.0), again.at.0]));
}

fn ticket_chunk(campaign: CampaignIx, line: &LineState, from: u32) -> Chunk {
    let to = line.joined().min(from + TICKETS_PER_CHUNK);
    let mut chunk = Chunk { words: vec![u64::from(campaign.0)], bytes: Vec::new() };
    for number in from..to {
        let ticket = line.ticket(TicketNo(number)).expect("dense");
        let (low, high) = ticket.buyer.0.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen"));
        let used = if ticket.used { USED } else { 0 };
        let returned =
            if planted!("image-forgets-returned", false, ticket.returned) { RETURNED } else { 0 };
        let facts = u64::from(ticket.class) | u64::from(ticket.lane) << 3 | used | returned;
        chunk.words.extend([word(low), word(high), ticket.joined_at.0 << 8 | facts]);
    }
    chunk
}

/// Load the line of a campaign: its records, then its figures. Tickets follow.
pub(super) fn load_line(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let (campaign, changes) = (CampaignIx(r.word()? as u16), r.word()?);
    if campaign.index() >= ledger.campaigns.len() {
        return Err(bad("a line of no campaign"));
    }
    let mut loaded: Option<LineState> = None;
    for _ in 0..changes {
        let length = r.word()? as usize;
        let record = decode(r.take(length)?).map_err(|e| bad(e.what))?;
        match (&mut loaded, record.change) {
            (None, Change::Line { terms, commitments, .. }) => {
                loaded = Some(LineState::new(*terms, commitments));
            }
            (Some(line), change) => load_change(line, change)?,
            _ => return Err(bad("a line without terms")),
        }
    }
    let mut line = loaded.ok_or(bad("a line without terms"))?;
    load_words(&mut line, r)?;
    if ledger.lines.len() <= campaign.index() {
        ledger.lines.resize_with(campaign.index() + 1, || None);
    }
    ledger.lines[campaign.index()] = Some(Box::new(line));
    Ok(())
}

fn load_words(line: &mut LineState, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let time = |word: u64| Some(Timestamp(word)).filter(|at| at.0 > 0);
    (line.opened_at, line.paused_at) = (time(r.word()?), time(r.word()?));
    line.forgotten = r.word()? as u32;
    line.pace.paid_us = r.word()?;
    let [passes, units] = halves(r.word()?);
    let [ended, back] = halves(r.word()?);
    line.learned = Learned { passes, units, ended, back };
    for lane in &mut line.lanes {
        [lane.participants, lane.arrivals] = halves(r.word()?);
    }
    let [steps, waiting, again] = [r.word()?, r.word()?, r.word()?];
    for _ in 0..steps {
        let (through, at) = (r.word()?, Timestamp(r.word()?));
        let [used, units] = halves(r.word()?);
        let (through, counted) = ((through >> 1) as u32, through & 1 == 1);
        line.steps.push_back(Step { through, at, used, units, counted });
    }
    for _ in 0..waiting {
        line.waiting.push_back(r.word()? as u32);
    }
    for _ in 0..again {
        let (number, at) = (TicketNo(r.word()? as u32), Timestamp(r.word()?));
        line.again.push_back(Again { number, at });
    }
    Ok(())
}

fn load_change(line: &mut LineState, change: Change) -> Loaded<()> {
    match change {
        Change::Line { .. } => {}
        Change::Outflow { outflow, .. } => line.outflow = outflow,
        Change::PublicValue { lane, value, .. } => {
            let lane = line.lanes.get_mut(usize::from(lane)).ok_or(bad("a lane"))?;
            lane.public_value = Some(value);
        }
        Change::Drawn { facts, .. } => {
            let DrawFacts { lane, count, list_digest, turn, seed } = facts;
            let lane = line.lanes.get_mut(usize::from(lane)).ok_or(bad("a lane"))?;
            lane.drawn = Some(Drawn { count, list_digest, turn, seed });
        }
        _ => return Err(bad("a record of a line")),
    }
    Ok(())
}

/// Load tickets. Who took part in a draw came first in each lane.
pub(super) fn load_tickets(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let campaign = CampaignIx(r.word()? as u16);
    let line = ledger.line_mut(campaign).map_err(|_| bad("tickets of no line"))?;
    while r.more() {
        let mut buyer = [0; 16];
        buyer[..8].copy_from_slice(&r.word()?.to_le_bytes());
        buyer[8..].copy_from_slice(&r.word()?.to_le_bytes());
        let last = r.word()?;
        let ticket = TicketRow {
            buyer: BuyerDigest(buyer),
            joined_at: Timestamp(last >> 8),
            class: (last & 7) as u8,
            lane: (last >> 3 & 7) as u8,
            place: None,
            used: last & USED != 0,
            returned: last & RETURNED != 0,
        };
        line.load_ticket(&ticket).map_err(|_| bad("a ticket"))?;
    }
    Ok(())
}

impl Ledger {
    /// Check what tickets should be there, and sum up the stock, after everything was loaded.
    pub(super) fn finish_lines(&mut self) -> Loaded<()> {
        for n in 0..self.lines.len() {
            let campaign = CampaignIx(n as u16);
            if self.lines[n].is_none() {
                continue;
            }
            let mut stock = StockSum::default();
            for sku in self.campaigns[n].skus.values() {
                stock.add(self.units_of(*sku));
            }
            let rows = self.reservations.chunks().iter().flatten();
            let held = rows.filter(|r| r.state.is_held());
            stock.holds =
                held.filter(|r| self.skus[r.sku.index()].campaign == campaign).count() as u32;
            let line = self.line_mut(campaign).map_err(|_| bad("a line"))?;
            line.stock = stock;
            let counted: u32 =
                line.lanes.iter().map(|lane| lane.participants + lane.arrivals).sum();
            if counted != line.joined() {
                return Err(bad("its tickets are missing"));
            }
        }
        Ok(())
    }
}
