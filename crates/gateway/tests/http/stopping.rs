//! Connections that break and servers that stop: what was accepted is there, once.

use crate::client::{Connection, ask};
use crate::server::{Server, reserve};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn a_client_that_leaves_has_its_hold_exactly_once() {
    let server = Server::dev();
    server.open_campaign("drop", 50, 1);
    for n in 0..50 {
        let buyer = format!("b{n}");
        let mut connection = Connection::open(server.public);
        connection.send(&reserve("drop").buyer(&buyer).key("k").bytes());
        drop(connection);
        // The request may not have been read before the connection broke; asking again with the
        // same key makes no second hold either way.
        let first = loop {
            let answer = server.reserve("drop", &buyer, "k");
            if answer.status != 409 {
                break answer;
            }
            answer.is_problem("key_in_flight");
        };
        let again = server.reserve("drop", &buyer, "k");
        assert!(matches!(first.status, 200 | 201), "{}", first.status);
        assert_eq!((again.status, again.text("id")), (200, first.text("id")));
    }
    assert_eq!(server.units("drop"), (0, 50));
}

/// With the decision held back, the client is surely gone before it falls.
#[test]
fn a_hold_outlives_its_connection() {
    let (server, mut driver) = Server::driven(8);
    let mut connection = Connection::open(server.public);
    connection.send(&reserve("drop").buyer("ann").key("k").bytes());
    server.wait_until(|status| status.reserves_in_flight == 1);
    drop(connection);
    server.reserve("drop", "ann", "k").is_problem("key_in_flight");
    driver.settle();
    let again = server.reserve("drop", "ann", "k");
    assert_eq!((again.status, again.text("state").as_str()), (200, "held"));
    assert_eq!(server.units("drop"), (1, 1));
    driver.check_mirror().expect("callers and ledger agree");
}

#[test]
fn a_graceful_stop_answers_what_is_under_way() {
    let (server, mut driver) = Server::driven(8);
    let mut busy = Connection::open(server.public);
    busy.send(&reserve("drop").buyer("ann").key("k").bytes());
    let mut idle = Connection::open(server.public);
    idle.send(&ask("GET", "/v1/time").bytes());
    assert_eq!(idle.answer().expect("an answer").status, 200);
    server.wait_until(|status| status.reserves_in_flight == 1);
    server.running().stop();
    idle.is_closed();
    driver.settle();
    let answer = busy.answer().expect("the answer comes before the end");
    assert_eq!((answer.status, answer.text("state").as_str()), (201, "held"));
    busy.is_closed();
}

#[test]
fn a_stop_under_load_loses_nothing() {
    let server = Server::dev();
    server.open_campaign("drop", 1_000_000, 1_000_000);
    let told = Mutex::new(HashMap::new());
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for crowd in 0..8 {
            let (told, enough, addr) = (&told, &enough, server.public);
            scope.spawn(move || {
                let mut connection = Connection::open(addr);
                // At most sixteen reservations are one buyer's.
                for n in 0.. {
                    let (buyer, key) = (format!("c{crowd}-{}", n / 10), format!("k{n}"));
                    connection.send(&reserve("drop").buyer(&buyer).key(&key).bytes());
                    // A close without an answer: the stop came first.
                    let Some(answer) = connection.answer() else { return };
                    if answer.status != 201 {
                        answer.is_problem("stopping");
                        return;
                    }
                    let mut told = told.lock().expect("lock");
                    told.insert((buyer, key), answer.text("id"));
                    if told.len() >= 400 {
                        enough.store(true, Ordering::Release);
                    }
                }
            });
        }
        while !enough.load(Ordering::Acquire) {
            thread::yield_now();
        }
        server.running().stop();
    });
    let told = told.into_inner().expect("lock");
    assert!(told.len() >= 400);
    let server = server.restart(|config, _| config.dev = true);
    for ((buyer, key), id) in &told {
        let again = server.reserve("drop", buyer, key);
        assert_eq!((again.status, &again.text("id")), (200, id));
    }
    let (free, held) = server.units("drop");
    assert_eq!(free + held, 1_000_000);
    assert!(held as usize >= told.len(), "what was told is there; more may be, never less");
}

#[test]
fn dropping_the_handle_stops_it() {
    let mut server = Server::dev();
    assert_eq!(ask("GET", "/v1/time").to(server.public).status, 200);
    let addr = server.public;
    server.halt();
    assert!(std::net::TcpStream::connect(addr).is_err());
}
