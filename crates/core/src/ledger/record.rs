//! What the journal says: decided outcomes, never requests. Replay applies them and decides nothing.

use super::action::PassUse;
use super::extend::Holds;
use super::line_decide::DrawFacts;
use super::nodes::NodeChange;
use super::waitlist::WaitChange;
use crate::campaign::Terms;
use crate::line::outflow::Outflow;
use crate::line::terms::LineTerms;
use crate::phase::Phase;
use onrush_types::{
    BuyerDigest, CampaignIx, Currency, DurationMs, KeyDigest, Quantity, RequestDigest,
    ReservationSeq, SkuIx, TicketNo, Timestamp,
};
use onrush_types::{Money, Name};

/// One decided change of state, and when it was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The ledger's time: never before the stamp of an earlier record.
    pub stamp: Timestamp,
    /// What changed.
    pub change: Change,
}

/// A change of the ledger's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A campaign was created or its terms changed.
    Campaign {
        /// Its number.
        campaign: CampaignIx,
        /// Its name.
        name: Name,
        /// Its terms from now on.
        terms: Box<Terms>,
    },
    /// A SKU was created with its first supply, or its price or limit changed.
    Sku {
        /// Its number.
        sku: SkuIx,
        /// The campaign it belongs to.
        campaign: CampaignIx,
        /// Its name.
        name: Name,
        /// Price of one unit.
        price: i64,
        /// Units one buyer may have.
        limit_per_buyer: u32,
        /// Units supplied with this record; zero in a change.
        supply: u32,
    },
    /// Units were added.
    Supplied {
        /// Which SKU.
        sku: SkuIx,
        /// How many.
        units: u32,
        /// Where they came from.
        source: Source,
    },
    /// Free units were taken out of the sale.
    Withdrawn {
        /// Which SKU.
        sku: SkuIx,
        /// How many.
        units: u32,
        /// Who did it and why.
        by: By,
    },
    /// A campaign entered a phase.
    Phase {
        /// Which campaign.
        campaign: CampaignIx,
        /// The phase it entered.
        to: Phase,
        /// Who did it and why; `None`: it was planned.
        by: Option<By>,
    },
    /// Units were set aside for a buyer.
    Reserved(Reserved),
    /// Money came in.
    Paid(Paid),
    /// Sold without new money: it costs nothing, or what was paid under review covers it.
    Confirmed {
        /// Which reservation.
        seq: ReservationSeq,
        /// The key and request that asked for it, where there was a key.
        key: Option<(KeyDigest, RequestDigest)>,
    },
    /// A hold was given up.
    Released {
        /// Which reservation.
        seq: ReservationSeq,
        /// The key and request that asked for it, where there was a key.
        key: Option<(KeyDigest, RequestDigest)>,
    },
    /// A hold's deadline passed.
    Expired {
        /// Which reservation.
        seq: ReservationSeq,
    },
    /// Deadlines of live holds were put off.
    Extended {
        /// Whose.
        holds: Holds,
        /// By how much.
        more: DurationMs,
        /// Who did it and why.
        by: By,
    },
    /// A hold under review was accepted.
    Accepted {
        /// Which reservation.
        seq: ReservationSeq,
        /// Who did it and why.
        by: By,
    },
    /// A hold under review was rejected: its units are free again.
    Rejected {
        /// Which reservation.
        seq: ReservationSeq,
        /// Who did it and why.
        by: By,
    },
    /// A sale was taken back.
    Cancelled {
        /// Which reservation.
        seq: ReservationSeq,
        /// `true`: the units are free again; `false`: they are withdrawn.
        restock: bool,
        /// Who did it and why.
        by: By,
    },
    /// Stores, their stock, or the orders that sales become there.
    Nodes(Box<NodeChange>),
    /// A refund due was paid out.
    Refunded {
        /// Its number, dense from 0.
        refund: u32,
        /// Who did it, and the payment provider's reference.
        by: By,
    },
    /// Something about the waitlist.
    Wait(WaitChange),
    /// A campaign got a line, or the line's terms changed.
    Line {
        /// Which campaign.
        campaign: CampaignIx,
        /// The line's terms from now on.
        terms: Box<LineTerms>,
        /// What is promised about the seed of each lane.
        commitments: Vec<[u8; 32]>,
    },
    /// A buyer got a ticket.
    Joined {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// Its number.
        number: TicketNo,
        /// For whom.
        buyer: BuyerDigest,
        /// The tier's place in the terms.
        class: u8,
        /// Where its owner enters.
        lane: u8,
    },
    /// A lane was drawn.
    Drawn {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// The public value; `None`: there was none.
        public_value: Option<String>,
        /// The draw.
        facts: DrawFacts,
    },
    /// People were called up.
    Served {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// All places before this one have been called up.
        through: u32,
        /// So many of those who came back were called up again, the first first.
        returned: u32,
        /// How many a second were let in, where the outflow limits that.
        per_second: Option<u32>,
    },
    /// A place that was passed over is to be called up again.
    Returned {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// Which ticket.
        number: TicketNo,
        /// Its place.
        place: u32,
    },
    /// An operator changed how fast people are let in.
    Outflow {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// From now on.
        outflow: Outflow,
        /// Who did it and why.
        by: By,
    },
    /// The public value of a lane's draw became known.
    PublicValue {
        /// In the line of which campaign.
        campaign: CampaignIx,
        /// Of which lane.
        lane: u8,
        /// The value.
        value: String,
        /// Who set it and why.
        by: By,
    },
}

