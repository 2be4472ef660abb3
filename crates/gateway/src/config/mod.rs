//! All configuration: one TOML file, read strictly, with errors that name the line and the remedy.
//!
//! `onrush.example.toml` shows every field with its default; `docs/configuration.md` explains them.
//! A secret is always a file, never a value.

mod campaign;
mod check;
mod error;
mod fields;
mod line;
mod load;
mod notify;
mod pages;
mod risk;
mod sections;

pub use campaign::{CampaignBody, SkuBody, StockShown, SupplyFrom, WaveBody};
pub use check::{Danger, Report, check};
pub use error::{ConfigError, ConfigErrors};
pub use fields::{Listen, Network, Span, When};
pub use line::{
    HookBody, InviteListSection, LineBody, LineSection, OnFailure, OutflowBody, TierBody,
};
pub use notify::{
    MailSection, MailTls, NotifySection, PushSection, UtcOffset, WebhookSection, WechatSection,
};
pub use pages::PagesSection;
pub use risk::{OutsideSection, RiskSection};
pub use sections::{
    Accept, ApiKeySection, CorsSection, EngineSection, IdentitySection, ListenSection,
    PaymentSection, Scope, ServerSection, SessionKeySection, SessionsSection,
};

pub(crate) use campaign::{Shown, phase_named};
pub(crate) use line::{LineShown, as_written};
pub(crate) use sections::{JWKS_REFRESH_DEFAULT, LEEWAY_DEFAULT};

use onrush_types::{Currency, DurationMs, Name, Timestamp};

/// Everything the gateway is told before it starts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens.
    pub listen: ListenSection,
    /// How the server treats connections.
    pub server: ServerSection,
    /// Whose tokens are believed.
    pub identity: IdentitySection,
    /// Sessions that buyers get for their tokens.
    pub sessions: SessionsSection,
    /// Which pages may call it.
    pub cors: CorsSection,
    /// What all lines share.
    pub line: LineSection,
    /// Lists of buyers who were invited.
    pub invite_lists: Vec<InviteListSection>,
    /// What is made of how requests come in.
    pub risk: RiskSection,
    /// Sizes of the engine.
    pub engine: EngineSection,
    /// Keys of back ends and operators.
    pub api_keys: Vec<ApiKeySection>,
    /// Payment providers.
    pub payments: Vec<PaymentSection>,
    /// Reminders before a sale.
    pub notify: NotifySection,
    /// The pages that buyers see.
    pub pages: PagesSection,
    /// Campaigns to make or update at the start.
    pub campaigns: Vec<CampaignBody>,
    /// Believe `X-Onrush-Buyer` and hand out an admin token. Never in the file: only `--dev`.
    pub dev: bool,
    /// Where side state lives, beside the journal. Never in the file: the data folder decides.
    pub side: Option<std::path::PathBuf>,
    /// Make the campaigns only when the data folder has none.
    pub only_when_empty: bool,
}

impl Config {
    /// Make the configuration of `--dev` without a file: one open campaign `demo` with one SKU
    /// `unit` at 1.00 CNY.
    ///
    /// The three arguments act only on an empty data folder and never supply again.
    pub fn dev(supply: u32, limit_per_buyer: u32, hold: DurationMs) -> Config {
        let name = |text| Name::new(text).expect("a plain word is a name");
        let sku = SkuBody { sku: name("unit"), price: 100, supply, limit_per_buyer: None };
        let campaign = CampaignBody {
            campaign: Some(name("demo")),
            currency: Currency::CNY.into(),
            limit_per_buyer,
            hold: Span(hold),
            // Open since before anybody asks.
            opens_at: Some(When(Timestamp(1))),
            buyers_expected: 100_000,
            skus: vec![sku],
            ..CampaignBody::default()
        };
        Config { campaigns: vec![campaign], dev: true, only_when_empty: true, ..Config::default() }
    }
}
