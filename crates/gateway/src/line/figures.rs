//! What is counted about lines at the door: joins, polls, passes, and every refusal by its reason.

// Relaxed in this file: totals that stand alone; none of them publishes anything.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a token was not accepted. The holder is told less: that it is not valid, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Refused {
    /// It has not the shape of a token.
    Forged,
    /// Its MAC is not ours.
    Altered,
    /// It is good for another campaign.
    OtherCampaign,
    /// It is good for another buyer.
    OtherBuyer,
    /// Its time, or its key's, is over.
    Stale,
    /// It was used before.
    Replayed,
}

impl Refused {
    /// Every reason, in the order of its number.
    pub(crate) const ALL: [Refused; 6] = [
        Refused::Forged,
        Refused::Altered,
        Refused::OtherCampaign,
        Refused::OtherBuyer,
        Refused::Stale,
        Refused::Replayed,
    ];

    /// Return the word that the figures use.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Refused::Forged => "forged",
            Refused::Altered => "altered",
            Refused::OtherCampaign => "other_campaign",
            Refused::OtherBuyer => "other_buyer",
            Refused::Stale => "stale",
            Refused::Replayed => "replayed",
        }
    }
}

/// What else is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Counted {
    /// Tickets given out for the first time.
    Joined,
    /// Tickets asked for again.
    JoinedAgain,
    /// Buyers whom the sale is not for.
    NotEligible,
    /// Times the eligibility hook gave no answer in time.
    HookFailed,
    /// Looks at a ticket.
    Polled,
    /// Looks that found nothing new.
    PolledSame,
    /// Passes shown to their holder.
    PassShown,
    /// Reservations asked for with a valid pass.
    PassUsed,
    /// Hand-off codes made.
    HandedOff,
    /// Hand-off codes taken up.
    TakenUp,
    /// Requests that a gate let through.
    GateOpened,
    /// Requests that a gate sent to the line.
    GateClosed,
}

impl Counted {
    /// Every figure with its name and help, in the order of its number.
    pub(crate) const ALL: [(Counted, &'static str, &'static str); 12] = [
        (Counted::Joined, "onrush_line_joins", "Tickets given out"),
        (Counted::JoinedAgain, "onrush_line_joins_again", "Tickets asked for again"),
        (Counted::NotEligible, "onrush_line_not_eligible", "Buyers whom the sale is not for"),
        (Counted::HookFailed, "onrush_line_hook_failures", "Eligibility calls without an answer"),
        (Counted::Polled, "onrush_line_polls", "Looks at a ticket"),
        (Counted::PolledSame, "onrush_line_polls_unchanged", "Looks that found nothing new"),
        (Counted::PassShown, "onrush_line_passes_shown", "Passes shown to their holder"),
        (Counted::PassUsed, "onrush_line_passes_used", "Reserves with a valid pass"),
        (Counted::HandedOff, "onrush_line_handoffs", "Hand-off codes made"),
        (Counted::TakenUp, "onrush_line_handoffs_used", "Hand-off codes taken up"),
        (Counted::GateOpened, "onrush_gate_opened", "Requests that a gate let through"),
        (Counted::GateClosed, "onrush_gate_closed", "Requests that a gate sent to the line"),
    ];
}

/// Counters of one gateway.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    refused: [AtomicU64; Refused::ALL.len()],
    counted: [AtomicU64; Counted::ALL.len()],
}

impl Figures {
    /// Count a token that was not accepted.
    pub(crate) fn refused(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Return how many tokens were not accepted for a reason.
    pub(crate) fn refusals(&self, why: Refused) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }

    /// Count something else.
    #[inline]
    pub(crate) fn count(&self, what: Counted) {
        self.counted[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Return how often it was counted.
    pub(crate) fn counted(&self, what: Counted) -> u64 {
        self.counted[what as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_own_place() {
        for (at, why) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at, "{}", why.as_str());
        }
        for (at, (what, name, help)) in Counted::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, at, "{name}: {help}");
        }
    }
}
