//! A sale behind a waiting line: people join, wait, are called up in order, and buy with a pass.

use crate::virtual_net::{Asked, Reply, Server, Virtual};
use crate::{crowd, spec};
use onrush_load::crowd::PLAIN;
use onrush_load::drive::{OnrushShop, Played, Queueing, Shop, play};
use onrush_load::run::Identity;
use serde_json::{Value, json};
use std::time::Duration;

const CALL_EVERY: Duration = Duration::from_millis(20);

/// Calls up one person each 20 ms; each ticket's number is its place.
struct Line {
    supply: u64,
    sold: u64,
    tickets: Vec<String>,
    /// Calls up people out of turn.
    inverts: bool,
    /// Tells a later one an earlier number.
    mixes: bool,
    looks: u64,
}

impl Line {
    fn serving(&self, now: Duration) -> u64 {
        (now.as_millis() / CALL_EVERY.as_millis()) as u64
    }

    fn join(&mut self, buyer: &str) -> (u16, Value) {
        let known = self.tickets.iter().position(|other| other == buyer);
        let place = known.unwrap_or_else(|| {
            self.tickets.push(buyer.to_owned());
            self.tickets.len() - 1
        });
        let told = if self.mixes && place % 10 == 9 { place - 5 } else { place };
        let status = if known.is_some() { 200 } else { 201 };
        (status, json!({"ticket": format!("t{place}"), "number": told}))
    }

    fn look(&mut self, ticket: &str, now: Duration) -> (u16, Value) {
        self.looks += 1;
        let place: u64 = ticket[1..].parse().expect("a ticket");
        let serving = self.serving(now);
        let early = self.inverts && place % 10 == 9 && serving + 8 > place;
        let over = self.sold >= self.supply;
        if place < serving || early {
            return (
                200,
                json!({"state": "served", "pass": format!("p{place}"),
                                "position": place + 1, "now_serving": serving.max(place + 1)}),
            );
        }
        let mut body = json!({"state": "waiting", "position": place + 1, "now_serving": serving,
                              "next_poll_ms": 50});
        if over {
            body["sold_out"] = json!(true);
        }
        (200, body)
    }

    fn reserve(&mut self, asked: &Asked<'_>) -> (u16, Value) {
        if asked.header("onrush-pass").is_none() {
            return (403, json!({"code": "pass_required"}));
        }
        if self.sold >= self.supply {
            return (409, json!({"code": "sold_out"}));
        }
        self.sold += 1;
        (
            201,
            json!({"id": format!("r{}", self.sold), "state": "held", "lsn": self.sold,
                     "price": {"amount": 1, "currency": "CNY"}}),
        )
    }
}

impl Server for Line {
    fn ask(&mut self, asked: &Asked<'_>) -> Option<Reply> {
        let (status, body) = if asked.path.ends_with("/tickets") {
            self.join(asked.header("x-onrush-buyer").expect("who"))
        } else if let Some((_, ticket)) = asked.path.split_once("/tickets/") {
            self.look(ticket, asked.now)
        } else {
            self.reserve(asked)
        };
        let at = asked.now + Duration::from_millis(1);
        Some(Reply { at, status, body: body.to_string() })
    }

    fn events(&mut self, now: Duration) -> Option<String> {
        let over = self.sold >= self.supply;
        let data = json!({"sold_out": over, "now_serving": self.serving(now)});
        Some(format!("event: line\ndata: {data}\n\n"))
    }
}

fn queue(queueing: Queueing, inverts: bool, mixes: bool) -> (Played, Virtual<Line>) {
    let at = OnrushShop {
        host: "shop:80",
        campaign: "drop",
        identity: Identity::DevHeader,
        api_key: None,
        admin: None,
        details: "",
    };
    let line = Line { supply: 150, sold: 0, tickets: Vec::new(), inverts, mixes, looks: 0 };
    let mut net = Virtual::new(line, 64);
    let mut spec = spec(Shop::onrush(&at).expect("it compiles"));
    spec.queueing = queueing;
    let crowd = crowd(200, 1_000.0, PLAIN);
    let played = play(&spec, &mut net, crowd.guests(), &mut |_, _| true);
    (played, net)
}

fn violations(played: &Played, name: &str) -> u64 {
    played.tally.order.checks().filter(|c| c.name == name).map(|c| c.violations).sum()
}

#[test]
fn a_crowd_joins_waits_and_buys_in_turn_however_it_queues() {
    for queueing in [Queueing::Auto, Queueing::Poll, Queueing::Listen] {
        let (played, net) = queue(queueing, false, false);
        let line = &played.tally.in_line;
        assert_eq!((line.joined, played.tally.figures.holds), (200, 150), "{queueing:?}");
        assert!(line.in_vain >= 20, "{queueing:?}: {}", line.in_vain);
        assert_eq!(line.left, 0);
        assert!(played.tally.order.checks().all(|check| check.violations == 0));
        assert_eq!(played.tally.order.checks().count(), 3);
        // The 150th is called up after three seconds.
        assert!((2_900_000..3_500_000).contains(&line.waits.max()), "{}", line.waits.max());
        let refused = played.tally.figures.refusals.get("403 pass_required").copied();
        assert_eq!(refused, (queueing == Queueing::Auto).then_some(200));
        assert_eq!(net.streams_most > 0, queueing == Queueing::Listen);
        assert!(net.streams_most <= 100, "a hundred streams and no more");
    }
}

#[test]
fn who_listens_asks_less_often() {
    let (_, polled) = queue(Queueing::Poll, false, false);
    let (_, listened) = queue(Queueing::Listen, false, false);
    assert!(listened.server.looks < polled.server.looks);
}

#[test]
fn people_who_are_passed_are_found() {
    let (played, _) = queue(Queueing::Poll, true, false);
    assert!(violations(&played, "people passed by those behind them") > 0);
    assert_eq!(violations(&played, "tickets ahead of earlier ones"), 0);
}

#[test]
fn tickets_out_of_order_are_found() {
    let (played, _) = queue(Queueing::Poll, false, true);
    assert!(violations(&played, "tickets ahead of earlier ones") > 0);
}
