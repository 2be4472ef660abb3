//! Which address is which route. Matched by hand on the bytes of the path: no table is built, no
//! pattern is compiled, and the hottest routes are tried first.

use crate::answer::Answer;
use crate::errors::Code;
use crate::jitter::Jitter;
use crate::problem::Problem;
use http::Method;

/// Every route of both listeners. The numbers index the figures kept per route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // Each is described by its method and address in `describe`.
pub enum Route {
    Reserve,
    Look,
    Release,
    Time,
    Campaign,
    Session,
    Payment,
    Promise,
    CampaignStores,
    WaitJoin,
    WaitLook,
    WaitLeave,
    ErrorPage,
    Preflight,
    AdminCampaigns,
    AdminCampaign,
    AdminPut,
    AdminSupply,
    AdminPhase,
    AdminReservations,
    AdminWaitlist,
    AdminReservation,
    AdminBatch,
    AdminStream,
    AdminConfirm,
    AdminCancel,
    AdminJudge,
    AdminRefunds,
    AdminRefunded,
    AdminNodes,
    AdminNodesImport,
    AdminNode,
    AdminNodePut,
    AdminNodeStock,
    AdminStockImport,
    AdminOrders,
    AdminOrder,
    AdminReject,
    AdminDispatch,
    AdminCollect,
    AdminRouting,
    AdminRoutingPut,
    AdminDryRun,
    Metrics,
    Healthz,
    Readyz,
    OpenApi,
    ApiPage,
    LineJoin,
    LinePoll,
    LineReturn,
    LineHandoff,
    LineEnter,
    LineEvents,
    LineDraw,
    LineParticipants,
    LineGate,
    Jwks,
    AdminLine,
    AdminOutflow,
    AdminDraw,
    AdminTicket,
    AdminMessage,
    AdminShopHealth,
    Remind,
    RemindersOffered,
    Unremind,
    Calendar,
    UnsubscribePage,
    Unsubscribe,
    AdminReminders,
    AdminErase,
    Challenge,
    AdminFunnel,
    AdminRisk,
    AdminRiskPolicy,
    AdminRiskPolicyPut,
    AdminRiskModelPut,
    DropPage,
    DropForm,
    DrawPage,
    SandboxPage,
    Asset,
    Console,
    ConsoleFile,
    AdminMe,
    AdminSignIn,
    AdminLinks,
    AdminTerms,
    AdminCheck,
    AdminTimeline,
    AdminExtend,
    AdminExtendOne,
    None,
}

impl Route {
    /// Every route, in the order of its number.
    pub const ALL: [Route; 94] = [
        Route::Reserve,
        Route::Look,
        Route::Release,
        Route::Time,
        Route::Campaign,
        Route::Session,
        Route::Payment,
        Route::Promise,
        Route::CampaignStores,
        Route::WaitJoin,
        Route::WaitLook,
        Route::WaitLeave,
        Route::ErrorPage,
        Route::Preflight,
        Route::AdminCampaigns,
        Route::AdminCampaign,
        Route::AdminPut,
        Route::AdminSupply,
        Route::AdminPhase,
        Route::AdminReservations,
        Route::AdminWaitlist,
        Route::AdminReservation,
        Route::AdminBatch,
        Route::AdminStream,
        Route::AdminConfirm,
        Route::AdminCancel,
        Route::AdminJudge,
        Route::AdminRefunds,
        Route::AdminRefunded,
        Route::AdminNodes,
        Route::AdminNodesImport,
        Route::AdminNode,
        Route::AdminNodePut,
        Route::AdminNodeStock,
        Route::AdminStockImport,
        Route::AdminOrders,
        Route::AdminOrder,
        Route::AdminReject,
        Route::AdminDispatch,
        Route::AdminCollect,
        Route::AdminRouting,
        Route::AdminRoutingPut,
        Route::AdminDryRun,
        Route::Metrics,
        Route::Healthz,
        Route::Readyz,
        Route::OpenApi,
        Route::ApiPage,
        Route::LineJoin,
        Route::LinePoll,
        Route::LineReturn,
        Route::LineHandoff,
        Route::LineEnter,
        Route::LineEvents,
        Route::LineDraw,
        Route::LineParticipants,
        Route::LineGate,
        Route::Jwks,
        Route::AdminLine,
        Route::AdminOutflow,
        Route::AdminDraw,
        Route::AdminTicket,
        Route::AdminMessage,
        Route::AdminShopHealth,
        Route::Remind,
        Route::RemindersOffered,
        Route::Unremind,
        Route::Calendar,
        Route::UnsubscribePage,
        Route::Unsubscribe,
        Route::AdminReminders,
        Route::AdminErase,
        Route::Challenge,
        Route::AdminFunnel,
        Route::AdminRisk,
        Route::AdminRiskPolicy,
        Route::AdminRiskPolicyPut,
        Route::AdminRiskModelPut,
        Route::DropPage,
        Route::DropForm,
        Route::DrawPage,
        Route::SandboxPage,
        Route::Asset,
        Route::Console,
        Route::ConsoleFile,
        Route::AdminMe,
        Route::AdminSignIn,
        Route::AdminLinks,
        Route::AdminTerms,
        Route::AdminCheck,
        Route::AdminTimeline,
        Route::AdminExtend,
        Route::AdminExtendOne,
        Route::None,
    ];

