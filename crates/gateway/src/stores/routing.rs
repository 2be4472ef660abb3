//! `/admin/v1/routing`: the policy in force, a new one, and what either would do with an order.

use super::ask::{Wanted, in_units, order_of};
use super::live::with_planner;
use super::nodes::{granted, later, ok};
use crate::admin::{by, checked_reason};
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{Details, ReserveBody, json, read_json};
use http::StatusCode;
use onrush::{Quantity, Timestamp};
use onrush_router::Ruleset;
use onrush_router::document::PlanDocument;
use onrush_router::explain::Language;
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;

/// `PUT /admin/v1/routing`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutingBody<'a> {
    /// The version it replaces; 0 for none.
    replaces: u32,
    /// The policy, as the TOML of `onrush route`.
    #[serde(borrow)]
    policy: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// `POST /admin/v1/routing/dry-run`: an order as a buyer would ask for it, and perhaps a policy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DryRunBody<'a> {
    #[serde(borrow)]
    campaign: Cow<'a, str>,
    /// As in a reserve.
    #[serde(borrow)]
    order: ReserveBody<'a>,
    /// The one in force when left out.
    #[serde(borrow, default)]
    policy: Option<Cow<'a, str>>,
    /// `en` or `zh`.
    #[serde(borrow, default)]
    lang: Option<Cow<'a, str>>,
}

fn checked_policy(text: &str) -> Result<Policy, Problem> {
    Policy::from_toml(text).map_err(|problems| Problem::invalid(format!("policy: {problems}")))
}

impl Gateway {
    pub(crate) fn show_routing(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let routing = self.engine.inspect(|ledger| ledger.routing().cloned());
        Ok(later(Route::AdminRouting, async move {
            let routing = routing.await.map_err(|error| Problem::of_error(&error))?;
            let body = match routing {
                None => value!({"version": 0, "policy": Value::Null}),
                Some(routing) => value!({
                    "version": routing.version, "policy": &*routing.text,
                    "by": &*routing.by.who, "reason": &*routing.by.why,
                }),
            };
            Ok(ok(Route::AdminRouting, &body))
        }))
    }

    pub(crate) fn put_routing(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: RoutingBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        checked_policy(&body.policy)?;
        let by = by(&*self.authorised(ask, now, Scope::Admin)?, reason);
        let put = self.engine.put_routing(body.replaces, &body.policy, by);
        Ok(later(Route::AdminRoutingPut, async move {
            let version = granted(put.await)?;
            Ok(ok(Route::AdminRoutingPut, &value!({"version": version})))
        }))
    }

    /// Plan an order and take nothing. Decided here, on the network as it is now.
    pub(crate) fn dry_run(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: DryRunBody<'_> = read_json(ask.headers, ask.body)?;
        let units = Quantity::new(body.order.quantity);
        let units = units.map_err(|error| Problem::invalid(error.to_string()))?.get();
        let language = match body.lang.as_deref() {
            None | Some("en") => Language::English,
            Some("zh") => Language::Chinese,
            Some(_) => return Err(Problem::invalid("lang: \"en\" or \"zh\"")),
        };
        let policy = body.policy.as_deref().map(checked_policy).transpose()?;
        let ReserveBody { sku, destination, delivery, pickup_node, window, attribution, .. } =
            body.order;
        let details = Details { destination, delivery, pickup_node, window, attribution };
        details.encode().map_err(Problem::invalid)?;
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(&body.campaign).ok_or_else(Problem::not_found)?;
        let sku = campaign.sku(&sku).ok_or_else(Problem::not_found)?;
        let net = self.stores.net_or_refuse(&self.engine)?;
        let value = in_units(sku.price.amount) * f64::from(units);
        let wanted = Wanted { sku: sku.ix, units, value, placed: now, ready: now };
        let order = order_of(&net, &wanted, &details);
        let order = order.map_err(|problem| Problem::invalid(problem.to_string()))?;
        let other = policy.map(|policy| Ruleset::new(policy, &net.network));
        let rules = other.as_ref().unwrap_or(&net.rules);
        let mut plan = Plan::default();
        let why = with_planner(|planner| {
            planner.on(&net.network, rules, |router| {
                router.plan(&order, &mut plan);
                router.explain(&order, &plan)
            })
        });
        let document = PlanDocument::new(&net.network, &order, &plan, Some((&why, language)));
        let answer =
            crate::answer::Answer::json(StatusCode::OK, Route::AdminDryRun, json(&document));
        Ok(Reply::Ready(answer))
    }
}
