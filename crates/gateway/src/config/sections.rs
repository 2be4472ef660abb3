//! The sections of the file, field by field, with their defaults.

use super::fields::{Listen, Network, Span, name};
use onrush_types::Name;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// `[listen]`: where it listens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSection {
    /// For buyers and shop front ends.
    pub public: Listen,
    /// For operators, back ends and Prometheus.
    pub admin: Listen,
    /// A proxy in front of the public listener ends TLS.
    pub tls_proxy: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for ListenSection {
    fn default() -> ListenSection {
        let local = |port| Listen::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        ListenSection {
            public: local(8080),
            admin: local(9090),
            tls_proxy: false,
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[server]`: how the server treats connections.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Threads that serve the public listener; 0: one a core, less one for the ledger.
    pub workers: usize,
    /// How connections are spread over them.
    pub accept: Accept,
    /// Connections in all; more are answered 503 and closed.
    pub connections_max: usize,
    /// Connections of one worker.
    pub connections_per_worker_max: usize,
    /// Longest time from a request's first byte to the end of its headers.
    pub header_timeout: Span,
    /// Longest time for a body.
    pub body_timeout: Span,
    /// Longest time without a request; an answer must also be taken within it.
    pub idle_timeout: Span,
    /// Time for requests in flight when it stops.
    pub stop_timeout: Span,
}

impl Default for ServerSection {
    fn default() -> ServerSection {
        ServerSection {
            workers: 0,
            accept: Accept::Handoff,
            connections_max: 20_000,
            connections_per_worker_max: 20_000,
            header_timeout: Span::secs(10),
            body_timeout: Span::secs(10),
            idle_timeout: Span::secs(60),
            stop_timeout: Span::secs(10),
        }
    }
}

/// How connections are spread over the workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// One acceptor hands each connection to the worker with the fewest.
    #[default]
    Handoff,
    /// Each worker has its own socket (SO_REUSEPORT) and the kernel spreads them by hash.
    ReusePort,
}

/// Clock difference that is forgiven unless it is configured.
pub(crate) const LEEWAY_DEFAULT: Span = Span::secs(30);
/// How often the keys are read again unless it is configured.
pub(crate) const JWKS_REFRESH_DEFAULT: Span = Span::secs(300);

/// `[identity]`: whose tokens are believed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySection {
    /// The `iss` of every token.
    pub issuer: Option<String>,
    /// The `aud` of every token; left out: tokens with an `aud` are refused.
    pub audience: Option<String>,
    /// A JWKS file with the issuer's public keys (EdDSA, ES256, RS256).
    pub jwks_file: Option<PathBuf>,
    /// How often the JWKS file is read again.
    pub jwks_refresh: Option<Span>,
    /// A file with the secret of HS256 tokens.
    pub secret_file: Option<PathBuf>,
    /// Clock difference that is forgiven.
    pub leeway: Option<Span>,
    /// The claim that lists a buyer's groups.
    pub groups_claim: Option<String>,
    /// Groups that mean something here, at most 64.
    pub groups: Vec<String>,
    /// The claim that says when the account was made, in seconds since 1970; used by risk only.
    pub account_claim: Option<String>,
}

impl IdentitySection {
    /// Tell whether any token can be believed.
    pub fn is_configured(&self) -> bool {
        self.jwks_file.is_some() || self.secret_file.is_some()
    }
}

/// `[sessions]`: what buyers get for their tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsSection {
    /// How long a session lives.
    pub ttl: Span,
    /// Keys; the first one signs, all verify. None: one derived from the data folder's secret.
    pub keys: Vec<SessionKeySection>,
}

impl Default for SessionsSection {
    fn default() -> SessionsSection {
        SessionsSection { ttl: Span::secs(15 * 60), keys: Vec::new() }
    }
}

/// One key of `[sessions]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionKeySection {
    /// 1 to 255; never reuse one for another secret.
    pub id: u8,
    /// At least 32 bytes.
    pub secret_file: PathBuf,
}

/// `[cors]`: which pages may call the public listener.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSection {
    /// Origins, such as `https://shop.example`; no wildcard.
    pub origins: Vec<String>,
    /// How long a browser may keep the permission.
    pub max_age: Span,
}

impl Default for CorsSection {
    fn default() -> CorsSection {
        CorsSection { origins: Vec::new(), max_age: Span::secs(600) }
    }
}

/// `[engine]`: sizes of the engine; what is left out takes the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSection {
    /// Reserves under way at most.
    pub reserves_max: Option<u32>,
    /// Confirms, releases and operators' actions under way at most.
    pub settles_max: Option<u32>,
    /// Bytes of one journal segment.
    pub segment_bytes: Option<u64>,
    /// Records between two snapshots.
    pub snapshot_every: Option<u64>,
}

impl EngineSection {
    /// Make the engine's options of it.
    pub fn options(&self) -> onrush::Options {
        let default = onrush::Options::default();
        onrush::Options {
            reserves_max: self.reserves_max.unwrap_or(default.reserves_max),
            settles_max: self.settles_max.unwrap_or(default.settles_max),
            segment_bytes: self.segment_bytes.unwrap_or(default.segment_bytes),
            snapshot_every: self.snapshot_every.or(default.snapshot_every),
            ..default
        }
    }
}

/// `[[api_keys]]`: a key of a back end or an operator.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySection {
    /// Its name, kept in the audit and as the default payment provider.
    #[serde(with = "name")]
    pub name: Name,
    /// What it may do: one scope or several.
    #[serde(deserialize_with = "one_or_many")]
    pub scope: Vec<Scope>,
    /// At least 32 letters, digits, `-` and `_`.
    pub secret_file: PathBuf,
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Reserve, look and release for any buyer it names, and open sessions.
    Reserve,
    /// Confirm payments and look at reservations.
    Confirm,
    /// Everything on the admin listener: an owner.
    Admin,
    /// Read the figures.
    Metrics,
    /// Look at everything on the admin listener, change nothing: a viewer.
    View,
    /// Look, and steer running sales, orders and refunds: an operator.
    Operate,
}