    /// Return the route's method and address, as documents and figures name them.
    pub const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Route::Reserve => ("POST", "/v1/campaigns/{campaign}/reservations"),
            Route::Look => ("GET", "/v1/reservations/{id}"),
            Route::Release => ("DELETE", "/v1/reservations/{id}"),
            Route::Time => ("GET", "/v1/time"),
            Route::Campaign => ("GET", "/v1/campaigns/{campaign}"),
            Route::Session => ("POST", "/v1/sessions"),
            Route::Payment => ("POST", "/v1/payments/{provider}"),
            Route::Promise => ("GET", "/v1/reservations/{id}/promise"),
            Route::CampaignStores => ("GET", "/v1/campaigns/{campaign}/stores"),
            Route::WaitJoin => ("POST", "/v1/campaigns/{campaign}/waitlist"),
            Route::WaitLook => ("GET", "/v1/campaigns/{campaign}/waitlist/{sku}"),
            Route::WaitLeave => ("DELETE", "/v1/campaigns/{campaign}/waitlist/{sku}"),
            Route::ErrorPage => ("GET", "/docs/errors/{code}"),
            Route::Preflight => ("OPTIONS", "*"),
            Route::AdminCampaigns => ("GET", "/admin/v1/campaigns"),
            Route::AdminCampaign => ("GET", "/admin/v1/campaigns/{campaign}"),
            Route::AdminPut => ("PUT", "/admin/v1/campaigns/{campaign}"),
            Route::AdminSupply => ("POST", "/admin/v1/campaigns/{campaign}/supply"),
            Route::AdminPhase => ("POST", "/admin/v1/campaigns/{campaign}/phase"),
            Route::AdminReservations => ("GET", "/admin/v1/campaigns/{campaign}/reservations"),
            Route::AdminWaitlist => ("GET", "/admin/v1/campaigns/{campaign}/waitlist"),
            Route::AdminReservation => ("GET", "/admin/v1/reservations/{id}"),
            Route::AdminBatch => ("POST", "/admin/v1/reservations:batch"),
            Route::AdminStream => ("POST", STREAM_PATH),
            Route::AdminConfirm => ("POST", "/admin/v1/reservations/{id}/confirm"),
            Route::AdminCancel => ("POST", "/admin/v1/reservations/{id}/cancel"),
            Route::AdminJudge => ("POST", "/admin/v1/reservations/{id}/judge"),
            Route::AdminRefunds => ("GET", "/admin/v1/refunds"),
            Route::AdminRefunded => ("POST", "/admin/v1/refunds/{refund}/paid"),
            Route::AdminNodes => ("GET", "/admin/v1/nodes"),
            Route::AdminNodesImport => ("POST", "/admin/v1/nodes"),
            Route::AdminNode => ("GET", "/admin/v1/nodes/{node}"),
            Route::AdminNodePut => ("PUT", "/admin/v1/nodes/{node}"),
            Route::AdminNodeStock => ("POST", "/admin/v1/nodes/{node}/stock"),
            Route::AdminStockImport => ("POST", "/admin/v1/campaigns/{campaign}/stock"),
            Route::AdminOrders => ("GET", "/admin/v1/orders"),
            Route::AdminOrder => ("GET", "/admin/v1/orders/{id}"),
            Route::AdminReject => ("POST", "/admin/v1/orders/{id}/reject"),
            Route::AdminDispatch => ("POST", "/admin/v1/orders/{id}/dispatch"),
            Route::AdminCollect => ("POST", "/admin/v1/orders/{id}/collect"),
            Route::AdminRouting => ("GET", "/admin/v1/routing"),
            Route::AdminRoutingPut => ("PUT", "/admin/v1/routing"),
            Route::AdminDryRun => ("POST", "/admin/v1/routing/dry-run"),
            Route::Metrics => ("GET", "/metrics"),
            Route::Healthz => ("GET", "/healthz"),
            Route::Readyz => ("GET", "/readyz"),
            Route::OpenApi => ("GET", "/openapi.json"),
            Route::ApiPage => ("GET", "/docs/api"),
            Route::LineJoin => ("POST", "/v1/campaigns/{campaign}/tickets"),
            Route::LinePoll => ("GET", "/v1/campaigns/{campaign}/tickets/{ticket}"),
            Route::LineReturn => ("POST", "/v1/campaigns/{campaign}/tickets/{ticket}/return"),
            Route::LineHandoff => ("POST", "/v1/campaigns/{campaign}/tickets/{ticket}/handoff"),
            Route::LineEnter => ("GET", "/v1/campaigns/{campaign}/tickets/{ticket}/enter"),
            Route::LineEvents => ("GET", "/v1/campaigns/{campaign}/events"),
            Route::LineDraw => ("GET", "/v1/campaigns/{campaign}/draw"),
            Route::LineParticipants => ("GET", "/v1/campaigns/{campaign}/draw/participants"),
            Route::LineGate => ("GET", "/v1/campaigns/{campaign}/gate"),
            Route::Jwks => ("GET", "/.well-known/jwks.json"),
            Route::AdminLine => ("GET", "/admin/v1/campaigns/{campaign}/line"),
            Route::AdminOutflow => ("POST", "/admin/v1/campaigns/{campaign}/outflow"),
            Route::AdminDraw => ("POST", "/admin/v1/campaigns/{campaign}/draw"),
            Route::AdminTicket => ("GET", "/admin/v1/campaigns/{campaign}/tickets/{number}"),
            Route::AdminMessage => ("POST", "/admin/v1/campaigns/{campaign}/message"),
            Route::AdminShopHealth => ("POST", "/admin/v1/campaigns/{campaign}/shop-health"),
            Route::Remind => ("POST", "/v1/campaigns/{campaign}/reminders"),
            Route::RemindersOffered => ("GET", "/v1/campaigns/{campaign}/reminders"),
            Route::Unremind => ("DELETE", "/v1/campaigns/{campaign}/reminders"),
            Route::Calendar => ("GET", "/v1/campaigns/{campaign}/calendar.ics"),
            Route::UnsubscribePage => ("GET", "/v1/unsubscribe/{token}"),
            Route::Unsubscribe => ("POST", "/v1/unsubscribe/{token}"),
            Route::AdminReminders => ("GET", "/admin/v1/campaigns/{campaign}/reminders"),
            Route::AdminErase => ("POST", "/admin/v1/buyers/erase"),
            Route::Challenge => ("POST", "/v1/campaigns/{campaign}/challenges"),
            Route::AdminFunnel => ("GET", "/admin/v1/campaigns/{campaign}/funnel"),
            Route::AdminRisk => ("GET", "/admin/v1/campaigns/{campaign}/risk"),
            Route::AdminRiskPolicy => ("GET", "/admin/v1/risk/policy"),
            Route::AdminRiskPolicyPut => ("PUT", "/admin/v1/risk/policy"),
            Route::AdminRiskModelPut => ("PUT", "/admin/v1/risk/model"),
            Route::DropPage => ("GET", "/drop/{campaign}"),
            Route::DropForm => ("POST", "/drop/{campaign}/{action}"),
            Route::DrawPage => ("GET", "/drop/{campaign}/draw"),
            Route::SandboxPage => ("GET", "/drop/{campaign}/pay/{id}"),
            Route::Asset => ("GET", "/assets/{name}"),
            Route::Console => ("GET", "/console"),
            Route::ConsoleFile => ("GET", "/console/{name}"),
            Route::AdminMe => ("GET", "/admin/v1/me"),
            Route::AdminSignIn => ("POST", "/admin/v1/sign-in"),
            Route::AdminLinks => ("POST", "/admin/v1/links"),
            Route::AdminTerms => ("GET", "/admin/v1/campaigns/{campaign}/terms"),
            Route::AdminCheck => ("POST", "/admin/v1/campaigns/{campaign}/check"),
            Route::AdminTimeline => ("GET", "/admin/v1/reservations/{id}/timeline"),
            Route::AdminExtend => ("POST", "/admin/v1/campaigns/{campaign}/extend"),
            Route::AdminExtendOne => ("POST", "/admin/v1/reservations/{id}/extend"),
            Route::None => ("*", "*"),
        }
    }
}

