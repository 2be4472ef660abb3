//! What the ledger is asked to do, and what it answers.

use super::extend::Holds;
use super::line_decide::DrawFacts;
use super::nodes_decide::NodeAction;
use super::record::{By, PaymentLine};
use super::waitlist::WaitAction;
use crate::campaign::CampaignSpec;
use crate::line::outflow::Outflow;
use crate::phase::Phase;
use crate::refusal::Refusal;
use onrush_types::{
    BuyerDigest, CampaignIx, DurationMs, KeyDigest, Name, NodeNo, Quantity, RequestDigest,
    ReservationSeq, SkuIx, TicketNo,
};

/// A request to the ledger. Ids were resolved and shapes checked by the layer above.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create or update a campaign.
    Put(Box<CampaignSpec>),
    /// Add units, or withdraw free ones.
    Supply {
        /// Which SKU.
        sku: SkuIx,
        /// How many; negative withdraws.
        units: i64,
        /// Who and why.
        by: By,
    },
    /// Move a campaign by hand: pause, resume, open early, close, settle.
    Move {
        /// Which campaign.
        campaign: CampaignIx,
        /// Where to.
        to: Phase,
        /// Who and why.
        by: By,
    },
    /// Set units aside. The caller has claimed and taken them.
    Reserve(Reserve),
    /// Add payment lines and sell when the price is covered; with no lines, sell what is covered
    /// already (or costs nothing).
    Confirm {
        /// Which reservation.
        seq: ReservationSeq,
        /// The lines, at most [`PAYMENTS_PER_RESERVATION_MAX`] over the reservation's life.
        ///
        /// [`PAYMENTS_PER_RESERVATION_MAX`]: onrush_types::limits::PAYMENTS_PER_RESERVATION_MAX
        lines: Vec<PaymentLine>,
        /// The caller's key and request, where there is a key.
        key: Option<(KeyDigest, RequestDigest)>,
    },
    /// Give up a hold.
    Release {
        /// Which reservation.
        seq: ReservationSeq,
        /// The caller's key and request, where there is a key.
        key: Option<(KeyDigest, RequestDigest)>,
    },
    /// Accept (`true`) or reject a hold under review.
    Judge {
        /// Which reservation.
        seq: ReservationSeq,
        /// The verdict.
        accept: bool,
        /// Who and why.
        by: By,
    },
    /// Put deadlines of live holds off.
    Extend {
        /// Whose.
        holds: Holds,
        /// By how much: [`EXTEND_MS_MIN`] to [`EXTEND_MS_MAX`].
        ///
        /// [`EXTEND_MS_MIN`]: onrush_types::limits::EXTEND_MS_MIN
        /// [`EXTEND_MS_MAX`]: onrush_types::limits::EXTEND_MS_MAX
        more: DurationMs,
        /// Who and why.
        by: By,
    },
    /// Take a sale back.
    Cancel {
        /// Which reservation.
        seq: ReservationSeq,
        /// Whether its units are free again, or withdrawn.
        restock: bool,
        /// Who and why.
        by: By,
    },
    /// Something about stores, their stock, or the orders that sales become there.
    Nodes(Box<NodeAction>),
    /// Note that a refund due was paid out.
    Refunded {
        /// Which one.
        refund: u32,
        /// Who, and the provider's reference.
        by: By,
    },
    /// Join or leave the waitlist.
    Wait(WaitAction),
    /// Give a buyer a place in the line of a campaign.
    Join {
        /// Which campaign.
        campaign: CampaignIx,
        /// For whom.
        buyer: BuyerDigest,
        /// The tier's place in the line's terms.
        class: u8,
    },
    /// Record the draw of a lane that has started.
    Draw {
        /// Which campaign.
        campaign: CampaignIx,
        /// What was computed from the list and the seed.
        facts: DrawFacts,
    },
    /// Take up a place that was passed over.
    Return {
        /// Which campaign.
        campaign: CampaignIx,
        /// Which ticket.
        number: TicketNo,
        /// Its place.
        place: u32,
    },
    /// Change how fast people are let in.
    SetOutflow {
        /// Which campaign.
        campaign: CampaignIx,
        /// From now on.
        outflow: Outflow,
        /// Who and why.
        by: By,
    },
    /// Set the public value of a lane's draw.
    SetPublicValue {
        /// Which campaign.
        campaign: CampaignIx,
        /// Which lane.
        lane: u8,
        /// The value, as its source shows it.
        value: String,
        /// Who and why.
        by: By,
    },
}

/// The right of one who was called up, shown with a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassUse {
    /// The ticket.
    pub number: TicketNo,
    /// Its place in the line.
    pub place: u32,
}

/// A request for a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Which SKU.
    pub sku: SkuIx,
    /// How many units.
    pub quantity: Quantity,
    /// For whom.
    pub buyer: BuyerDigest,
    /// Digest of the idempotency key.
    pub key: KeyDigest,
    /// Digest of the request after defaults.
    pub request: RequestDigest,
    /// Hold it for a look first.
    pub review: bool,
    /// How often its hold is halved: the risk policy's answer to holds that are never paid.
    pub halvings: u8,
    /// Opaque details to keep with it, at most [`DETAILS_BYTES_MAX`] bytes.
    ///
    /// [`DETAILS_BYTES_MAX`]: onrush_types::limits::DETAILS_BYTES_MAX
    pub details: Option<Box<[u8]>>,
    /// The pass, where the campaign has a line.
    pub pass: Option<PassUse>,
}

/// What the ledger answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was done by the records just decided.
    Done(Subject),
    /// It had been done before; nothing was recorded.
    Already(Subject),
    /// It was not done; nothing was recorded.
    Refused(Refusal),
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A reservation: read its state from the board once the answer is durable.
    Reservation(ReservationSeq),
    /// A campaign.
    Campaign(CampaignIx),
    /// A SKU.
    Sku(SkuIx),
    /// A refund due.
    Refund(u32),
    /// So many live holds whose deadlines were put off.
    Extended(u32),
    /// A store.
    Node(NodeNo),
    /// The routing policy of this version.
    Routing(u32),
    /// A wish in the waitlist of a SKU; it may be over already.
    Wish(SkuIx, u32),
    /// A ticket in the line of a campaign.
    Ticket(CampaignIx, TicketNo),
}

/// What the ledger asks of the layer above while it decides: units from the stock that callers
/// share, taken like any caller takes them, and what is promised with a secret that it has not.
///
/// Units are asked for only where no caller has taken them: late money, withdrawals and offers.
pub trait Take {
    /// Take `units` of `sku`, or none of them.
    fn take(&mut self, sku: SkuIx, units: u32) -> bool;

    /// Return the commitment to the seed of a lane's draw, the same whenever it is asked for.
    fn commitment(&mut self, campaign: CampaignIx, name: &Name, lane: u8) -> [u8; 32];
}
