//! Challenges: given out before the opening, bound to one account, session and campaign, good once, and
//! checked on the hot path by one MAC.
//!
//! ```text
//! issue ─► challenge (token, puzzle) ─► answer ─► proof (level, until) ─► reserve or join: one MAC, one bit
//! ```
//!
//! Three kinds. A *time lock* (Rivest, Shamir, Wagner 1996): `t` squarings one after the other modulo
//! an RSA number, so that a server farm is no faster than one phone times its single-core lead; the
//! server knows the factors and checks with two short powers. A *work* puzzle (SHA-256 with leading zero
//! bits) where a browser has no big integers. *Waiting*, where there is no script at all: it costs weight
//! in the draw and never locks out.
//!
//! Nothing is bound to an address: a phone changes its own between two requests. A challenge is known by
//! its number, so that one bit says whether it was answered and one whether its proof was used.

mod bits;
mod puzzle;
mod token;

pub use puzzle::{TimeLock, is_work};
pub use token::{ChallengeToken, Holder, ProofToken, TOKEN_CHARS_MAX, TokenError};

use crate::evidence::ChallengePassed;
use crate::key::RiskKey;
use crate::limits::CHALLENGES_MAX;
use bits::Bits;
use num_bigint::BigUint;
use onrush_types::Timestamp;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a challenge is answered. Numbers are part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChallengeKind {
    /// Squarings, one after the other.
    TimeLock = 1,
    /// Hashes until one has enough zero bits.
    Work = 2,
    /// Waiting.
    Wait = 3,
    /// Whatever somebody else asks for and judges.
    Outside = 4,
}

/// Squarings of a time lock by level, hash bits by level, seconds to wait by level.
const SQUARINGS: [u32; 3] = [20_000, 60_000, 120_000];
const WORK_BITS: [u32; 3] = [15, 17, 18];
const WAIT_S: [u32; 3] = [5, 10, 15];

/// What a slow phone takes for one squaring and one hash, in microseconds: what is expected.
const SQUARING_US: u64 = 8;
const HASH_US: u64 = 2;

/// A challenge must be answered, and its proof used, within this time.
pub const CHALLENGE_MS: u64 = 30 * 60_000;

/// Why an answer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The token is none of ours, or somebody else's.
    Forged,
    /// It is over.
    Late,
    /// It was answered before.
    Used,
    /// The waiting time is not over: so many milliseconds are left.
    Early(u64),
    /// The answer is wrong; the challenge is used up.
    Wrong,
}

/// A puzzle as a client gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Its token: comes back with the answer.
    pub token: String,
    /// How it is answered.
    pub kind: ChallengeKind,
    /// Squarings, bits or seconds.
    pub cost: u32,
    /// Of a time lock: the modulus and the number to square, big-endian.
    pub modulus: Option<(Vec<u8>, Vec<u8>)>,
    /// Until when it can be answered.
    pub until: Timestamp,
}

/// The challenges of one campaign.
#[derive(Debug)]
pub struct Challenges {
    campaign: u16,
    key: zeroize::Zeroizing<Vec<u8>>,
    lock: TimeLock,
    next: AtomicU32,
    answered: Bits,
    used: Bits,
}

impl Challenges {
    /// Make the challenges of a campaign. `random` fills a buffer with random bytes; making the modulus
    /// takes some tens of milliseconds.
    pub fn new(key: &RiskKey, campaign: u16, random: &mut dyn FnMut(&mut [u8])) -> Challenges {
        Challenges {
            campaign,
            key: zeroize::Zeroizing::new(key.signing().to_vec()),
            lock: TimeLock::new(random),
            next: AtomicU32::new(0),
            answered: Bits::new(CHALLENGES_MAX),
            used: Bits::new(CHALLENGES_MAX),
        }
    }