/// What a path and method came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matched<'a> {
    /// A route, and the part of its path that varies.
    Route(Route, &'a str),
    /// A known address, with the methods it takes.
    Methods(&'static str),
    /// No such address.
    Nothing,
}

impl Matched<'_> {
    /// Answer for an address that does not lead anywhere.
    pub(crate) fn refuse(self, jitter: &Jitter) -> Answer {
        match self {
            Matched::Methods(methods) => {
                let detail = "this address does not take that method; see `Allow`";
                Problem::new(Code::MethodNotAllowed, detail)
                    .answer(Route::None, jitter)
                    .allow(methods)
            }
            _ => Problem::not_found().answer(Route::None, jitter),
        }
    }
}

/// Match an address of the public listener.
pub(crate) fn public<'a>(method: &Method, path: &'a str) -> Matched<'a> {
    if let Some(rest) = path.strip_prefix("/v1/campaigns/") {
        if let Some(campaign) = rest.strip_suffix("/reservations") {
            return one(campaign, method == Method::POST, Route::Reserve, "POST");
        }
        if let Some(campaign) = rest.strip_suffix("/challenges") {
            return one(campaign, method == Method::POST, Route::Challenge, "POST");
        }
        if let Some(campaign) = rest.strip_suffix("/stores") {
            return one(campaign, is_get(method), Route::CampaignStores, GET);
        }
        if let Some(campaign) = rest.strip_suffix("/reminders") {
            return reminders(method, campaign);
        }
        if let Some(campaign) = rest.strip_suffix("/calendar.ics") {
            return one(campaign, is_get(method), Route::Calendar, GET);
        }
        if let Some(matched) = crate::line::routes::public(method, rest) {
            return matched;
        }
        if let Some((campaign, end)) = rest.split_once("/waitlist") {
            return waitlist(method, rest, campaign, end);
        }
        return one(rest, is_get(method), Route::Campaign, GET);
    }
    if let Some(id) = path.strip_prefix("/v1/reservations/") {
        if let Some(id) = id.strip_suffix("/promise") {
            return one(id, is_get(method), Route::Promise, GET);
        }
        let route = if method == Method::DELETE { Route::Release } else { Route::Look };
        let fits = method == Method::DELETE || is_get(method);
        return one(id, fits, route, LOOK_OR_LEAVE);
    }
    if let Some(provider) = path.strip_prefix("/v1/payments/") {
        return one(provider, method == Method::POST, Route::Payment, "POST");
    }
    if let Some(token) = path.strip_prefix("/v1/unsubscribe/") {
        let is_post = method == Method::POST;
        let route = if is_post { Route::Unsubscribe } else { Route::UnsubscribePage };
        return one(token, is_post || is_get(method), route, "GET, HEAD, POST");
    }
    if let Some(code) = path.strip_prefix("/docs/errors/") {
        return one(code, is_get(method), Route::ErrorPage, GET);
    }
    if let Some(matched) = crate::pages::matched(method, path) {
        return matched;
    }
    match path {
        "/v1/time" => exact(is_get(method), Route::Time, GET),
        "/.well-known/jwks.json" => exact(is_get(method), Route::Jwks, GET),
        "/v1/sessions" => exact(method == Method::POST, Route::Session, "POST"),
        _ => Matched::Nothing,
    }
}

