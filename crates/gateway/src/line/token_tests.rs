//! Tokens: what was signed reads back, and nothing else does.

use super::*;
use onrush::DurationMs;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PERIOD: u64 = 86_400_000;
const OVERLAP: u64 = 3_600_000;

fn tokens(root: u8) -> Tokens {
    let (period, overlap) = (DurationMs(PERIOD), DurationMs(OVERLAP));
    Tokens::new(Ring::new([root; 32], period, overlap, mac_key, NOW), Arc::default())
}

fn ticket() -> TicketToken {
    TicketToken {
        campaign: CampaignIx(3),
        buyer: BuyerDigest([7; 16]),
        number: 41,
        class: 2,
        lane: 1,
        issued_at: NOW,
        by_old_key: false,
    }
}

fn pass() -> PassToken {
    PassToken {
        campaign: CampaignIx(3),
        buyer: BuyerDigest([7; 16]),
        number: 41,
        class: 2,
        place: 9,
        until: Timestamp(NOW.0 + 120_000),
    }
}

fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("base64url is ASCII")
}

/// xorshift64: a stream of changes that a failure can repeat.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_token_opens_for_its_campaign_and_buyer_only() {
    let tokens = tokens(1);
    let (ticket, pass) = (ticket(), pass());
    let (ticket_text, pass_text) = (tokens.ticket(&ticket, NOW), tokens.pass(&pass, NOW));
    let (ticket_text, pass_text) = (as_text(&ticket_text), as_text(&pass_text));
    assert_eq!(tokens.open_ticket(ticket_text, CampaignIx(3), NOW), Ok(ticket));
    assert_eq!(tokens.open_ticket(ticket_text, CampaignIx(4), NOW), Err(Refused::OtherCampaign));
    let open = |campaign, buyer: u8, at| {
        let buyer = Some(BuyerDigest([buyer; 16]));
        tokens.open_pass(pass_text, CampaignIx(campaign), buyer, Timestamp(at))
    };
    assert_eq!(open(3, 7, NOW.0), Ok(pass));
    assert_eq!(open(3, 7, pass.until.0 - 1), Ok(pass));
    assert_eq!(open(3, 7, pass.until.0), Err(Refused::Stale));
    assert_eq!(open(4, 7, NOW.0), Err(Refused::OtherCampaign));
    assert_eq!(open(3, 8, NOW.0), Err(Refused::OtherBuyer));
    assert_eq!(tokens.open_pass(ticket_text, CampaignIx(3), None, NOW), Err(Refused::Forged));
    assert_eq!(tokens.open_ticket(pass_text, CampaignIx(3), NOW), Err(Refused::Forged));
    assert_eq!(tokens.open_entry(pass_text, CampaignIx(3), NOW), Err(Refused::Forged));
    let entry = tokens.entry(&pass, NOW);
    assert_eq!(tokens.open_entry(as_text(&entry), CampaignIx(3), NOW), Ok(pass));
    let as_pass = tokens.open_pass(as_text(&entry), CampaignIx(3), None, NOW);
    assert_eq!(as_pass, Err(Refused::Forged), "what a gate keeps is no pass");
    assert_eq!(tokens.figures.refusals(Refused::OtherCampaign), 2);
    assert_eq!(tokens.figures.refusals(Refused::Forged), 4);
}

#[test]
fn every_bit_and_every_length_counts() {
    let tokens = tokens(1);
    let text = tokens.pass(&pass(), NOW);
    let open = |text: &str| tokens.open_pass(text, CampaignIx(3), None, NOW);
    let bytes = URL_SAFE_NO_PAD.decode(text).expect("base64");
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&URL_SAFE_NO_PAD.encode(changed)).is_err(), "bit {bit}");
    }
    for bit in 0..text.len() * 8 {
        let mut changed = text;
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(changed) = std::str::from_utf8(&changed) {
            assert!(open(changed).is_err(), "character bit {bit}");
        }
    }
    for length in 0..text.len() {
        assert_eq!(open(as_text(&text[..length])), Err(Refused::Forged), "{length}");
    }
    assert_eq!(open(&format!("{}A", as_text(&text))), Err(Refused::Forged));
    assert_eq!(open(&format!("{}=", as_text(&text))), Err(Refused::Forged));
}

#[test]
fn an_old_key_opens_for_the_overlap_and_no_longer() {
    let tokens = tokens(1);
    let text = tokens.ticket(&ticket(), NOW);
    let next_period = (NOW.0 / PERIOD + 1) * PERIOD;
    let open = |at| tokens.open_ticket(as_text(&text), CampaignIx(3), Timestamp(at));
    assert!(open(next_period - 1).is_ok());
    let old = open(next_period + OVERLAP - 1).expect("it overlaps");
    assert!(old.by_old_key, "its holder is given a new one");
    assert_eq!(open(next_period + OVERLAP), Err(Refused::Stale));
    assert_eq!(open(next_period + PERIOD), Err(Refused::Stale));
    // 256 periods later its number comes round again, with another key.
    assert_eq!(open(NOW.0 + 256 * PERIOD), Err(Refused::Altered));
    let again = tokens.ticket(&ticket(), Timestamp(next_period));
    assert_ne!(text, again);
    let again = tokens.open_ticket(as_text(&again), CampaignIx(3), Timestamp(next_period));
    assert_eq!(again, Ok(ticket()));
}

