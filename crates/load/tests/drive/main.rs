//! Crowds against servers in virtual time: no sockets, no sleeping, the same every time.

mod queue;
mod sale;
mod virtual_net;

use onrush_load::arrivals::Arrivals;
use onrush_load::capacity::{Range, Trial, find};
use onrush_load::check::{Rules, check};
use onrush_load::crowd::{BOTS, Behaviour, CrowdSpec, MIXED, Mix, PLAIN};
use onrush_load::drive::{OnrushShop, PlaySpec, Played, Queueing, Shop, play};
use onrush_load::own::Limit;
use onrush_load::run::{Identity, Kind};
use onrush_load::target::Target;
use onrush_load::threshold::Threshold;
use onrush_load::verdict::Verdict;
use sale::{Bug, Sale};
use std::convert::Infallible;
use std::time::Duration;
use virtual_net::{Asked, Reply, Server, Virtual};

const MS: Duration = Duration::from_millis(1);

fn shop() -> Shop {
    let at = OnrushShop {
        host: "shop:80",
        campaign: "drop",
        identity: Identity::DevHeader,
        api_key: None,
        admin: Some(("shop:90", "token")),
        details: "",
    };
    Shop::onrush(&at).expect("it compiles")
}

pub(crate) fn spec(shop: Shop) -> PlaySpec {
    PlaySpec {
        shop,
        skus: vec!["unit".to_owned()],
        hold: Duration::from_secs(5),
        patience: Duration::from_secs(5),
        arrive_until: Duration::from_secs(10),
        drain: Duration::from_secs(100),
        come_back_max: 0,
        warm_up: Duration::ZERO,
        queueing: Queueing::Auto,
        streams_max: 100,
        stay: Duration::from_secs(600),
        slice: 100 * MS,
    }
}

pub(crate) fn crowd(buyers: u32, per_second: f64, mix: Mix) -> CrowdSpec {
    CrowdSpec {
        buyers,
        arrivals: Arrivals::Constant { per_second },
        mix,
        skus: vec!["unit".to_owned()],
        think_max: 50 * MS,
        seed: 3,
    }
}

/// A described target that says yes to everything, and tells nothing.
fn plain_shop() -> Shop {
    let target = Target::read("name = 'x'\n[reserve]\npath = '/{n}'\n").expect("a target");
    Shop::other(&target, "h").expect("it compiles")
}

/// One server that answers one request after the other, and stands still once.
struct Stalls {
    takes: Duration,
    from: Duration,
    until: Duration,
    free_at: Duration,
}

impl Server for Stalls {
    fn ask(&mut self, asked: &Asked<'_>) -> Option<Reply> {
        let mut begins = asked.now.max(self.free_at);
        if (self.from..self.until).contains(&begins) {
            begins = self.until;
        }
        self.free_at = begins + self.takes;
        Some(Reply { at: self.free_at, status: 200, body: String::new() })
    }
}

/// A thousand a second; the server stands still for a second. Whoever was due in that second waited for
/// the rest of it. With one connection only one request is under way then: measured from when requests
/// were sent, one of them would have been slow.
#[test]
fn a_stall_is_charged_to_everybody_who_was_due() {
    for connections in [1, 10_000] {
        let second = Duration::from_secs(1);
        let server =
            Stalls { takes: MS / 2, from: second, until: 2 * second, free_at: Duration::ZERO };
        let mut net = Virtual::new(server, connections);
        let spec = spec(plain_shop());
        let played = play(&spec, &mut net, crowd(4_000, 1_000.0, PLAIN).guests(), &mut |_, _| true);
        let latencies = played.tally.figures.latency(Kind::Granted);
        assert_eq!(latencies.count, 4_000);
        // The backlog of a second is worked off within another: about 2,000 were slower than usual, and
        // their latencies fall evenly from a second to nothing.
        assert!((980_000..1_010_000).contains(&latencies.max_us), "{latencies:?}");
        assert!(latencies.p50_us < 2_000, "{latencies:?}");
        assert!((740_000..860_000).contains(&latencies.p90_us), "{latencies:?}");
        let worst = played.tally.series.slices().iter().map(|slice| slice.max_us).max();
        assert_eq!(worst, Some(latencies.max_us));
        // What waited for the only connection is no lag of the load.
        assert!(played.tally.lag.max() <= 600, "{}", played.tally.lag.max());
        assert_eq!(played.tally.queued > 0, connections == 1);
    }
}