/// Where a stream of reservations is opened.
const STREAM_PATH: &str = "/admin/v1/reservations:stream";

/// Tell whether a request of the admin listener is answered while its body comes.
pub(crate) fn is_stream(method: &Method, path: &str) -> bool {
    path == STREAM_PATH && method == Method::POST
}

/// Match an address of the admin listener.
pub(crate) fn admin<'a>(method: &Method, path: &'a str) -> Matched<'a> {
    let post = method == Method::POST;
    if let Some(rest) = path.strip_prefix("/admin/v1/campaigns/") {
        return match rest.split_once('/') {
            Some((campaign, "supply")) => one(campaign, post, Route::AdminSupply, "POST"),
            Some((campaign, "stock")) => one(campaign, post, Route::AdminStockImport, "POST"),
            Some((campaign, "extend")) => one(campaign, post, Route::AdminExtend, "POST"),
            Some((campaign, "phase")) => one(campaign, post, Route::AdminPhase, "POST"),
            Some((campaign, "funnel")) => one(campaign, is_get(method), Route::AdminFunnel, GET),
            Some((campaign, "risk")) => one(campaign, is_get(method), Route::AdminRisk, GET),
            Some((campaign, "terms")) => one(campaign, is_get(method), Route::AdminTerms, GET),
            Some((campaign, "check")) => one(campaign, post, Route::AdminCheck, "POST"),
            Some((campaign, "reminders")) => {
                one(campaign, is_get(method), Route::AdminReminders, GET)
            }
            Some((campaign, "reservations")) => {
                one(campaign, is_get(method), Route::AdminReservations, GET)
            }
            Some((campaign, "waitlist")) => {
                one(campaign, is_get(method), Route::AdminWaitlist, GET)
            }
            Some(_) => crate::line::routes::admin(method, rest).unwrap_or(Matched::Nothing),
            None if method == Method::PUT => one(rest, true, Route::AdminPut, PUT),
            None => one(rest, is_get(method), Route::AdminCampaign, PUT),
        };
    }
    if let Some(rest) = path.strip_prefix("/admin/v1/reservations/") {
        return match rest.split_once('/') {
            Some((id, "confirm")) => one(id, post, Route::AdminConfirm, "POST"),
            Some((id, "cancel")) => one(id, post, Route::AdminCancel, "POST"),
            Some((id, "extend")) => one(id, post, Route::AdminExtendOne, "POST"),
            Some((id, "judge")) => one(id, post, Route::AdminJudge, "POST"),
            Some((id, "timeline")) => one(id, is_get(method), Route::AdminTimeline, GET),
            Some(_) => Matched::Nothing,
            None => one(rest, is_get(method), Route::AdminReservation, GET),
        };
    }
    if let Some(rest) = path.strip_prefix("/admin/v1/refunds/") {
        return match rest.split_once('/') {
            Some((refund, "paid")) => one(refund, post, Route::AdminRefunded, "POST"),
            _ => Matched::Nothing,
        };
    }
    if let Some(rest) = path.strip_prefix("/admin/v1/") {
        let found = stores(method, rest);
        if found != Matched::Nothing {
            return found;
        }
    }
    if let Some(code) = path.strip_prefix("/docs/errors/") {
        return one(code, is_get(method), Route::ErrorPage, GET);
    }
    if let Some(matched) = crate::pages::console_matched(method, path) {
        return matched;
    }
    match path {
        "/metrics" => exact(is_get(method), Route::Metrics, GET),
        "/healthz" => exact(is_get(method), Route::Healthz, GET),
        "/readyz" => exact(is_get(method), Route::Readyz, GET),
        "/openapi.json" => exact(is_get(method), Route::OpenApi, GET),
        "/admin/v1/me" => exact(is_get(method), Route::AdminMe, GET),
        "/admin/v1/sign-in" => exact(post, Route::AdminSignIn, "POST"),
        "/admin/v1/links" => exact(post, Route::AdminLinks, "POST"),
        "/docs/api" => exact(is_get(method), Route::ApiPage, GET),
        "/admin/v1/campaigns" => exact(is_get(method), Route::AdminCampaigns, GET),
        "/admin/v1/reservations:batch" => exact(post, Route::AdminBatch, "POST"),
        STREAM_PATH => exact(post, Route::AdminStream, "POST"),
        "/admin/v1/risk/policy" if method == Method::PUT => {
            exact(true, Route::AdminRiskPolicyPut, PUT)
        }
        "/admin/v1/risk/policy" => exact(is_get(method), Route::AdminRiskPolicy, PUT),
        "/admin/v1/risk/model" => exact(method == Method::PUT, Route::AdminRiskModelPut, "PUT"),
        "/admin/v1/buyers/erase" => exact(post, Route::AdminErase, "POST"),
        "/admin/v1/refunds" => exact(is_get(method), Route::AdminRefunds, GET),
        _ => Matched::Nothing,
    }
}

