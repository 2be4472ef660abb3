//! What clients send about reminders, field by field.

use serde::Deserialize;
use std::borrow::Cow;

/// `POST /v1/campaigns/{campaign}/reminders`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemindBody<'a> {
    /// `webhook`, `push`, `mail` or `wechat`.
    #[serde(borrow)]
    pub(super) channel: Cow<'a, str>,
    /// A mailbox, an openid, or the shop's own reference.
    #[serde(borrow, default)]
    pub(super) address: Option<Cow<'a, str>>,
    /// A browser's push subscription.
    #[serde(borrow, default)]
    pub(super) subscription: Option<SubscriptionBody<'a>>,
    /// Must be true.
    #[serde(default)]
    pub(super) consent: bool,
    /// When the buyer agreed.
    #[serde(borrow, default)]
    pub(super) consent_at: Cow<'a, str>,
    /// To which version of the text; 1 when left out.
    #[serde(default)]
    pub(super) consent_version: Option<u16>,
    /// `zh` or `en`; `zh` when left out.
    #[serde(borrow, default)]
    pub(super) locale: Option<Cow<'a, str>>,
    /// For whom, when a back end asks.
    #[serde(borrow, default)]
    pub(super) buyer: Option<Cow<'a, str>>,
}

/// A push subscription as `PushSubscription.toJSON()` writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionBody<'a> {
    #[serde(borrow)]
    pub(super) endpoint: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) keys: SubscriptionKeys<'a>,
    /// Browsers write it; a subscription that ended is found out by its push service.
    #[serde(default, rename = "expirationTime")]
    _expiration_time: Option<f64>,
}

/// The keys of a subscription, in base64url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriptionKeys<'a> {
    #[serde(borrow)]
    pub(super) p256dh: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) auth: Cow<'a, str>,
}

/// `DELETE /v1/campaigns/{campaign}/reminders`; the body may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnremindBody<'a> {
    /// On which channel; all when left out.
    #[serde(borrow, default)]
    pub(super) channel: Option<Cow<'a, str>>,
    /// For whom, when a back end asks.
    #[serde(borrow, default)]
    pub(super) buyer: Option<Cow<'a, str>>,
}

/// `POST /admin/v1/buyers/erase`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody<'a> {
    /// Whom to forget: the identity the shop vouches for.
    #[serde(borrow)]
    pub(super) buyer: Cow<'a, str>,
}
