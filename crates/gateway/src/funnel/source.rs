//! Where a request says that its buyer comes from: in the page's address, in a cookie of the page, or in
//! a reserve's attribution.

use crate::gateway::Ask;
use crate::identity::cookie_named;
use crate::line::query::{parameter, with_parameter};
use crate::wire::Attribution;
use onrush_types::limits::TEXT_BYTES_MAX;
use serde_json::Value;
use std::borrow::Cow;

/// The drop page's cookie that says where its buyer came from.
pub(crate) const FROM_COOKIE: &str = "onrush_from";

/// A channel and a touchpoint; empty where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) channel: Cow<'a, str>,
    pub(crate) touchpoint: Cow<'a, str>,
}

impl<'a> Source<'a> {
    /// Read what an address says, as the page's and as every route's.
    pub(crate) fn of_query(query: Option<&str>) -> Source<'static> {
        let query = query.unwrap_or_default();
        let read = |name| parameter(query, name).filter(|text| is_fit(text)).unwrap_or_default();
        let (channel, touchpoint) = (read("channel").into(), read("touchpoint").into());
        Source { channel, touchpoint }
    }

    /// Read what a request says: its address, else the page's cookie.
    pub(crate) fn of(ask: &Ask<'_>) -> Source<'static> {
        let said = Source::of_query(ask.query);
        match said.is_none() {
            true => Source::of_query(cookie_named(ask.headers, FROM_COOKIE)),
            false => said,
        }
    }

    /// Read what a reserve says; `None`: neither channel nor touchpoint.
    pub(crate) fn of_attribution(said: Option<&'a Attribution<'_>>) -> Option<Source<'a>> {
        let said = said?;
        let text = |text: &'a Option<Cow<'_, str>>| Cow::from(text.as_deref().unwrap_or_default());
        let source = Source { channel: text(&said.channel), touchpoint: text(&said.touchpoint) };
        (!source.is_none()).then_some(source)
    }

    /// Tell whether nothing was said.
    pub(crate) fn is_none(&self) -> bool {
        self.channel.is_empty() && self.touchpoint.is_empty()
    }

    /// Write it for the cookie: as a query, which is plain ASCII without what ends a cookie.
    pub(crate) fn for_cookie(&self) -> String {
        let mut query = String::new();
        for (name, text) in [("channel", &self.channel), ("touchpoint", &self.touchpoint)] {
            if !text.is_empty() {
                query = with_parameter(&query, name, text);
            }
        }
        query.strip_prefix('?').unwrap_or_default().to_owned()
    }

    /// Write it as a reserve says it.
    pub(crate) fn attribution(&self) -> Value {
        let texts = [("channel", &self.channel), ("touchpoint", &self.touchpoint)];
        let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
        said.map(|(name, text)| (name.to_owned(), Value::from(&**text))).collect()
    }

    /// Own the texts.
    pub(crate) fn to_owned(&self) -> Source<'static> {
        let own = |text: &str| Cow::from(text.to_owned());
        Source { channel: own(&self.channel), touchpoint: own(&self.touchpoint) }
    }
}

fn is_fit(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}