    /// Give out a challenge of `level` (1 to 3), harder by `load` from 0 (idle) to 1 (full). `None`:
    /// this campaign has given out all it can.
    pub fn issue(
        &self,
        holder: Holder,
        kind: ChallengeKind,
        level: u8,
        load: f32,
        now: Timestamp,
    ) -> Option<Issued> {
        let level = level.clamp(1, 3);
        // Relaxed: the number only has to be different from all others.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= CHALLENGES_MAX {
            // Relaxed: as above; keeps the counter from running round.
            self.next.store(CHALLENGES_MAX, Ordering::Relaxed);
            return None;
        }
        let place = usize::from(level) - 1;
        let more = 1.0 + load.clamp(0.0, 1.0);
        let cost = match kind {
            ChallengeKind::TimeLock => (SQUARINGS[place] as f32 * more) as u32,
            ChallengeKind::Work => WORK_BITS[place] + u32::from(load > 0.5),
            ChallengeKind::Wait => (WAIT_S[place] as f32 * more) as u32,
            ChallengeKind::Outside => 0,
        };
        let token = ChallengeToken {
            campaign: self.campaign,
            number,
            kind,
            level,
            cost,
            issued_at: now,
            holder,
        };
        let text = token.sealed(&self.key);
        let modulus = (kind == ChallengeKind::TimeLock)
            .then(|| (self.lock.modulus(), self.lock.base(text.as_bytes()).to_bytes_be()));
        let until = Timestamp(now.0 + CHALLENGE_MS);
        Some(Issued { token: text, kind, cost, modulus, until })
    }

    /// Take an answer, and return the proof.
    ///
    /// # Errors
    /// Why it was not taken. A wrong answer uses the challenge up; one that came too early does not.
    pub fn answer(
        &self,
        token: &str,
        holder: Holder,
        answer: &[u8],
        now: Timestamp,
    ) -> Result<String, AnswerError> {
        let (challenge, took_ms) = self.opened(token, holder, now)?;
        let expected_ms = expected_ms(&challenge);
        if challenge.kind == ChallengeKind::Wait && took_ms < expected_ms {
            return Err(AnswerError::Early(expected_ms - took_ms));
        }
        if !self.answered.set(challenge.number) {
            return Err(AnswerError::Used);
        }
        let is_right = match challenge.kind {
            ChallengeKind::TimeLock => {
                let base = self.lock.base(token.as_bytes());
                self.lock.is_answer(&base, challenge.cost, &BigUint::from_bytes_be(answer))
            }
            ChallengeKind::Work => is_work(token.as_bytes(), answer, challenge.cost),
            ChallengeKind::Wait => true,
            // Only whoever gave it out can tell: see `answer_outside`.
            ChallengeKind::Outside => false,
        };
        if !is_right {
            return Err(AnswerError::Wrong);
        }
        let ratio = (took_ms * 1_000 / expected_ms.max(1)).min(u64::from(u16::MAX)) as u16;
        Ok(self.proof_of(&challenge, ratio))
    }

    /// Tell whether an outside challenge may be answered by this holder now.
    ///
    /// # Errors
    /// Why not.
    pub fn is_open_outside(
        &self,
        token: &str,
        holder: Holder,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        let (challenge, _) = self.opened(token, holder, now)?;
        match challenge.kind {
            ChallengeKind::Outside if self.answered.get(challenge.number) => Err(AnswerError::Used),
            ChallengeKind::Outside => Ok(()),
            _ => Err(AnswerError::Wrong),
        }
    }

    /// Take the word of who judged an outside challenge that it was answered, and return the proof.
    ///
    /// # Errors
    /// As [`is_open_outside`](Challenges::is_open_outside).
    pub fn answer_outside(
        &self,
        token: &str,
        holder: Holder,
        now: Timestamp,
    ) -> Result<String, AnswerError> {
        self.is_open_outside(token, holder, now)?;
        let (challenge, _) = self.opened(token, holder, now)?;
        if !self.answered.set(challenge.number) {
            return Err(AnswerError::Used);
        }
        Ok(self.proof_of(&challenge, 0))
    }

    /// Open a challenge of this holder's, and tell how long ago it was given out.
    fn opened(
        &self,
        token: &str,
        holder: Holder,
        now: Timestamp,
    ) -> Result<(ChallengeToken, u64), AnswerError> {
        let challenge = ChallengeToken::open(token, &self.key).map_err(|_| AnswerError::Forged)?;
        let is_theirs = challenge.holder == holder && challenge.campaign == self.campaign;
        if !is_theirs || challenge.number >= CHALLENGES_MAX {
            return Err(AnswerError::Forged);
        }
        let took_ms = now.0.saturating_sub(challenge.issued_at.0);
        if took_ms > CHALLENGE_MS { Err(AnswerError::Late) } else { Ok((challenge, took_ms)) }
    }

    fn proof_of(&self, challenge: &ChallengeToken, ratio_thousandths: u16) -> String {
        let proof = ProofToken {
            campaign: self.campaign,
            number: challenge.number,
            level: challenge.level,
            by_waiting: challenge.kind == ChallengeKind::Wait,
            ratio_thousandths,
            until: Timestamp(challenge.issued_at.0 + CHALLENGE_MS),
            holder: challenge.holder,
        };
        proof.sealed(&self.key)
    }

    /// Read a proof that is shown: one MAC.
    ///
    /// # Errors
    /// When it is none of ours, another buyer's, or over.
    pub fn open_proof(
        &self,
        text: &str,
        holder: Holder,
        now: Timestamp,
    ) -> Result<ProofToken, TokenError> {
        let proof = ProofToken::open(text, &self.key)?;
        if proof.campaign != self.campaign {
            return Err(TokenError::Forged);
        }
        if proof.holder.buyer != holder.buyer {
            return Err(TokenError::Stolen);
        }
        if now > proof.until || proof.holder.session != holder.session {
            return Err(TokenError::Late);
        }
        Ok(proof)
    }

    /// Use a proof. `false`: it was used before.
    pub fn use_proof(&self, proof: &ProofToken) -> bool {
        self.used.set(proof.number)
    }

    /// Tell whether a proof was used.
    pub fn is_used(&self, proof: &ProofToken) -> bool {
        self.used.get(proof.number)
    }

    /// Give a proof back whose request came to nothing.
    pub fn give_back(&self, proof: &ProofToken) {
        self.used.clear(proof.number);
    }

    /// Return the answer to a time lock without the work, for tests and tools.
    pub fn solve(&self, issued: &Issued) -> Option<Vec<u8>> {
        let (_, base) = issued.modulus.as_ref()?;
        Some(self.lock.solve(&BigUint::from_bytes_be(base), issued.cost).to_bytes_be())
    }
}

impl ProofToken {
    /// Return what it says to a scorer.
    pub fn passed(&self) -> ChallengePassed {
        ChallengePassed {
            level: self.level,
            ratio: f32::from(self.ratio_thousandths) / 1_000.0,
            by_waiting: self.by_waiting,
        }
    }
}

fn expected_ms(challenge: &ChallengeToken) -> u64 {
    let cost = u64::from(challenge.cost);
    match challenge.kind {
        ChallengeKind::TimeLock => cost * SQUARING_US / 1_000,
        ChallengeKind::Work => (1u64 << cost.min(40)) * HASH_US / 1_000,
        ChallengeKind::Wait => cost * 1_000,
        ChallengeKind::Outside => 0,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
