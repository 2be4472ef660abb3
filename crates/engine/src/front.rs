//! The caller's side: every check of the contract in its order, then claim, take, push.
//!
//! ```text
//! SKU ── not found
//! one look at the buyer: repeat ── the earlier answer │ key reused │ key in flight
//! phase ── not open, paused, ended
//! pass, where there is a line ── required, invalid
//! screen (risk hook) ── refused
//! limit ── reached
//! waitlist ── somebody waits: sold out, all held
//! slot.look ── sold out, all held          touches nothing
//! credit ── none, or too many under way: overloaded     nothing taken yet
//! claim ── lost the race: limit            credit back
//! slot.take ── lost the race: sold out     claim undone, credit back
//! push ── cannot fail: it has a credit
//! ```
//!
//! Between claim and push there is no hook, no await and no allocation of ours (the claim table may
//! grow inside the claim, before anything is taken).

use crate::catalogue::{Campaign, Sku};
use crate::flight::{Claimed, LaneKind, Work};
use crate::line::PassShown;
use crate::pending::{Decision, Pending, View};
use crate::shared::{Reservation, Shared};
use onrush_core::front::{Claim, Shortage, Standing};
use onrush_core::ledger::{Action, Reserve};
use onrush_core::phase::Phase;
use onrush_core::refusal::Refusal;
use onrush_types::limits::{DETAILS_BYTES_MAX, KEY_BYTES_MAX};
use onrush_types::planted;
use onrush_types::{BuyerDigest, KeyDigest, Quantity, RequestDigest, Timestamp};
use std::sync::Arc;

/// A client that met a full queue comes back after this long; a full queue drains faster.
pub(crate) const OVERLOADED_RETRY_MS: u32 = 200;

/// A request for units.
#[derive(Clone, Copy, Debug)]
pub struct ReserveRequest<'a> {
    /// The campaign, as [`Engine::campaign`](crate::Engine::campaign) returned it; its newest terms
    /// count.
    pub campaign: &'a Campaign,
    /// The SKU's name.
    pub sku: &'a str,
    /// How many units.
    pub quantity: Quantity,
    /// For whom.
    pub buyer: BuyerDigest,
    /// The idempotency key: 1 to 64 bytes, chosen by the client, one for each thing it wants.
    pub key: &'a str,
    /// Hold it for a look before it counts.
    pub review: bool,
    /// Details to keep and export with the reservation (destination, delivery, attribution), at
    /// most 1,024 bytes; equal requests must give equal bytes.
    pub details: Option<&'a [u8]>,
    /// The pass that came with it; not looked at in a campaign without a line.
    pub pass: PassShown,
}

impl<'a> ReserveRequest<'a> {
    /// Ask for one unit, without details.
    pub fn new(
        campaign: &'a Campaign,
        sku: &'a str,
        buyer: BuyerDigest,
        key: &'a str,
    ) -> ReserveRequest<'a> {
        let (quantity, review, details) = (Quantity::ONE, false, None);
        let pass = PassShown::NotShown;
        ReserveRequest { campaign, sku, quantity, buyer, key, review, details, pass }
    }
}

/// Looks at a request before anything is claimed: the place of risk scoring.
///
/// Called on the caller's thread for each reserve that is new and in phase. It must be quick and
/// must not block; it cannot see or change stock.
pub trait Screen: Send + Sync {
    /// Return what to do with the request.
    fn screen(&self, request: &ReserveRequest<'_>, now: Timestamp) -> Verdict;
}

/// What a [`Screen`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Admit,
    /// Go on with a hold that is halved so often: at most three times, never under 30 seconds.
    Shorten(u8),
    /// Come back with the answer to a challenge.
    Challenge,
    /// The buyer, or those it belongs with, have as many units as they may.
    Limit(u32),
    /// Go on, and hold it for a look.
    Review,
    /// Not on the list.
    NotEligible,
    /// Refused on proof.
    Refuse,
}

/// Two screens, one after the other: the second is asked where the first lets through.
pub(crate) struct Both<'a>(pub(crate) &'a dyn Screen, pub(crate) &'a dyn Screen);

impl Screen for Both<'_> {
    fn screen(&self, request: &ReserveRequest<'_>, now: Timestamp) -> Verdict {
        match self.0.screen(request, now) {
            Verdict::Admit => self.1.screen(request, now),
            verdict => verdict,
        }
    }
}

impl Shared {
    pub(crate) fn reserve(
        self: &Arc<Self>,
        ask: &ReserveRequest<'_>,
        screen: Option<&dyn Screen>,
        now: Timestamp,
    ) -> Pending<Reservation> {
        if let Some(error) = self.failure() {
            return Pending::ready(Err(error));
        }
        match self.try_reserve(ask, screen, now) {
            Ok(credit) => Pending::flying(self, credit),
            Err(Stop::Refused(refusal)) => Pending::refused(refusal),
            Err(Stop::Repeat(earlier)) => Pending::ready(Ok(Decision::Already(*earlier))),
        }
    }

