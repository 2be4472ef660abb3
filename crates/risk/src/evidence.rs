//! What is known of one request: digests and a few numbers, filled in by whoever saw it come in.

use crate::key::EntityId;
use onrush_types::Timestamp;

/// Where a request was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Joining the line.
    Join = 1,
    /// Reserving.
    #[default]
    Reserve = 2,
    /// The page said that it is open; no decision is made.
    Beacon = 3,
}

/// How a request came over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transport {
    /// See [`Signal::HeaderOrderOdd`](crate::Signal::HeaderOrderOdd).
    pub header_order_odd: f32,
    /// See [`Signal::HeadersMissing`](crate::Signal::HeadersMissing).
    pub headers_missing: f32,
    /// See [`Signal::HttpVersion`](crate::Signal::HttpVersion).
    pub http_version: f32,
    /// The user agent contradicts the other headers.
    pub agent_mismatch: bool,
    /// The user agent names a program, or there is none.
    pub agent_tool: bool,
    /// The TLS digest contradicts the user agent.
    pub ja4_mismatch: bool,
}

/// A challenge that was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChallengePassed {
    /// Its level, 1 to 3.
    pub level: u8,
    /// The time it took over the time that was expected.
    pub ratio: f32,
    /// It was answered by waiting, without a puzzle.
    pub by_waiting: bool,
}

/// What is known of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Where it was made.
    pub stage: Stage,
    /// How it came.
    pub transport: Transport,
    /// Who asks.
    pub account: EntityId,
    /// From which address prefix.
    pub address: Option<EntityId>,
    /// With which device token.
    pub device: Option<EntityId>,
    /// To be delivered where.
    pub destination: Option<EntityId>,
    /// To be paid with what.
    pub payment: Option<EntityId>,
    /// Reachable under which number.
    pub phone: Option<EntityId>,
    /// The TLS digest that a trusted proxy gave.
    pub tls: Option<EntityId>,
    /// How the request looks.
    pub behaviour: EntityId,
    /// When the sale opens, where that is planned.
    pub opens_at: Option<Timestamp>,
    /// When the session was opened.
    pub session_at: Option<Timestamp>,
    /// Age of the account in days.
    pub account_age_days: Option<f32>,
    /// Wins in earlier campaigns.
    pub earlier_wins: u32,
    /// The challenge it answered.
    pub challenge: Option<ChallengePassed>,
    /// A used proof or token was shown.
    pub replay: bool,
    /// A proof or token was shown that is none of ours, or somebody else's.
    pub forged: bool,
    /// Something was used that no person sees.
    pub honeypot: bool,
}

impl Evidence {
    /// Begin with who asks, and where.
    pub fn of(account: EntityId, stage: Stage) -> Evidence {
        Evidence {
            stage,
            transport: Transport::default(),
            account,
            address: None,
            device: None,
            destination: None,
            payment: None,
            phone: None,
            tls: None,
            behaviour: EntityId(1),
            opens_at: None,
            session_at: None,
            account_age_days: None,
            earlier_wins: 0,
            challenge: None,
            replay: false,
            forged: false,
            honeypot: false,
        }
    }
}