#[test]
fn another_root_opens_nothing() {
    let text = tokens(1).ticket(&ticket(), NOW);
    let other = tokens(2);
    assert_eq!(other.open_ticket(as_text(&text), CampaignIx(3), NOW), Err(Refused::Altered));
    assert_eq!(other.figures.refusals(Refused::Altered), 1);
}

/// Ten million of them: flipped bits, swapped fields with somebody else's MAC, random MACs, random
/// bytes. Not one is accepted, and every one is counted.
#[test]
fn ten_million_forged_or_altered_tokens_are_refused() {
    const EACH: u64 = 2_500_000;
    let tokens = tokens(1);
    let mine = URL_SAFE_NO_PAD.decode(tokens.pass(&pass(), NOW)).expect("base64");
    let other = PassToken { buyer: BuyerDigest([9; 16]), number: 42, place: 10, ..pass() };
    let other = URL_SAFE_NO_PAD.decode(tokens.pass(&other, NOW)).expect("base64");
    let hostile = |kind: u64, state: &mut u64| {
        let mut bytes: [u8; PASS_BYTES] = mine.as_slice().try_into().expect("a pass");
        let draw = next(state);
        match kind {
            // One to four bits, and never the same one twice: the change is a change.
            0 => {
                let first = draw as usize % (PASS_BYTES * 8);
                for n in 0..=(draw >> 32) as usize % 4 {
                    let bit = (first + n * 131) % (PASS_BYTES * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            // My number, place, class or time with another's MAC, or the other way round.
            1 => {
                let cut = 4 + draw as usize % 32;
                bytes[cut..].copy_from_slice(&other[cut..]);
                bytes[24] ^= 1 + (draw >> 40) as u8 % 255;
            }
            // A MAC drawn at random over a later end.
            2 => {
                bytes[29..37].copy_from_slice(&(NOW.0 + (draw >> 30)).to_be_bytes());
                for chunk in bytes[37..].chunks_mut(8) {
                    chunk.copy_from_slice(&next(state).to_be_bytes());
                }
            }
            // Bytes drawn at random under the right kind and key.
            _ => {
                for chunk in bytes[2..].chunks_mut(8) {
                    let draw = next(state).to_be_bytes();
                    chunk.copy_from_slice(&draw[..chunk.len()]);
                }
            }
        }
        bytes
    };
    std::thread::scope(|scope| {
        for kind in 0..4 {
            let (tokens, hostile) = (&tokens, &hostile);
            scope.spawn(move || {
                let mut state = 0x9E37_79B9_7F4A_7C15 ^ kind;
                for n in 0..EACH {
                    let text: [u8; PASS_CHARS] = text(&hostile(kind, &mut state));
                    let opened = tokens.open_pass(as_text(&text), CampaignIx(3), None, NOW);
                    assert!(opened.is_err(), "kind {kind}, number {n}: {}", as_text(&text));
                }
            });
        }
    });
    let refused: u64 = Refused::ALL.into_iter().map(|why| tokens.figures.refusals(why)).sum();
    assert_eq!(refused, 4 * EACH);
    let altered = tokens.figures.refusals(Refused::Altered);
    assert!(altered > 3 * EACH, "most reach the MAC: {altered}");
}

proptest! {
    #[test]
    fn whatever_is_signed_reads_back(
        campaign: u16, buyer: [u8; 16], number: u32, class: u8, lane: u8, place: u32,
        issued in 0u64..=NOW.0, left in 1u64..=PERIOD,
    ) {
        let tokens = tokens(1);
        let (campaign, buyer) = (CampaignIx(campaign), BuyerDigest(buyer));
        let issued_at = Timestamp(issued);
        let ticket = TicketToken { campaign, buyer, number, class, lane, issued_at, by_old_key: false };
        let text = tokens.ticket(&ticket, NOW);
        prop_assert_eq!(tokens.open_ticket(as_text(&text), campaign, NOW), Ok(ticket));
        let until = Timestamp(NOW.0 + left);
        let pass = PassToken { campaign, buyer, number, class, place, until };
        let text = tokens.pass(&pass, NOW);
        prop_assert_eq!(tokens.open_pass(as_text(&text), campaign, Some(buyer), NOW), Ok(pass));
    }

    #[test]
    fn no_text_makes_it_fail_otherwise_than_by_refusing(text in ".{0,120}") {
        let tokens = tokens(1);
        prop_assert!(tokens.open_ticket(&text, CampaignIx(0), NOW).is_err());
        prop_assert!(tokens.open_pass(&text, CampaignIx(0), None, NOW).is_err());
    }
}