#[test]
fn what_cannot_be_sent_in_time_is_counted_and_not_hidden() {
    let never = Duration::from_secs(1_000_000);
    let server = Stalls { takes: MS, from: never, until: never, free_at: Duration::ZERO };
    let mut net = Virtual::new(server, 4);
    let mut spec = spec(plain_shop());
    spec.arrive_until = Duration::from_secs(1);
    spec.drain = Duration::from_secs(1);
    let played = play(&spec, &mut net, crowd(10_000, 10_000.0, PLAIN).guests(), &mut |_, _| true);
    let figures = &played.tally.figures;
    // Two seconds at one a millisecond.
    assert!((1_990..=2_010).contains(&figures.answered), "{}", figures.answered);
    assert_eq!(figures.arrived + played.tally.unsent, 10_000);
    let errors: Threshold = "errors<50%".parse().expect("a threshold");
    assert!(!errors.judge(&played.tally).holds);
}

fn sell(bug: Bug, mix: Mix, buyers: u32) -> (Played, Sale, Verdict) {
    let mut net = Virtual::new(Sale::new(100, bug), 64);
    let spec = spec(shop());
    let crowd = crowd(buyers, 500.0, mix);
    let played = play(&spec, &mut net, crowd.guests(), &mut |_, _| true);
    let rules = Rules { limit_per_buyer: 1, quiet: false };
    let mut verdict = check(&played.told, &net.server.truth(), rules);
    verdict.checks.extend(played.tally.order.checks());
    (played, net.server, verdict)
}

#[test]
fn a_correct_sale_holds_with_every_crowd() {
    for mix in [PLAIN, MIXED, BOTS] {
        let (played, sale, verdict) = sell(Bug::None, mix, 1_500);
        assert!(verdict.holds(), "{verdict}");
        assert!(played.tally.figures.holds >= 100);
        let sold = sale.reservations.values().filter(|held| held.state == onrush::State::Sold);
        // Sales that were cancelled later were told, too.
        assert!(sold.count() as u64 <= played.tally.figures.sales);
        assert!(verdict.checks.len() >= 10);
    }
}

#[test]
fn each_broken_promise_is_found_by_its_own_check() {
    for (bug, name) in [
        (Bug::Oversells, "units oversold"),
        (Bug::Forgets, "acknowledged holds lost"),
        (Bug::Doubles, "reservations or payments doubled"),
        (Bug::NoLimit, "buyers over their limit"),
        (Bug::Inverts, "holds behind earlier ones in the journal"),
        (Bug::LosesMoney, "acknowledged payments lost"),
    ] {
        let (.., verdict) = sell(bug, MIXED, 1_500);
        assert!(!verdict.holds(), "{bug:?}: {verdict}");
        assert!(verdict.violations(name) > 0, "{bug:?}: {verdict}");
    }
}

fn only(behaviour: Behaviour) -> Mix {
    PLAIN.map(|(b, _)| (b, u32::from(b == behaviour)))
}

