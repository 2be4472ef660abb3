//! Refusals are values: ordinary answers with a stable code and what the client does next.

use onrush_types::Timestamp;
use std::fmt;

/// Why a request was not granted. Nothing was changed.
///
/// # Precedence
/// Where several apply, the earlier one in this list is the answer (shape and identity are the
/// gateway's and come before all of them):
/// campaign or SKU not found → repeat of a key ([`KeyReused`](Refusal::KeyReused),
/// [`KeyInFlight`](Refusal::KeyInFlight), or the earlier answer) → phase → pass → risk → limit →
/// stock → capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such campaign, SKU or reservation, or not yours.
    NotFound,
    /// The request contradicts itself or a limit; the text says what and what to do.
    Invalid(String),
    /// The same key came with another request.
    KeyReused,
    /// The same key is being decided right now.
    KeyInFlight,
    /// The sale has not opened.
    NotOpen {
        /// When it does, where that is planned.
        opens_at: Option<Timestamp>,
    },
    /// An operator paused the sale.
    Paused,
    /// The sale is over.
    Ended,
    /// The buyer is not among those invited.
    NotEligible,
    /// The campaign has a line, and the request came without a pass.
    PassRequired,
    /// The pass was used, is over, or is not the buyer's.
    PassInvalid,
    /// The risk policy asks for the answer to a challenge first.
    ChallengeRequired,
    /// The risk policy refused on proof.
    RefusedRisk,
    /// The buyer has, or is getting, as many units as one buyer may.
    LimitReached {
        /// Units (or reservations) one buyer may have.
        limit: u32,
    },
    /// All units are sold; supply may still be added.
    SoldOut {
        /// Units free, fewer than were asked for.
        free: u32,
    },
    /// All units are on hold; some may come back.
    AllHeld {
        /// Units free, fewer than were asked for.
        free: u32,
    },
    /// Units are free: there is nothing to wait for, reserve them.
    UnitsFree {
        /// How many.
        free: u32,
    },
    /// The reservation is past the state in which this could be done.
    AlreadyFinal,
    /// The hold's deadline has passed.
    Expired,
    /// No room for more work right now; nothing was touched.
    Overloaded {
        /// When to come back.
        retry_after_ms: u32,
    },
    /// The journal has no room; what was acknowledged is safe and new holds wait for space.
    DiskFull,
    /// The engine is stopping.
    Stopping,
}

impl Refusal {
    /// Return the stable code that the outside sees.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound => "not_found",
            Refusal::Invalid(_) => "invalid_request",
            Refusal::KeyReused => "key_reused",
            Refusal::KeyInFlight => "key_in_flight",
            Refusal::NotOpen { .. } => "not_open",
            Refusal::Paused => "paused",
            Refusal::Ended => "ended",
            Refusal::NotEligible => "not_eligible",
            Refusal::PassRequired => "pass_required",
            Refusal::PassInvalid => "pass_invalid",
            Refusal::ChallengeRequired => "challenge_required",
            Refusal::RefusedRisk => "refused_risk",
            Refusal::LimitReached { .. } => "limit_reached",
            Refusal::SoldOut { .. } => "sold_out",
            Refusal::AllHeld { .. } => "all_held",
            Refusal::UnitsFree { .. } => "units_free",
            Refusal::AlreadyFinal => "already_final",
            Refusal::Expired => "expired",
            Refusal::Overloaded { .. } | Refusal::DiskFull => "overloaded",
            Refusal::Stopping => "stopping",
        }
    }

    /// Tell whether the same request may succeed later without the client changing it.
    pub const fn retryable(&self) -> bool {
        matches!(
            self,
            Refusal::KeyInFlight
                | Refusal::NotOpen { .. }
                | Refusal::Paused
                | Refusal::AllHeld { .. }
                | Refusal::Overloaded { .. }
                | Refusal::DiskFull
                | Refusal::Stopping
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotFound => f.write_str("there is no such thing, or it is not yours"),
            Refusal::Invalid(what) => f.write_str(what),
            Refusal::KeyReused => f.write_str(
                "this idempotency key was used with another request; use a new key for a new one",
            ),
            Refusal::KeyInFlight => {
                f.write_str("this idempotency key is being decided; ask again with the same key")
            }
            Refusal::NotOpen { .. } => f.write_str("the sale has not opened yet"),
            Refusal::Paused => f.write_str("the sale is paused; your place is kept"),
            Refusal::Ended => f.write_str("the sale is over; what you hold or bought stays as it is"),
            Refusal::NotEligible => f.write_str("this sale is by invitation"),
            Refusal::PassRequired => f.write_str(
                "this sale has a line; join it, and come back with your pass when you are called up",
            ),
            Refusal::PassInvalid => f.write_str(
                "this pass was used, is over or is not yours; look up your place in the line",
            ),
            Refusal::ChallengeRequired => f.write_str(
                "a short check comes first; get one under `/challenges`, answer it, and send the \
                 proof with the same request",
            ),
            Refusal::RefusedRisk => f.write_str("this request was refused by the sale's rules"),
            Refusal::LimitReached { limit } => {
                write!(f, "one buyer may have {limit} here, and you have reached that")
            }
            Refusal::SoldOut { free: 0 } => f.write_str("all units are sold"),
            Refusal::SoldOut { free } => write!(f, "only {free} left"),
            Refusal::AllHeld { free: 0 } => {
                f.write_str("all units are on hold; some may come back")
            }
            Refusal::AllHeld { free } => {
                write!(f, "only {free} free; others are on hold and may come back")
            }
            Refusal::UnitsFree { free } => {
                write!(f, "{free} free: reserve instead of waiting")
            }
            Refusal::AlreadyFinal => f.write_str("this reservation is final"),
            Refusal::Expired => f.write_str("the hold has expired"),
            Refusal::Overloaded { .. } => f.write_str("too much at once; come back shortly"),
            Refusal::DiskFull => {
                f.write_str("no room to record new holds; existing ones can be paid or released")
            }
            Refusal::Stopping => f.write_str("the service is restarting; come back shortly"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that is told to come back waits and asks again with the same request. It must not be
    /// told so where that never helps, and not be sent away where it soon does.
    #[test]
    fn only_what_passes_by_itself_is_worth_asking_again() {
        let passes = [
            Refusal::KeyInFlight,
            Refusal::NotOpen { opens_at: None },
            Refusal::Paused,
            Refusal::AllHeld { free: 0 },
            Refusal::Overloaded { retry_after_ms: 1 },
            Refusal::DiskFull,
            Refusal::Stopping,
        ];
        let stays = [
            Refusal::NotFound,
            Refusal::Invalid("no".to_owned()),
            Refusal::KeyReused,
            Refusal::Ended,
            Refusal::NotEligible,
            Refusal::PassRequired,
            Refusal::PassInvalid,
            Refusal::ChallengeRequired,
            Refusal::RefusedRisk,
            Refusal::LimitReached { limit: 1 },
            Refusal::SoldOut { free: 0 },
            Refusal::UnitsFree { free: 1 },
            Refusal::AlreadyFinal,
            Refusal::Expired,
        ];
        for refusal in passes {
            assert!(refusal.retryable(), "{refusal:?}");
        }
        for refusal in stays {
            assert!(!refusal.retryable(), "{refusal:?}");
        }
    }
}
