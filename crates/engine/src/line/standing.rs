//! Where a ticket stands: from durable facts in memory, without a lock and without the ledger.

use super::view::Published;
use super::{LineShared, LineView, Pass};
use onrush_core::line::tickets::TicketRow;
use onrush_core::line::{Chances, Eta, Odds, Spots};
use onrush_types::{TicketNo, Timestamp};

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its lane has not started, or is being drawn: it has no place yet.
    BeforeDraw {
        /// When the lane starts, where that is known.
        opens_at: Option<Timestamp>,
        /// How many are drawn with it so far.
        joined: u32,
    },
    /// Its lane was drawn and places are being counted: a few seconds for millions.
    Ranking {
        /// About its place.
        about: u32,
    },
    /// It waits.
    Waiting {
        /// Its place in the line, from 0; it never changes.
        place: u32,
        /// How many are before it.
        ahead: u32,
        /// How long it will take, where that can be told.
        eta: Option<Eta>,
        /// Whether anything will be left.
        odds: Odds,
    },
    /// It was called up.
    Served {
        /// Its pass.
        pass: Pass,
    },
    /// It was called up and its owner did not come; the place can be taken up again.
    PassedOver {
        /// Until when.
        until: Timestamp,
    },
    /// Its owner came back and will be called up again, ahead of others.
    Returning,
    /// A reservation was made with it.
    Used,
    /// Its owner did not come in time.
    Lost,
}

impl LineShared {
    /// Return where a ticket stands at `now`; `None`: there is no such ticket yet.
    pub(crate) fn standing(&self, number: TicketNo, now: Timestamp) -> Option<Standing> {
        let ticket = self.tickets.read(number)?;
        if ticket.used {
            return Some(Standing::Used);
        }
        let published = self.published.load();
        if ticket.returned {
            let standing = published.returned(number, &ticket, now);
            return Some(standing.unwrap_or_else(|| self.before_its_place(&published, &ticket)));
        }
        let Some(place) = ticket.place else {
            return Some(self.before_its_place(&published, &ticket));
        };
        let serving = published.view.serving;
        if place >= serving {
            let ahead = place - serving;
            let (eta, odds) = (published.eta(ahead), published.view.odds(ahead));
            return Some(Standing::Waiting { place, ahead, eta, odds });
        }
        let called = published.called_at(place);
        Some(called.map_or(Standing::Lost, |at| published.called(number, place, at, now)))
    }

    fn before_its_place(&self, published: &Published, ticket: &TicketRow) -> Standing {
        let n = usize::from(ticket.lane);
        let lane = &published.view.lanes[n];
        match (self.places[n].get(), lane.drawn) {
            (Some(places), Some(drawn)) => {
                // Two hashes: worth it only in the seconds until the place is there.
                let pseudonym = self.pseudonyms.of(ticket.buyer);
                let spot = Spots::new(&drawn.seed).of(pseudonym);
                Standing::Ranking { about: lane.base + places.about(spot, ticket.class) }
            }
            (None, Some(drawn)) => Standing::Ranking { about: lane.base + drawn.count / 2 },
            (_, None) => {
                Standing::BeforeDraw { opens_at: lane.starts_at, joined: lane.participants }
            }
        }
    }
}

impl Published {
    /// Return how long it takes until `ahead` more people were called up.
    fn eta(&self, ahead: u32) -> Option<Eta> {
        let moves = !self.view.paused && !self.view.all_sold;
        self.forecast.eta(ahead).filter(|_| moves)
    }

    /// Return when a place was called up; `None`: so long ago that it is lost.
    pub(super) fn called_at(&self, place: u32) -> Option<Timestamp> {
        if place < self.forgotten {
            return None;
        }
        let step = self.steps.partition_point(|step| step.through <= place);
        self.steps.get(step).map(|step| step.at)
    }

    fn called(&self, number: TicketNo, place: u32, at: Timestamp, now: Timestamp) -> Standing {
        // Passes do not age while the sale is paused.
        let now = self.paused_at.map_or(now, |paused| now.min(paused));
        let until = at + self.view.pass;
        let lost_at = until + self.view.grace;
        if now < until {
            Standing::Served { pass: Pass { number, place, until } }
        } else if now < lost_at {
            Standing::PassedOver { until: lost_at }
        } else {
            Standing::Lost
        }
    }

    /// Return where somebody stands who came back; `None`: they are up, but a pass names its place, and
    /// after a start places are counted again.
    fn returned(&self, number: TicketNo, ticket: &TicketRow, now: Timestamp) -> Option<Standing> {
        let found = self.returns.binary_search_by_key(&number, |known| known.0);
        Some(match found.map(|at| self.returns[at].1) {
            Ok(None) => Standing::Returning,
            Ok(Some(at)) => {
                let standing = self.called(number, ticket.place?, at, now);
                // Who let a second pass go by is not called a third time.
                match standing {
                    Standing::Served { .. } => standing,
                    _ => Standing::Lost,
                }
            }
            Err(_) => Standing::Lost,
        })
    }
}

impl LineView {
    /// Return how likely it is that the stock reaches somebody behind `ahead` people.
    pub fn odds(&self, ahead: u32) -> Odds {
        if self.all_sold {
            return Odds::None;
        }
        let bounded = |units: u64| u32::try_from(units).unwrap_or(u32::MAX);
        let chances = Chances {
            ahead: ahead.saturating_add(self.outstanding).saturating_add(self.returning),
            free: bounded(self.free + self.to_come),
            held: bounded(self.held),
            share_back_milli: self.share_back_milli,
            units_per_pass_milli: self.units_per_pass_milli,
        };
        match chances.odds() {
            // Nothing is there yet, which is not the same as nothing is left.
            Odds::None => Odds::Unlikely,
            odds => odds,
        }
    }
}