impl Scope {
    /// Return the word used in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Reserve => "reserve",
            Scope::Confirm => "confirm",
            Scope::Admin => "admin",
            Scope::Metrics => "metrics",
            Scope::View => "view",
            Scope::Operate => "operate",
        }
    }

    /// Tell whether a key with this scope may do what `wanted` says.
    pub const fn covers(self, wanted: Scope) -> bool {
        match self {
            Scope::Admin => true,
            Scope::Operate => matches!(wanted, Scope::Operate | Scope::View | Scope::Metrics),
            Scope::View => matches!(wanted, Scope::View | Scope::Metrics),
            Scope::Reserve => matches!(wanted, Scope::Reserve),
            Scope::Confirm => matches!(wanted, Scope::Confirm),
            Scope::Metrics => matches!(wanted, Scope::Metrics),
        }
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<Scope>, D::Error> {
    struct Scopes;
    impl<'de> serde::de::Visitor<'de> for Scopes {
        type Value = Vec<Scope>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(
                "a scope or a list of scopes: reserve, confirm, metrics, view, operate, admin",
            )
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<Scope>, E> {
            let text = serde::de::value::StrDeserializer::new(text);
            Scope::deserialize(text).map(|scope| vec![scope])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut seq: A,
        ) -> Result<Vec<Scope>, A::Error> {
            let mut scopes = Vec::new();
            while let Some(scope) = seq.next_element()? {
                scopes.push(scope);
            }
            Ok(scopes)
        }
    }
    source.deserialize_any(Scopes)
}

/// `[[payments]]`: a payment provider that sends signed notices.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentSection {
    /// Its name, as in `POST /v1/payments/{provider}`.
    #[serde(with = "name")]
    pub provider: Name,
    /// Secrets that its signatures are checked with; several while one is being replaced.
    pub secret_files: Vec<PathBuf>,
    /// The payment method its lines carry; its name when left out.
    #[serde(with = "super::fields::name_option", default)]
    pub method: Option<Name>,
}
