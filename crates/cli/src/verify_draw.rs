//! `onrush verify-draw FILE…`: repeats a draw from what was published of it.

use crate::args::{VerifyDrawArgs, hexadecimal};
use crate::out::{Failure, Out};
use data_encoding::HEXLOWER;
use onrush_core::line::draw::{self, Fault, Published};
use onrush_core::line::{Drawing, ListDigest, Pseudonym, Seed, Turn, Weights};
use onrush_load::verdict::grouped;
use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Places shown when no pseudonym was asked for.
const FIRST_SHOWN: usize = 5;

pub(crate) fn run(args: &VerifyDrawArgs, out: &Out) -> Result<(), Failure> {
    let mut files = args.files.iter();
    let first = files.next().expect("the command line demands a file");
    let mut file = read(first)?;
    for page in files {
        file.participants.append(&mut read(page)?.participants);
    }
    let name = file.campaign.take().unwrap_or_default();
    let (lane, source) = (file.lane, file.public_value_source.take());
    let published = file.published().map_err(|what| {
        let first = first.display();
        Failure::Failed(format!("{first} has no {what}; a draw is published whole once it is held"))
    })?;
    let mut faults: Vec<String> = Vec::new();
    if args.commitment.is_some_and(|kept| kept != published.commitment) {
        faults.push("the published commitment is not the one that was seen before".to_owned());
    }
    let drawing = match draw::verify(&published) {
        Ok(drawing) => Some(drawing),
        Err(found) => {
            faults.extend(found.iter().map(Fault::to_string));
            None
        }
    };
    let rank = drawing.as_ref().zip(args.pseudonym).map(|(drawing, wanted)| {
        let listed = |&index: &u32| published.participants[index as usize].0 == wanted;
        drawing.order.iter().position(listed)
    });
    if rank == Some(None) {
        faults
            .push("the pseudonym is not in the list: another draw, or it was left out".to_owned());
    }
    let value = json!({
        "holds": faults.is_empty(), "campaign": name, "lane": lane, "faults": faults,
        "participants": published.participants.len(),
        "commitment": HEXLOWER.encode(&published.commitment),
        "public_value": published.public_value, "public_value_source": source,
        "rank": rank.flatten(),
    });
    out.result(&value, || {
        let drawing = drawing.as_ref();
        let head = format!("draw     campaign {name}, lane {}\n", lane.unwrap_or(0));
        head + &text(&published, drawing, source.as_deref(), rank.flatten(), &faults)
    })?;
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure::NotHeld("what was published is not a draw by the rule, see above".to_owned()))
    }
}

fn text(
    published: &Published,
    drawing: Option<&Drawing>,
    source: Option<&str>,
    rank: Option<usize>,
    faults: &[String],
) -> String {
    let mut out = String::new();
    let people = published.participants.len();
    let _ = writeln!(out, "promised {}", HEXLOWER.encode(&published.commitment));
    let _ = writeln!(out, "people   {}", grouped(people as u64));
    for (class, weight) in (0_u8..).zip(published.weights.iter()) {
        let of = published.participants.iter().filter(|person| person.1 == class).count();
        let _ =
            writeln!(out, "         {} in class {class} of weight {weight}", grouped(of as u64));
    }
    let _ = match &published.public_value {
        Some(value) => writeln!(out, "value    {value:?}, from {}", source.unwrap_or("no source")),
        None => writeln!(out, "value    none: whoever ran it knew the seed while people joined"),
    };
    for fault in faults {
        let _ = writeln!(out, "BROKEN   {fault}");
    }
    let Some(drawing) = drawing.filter(|_| faults.is_empty()) else { return out };
    let _ = writeln!(out, "holds    yes; compare the first line with what you saw before the draw");
    if let Some(rank) = rank {
        let _ = writeln!(out, "rank     {rank} ({} before it)", grouped(rank as u64));
        return out;
    }
    for (rank, &index) in drawing.order.iter().take(FIRST_SHOWN).enumerate() {
        let (pseudonym, class) = published.participants[index as usize];
        let _ = writeln!(out, "rank {rank}   {pseudonym}, class {class}");
    }
    out
}

fn read(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::Failed(format!("cannot read {shown}: {error}")))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::Failed(format!("{shown} is not the JSON of a draw: {error}")))
}

/// A file: what was published of a draw, or a page of participants.
#[derive(Deserialize)]
struct File {
    campaign: Option<String>,
    lane: Option<u8>,
    rule: Option<String>,
    commitment: Option<Hex<32>>,
    seed: Option<Hex<32>>,
    list_digest: Option<Hex<32>>,
    public_value: Option<String>,
    public_value_source: Option<String>,
    turn: Option<Hex<8>>,
    weights: Option<Vec<u8>>,
    #[serde(default)]
    participants: Vec<(Hex<16>, u8)>,
}

impl File {
    /// Take what a draw needs, or name what is missing.
    fn published(self) -> Result<Published, &'static str> {
        let people = self.participants.into_iter();
        Ok(Published {
            rule: self.rule.ok_or("rule")?,
            commitment: self.commitment.ok_or("commitment")?.0,
            seed: Seed(self.seed.ok_or("seed")?.0),
            list_digest: ListDigest(self.list_digest.ok_or("list_digest")?.0),
            public_value: self.public_value,
            turn: Turn(u64::from_be_bytes(self.turn.ok_or("turn")?.0)),
            weights: Weights::new(&self.weights.ok_or("weights")?)
                .ok_or("weights from 1 to 255 for one to eight classes")?,
            participants: people
                .map(|(pseudonym, class)| (Pseudonym(pseudonym.0), class))
                .collect(),
        })
    }
}

/// Bytes as hexadecimal digits.
struct Hex<const N: usize>([u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hex<N>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        hexadecimal(&text).map(Hex).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn file(value: Value) -> File {
        serde_json::from_value(value).expect("a file")
    }

    #[test]
    fn what_is_missing_is_named() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../core/tests/vectors/draw.json")).expect("JSON");
        let draw = &vectors["draws"][3]["draw"];
        assert!(file(draw.clone()).published().is_ok());
        for field in ["rule", "commitment", "seed", "list_digest", "turn", "weights"] {
            let mut less = draw.clone();
            less[field] = Value::Null;
            assert_eq!(file(less).published().expect_err("missing"), field);
        }
    }
}
