//! The addresses of the line, below `/v1/campaigns/{campaign}/` and its like on the admin side.

use crate::routes::{GET, Matched, Route, is_get, one};
use http::Method;

/// Match what follows `/v1/campaigns/`; `None`: it is no address of the line.
///
/// Where a ticket is part of the address, the whole of it is what varies; see [`ticket_part`].
pub(crate) fn public<'a>(method: &Method, rest: &'a str) -> Option<Matched<'a>> {
    let (campaign, tail) = at_slash(rest)?;
    let post = method == Method::POST;
    if let Some(tail) = tail.strip_prefix("tickets/") {
        let (ticket, action) = at_slash(tail).unwrap_or((tail, ""));
        if campaign.is_empty() || ticket.is_empty() {
            return Some(Matched::Nothing);
        }
        let (fits, route, methods) = match action {
            "" if !tail.ends_with('/') => (is_get(method), Route::LinePoll, GET),
            "return" => (post, Route::LineReturn, "POST"),
            "handoff" => (post, Route::LineHandoff, "POST"),
            "enter" => (is_get(method), Route::LineEnter, GET),
            _ => return Some(Matched::Nothing),
        };
        return Some(if fits { Matched::Route(route, rest) } else { Matched::Methods(methods) });
    }
    let (fits, route, methods) = match tail {
        "tickets" => (post, Route::LineJoin, "POST"),
        "events" => (is_get(method), Route::LineEvents, GET),
        "draw" => (is_get(method), Route::LineDraw, GET),
        "draw/participants" => (is_get(method), Route::LineParticipants, GET),
        "gate" => (is_get(method), Route::LineGate, GET),
        _ => return None,
    };
    Some(one(campaign, fits, route, methods))
}

/// Match what follows `/admin/v1/campaigns/`.
pub(crate) fn admin<'a>(method: &Method, rest: &'a str) -> Option<Matched<'a>> {
    let (campaign, tail) = rest.split_once('/')?;
    let post = method == Method::POST;
    let (fits, route, methods) = match tail {
        "line" => (is_get(method), Route::AdminLine, GET),
        "outflow" => (post, Route::AdminOutflow, "POST"),
        "draw" => (post, Route::AdminDraw, "POST"),
        "message" => (post, Route::AdminMessage, "POST"),
        "shop-health" => (post, Route::AdminShopHealth, "POST"),
        _ => {
            let number = tail.strip_prefix("tickets/")?;
            if campaign.is_empty() || number.is_empty() || number.contains('/') {
                return Some(Matched::Nothing);
            }
            let fits = is_get(method);
            let found = Matched::Route(Route::AdminTicket, rest);
            return Some(if fits { found } else { Matched::Methods(GET) });
        }
    };
    Some(one(campaign, fits, route, methods))
}

/// Split `{campaign}/tickets/{ticket}[/…]` into campaign and ticket.
pub(crate) fn ticket_part(part: &str) -> (&str, &str) {
    let split = at_slash(part);
    let found = split.and_then(|(campaign, rest)| Some((campaign, rest.strip_prefix("tickets/")?)));
    let (campaign, tail) = found.unwrap_or((part, ""));
    (campaign, at_slash(tail).map_or(tail, |(ticket, _)| ticket))
}

/// Split at the first slash. A ticket is long: a search by words finds its end sooner.
fn at_slash(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b'/', text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_lead_nowhere() {
        for rest in [
            "drop/tickets/",
            "drop/tickets/x/",
            "drop/tickets/x/y",
            "drop/tickets//return",
            "/tickets/x",
            "drop/tickets/x/return/",
        ] {
            assert_eq!(public(&Method::POST, rest), Some(Matched::Nothing), "{rest}");
        }
        for rest in ["drop", "drop/ticket", "drop/drawn", "drop/reservations", "drop/gate/x"] {
            assert_eq!(public(&Method::GET, rest), None, "{rest}");
        }
        assert_eq!(admin(&Method::GET, "drop/tickets/"), Some(Matched::Nothing));
        assert_eq!(admin(&Method::GET, "drop/tickets/1/2"), Some(Matched::Nothing));
        assert_eq!(ticket_part("drop/tickets/x/return"), ("drop", "x"));
        assert_eq!(ticket_part("drop/tickets/x"), ("drop", "x"));
    }
}