    /// Tell whether the buyer used the key of `ask` before, or is using it right now: then the
    /// answer is the engine's, whatever else a layer above would refuse.
    pub(crate) fn is_repeat(&self, ask: &ReserveRequest<'_>) -> bool {
        let catalogue = self.catalogue.load();
        let Some(campaign) = catalogue.list.get(ask.campaign.ix.index()) else { return false };
        let Some(sku) = campaign.sku(ask.sku) else { return false };
        let claim = || self.claim_of(ask, campaign, sku);
        let known = campaign.claims.look(ask.buyer, claim, &self.board, &self.links);
        known.is_some_and(|standing| self.stop_at_repeat(standing).is_err())
    }

    fn try_reserve(
        &self,
        ask: &ReserveRequest<'_>,
        screen: Option<&dyn Screen>,
        now: Timestamp,
    ) -> Result<u32, Stop> {
        check_shape(ask)?;
        let catalogue = self.catalogue.load();
        let campaign = catalogue.list.get(ask.campaign.ix.index()).ok_or(Refusal::NotFound)?;
        let sku = campaign.sku(ask.sku).ok_or(Refusal::NotFound)?;
        let claim = || self.claim_of(ask, campaign, sku);
        let known = campaign.claims.look(ask.buyer, claim, &self.board, &self.links);
        let quantity = ask.quantity.get();
        let limits = (campaign.terms.limit_per_buyer, sku.limit_per_buyer);
        let standing = known.unwrap_or_else(|| Standing::of_newcomer(quantity, limits.0, limits.1));
        self.stop_at_repeat(standing)?;
        check_phase(campaign, now)?;
        let line = campaign.line.as_ref();
        let pass = line.map(|line| line.check(ask.pass, ask.buyer, now)).transpose()?;
        if self.stopping() {
            return Err(Refusal::Stopping.into());
        }
        let (looked_at, halvings) = screened(screen, ask, now)?;
        let review = ask.review || looked_at;
        stop_at_limit(standing)?;
        let slot = self.slots.get(sku.ix.index()).ok_or(Refusal::NotFound)?;
        let seen = slot.look();
        self.stop_behind_waitlist(sku.ix, seen)?;
        if let Some(shortage) = seen.shortage(quantity) {
            return Err(refusal_of(shortage).into());
        }
        let credit = self.reserve_credit().ok_or_else(overloaded)?;
        let claim = claim();
        let action = Action::Reserve(Reserve {
            sku: sku.ix,
            quantity: ask.quantity,
            buyer: ask.buyer,
            key: claim.key,
            request: claim.request,
            review,
            halvings,
            details: ask.details.map(Into::into),
            pass,
        });
        let claimed = Claimed {
            campaign: campaign.ix,
            buyer: ask.buyer,
            sku: sku.ix,
            quantity: claim.quantity,
        };
        self.flights.fill(credit, Work::Reserve(action, claimed));
        // From here to the push: no hook, no await, no allocation.
        let standing = campaign.claims.claim(&claim, credit, &self.board, &self.links);
        if standing != Standing::Clear {
            self.flights.unfill(credit);
            self.stop_at_repeat(standing)?;
            stop_at_limit(standing)?;
        }
        if let Err(shortage) = slot.take(claim.quantity) {
            campaign.claims.undo(ask.buyer, credit, &self.links);
            self.flights.unfill(credit);
            return Err(refusal_of(shortage).into());
        }
        self.flights.send(credit);
        self.bell.ring();
        Ok(credit)
    }

    /// Take a credit for a reserve, unless those under way would make it wait too long.
    fn reserve_credit(&self) -> Option<u32> {
        let under_way = self.flights.in_use(LaneKind::Reserve);
        if under_way >= self.admission.admitted() as usize {
            return None;
        }
        self.flights.credit(LaneKind::Reserve)
    }

    /// Queue anything but a reserve.
    pub(crate) fn settle<T: View>(self: &Arc<Self>, action: Action) -> Pending<T> {
        self.send(LaneKind::Settle, action)
    }

    /// Queue anything but a reserve in one of the lanes.
    pub(crate) fn send<T: View>(self: &Arc<Self>, kind: LaneKind, action: Action) -> Pending<T> {
        if let Some(error) = self.failure() {
            return Pending::ready(Err(error));
        }
        match self.send_work(kind, Work::Act(action)) {
            Ok(credit) => Pending::flying(self, credit),
            Err(refusal) => Pending::refused(refusal),
        }
    }

