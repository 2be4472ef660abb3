//! The draw by its rule: what is promised before, what is fixed when joining closes, and the plain
//! sort that anybody can repeat afterwards.
//!
//! [`recompute`] and [`verify`] share no code with [`super::wheel`] but the key of a ticket; the
//! wheel is what a sale runs on, this is what it is compared with.

use super::key::{Key, Spot, Weights};
use super::list::{ListDigest, Participants, Pseudonym, first, keyed, mac};
use hmac::Hmac;
use sha2::{Digest, Sha256};
use std::fmt;

/// The rule. Its digest is part of every commitment, so it cannot change after the fact.
pub const RULE: &str = include_str!("rule.txt");

/// The number by which the wheel is turned, known to nobody while people join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn(pub u64);

impl Turn {
    /// Return the turn that follows from the closed list and the public value, if there is one.
    pub fn of(list: ListDigest, public_value: Option<&str>) -> Turn {
        let hash = Sha256::new()
            .chain_update(b"onrush turn v1\0")
            .chain_update(list.0)
            .chain_update(public_value.unwrap_or_default());
        Turn(u64::from_be_bytes(first(&hash.finalize().into())))
    }
}

/// What places spots on the wheel; secret until joining has closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// Return what is published before anybody joins: it fixes this seed and [`RULE`].
    pub fn commitment(&self) -> [u8; 32] {
        let hash = Sha256::new()
            .chain_update(b"onrush draw v1\0")
            .chain_update(Sha256::digest(RULE))
            .chain_update(self.0);
        hash.finalize().into()
    }
}

/// Does not show the seed, which decides a draw before it is held.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// Computes the spots of one draw.
#[derive(Clone)]
pub struct Spots {
    keyed: Hmac<Sha256>,
}

impl Spots {
    /// Use a draw's seed.
    pub fn new(seed: &Seed) -> Spots {
        Spots { keyed: keyed(&seed.0) }
    }

    /// Return the spot of a participant. Cost: two blocks of SHA-256.
    pub fn of(&self, pseudonym: Pseudonym) -> Spot {
        Spot(u64::from_be_bytes(first(&mac(&self.keyed, &pseudonym.0))))
    }
}

impl fmt::Debug for Spots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spots(…)")
    }
}

/// A draw that was recomputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// Fixes who took part.
    pub list_digest: ListDigest,
    /// What the wheel was turned by.
    pub turn: Turn,
    /// Indexes into the list, the first of the draw first.
    pub order: Vec<u32>,
}

impl Drawing {
    /// Return the rank of each participant, in the order of the list.
    pub fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.order.len()];
        for (rank, &index) in (0..).zip(&self.order) {
            ranks[index as usize] = rank;
        }
        ranks
    }
}

/// Why a list is not one of a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListError {
    /// A participant's class has no weight.
    NoSuchClass {
        /// The participant.
        pseudonym: Pseudonym,
        /// The class.
        class: u8,
    },
    /// Somebody is in the list twice.
    Twice(Pseudonym),
    /// Tickets are numbered in 32 bits.
    TooMany,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListError::NoSuchClass { pseudonym, class } => {
                write!(
                    f,
                    "{pseudonym} is in class {class}, which has no weight; ask for all weights"
                )
            }
            ListError::Twice(pseudonym) => {
                write!(f, "{pseudonym} is in the list twice; nobody may have two places")
            }
            ListError::TooMany => f.write_str("the list is longer than a line can be"),
        }
    }
}

impl std::error::Error for ListError {}

/// Draw by the rule, with one plain sort.
///
/// # Errors
/// When the list is not one of a draw.
pub fn recompute(
    seed: &Seed,
    public_value: Option<&str>,
    list: &[(Pseudonym, u8)],
    weights: Weights,
) -> Result<Drawing, ListError> {
    let mut participants = Participants::default();
    u32::try_from(list.len()).map_err(|_| ListError::TooMany)?;
    list.iter().for_each(|&(pseudonym, class)| participants.push(pseudonym, class));
    let list_digest = participants.digest();
    let turn = Turn::of(list_digest, public_value);
    let spots = Spots::new(seed);
    let mut sorted = Vec::with_capacity(list.len());
    for (index, &(pseudonym, class)) in (0_u32..).zip(list) {
        let weight = weights.get(class).ok_or(ListError::NoSuchClass { pseudonym, class })?;
        sorted.push((Key::of(spots.of(pseudonym).turned(turn), weight), pseudonym, index));
    }
    sorted.sort_unstable();
    // One pseudonym has one spot, but perhaps two classes: equal ones need not stand together.
    let mut names: Vec<Pseudonym> = list.iter().map(|&(pseudonym, _)| pseudonym).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(ListError::Twice(pair[0]));
    }
    Ok(Drawing { list_digest, turn, order: sorted.into_iter().map(|(.., index)| index).collect() })
}