/// The record of a new hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Its sequence number.
    pub seq: ReservationSeq,
    /// Which SKU.
    pub sku: SkuIx,
    /// How many units.
    pub quantity: Quantity,
    /// For whom.
    pub buyer: BuyerDigest,
    /// Digest of the idempotency key.
    pub key: KeyDigest,
    /// Digest of the request.
    pub request: RequestDigest,
    /// Price of all units, in the campaign's currency.
    pub amount: i64,
    /// The deadline.
    pub expires_at: Timestamp,
    /// Held for a look.
    pub review: bool,
    /// Destination, delivery and attribution, as the edge encoded them; not looked into.
    pub details: Option<Box<[u8]>>,
    /// The pass it was made with, where the campaign has a line.
    pub pass: Option<PassUse>,
}

/// The record of a payment line and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// For which reservation.
    pub seq: ReservationSeq,
    /// The line.
    pub line: PaymentLine,
    /// The key and request of the confirm that brought it, where there was a key.
    pub key: Option<(KeyDigest, RequestDigest)>,
    /// What it did.
    pub outcome: PaidOutcome,
}

/// One payment of a reservation's price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentLine {
    /// Who reports it; with `reference` it identifies the payment.
    pub provider: Name,
    /// How it was paid: card, points, …
    pub method: Name,
    /// The provider's own reference, unique at the provider.
    pub reference: Box<str>,
    /// How much.
    pub money: Money,
}

/// What a payment line did. Numbers are part of the journal format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PaidOutcome {
    /// It is kept; the price is not covered yet.
    Partial = 1,
    /// It covered the price: sold. What is too much, or of another currency, is due back.
    Sold = 2,
    /// It came late, found units, and covered the price: sold again after expiry.
    Retaken = 3,
    /// It is due back whole.
    Refund = 4,
}

impl PaidOutcome {
    /// Return the outcome with this number.
    pub const fn from_u8(number: u8) -> Option<PaidOutcome> {
        match number {
            1 => Some(PaidOutcome::Partial),
            2 => Some(PaidOutcome::Sold),
            3 => Some(PaidOutcome::Retaken),
            4 => Some(PaidOutcome::Refund),
            _ => None,
        }
    }
}

/// Where supplied units came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An operator added them.
    Operator(By),
    /// A planned wave: its place in the campaign's terms.
    Wave(u16),
}

/// Who did something by hand, and why. Short texts, kept for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The operator or key.
    pub who: Box<str>,
    /// The reason given.
    pub why: Box<str>,
}

impl By {
    /// Note `who` and `why`.
    pub fn new(who: &str, why: &str) -> By {
        By { who: who.into(), why: why.into() }
    }
}

/// Money that has to go back, exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundDue {
    /// The reservation it was paid for.
    pub seq: ReservationSeq,
    /// The payment line it came with (its place among the reservation's lines).
    pub line: u8,
    /// How much.
    pub amount: i64,
    /// Of which currency.
    pub currency: Currency,
    /// Paid out already.
    pub done: bool,
}