fn reminders<'a>(method: &Method, campaign: &'a str) -> Matched<'a> {
    let route = match *method {
        Method::POST => Route::Remind,
        Method::DELETE => Route::Unremind,
        _ => Route::RemindersOffered,
    };
    let fits = route != Route::RemindersOffered || is_get(method);
    one(campaign, fits, route, "GET, HEAD, POST, DELETE")
}

pub(crate) const GET: &str = "GET, HEAD";
/// Match an address about stores, after `/admin/v1/`.
fn stores<'a>(method: &Method, path: &'a str) -> Matched<'a> {
    let post = method == Method::POST;
    if let Some(rest) = path.strip_prefix("nodes/") {
        return match rest.split_once('/') {
            Some((node, "stock")) => one(node, post, Route::AdminNodeStock, "POST"),
            Some(_) => Matched::Nothing,
            None if method == Method::PUT => one(rest, true, Route::AdminNodePut, PUT),
            None => one(rest, is_get(method), Route::AdminNode, PUT),
        };
    }
    if let Some(rest) = path.strip_prefix("orders/") {
        return match rest.split_once('/') {
            Some((id, "reject")) => one(id, post, Route::AdminReject, "POST"),
            Some((id, "dispatch")) => one(id, post, Route::AdminDispatch, "POST"),
            Some((id, "collect")) => one(id, post, Route::AdminCollect, "POST"),
            Some(_) => Matched::Nothing,
            None => one(rest, is_get(method), Route::AdminOrder, GET),
        };
    }
    match path {
        "nodes" if post => exact(true, Route::AdminNodesImport, POST),
        "nodes" => exact(is_get(method), Route::AdminNodes, POST),
        "orders" => exact(is_get(method), Route::AdminOrders, GET),
        "routing" if method == Method::PUT => exact(true, Route::AdminRoutingPut, PUT),
        "routing" => exact(is_get(method), Route::AdminRouting, PUT),
        "routing/dry-run" => exact(post, Route::AdminDryRun, "POST"),
        _ => Matched::Nothing,
    }
}