/// What an operator publishes of one draw.
#[derive(Clone, Debug)]
pub struct Published {
    /// The text of the rule.
    pub rule: String,
    /// Published before anybody joined.
    pub commitment: [u8; 32],
    /// Published afterwards.
    pub seed: Seed,
    /// The digest of the list.
    pub list_digest: ListDigest,
    /// The public value; `None` when there was none.
    pub public_value: Option<String>,
    /// What the wheel was turned by.
    pub turn: Turn,
    /// The weight of each class.
    pub weights: Weights,
    /// Who took part, in the order of joining.
    pub participants: Vec<(Pseudonym, u8)>,
}

/// Why what was published is not a draw by the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The rule is another text.
    Rule,
    /// The seed is not the one that was committed to.
    Seed,
    /// The list is no list of a draw.
    List(ListError),
    /// The list is not the one that was fixed when joining closed.
    ListDigest,
    /// The turn does not follow from the list and the public value.
    Turn,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Rule => "the rule is not the text of version 1, which is the one checked here",
            Fault::Seed => "the commitment does not belong to this seed: another draw was promised",
            Fault::List(error) => return write!(f, "{error}"),
            Fault::ListDigest => {
                "the list digest does not belong to this list: fetch all of its pages in order; if \
                 they are complete, somebody was added, left out or moved"
            }
            Fault::Turn => "the turn does not follow from the list digest and the public value",
        })
    }
}

/// Check everything that was published, and draw again.
///
/// # Errors
/// Every fault that was found; a draw that has one proves nothing.
pub fn verify(published: &Published) -> Result<Drawing, Vec<Fault>> {
    let mut faults = Vec::new();
    if published.rule != RULE {
        faults.push(Fault::Rule);
    }
    if published.seed.commitment() != published.commitment {
        faults.push(Fault::Seed);
    }
    if Turn::of(published.list_digest, published.public_value.as_deref()) != published.turn {
        faults.push(Fault::Turn);
    }
    let Published { seed, public_value, participants, weights, .. } = published;
    match recompute(seed, public_value.as_deref(), participants, *weights) {
        Ok(drawing) if drawing.list_digest != published.list_digest => {
            faults.push(Fault::ListDigest);
            Err(faults)
        }
        Ok(drawing) if faults.is_empty() => Ok(drawing),
        Ok(_) => Err(faults),
        Err(error) => {
            faults.push(Fault::List(error));
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_is_shown() {
        let seed = Seed([0x5a; 32]);
        assert_eq!(format!("{seed:?} {:?}", Spots::new(&seed)), "Seed(…) Spots(…)");
    }

    #[test]
    fn each_fault_says_what_is_wrong() {
        let pseudonym = Pseudonym([0xee; 16]);
        let name = "ee".repeat(16);
        for (fault, words) in [
            (Fault::Rule, "the rule is not the text"),
            (Fault::Seed, "the commitment does not belong to this seed"),
            (Fault::List(ListError::TooMany), "longer than a line can be"),
            (Fault::List(ListError::Twice(pseudonym)), "is in the list twice"),
            (Fault::List(ListError::NoSuchClass { pseudonym, class: 3 }), "is in class 3"),
            (Fault::ListDigest, "the list digest does not belong to this list"),
            (Fault::Turn, "the turn does not follow"),
        ] {
            let said = fault.to_string();
            assert!(said.contains(words), "{said} ({words})");
            let of_somebody = words.starts_with("is in");
            assert_eq!(said.contains(&name), of_somebody, "{said}");
        }
    }
}
