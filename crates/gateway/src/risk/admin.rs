//! What operators see and change: figures and decisions of a campaign, the policy, the models.
//!
//! Each change is written down with who, why and when before it counts (`side/risk/audit.jsonl`), and
//! policy and models in force are kept beside it, so that they survive a restart.

use super::desk::UPLOADED;
use super::kept;
use super::sale::{Noted, Sale, figure};
use crate::admin::checked_reason;
use crate::answer::Answer;
use crate::config::Scope;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::line::parameter;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json, read_json};
use http::StatusCode;
use onrush::Timestamp;
use onrush_risk::forest::Forest;
use onrush_risk::{Action, Policy, Reason};
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;
use std::io::Write;
use std::sync::atomic::Ordering;

/// A new policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyBody<'a> {
    /// The policy, as TOML.
    #[serde(borrow)]
    policy: Cow<'a, str>,
    /// Why.
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl Gateway {
    pub(crate) fn show_risk(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        let sales = self.risks.sales.load();
        let sale = sales.get(&campaign.ix()).ok_or_else(|| {
            let detail = "the risk of this campaign is not looked at, or the campaign is over; set \
                          risk.enabled";
            Problem::new(Code::NotFound, detail)
        })?;
        let models = self.risks.models.load();
        let mut body = shown(sale, &self.risks.policy.load());
        // Acquire: pairs with the Release of the thread that follows.
        body["followed_lsn"] = self.risks.followed.load(Ordering::Acquire).into();
        body["model"] = value!({
            "name": models.name,
            "faults": models.counts.faults(),
            "off": models.counts.is_off(),
            "shadows": models.shadows.len(),
        });
        Ok(Answer::json(StatusCode::OK, Route::AdminRisk, json(&body)))
    }

    pub(crate) fn show_risk_policy(
        &self,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        Ok(self.policy_answer(Route::AdminRiskPolicy))
    }

    pub(crate) fn put_risk_policy(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let key = self.authorised(ask, now, Scope::Admin)?;
        let body: PolicyBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let policy =
            Policy::from_toml(&body.policy).map_err(|e| Problem::invalid(e.to_string()))?;
        let known = self.risks.policy.load().version;
        if policy.version <= known {
            let detail = format!("version: must be above {known}, the one in force");
            return Err(Problem::invalid(detail));
        }
        let what = format!("policy {}", policy.version);
        self.audit(key.name.as_str(), &what, reason, now)?;
        if let Some(folder) = &self.risks.folder {
            let file = folder.join("policy.toml");
            kept::write(&file, policy.to_toml().as_bytes()).map_err(|e| not_kept(&e))?;
        }
        self.risks.set_policy(policy);
        Ok(self.policy_answer(Route::AdminRiskPolicyPut))
    }

    pub(crate) fn put_risk_model(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let key = self.authorised(ask, now, Scope::Admin)?;
        let query = ask.query.unwrap_or_default();
        let reason = parameter(query, "reason").unwrap_or_default();
        let reason = checked_reason(&reason)?;
        let shadow = parameter(query, "shadow").is_some_and(|text| text == "true");
        let forest = Forest::load(ask.body).map_err(|e| Problem::invalid(e.to_string()))?;
        let what =
            format!("model of {} trees{}", forest.trees(), if shadow { ", shadow" } else { "" });
        self.audit(key.name.as_str(), &what, reason, now)?;
        let (trees, nodes) = (forest.trees(), forest.nodes());
        if let Some(folder) = &self.risks.folder {
            kept::keep(folder, ask.body, shadow).map_err(|e| not_kept(&e))?;
        }
        self.risks.set_model(forest, UPLOADED, shadow);
        let body = json(&value!({"trees": trees, "nodes": nodes, "shadow": shadow}));
        Ok(Answer::json(StatusCode::OK, Route::AdminRiskModelPut, body))
    }

    fn policy_answer(&self, route: Route) -> Answer {
        let policy = self.risks.policy.load();
        let body = value!({"version": policy.version, "policy": policy.to_toml()});
        Answer::json(StatusCode::OK, route, json(&body))
    }

    fn audit(&self, who: &str, what: &str, why: &str, now: Timestamp) -> Result<(), Problem> {
        tracing::info!(who, what, why, "risk was changed");
        let Some(folder) = &self.risks.folder else { return Ok(()) };
        let line = value!({"at": format_timestamp(now), "who": who, "what": what, "why": why});
        let written = std::fs::create_dir_all(folder).and_then(|()| {
            let file = folder.join("audit.jsonl");
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
            writeln!(file, "{line}")?;
            file.sync_data()
        });
        written.map_err(|e| not_kept(&e))
    }
}

fn shown(sale: &Sale, policy: &Policy) -> Value {
    let (thresholds, samples) = sale.calibration();
    let sketches = sale.sketches.figures();
    let figures = &sale.figures;
    let words = ["admit", "weight", "challenge", "review", "refuse"];
    let actions = words.into_iter().zip(&figures.actions);
    let actions: Value =
        actions.map(|(word, n)| (word.to_owned(), Value::from(figure(n)))).collect();
    value!({
        "campaign": sale.name,
        "policy": {"version": policy.version, "name": policy.name},
        "scores": samples,
        "thresholds": thresholds,
        "actions": actions,
        "capped": figure(&figures.capped),
        "shortened": figure(&figures.shortened),
        "challenges": {
            "issued": figure(&figures.issued),
            "passed": figure(&figures.passed),
            "failed": figure(&figures.failed),
        },
        "shadow_differs": figure(&figures.shadow_differs),
        "rows_lost": figure(&figures.rows_lost),
        "sketches": {
            "entities": sketches.entities,
            "evicted": sketches.evicted,
            "clusters_full": sketches.clusters_full,
            "bytes": sketches.bytes,
        },
        "recent": sale.recent().iter().map(noted).collect::<Vec<_>>(),
    })
}

fn noted(noted: &Noted) -> Value {
    let decision = &noted.decision;
    let reason = |reason: &Reason| {
        let signal = reason.signal?;
        Some(value!({
            "signal": signal.as_str(),
            "meaning": signal.meaning(),
            "weight": reason.weight,
        }))
    };
    let mut body = value!({
        "at": format_timestamp(noted.at),
        // Means something within this campaign only.
        "account": format!("{:016x}", noted.account),
        "stage": match noted.stage {
            onrush_risk::Stage::Join => "join",
            onrush_risk::Stage::Reserve => "reserve",
            onrush_risk::Stage::Beacon => "beacon",
        },
        "action": decision.action.as_str(),
        "probability": decision.probability,
        "reasons": decision.reasons.iter().filter_map(reason).collect::<Vec<_>>(),
    });
    match decision.action {
        Action::Challenge(level) => body["level"] = level.into(),
        Action::Refuse(proof) => body["proof"] = proof.as_str().into(),
        _ => {}
    }
    body
}

fn not_kept(error: &std::io::Error) -> Problem {
    let detail = format!("the change could not be written down and was not made: {error}");
    Problem::new(Code::Overloaded, detail)
}