const PUT: &str = "GET, HEAD, PUT";
const POST: &str = "GET, HEAD, POST";
const LOOK_OR_LEAVE: &str = "GET, HEAD, DELETE";

pub(crate) fn is_get(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// Match `{campaign}/waitlist` and `{campaign}/waitlist/{sku}`; of the latter all of it varies.
fn waitlist<'a>(method: &Method, all: &'a str, campaign: &'a str, end: &'a str) -> Matched<'a> {
    let Some(sku) = end.strip_prefix('/') else {
        let campaign = if end.is_empty() { campaign } else { "" };
        return one(campaign, method == Method::POST, Route::WaitJoin, "POST");
    };
    let route = if method == Method::DELETE { Route::WaitLeave } else { Route::WaitLook };
    let fits = method == Method::DELETE || is_get(method);
    match (one(campaign, fits, route, LOOK_OR_LEAVE), one(sku, fits, route, LOOK_OR_LEAVE)) {
        (Matched::Route(..), Matched::Route(..)) => Matched::Route(route, all),
        (Matched::Nothing, _) | (_, Matched::Nothing) => Matched::Nothing,
        _ => Matched::Methods(LOOK_OR_LEAVE),
    }
}

/// Match an address with one part that varies.
pub(crate) fn one<'a>(
    part: &'a str,
    fits: bool,
    route: Route,
    methods: &'static str,
) -> Matched<'a> {
    if part.is_empty() || part.contains('/') {
        Matched::Nothing
    } else if fits {
        Matched::Route(route, part)
    } else {
        Matched::Methods(methods)
    }
}