    pub(crate) fn send_settle(&self, work: Work) -> Result<u32, Refusal> {
        self.send_work(LaneKind::Settle, work)
    }

    fn send_work(&self, kind: LaneKind, work: Work) -> Result<u32, Refusal> {
        if self.stopping() {
            return Err(Refusal::Stopping);
        }
        let credit = self.flights.credit(kind).ok_or_else(overloaded)?;
        self.flights.fill(credit, work);
        self.flights.send(credit);
        self.bell.ring();
        Ok(credit)
    }

    /// Digest a key and what came with it.
    pub(crate) fn keyed(
        &self,
        key: Option<&str>,
        parts: &[&[u8]],
    ) -> Result<Option<(KeyDigest, RequestDigest)>, Refusal> {
        let Some(key) = key else { return Ok(None) };
        check_key(key)?;
        Ok(Some((self.digests.key(key), self.digests.request(parts))))
    }

    fn claim_of(&self, ask: &ReserveRequest<'_>, campaign: &Campaign, sku: &Sku) -> Claim {
        let quantity = ask.quantity.get();
        let request = self.digests.request(&[
            &sku.ix.0.to_le_bytes(),
            &planted!("quantity-not-in-request", 1, quantity).to_le_bytes(),
            ask.details.unwrap_or_default(),
        ]);
        Claim {
            buyer: ask.buyer,
            key: self.digests.key(ask.key),
            request,
            sku: sku.ix,
            quantity,
            limit: campaign.terms.limit_per_buyer,
            sku_limit: sku.limit_per_buyer,
        }
    }

    fn stop_at_repeat(&self, standing: Standing) -> Result<(), Stop> {
        match standing {
            Standing::Repeat(seq) => {
                let earlier = self.reservation(seq).ok_or(Refusal::NotFound)?;
                Err(Stop::Repeat(Box::new(earlier)))
            }
            Standing::KeyReused => Err(Refusal::KeyReused.into()),
            Standing::KeyInFlight => Err(Refusal::KeyInFlight.into()),
            Standing::Clear | Standing::Limit(_) | Standing::Full => Ok(()),
        }
    }
}

/// Why a reserve ends before the queue.
enum Stop {
    Refused(Refusal),
    Repeat(Box<Reservation>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

fn check_shape(ask: &ReserveRequest<'_>) -> Result<(), Refusal> {
    check_key(ask.key)?;
    if ask.details.is_some_and(|details| details.len() > DETAILS_BYTES_MAX) {
        let what = format!("details: at most {DETAILS_BYTES_MAX} bytes");
        return Err(Refusal::Invalid(what));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let what = format!("idempotency key: send one of 1 to {KEY_BYTES_MAX} bytes");
        return Err(Refusal::Invalid(what));
    }
    Ok(())
}

fn check_phase(campaign: &Campaign, now: Timestamp) -> Result<(), Refusal> {
    match campaign.phase(now) {
        Phase::Open => Ok(()),
        Phase::Paused => Err(Refusal::Paused),
        Phase::Closed | Phase::Settled => Err(Refusal::Ended),
        Phase::Draft => Err(Refusal::NotFound),
        Phase::Scheduled | Phase::Preheat | Phase::Draw => {
            Err(Refusal::NotOpen { opens_at: campaign.terms.schedule.opens_at })
        }
    }
}

/// Tell whether the hold is for a look, and how often it is halved.
fn screened(
    screen: Option<&dyn Screen>,
    ask: &ReserveRequest<'_>,
    now: Timestamp,
) -> Result<(bool, u8), Refusal> {
    match screen.map_or(Verdict::Admit, |screen| screen.screen(ask, now)) {
        Verdict::Admit => Ok((false, 0)),
        Verdict::Shorten(halvings) => Ok((false, halvings)),
        Verdict::Review => Ok((true, 0)),
        Verdict::Challenge => Err(Refusal::ChallengeRequired),
        Verdict::Limit(limit) => Err(Refusal::LimitReached { limit }),
        Verdict::NotEligible => Err(Refusal::NotEligible),
        Verdict::Refuse => Err(Refusal::RefusedRisk),
    }
}

fn stop_at_limit(standing: Standing) -> Result<(), Refusal> {
    match standing {
        Standing::Limit(limit) => Err(Refusal::LimitReached { limit }),
        Standing::Full => Err(overloaded()),
        _ => Ok(()),
    }
}

fn refusal_of(shortage: Shortage) -> Refusal {
    match shortage {
        Shortage::SoldOut { free } => Refusal::SoldOut { free },
        Shortage::AllHeld { free } => Refusal::AllHeld { free },
    }
}

fn overloaded() -> Refusal {
    Refusal::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }
}
