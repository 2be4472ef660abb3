//! People: most of them alike, and those whom a careless defence takes for programs.

use crate::drop::{JOINING_MS, OPENS_MS};
use crate::looks::Look;
use crate::visitor::{Answering, Crowd, Kind, Visitor, between, skewed};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A kind of people: its name, its thousandths of all, and how it differs from the others.
struct Sort {
    name: &'static str,
    milli: u32,
    change: fn(&mut Person<'_>),
}

/// Somebody on the way of becoming a visitor.
struct Person<'a> {
    visitor: Visitor,
    /// Its number within its kind.
    n: u32,
    dice: &'a mut ChaCha8Rng,
}

const SORTS: [Sort; 12] = [
    Sort { name: "at home", milli: 400, change: |_| {} },
    Sort { name: "household", milli: 150, change: household },
    Sort { name: "behind a carrier's NAT", milli: 150, change: carrier },
    Sort { name: "campus", milli: 80, change: campus },
    Sort { name: "VPN", milli: 50, change: vpn },
    Sort { name: "slow phone", milli: 50, change: slow_phone },
    Sort { name: "keyboard only", milli: 20, change: keyboard },
    Sort { name: "no JavaScript", milli: 20, change: no_script },
    Sort { name: "refresher", milli: 60, change: refresher },
    Sort { name: "masher of the button", milli: 10, change: masher },
    Sort { name: "one card for five or six", milli: 5, change: one_card },
    Sort { name: "shared computer", milli: 5, change: shared_computer },
];

/// Make `people` people, the same for the same seed.
pub fn people(people: u32, seed: u64) -> Crowd {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut crowd = Crowd::default();
    for (kind, sort) in SORTS.iter().enumerate() {
        let accounts = (people * sort.milli / 1_000).max(1);
        for n in 0..accounts {
            let visitor = at_home(kind, n, &mut dice);
            let mut person = Person { visitor, n, dice: &mut dice };
            (sort.change)(&mut person);
            crowd.visitors.push(person.visitor);
        }
        crowd.kinds.push(Kind {
            name: sort.name,
            is_program: false,
            accounts,
            cards: accounts,
            residential: true,
            browser: true,
        });
    }
    crowd
}

fn at_home(kind: usize, n: u32, dice: &mut ChaCha8Rng) -> Visitor {
    let id = format!("p{kind}-{n}");
    let looks = [Look::Chrome, Look::ChromePhone, Look::Safari, Look::Firefox, Look::WeChat];
    // Half of all come as soon as they may, the others when they think of it.
    let joins_ms = match dice.random_bool(0.5) {
        true => JOINING_MS + skewed(dice, (400, 60_000)),
        false => between(dice, (JOINING_MS + 60_000, OPENS_MS - 1_000)),
    };
    let pays_ms = dice.random_bool(0.88).then_some((10_000, 150_000));
    Visitor {
        kind,
        look: looks[dice.random_range(0..looks.len())],
        address: home_address(dice),
        device: Some(format!("device-of-{id}")),
        card: Some(format!("card-of-{id}")),
        phone: Some(format!("phone-of-{id}")),
        place: (31.0 + dice.random::<f64>(), 121.0 + dice.random::<f64>()),
        joins: vec![joins_ms],
        answering: Answering::Solves(300, 2_500),
        reacts_ms: (3_000, 150_000),
        pays_ms,
        account: id,
    }
}

fn home_address(dice: &mut ChaCha8Rng) -> String {
    let [a, b, c] = [(); 3].map(|()| dice.random_range(1..250));
    format!("{a}.{b}.{c}.7")
}

/// Two to four under one roof; some share a card, some a tablet.
fn household(p: &mut Person<'_>) {
    let home = p.n / 3;
    p.visitor.address = format!("100.{}.{}.9", home / 250 % 250, home % 250);
    p.visitor.place = (30.0 + f64::from(home) / 1_000.0, 120.0);
    if home.is_multiple_of(2) {
        p.visitor.card = Some(format!("card-of-home-{home}"));
    }
    if home.is_multiple_of(5) {
        p.visitor.device = Some(format!("tablet-of-home-{home}"));
    }
}

/// Hundreds behind each address of a mobile carrier.
fn carrier(p: &mut Person<'_>) {
    p.visitor.address = format!("10.0.{}.4", p.n / 500);
    p.visitor.look = if p.dice.random_bool(0.6) { Look::ChromePhone } else { Look::WeChat };
}

/// One address for all, and a few lockers where all of it goes.
fn campus(p: &mut Person<'_>) {
    p.visitor.address = "130.60.1.1".to_owned();
    p.visitor.place = (47.0 + f64::from(p.n % 4), 8.0);
    p.visitor.joins = vec![JOINING_MS + skewed(p.dice, (300, 30_000))];
}

fn vpn(p: &mut Person<'_>) {
    p.visitor.address = format!("185.10.{}.2", p.n % 6);
}

fn slow_phone(p: &mut Person<'_>) {
    p.visitor.look = Look::OldSafari;
    p.visitor.answering = Answering::Solves(900, 6_000);
    p.visitor.reacts_ms = (8_000, 180_000);
}

fn keyboard(p: &mut Person<'_>) {
    p.visitor.reacts_ms = (10_000, 120_000);
    p.visitor.pays_ms = Some((40_000, 170_000));
}

fn no_script(p: &mut Person<'_>) {
    p.visitor.look = Look::NoScript;
    p.visitor.device = None;
    p.visitor.answering = Answering::Waits;
}

/// Loads the page again and again, before joining opens and after.
fn refresher(p: &mut Person<'_>) {
    let times = between(p.dice, (3, 12));
    let first = JOINING_MS - 20_000;
    let mut joins: Vec<u64> =
        (0..times).map(|_| between(p.dice, (first, JOINING_MS + 40_000))).collect();
    joins.push(JOINING_MS + 41_000);
    joins.sort_unstable();
    p.visitor.joins = joins;
}

/// Hits the button as fast as a finger can around the moment at which joining opens.
fn masher(p: &mut Person<'_>) {
    let mut at = JOINING_MS - 6_000;
    p.visitor.joins.clear();
    while at < JOINING_MS + 2_000 {
        at += between(p.dice, (180, 700));
        p.visitor.joins.push(at);
    }
}

/// Somebody buys for friends and family with one card.
fn one_card(p: &mut Person<'_>) {
    let group = p.n / 6;
    p.visitor.card = Some(format!("card-of-friends-{group}"));
    p.visitor.place = (29.0, 100.0 + f64::from(group) / 100.0);
}

/// A library's computer: twelve people a machine, each with an account and a card.
fn shared_computer(p: &mut Person<'_>) {
    p.visitor.device = Some(format!("library-{}", p.n / 12));
    p.visitor.address = "140.70.1.1".to_owned();
}
