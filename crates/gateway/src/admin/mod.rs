//! What operators and back ends can ask. Everything but `/healthz`, `/readyz` and the
//! console's own files needs a token.

mod batch;
mod campaigns;
mod editor;
mod extend;
mod listing;
mod reservations;
mod schemas;
mod sign_in;
mod stream;
mod timeline;

pub(crate) use batch::{Batch, Batched};
pub(crate) use listing::{Listing, Page};
pub(crate) use schemas::{describe, schemas};
pub use stream::ReservationStream;

use crate::answer::{Answer, Content};
use crate::api_page;
use crate::config::Scope;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::{ApiKey, Caller};
use crate::metrics;
use crate::openapi;
use crate::problem::Problem;
use crate::public::error_page;
use crate::routes::Route;
use http::{HeaderMap, StatusCode};
use onrush::{By, Timestamp};
use onrush_types::limits::TEXT_BYTES_MAX;
use std::sync::Arc;

impl Gateway {
    /// Answer a request of the admin side.
    pub(crate) fn admin(
        &self,
        route: Route,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        match route {
            Route::Healthz => return Ok(Reply::Ready(text(route, StatusCode::OK, "ok\n"))),
            Route::Readyz => return Ok(Reply::Ready(self.readyz())),
            Route::ApiPage => {
                let page = api_page::bytes().into();
                return Ok(Reply::Ready(Answer::of(StatusCode::OK, route, Content::Html, page)));
            }
            Route::Console => return Ok(Reply::Ready(self.console())),
            Route::ConsoleFile => return self.console_file(part, ask).map(Reply::Ready),
            Route::AdminSignIn => return self.take_link(ask, now).map(Reply::Ready),
            _ => {}
        }
        match route {
            Route::AdminPut => self.put_campaign(part, ask, now),
            Route::AdminSupply => self.supply(part, ask, now),
            Route::AdminPhase => self.move_phase(part, ask, now),
            Route::AdminBatch => self.reserve_batch(ask, now),
            Route::AdminStream => self.open_stream(ask, now),
            Route::AdminConfirm => self.confirm(part, ask, now),
            Route::AdminCancel => self.cancel(part, ask, now),
            Route::AdminJudge => self.judge(part, ask, now),
            Route::AdminRefunded => self.refunded(part, ask, now),
            Route::AdminCampaigns => self.list_campaigns(ask, now),
            Route::AdminCampaign => self.show_campaign(part, ask, now),
            Route::AdminReservations => self.list_reservations(part, ask, now),
            Route::AdminWaitlist => self.list_waitlist(part, ask, now),
            Route::AdminReservation => self.show_reservation(part, ask, now),
            Route::AdminRefunds => self.list_refunds(ask, now),
            Route::AdminReminders => self.count_reminders(part, ask, now).map(Reply::Ready),
            Route::AdminFunnel => self.show_funnel(part, ask, now).map(Reply::Ready),
            Route::AdminRisk => self.show_risk(part, ask, now).map(Reply::Ready),
            Route::AdminRiskPolicy => self.show_risk_policy(ask, now).map(Reply::Ready),
            Route::AdminRiskPolicyPut => self.put_risk_policy(ask, now).map(Reply::Ready),
            Route::AdminRiskModelPut => self.put_risk_model(ask, now).map(Reply::Ready),
            Route::AdminErase => self.erase(ask, now),
            Route::AdminNodes => self.list_nodes(ask, now),
            Route::AdminNodesImport => self.import_nodes(ask, now),
            Route::AdminNode => self.show_node(part, ask, now),
            Route::AdminNodePut => self.put_node(part, ask, now),
            Route::AdminNodeStock => self.move_node_stock(part, ask, now),
            Route::AdminStockImport => self.import_stock(part, ask, now),
            Route::AdminOrders => self.list_orders(ask, now),
            Route::AdminOrder => self.show_order(part, ask, now),
            Route::AdminReject => self.reject_order(part, ask, now),
            Route::AdminDispatch => self.dispatch_order(part, ask, now),
            Route::AdminCollect => self.collect_order(part, ask, now),
            Route::AdminRouting => self.show_routing(ask, now),
            Route::AdminRoutingPut => self.put_routing(ask, now),
            Route::AdminDryRun => self.dry_run(ask, now),
            Route::Metrics => {
                self.authorised(ask, now, Scope::Metrics)?;
                let reminders = self.reminders.figures();
                let page =
                    metrics::page(&self.metrics, &self.lines, &self.engine, reminders, &self.risks);
                let answer = Answer::of(StatusCode::OK, route, Content::Metrics, page.into());
                Ok(Reply::Ready(answer))
            }
            Route::OpenApi => {
                self.operator(ask.headers, now)?;
                Ok(Reply::Ready(Answer::json(StatusCode::OK, route, openapi::document())))
            }
            Route::ErrorPage => {
                self.operator(ask.headers, now)?;
                error_page(part).map(Reply::Ready)
            }
            _ => self.admin_desk(route, part, ask, now),
        }
    }

