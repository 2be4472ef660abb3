//! `[pages]`: the pages that buyers see.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[pages]`: a brand's own look, and the shop around the pages.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagesSection {
    /// A folder with templates, texts, styles and pictures of the brand.
    pub brand: Option<PathBuf>,
    /// Where a buyer signs in; `return` is added.
    pub login_url: Option<String>,
    /// Where a hold is paid; `{reservation}` and `{campaign}` are replaced.
    pub payment_url: Option<String>,
}

impl PagesSection {
    /// Check what one field alone cannot tell.
    pub(super) fn check(&self) -> Vec<(&'static str, &'static str)> {
        let mut wrong = Vec::new();
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if self.login_url.as_deref().is_some_and(|url| !is_web(url)) {
            wrong.push(("pages.login_url", "write an address such as https://shop.example/login"));
        }
        if let Some(url) = &self.payment_url {
            if !is_web(url) {
                let text = "write an address such as https://shop.example/pay?r={reservation}";
                wrong.push(("pages.payment_url", text));
            } else if !url.contains("{reservation}") {
                wrong.push(("pages.payment_url", "say with {reservation} where the id goes"));
            }
        }
        wrong
    }

    /// Tell what is allowed and probably wrong.
    pub(super) fn dangers(&self, say: &mut impl FnMut(&str, String)) {
        for (field, url) in
            [("pages.login_url", &self.login_url), ("pages.payment_url", &self.payment_url)]
        {
            if url.as_ref().is_some_and(|url| url.starts_with("http://")) {
                say(field, "leads buyers to a page without TLS".to_owned());
            }
        }
    }
}