/// Ten buyers of one kind; what they sent, and what came of it.
#[test]
fn everybody_behaves_as_described() {
    let came = |behaviour| sell(Bug::None, only(behaviour), 10).0;
    let sent = |behaviour| came(behaviour).tally.sent;
    // One reserve and one payment each.
    assert_eq!(sent(Behaviour::Buys), 20);
    let twice = came(Behaviour::DoubleClicks).tally;
    assert_eq!((twice.sent, twice.figures.holds, twice.figures.sales), (40, 10, 10));
    assert_eq!(sent(Behaviour::NeverPays), 10);
    assert_eq!(sent(Behaviour::Releases), 20);
    assert_eq!(sent(Behaviour::PaysInParts), 30);
    // Four of one request, one payment.
    let replays = came(Behaviour::Replays);
    assert_eq!((replays.tally.sent, replays.tally.figures.repeats), (50, 30));
    // Three pages, a reserve, a payment, and looks at the reservation.
    let refreshes = came(Behaviour::Refreshes);
    assert!(refreshes.tally.pages.len() >= 50, "{}", refreshes.tally.pages.len());
    // A second wish, which the limit refuses.
    assert_eq!(came(Behaviour::Grabs).tally.figures.refusals["409 limit_reached"], 10);
    // Eight accounts, eight holds each.
    assert_eq!(came(Behaviour::ManyAccounts).tally.figures.holds, 80);
    // Takes again what it let expire: this sale's holds never do, so the limit answers.
    assert_eq!(came(Behaviour::Hoards).tally.figures.refusals["409 limit_reached"], 10);
    let abandons = came(Behaviour::Abandons);
    assert_eq!((abandons.tally.abandoned, abandons.told.unknown.len()), (10, 10));
    assert_eq!(abandons.told.acknowledged.len(), 0);
}

#[test]
fn a_bot_in_a_loop_heeds_no_refusal() {
    let mut net = Virtual::new(Sale::new(0, Bug::None), 64);
    let crowd = crowd(1, 1.0, only(Behaviour::Loops));
    let played = play(&spec(shop()), &mut net, crowd.guests(), &mut |_, _| true);
    assert_eq!(played.tally.figures.refusals["409 sold_out"], 20);
    assert!(played.tally.figures.took < 200 * MS, "it does not wait between two attempts");
}

#[test]
fn a_watcher_may_end_a_run_and_what_was_under_way_is_unknown() {
    let never = Duration::from_secs(1_000_000);
    let server = Stalls { takes: never, from: never, until: never, free_at: Duration::ZERO };
    let mut net = Virtual::new(server, 8);
    let mut looks = 0;
    let crowd = crowd(100, 100.0, PLAIN);
    let played = play(&spec(plain_shop()), &mut net, crowd.guests(), &mut |_, _| {
        looks += 1;
        looks < 10
    });
    assert!(played.stopped);
    assert_eq!(played.told.unknown.len(), 8, "one on each connection");
}

/// A server that takes 0.4 ms a request serves 2,500 a second, and the search says so.
#[test]
fn the_capacity_of_a_known_server_is_found() {
    let slo: Threshold = "p99<20ms".parse().expect("a threshold");
    let never = Duration::from_secs(1_000_000);
    let trial = |rate: f64, _| {
        let server =
            Stalls { takes: MS * 2 / 5, from: never, until: never, free_at: Duration::ZERO };
        let mut net = Virtual::new(server, 64);
        let mut spec = spec(plain_shop());
        spec.arrive_until = Duration::from_secs(2);
        spec.drain = Duration::ZERO;
        let crowd = crowd((rate * 2.0) as u32, rate, PLAIN);
        let played = play(&spec, &mut net, crowd.guests(), &mut |_, _| true);
        let judged = slo.judge(&played.tally);
        let holds = judged.holds && played.tally.unsent == 0;
        let limited_by = if holds { Limit::None } else { Limit::Server };
        let thresholds = vec![judged];
        let answered_per_second = played.tally.figures.summary().answered_per_second;
        let why = String::new();
        Ok::<_, Infallible>(Trial { rate, answered_per_second, thresholds, holds, limited_by, why })
    };
    let found = find(Range { start: 100.0, most: 1e6 }, trial);
    let found = found.unwrap_or_else(|never| match never {});
    assert!((2_300.0..=2_530.0).contains(&found.rate), "{} {:?}", found.rate, found.breaks_at);
    assert!(found.breaks_at.is_some_and(|rate| rate > 2_500.0 && rate < 2_700.0));
    assert_eq!(found.limited_by, Limit::Server);
}