    /// Answer what the console asks besides figures; the rest is about lines.
    fn admin_desk(
        &self,
        route: Route,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        match route {
            Route::AdminMe => self.show_me(ask, now).map(Reply::Ready),
            Route::AdminLinks => self.make_link(ask, now).map(Reply::Ready),
            Route::AdminTerms => self.show_terms(part, ask, now).map(Reply::Ready),
            Route::AdminCheck => self.check_campaign(part, ask, now).map(Reply::Ready),
            Route::AdminTimeline => self.show_timeline(part, ask, now),
            Route::AdminExtend => self.extend_holds(part, ask, now),
            Route::AdminExtendOne => self.extend_hold(part, ask, now),
            _ => self.admin_line(route, part, ask, now),
        }
    }

    /// Tell which key asks, whatever its scope.
    pub(crate) fn operator(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Arc<ApiKey>, Problem> {
        match self.identity.someone(headers, None, &self.engine, now)? {
            Caller::BackEnd(key) => Ok(key),
            Caller::Buyer(_) => {
                Err(Problem::new(Code::Forbidden, "this side needs an API key, not a buyer"))
            }
        }
    }

    /// Tell which key asks, if it has the scope.
    pub(crate) fn authorised(
        &self,
        ask: &Ask<'_>,
        now: Timestamp,
        scope: Scope,
    ) -> Result<Arc<ApiKey>, Problem> {
        let key = self.operator(ask.headers, now)?;
        key.require(scope)?;
        Ok(key)
    }

    /// Tell which key asks, if it has one of the scopes.
    pub(crate) fn authorised_any(
        &self,
        ask: &Ask<'_>,
        now: Timestamp,
        scopes: &[Scope],
    ) -> Result<Arc<ApiKey>, Problem> {
        let key = self.operator(ask.headers, now)?;
        key.require_any(scopes)?;
        Ok(key)
    }

    fn readyz(&self) -> Answer {
        let status = self.engine.status();
        let (code, said) = match (&status.failed, status.stopping) {
            (Some(_), _) => (StatusCode::SERVICE_UNAVAILABLE, "the journal failed; restart\n"),
            (None, true) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            (None, false) => (StatusCode::OK, "ready\n"),
        };
        text(Route::Readyz, code, said)
    }
}

/// Check the reason given for something done by hand.
pub(crate) fn checked_reason(reason: &str) -> Result<&str, Problem> {
    match reason.trim() {
        "" => Err(Problem::invalid("reason: say why; it is kept for the audit")),
        long if long.len() > TEXT_BYTES_MAX => {
            Err(Problem::invalid(format!("reason: at most {TEXT_BYTES_MAX} bytes")))
        }
        reason => Ok(reason),
    }
}

/// Note who does something, and why.
pub(crate) fn by(key: &ApiKey, reason: &str) -> By {
    By::new(key.name.as_str(), reason)
}

fn text(route: Route, status: StatusCode, said: &'static str) -> Answer {
    Answer::of(status, route, Content::Text, said.into())
}
