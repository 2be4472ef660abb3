//! The records of the line as bytes; the layout is that of `codec.rs`, the table
//! `docs/record-format.md`.

use super::codec::{DecodeError, Reader, Writer, bad, boolean};
use super::line_decide::DrawFacts;
use super::record::Change;
use crate::line::draw::{Seed, Turn};
use crate::line::list::ListDigest;
use crate::line::outflow::Outflow;
use crate::line::terms::{LineTerms, Tier};
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, TicketNo};

const LINE: u8 = 32;
const JOINED: u8 = 33;
const DRAWN: u8 = 34;
const SERVED: u8 = 35;
const RETURNED: u8 = 36;
const OUTFLOW: u8 = 37;
const PUBLIC_VALUE: u8 = 38;

/// Tell which of flag and index a kind of the line uses; all of them use the small field.
pub(super) fn uses(kind: u8) -> Option<[bool; 2]> {
    Some(match kind {
        LINE => [true, false],
        JOINED | DRAWN => [true, true],
        SERVED | RETURNED => [false, true],
        OUTFLOW => [false, false],
        PUBLIC_VALUE => [true, false],
        _ => return None,
    })
}

pub(super) fn encode(w: &mut Writer<'_>, change: &Change) {
    match change {
        Change::Line { campaign, terms, commitments } => {
            w.head(LINE, u8::from(terms.invite_only), campaign.0, 0);
            line_terms(w, terms);
            w.u16(commitments.len() as u16);
            commitments.iter().for_each(|commitment| w.bytes(commitment));
        }
        Change::Joined { campaign, number, buyer, class, lane } => {
            w.head(JOINED, class | lane << 4, campaign.0, number.0);
            w.bytes(&buyer.0);
        }
        Change::Drawn { campaign, public_value, facts } => {
            w.head(DRAWN, facts.lane, campaign.0, facts.count);
            w.bytes(&facts.list_digest.0);
            w.u64(facts.turn.0);
            w.bytes(&facts.seed.0);
            // A public value that was set is never empty: checked where it enters.
            w.text(public_value.as_deref().unwrap_or_default());
        }
        Change::Served { campaign, through, returned, per_second } => {
            w.head(SERVED, 0, campaign.0, *through);
            w.u32(*returned);
            w.u32(per_second.unwrap_or(0));
        }
        Change::Returned { campaign, number, place } => {
            w.head(RETURNED, 0, campaign.0, number.0);
            w.u32(*place);
        }
        Change::Outflow { campaign, outflow, by } => {
            w.head(OUTFLOW, 0, campaign.0, 0);
            write_outflow(w, outflow);
            w.by(by);
        }
        Change::PublicValue { campaign, lane, value, by } => {
            w.head(PUBLIC_VALUE, *lane, campaign.0, 0);
            w.text(value);
            w.by(by);
        }
        _ => unreachable!("the caller matched the kinds of the line"),
    }
}

pub(super) fn decode(
    r: &mut Reader<'_>,
    kind: u8,
    flag: u8,
    small: u16,
    index: u32,
) -> Result<Change, DecodeError> {
    let campaign = CampaignIx(small);
    Ok(match kind {
        LINE => {
            let terms = Box::new(read_terms(r, boolean(flag)?)?);
            let lanes = r.u16()?;
            let commitments = (0..lanes).map(|_| r.array()).collect::<Result<_, _>>()?;
            Change::Line { campaign, terms, commitments }
        }
        JOINED => {
            let (class, lane) = (flag & 0xf, flag >> 4);
            if class > 7 || lane > 7 {
                return Err(bad("class or lane"));
            }
            let (number, buyer) = (TicketNo(index), BuyerDigest(r.array()?));
            Change::Joined { campaign, number, buyer, class, lane }
        }
        DRAWN => {
            let list_digest = ListDigest(r.array()?);
            let (turn, seed) = (Turn(r.u64()?), Seed(r.array()?));
            let public_value = Some(r.text()?.to_owned()).filter(|value| !value.is_empty());
            let facts = DrawFacts { lane: flag, count: index, list_digest, turn, seed };
            Change::Drawn { campaign, public_value, facts }
        }
        SERVED => {
            let (returned, rate) = (r.u32()?, r.u32()?);
            let per_second = Some(rate).filter(|rate| *rate > 0);
            Change::Served { campaign, through: index, returned, per_second }
        }
        RETURNED => Change::Returned { campaign, number: TicketNo(index), place: r.u32()? },
        OUTFLOW => Change::Outflow { campaign, outflow: read_outflow(r)?, by: r.by()? },
        PUBLIC_VALUE => {
            let value = r.text()?.to_owned();
            Change::PublicValue { campaign, lane: flag, value, by: r.by()? }
        }
        _ => return Err(bad("kind")),
    })
}

fn line_terms(w: &mut Writer<'_>, terms: &LineTerms) {
    w.u64(terms.pass.0);
    w.u64(terms.grace.0);
    write_outflow(w, &terms.outflow);
    w.text(&terms.public_value_source);
    w.u16(terms.tiers.len() as u16);
    for tier in &terms.tiers {
        w.u64(tier.after.0);
        w.u16(u16::from(tier.weight));
        w.text(tier.name.as_str());
        w.u16(tier.groups.len() as u16);
        tier.groups.iter().for_each(|group| w.text(group));
    }
}

fn read_terms(r: &mut Reader<'_>, invite_only: bool) -> Result<LineTerms, DecodeError> {
    let (pass, grace) = (DurationMs(r.u64()?), DurationMs(r.u64()?));
    let outflow = read_outflow(r)?;
    let public_value_source = r.text()?.to_owned();
    let tiers = (0..r.u16()?).map(|_| read_tier(r)).collect::<Result<_, _>>()?;
    Ok(LineTerms { tiers, pass, grace, outflow, public_value_source, invite_only })
}

fn read_tier(r: &mut Reader<'_>) -> Result<Tier, DecodeError> {
    let after = DurationMs(r.u64()?);
    let weight = u8::try_from(r.u16()?).map_err(|_| bad("weight"))?;
    let name = r.name()?;
    let groups = (0..r.u16()?).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
    Ok(Tier { name, groups, weight, after })
}

/// A limit that is not set is zero; zero is no legal limit.
fn write_outflow(w: &mut Writer<'_>, outflow: &Outflow) {
    w.u32(outflow.per_second.unwrap_or(0));
    w.u32(outflow.inside.unwrap_or(0));
    w.u32(outflow.passes_per_unit_max);
    w.u32(outflow.shop_latency_ms_max);
}

fn read_outflow(r: &mut Reader<'_>) -> Result<Outflow, DecodeError> {
    let limit = |n: u32| Some(n).filter(|n| *n > 0);
    Ok(Outflow {
        per_second: limit(r.u32()?),
        inside: limit(r.u32()?),
        passes_per_unit_max: r.u32()?,
        shop_latency_ms_max: r.u32()?,
    })
}
