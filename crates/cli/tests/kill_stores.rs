//! Kills a real server again and again between sale and plan: every sale becomes an order at a store
//! exactly once, and no store sends what it has not.

use onrush::{ReservationSeq, State};
use onrush_load::admin;
use onrush_load::arrivals::Arrivals;
use onrush_load::client::Client;
use onrush_load::crowd::{CrowdSpec, MIXED};
use onrush_load::folder::Folder;
use onrush_load::run::{Figures, Identity, RunSpec, block_on, run};
use onrush_load::server::{Launch, Server};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

const SUPPLY: u32 = 120;
const STORES: u32 = 12;
/// A kill after each so many new holds.
const HOLDS_PER_KILL: u64 = 10;
const KILLS: u64 = 8;
const HOLD_MS: u64 = 1_500;

/// Ask the admin side once; return the answer's body.
fn operate(server: &Server, request: &str, body: &str) -> String {
    let (kind, path) = request.split_once(' ').expect("a method and a path");
    let media = if body.starts_with('{') { "application/json" } else { "text/csv" };
    let mut stream = TcpStream::connect(server.admin).expect("the admin side listens");
    write!(
        stream,
        "{kind} {path} HTTP/1.1\r\nhost: onrush.test\r\nauthorization: Bearer {}\r\n\
         content-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        server.token,
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200 "), "{answer}");
    body.to_owned()
}

/// Twelve stores in a row, with as many units together as there are for sale.
fn import(server: &Server) {
    let mut nodes = "node,kind,lat,lon,capacity_per_hour\n".to_owned();
    let mut stock = "node,sku,on_hand\n".to_owned();
    for n in 0..STORES {
        nodes += &format!("s{n:02},store,41.8,{:.2},\n", 123.0 + f64::from(n) / 20.0);
        stock += &format!("s{n:02},unit,{}\n", SUPPLY / STORES);
    }
    operate(server, "POST /admin/v1/nodes", &nodes);
    operate(server, "POST /admin/v1/campaigns/demo/stock", &stock);
}

#[test]
fn a_server_killed_between_sale_and_plan_routes_every_sale_once() {
    let home = tempfile::tempdir().expect("a folder");
    let launch = Launch {
        program: env!("CARGO_BIN_EXE_onrush").into(),
        home: home.path().to_owned(),
        supply: SUPPLY,
        limit: 1,
        hold_ms: HOLD_MS,
    };
    let server = launch.start(None).expect("the server starts");
    import(&server);
    let (server, kills) = block_on(sale(&launch, server)).expect("a runtime");
    assert!(kills >= KILLS / 2, "only {kills} kills");
    // What is sold and not planned yet is found by the last start.
    let unrouted = "GET /admin/v1/orders?state=unrouted";
    while !operate(&server, unrouted, "").contains("\"orders\":[]") {
        std::thread::yield_now();
    }
    server.kill().expect("it ran until now");

    let folder = Folder::read(&launch.data(), |_, _| {}).expect("it replays");
    let verdict = folder.verdict();
    assert!(verdict.holds(), "after {kills} kills:\n{verdict}");
    let plans = verdict.checks.iter().find(|check| check.promise == "INV-16").expect("plans");
    let ledger = &folder.replayed.ledger;
    let mut sold = 0_usize;
    for n in 0..ledger.reservation_count() {
        let seq = ReservationSeq(n);
        let r = ledger.reservation(seq).expect("dense");
        if r.state == State::Sold {
            let order = ledger.order(seq).expect("a plan");
            assert_eq!((order.attempt, order.live_units()), (1, r.quantity.get()), "{seq:?}");
            sold += 1;
        }
    }
    // Sales that were taken back had one plan too.
    assert_eq!(plans.looked_at, ledger.order_count() as u64, "one plan an order");
    assert!(sold > 20 && ledger.order_count() >= sold, "{sold} sold");
}

/// A crowd that pays, and a server that is killed meanwhile.
async fn sale(launch: &Launch, mut server: Server) -> (Server, u64) {
    let public = Client::new(server.public, 16, Duration::from_secs(10));
    let operator = Client::new(server.admin, 8, Duration::from_secs(10));
    operator.set_token(&server.token).expect("a token");
    let details = r#","destination":{"lat":41.81,"lon":123.21},"delivery":"next_day""#;
    let spec = RunSpec {
        campaign: "demo".to_owned(),
        identity: Identity::DevHeader,
        hold: Duration::from_millis(HOLD_MS),
        patience: Duration::from_secs(60),
        come_back_max: 2,
        details: details.trim_start_matches(',').to_owned(),
    };
    let crowd = CrowdSpec {
        buyers: 400,
        arrivals: Arrivals::Poisson { per_second: 200.0 },
        mix: MIXED,
        skus: vec!["unit".to_owned()],
        think_max: Duration::from_millis(300),
        seed: 7,
    };
    let next = Rc::new(Cell::new(HOLDS_PER_KILL));
    let (due, over) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    let watch = {
        let (next, due) = (next.clone(), due.clone());
        move |figures: &Figures| {
            if figures.holds >= next.get() {
                next.set(figures.holds + HOLDS_PER_KILL);
                due.notify_one();
            }
        }
    };
    let playing = async {
        let played = run(&spec, &public, Some(&operator), crowd.visits(), watch).await;
        over.notify_one();
        played
    };
    let killing = async {
        let mut kills = 0;
        while kills < KILLS {
            tokio::select! {
                () = due.notified() => {}
                () = over.notified() => break,
            }
            let (at, launch) = (server.addresses(), launch.clone());
            let restart = tokio::task::spawn_blocking(move || {
                server.kill().expect("it ran until now");
                launch.start(Some(at)).expect("it starts again on the same folder and ports")
            });
            server = restart.await.expect("no panic");
            kills += 1;
        }
        (server, kills)
    };
    let (_, (server, kills)) = tokio::join!(playing, killing);
    for _ in 0..400 {
        if admin::units(&operator, "demo").await.expect("units").units().held == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (server, kills)
}
