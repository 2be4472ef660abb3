//! `[risk]` field by field.

use super::fields::Span;
use super::line::{HOOK_DEADLINE_MS_MAX, is_plain_http};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[risk]`: whether requests are looked at, and by what.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskSection {
    /// Look at joins and reserves of buyers.
    pub enabled: bool,
    /// The policy; left out: the one that is built in.
    pub policy_file: Option<PathBuf>,
    /// A model (LightGBM text, XGBoost JSON or ONNX) beside the scorecard; left out: the scorecard.
    pub model_file: Option<PathBuf>,
    /// Models that only record what they would have said, at most three.
    pub shadow_files: Vec<PathBuf>,
    /// The header in which a trusted proxy gives the JA4 digest of the client's TLS.
    pub ja4_header: Option<String>,
    /// The header in which a trusted proxy names the buyer's payment instrument.
    pub payment_header: Option<String>,
    /// The header in which a trusted proxy names the buyer's phone.
    pub phone_header: Option<String>,
    /// Record signals, digests only, for back-tests and training.
    pub record: bool,
    /// A challenge of somebody else's that a page may use in place of the own ones.
    pub outside: Option<OutsideSection>,
}

/// `[risk.outside]`: who says whether an answer to an outside challenge is right.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutsideSection {
    /// Where to ask: `http://host:port/path`, a siteverify endpoint.
    pub url: String,
    /// The secret that it knows this shop by.
    pub secret_file: PathBuf,
    /// The public key with which a page shows the challenge.
    #[serde(default)]
    pub site_key: String,
    /// How long to wait for the answer.
    #[serde(default = "a_second")]
    pub deadline: Span,
    /// The highest level of the own challenges that it stands for, 1 to 3.
    #[serde(default = "hardest")]
    pub level: u8,
}

fn a_second() -> Span {
    Span::secs(1)
}

fn hardest() -> u8 {
    3
}

impl OutsideSection {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !is_plain_http(&self.url) {
            let problem = "write http://host:port/path; for TLS, a proxy beside this server";
            return Err(("risk.outside.url", problem));
        }
        if !(1..=HOOK_DEADLINE_MS_MAX).contains(&self.deadline.0.0) {
            return Err(("risk.outside.deadline", "must be between 1ms and 10s"));
        }
        if !(1..=3).contains(&self.level) {
            return Err(("risk.outside.level", "must be 1, 2 or 3"));
        }
        Ok(())
    }
}

impl RiskSection {
    /// Return every file it names.
    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let RiskSection { policy_file, model_file, shadow_files, outside, .. } = self;
        let secret = outside.iter_mut().map(|outside| &mut outside.secret_file);
        policy_file.iter_mut().chain(model_file).chain(shadow_files).chain(secret)
    }

    /// Return the field that is wrong, and what to write instead.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        self.outside.as_ref().map_or(Ok(()), OutsideSection::check)
    }
}