fn exact(fits: bool, route: Route, methods: &'static str) -> Matched<'static> {
    if fits { Matched::Route(route, "") } else { Matched::Methods(methods) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_at_its_address_on_one_listener_only() {
        for (at, route) in Route::ALL.into_iter().enumerate() {
            assert_eq!(route as usize, at);
            let (method, template) = route.describe();
            if template == "*" {
                continue;
            }
            let parts = [
                "{campaign}",
                "{sku}",
                "{id}",
                "{provider}",
                "{code}",
                "{refund}",
                "{ticket}",
                "{number}",
                "{token}",
                "{node}",
            ];
            let path =
                parts.iter().fold(template.to_owned(), |path, part| path.replace(part, "x7"));
            let method: Method = method.parse().expect("method");
            let on_public = matches!(public(&method, &path), Matched::Route(r, _) if r == route);
            let on_admin = matches!(admin(&method, &path), Matched::Route(r, _) if r == route);
            assert_eq!(on_public as u8 + on_admin as u8, 1 + (route == Route::ErrorPage) as u8);
            let below = ["/v1", "/drop", "/assets"];
            let is_public =
                below.iter().any(|start| template.starts_with(start)) || route == Route::Jwks;
            assert_eq!(on_admin, template.starts_with("/admin") || !is_public);
            let other = Method::PATCH;
            assert!(!matches!(public(&other, &path), Matched::Route(..)));
            assert!(!matches!(admin(&other, &path), Matched::Route(..)));
        }
    }

    #[test]
    fn near_misses_lead_nowhere() {
        for path in [
            "/",
            "",
            "*",
            "/v1",
            "/v1/",
            "/v1/time/",
            "/v1/campaigns/",
            "/v1/campaigns/a/b",
            "/v1/campaigns/a/waitlist/",
            "/v1/campaigns//waitlist",
            "/v1/campaigns//waitlist/b",
            "/v1/campaigns/a/waitlistb",
            "/v1/campaigns/a/waitlist/b/c",
            "/v1/campaigns/a/x/waitlist/b",
            "/v1/campaigns//reservations",
            "/v1/campaigns/a/reservations/",
            "/v1/reservations/",
            "/v1/reservations/a/b",
            "/V1/time",
            "//v1/time",
            "/v1/campaigns/a/../b",
            "/admin/v1/campaigns",
            "/metrics",
            "/healthz",
        ] {
            assert_eq!(public(&Method::GET, path), Matched::Nothing, "{path}");
        }
        for path in ["/v1/time", "/admin/v1/campaigns/a/x", "/admin/v1/refunds/1", "/admin"] {
            assert_eq!(admin(&Method::GET, path), Matched::Nothing, "{path}");
        }
    }
}
