//! Who waits in vain, and how long after the last unit was sold they know: a drop over HTTP in which
//! people wait for more than two minutes, some on the shared stream of events as the drop page does,
//! some only looking again when they are told to.

use crate::{Row, Setup, client};
use onrush::{
    Campaign, Currency, DurationMs, Engine, JoinRequest, Money, Name, PassShown, PaymentLine,
    ReserveRequest, Standing, TicketNo,
};
use onrush_gateway::config::{LineBody, OutflowBody};
use onrush_gateway::{Config, serve};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUYERS: u32 = 400;
const PER_SECOND: u32 = 2;
/// Sold out after 130 s.
const UNITS: u32 = 260;
const LISTENERS: usize = 2_000;
const POLLERS: u32 = 300;
const LATE: Duration = Duration::from_secs(2);
/// Nobody listens longer than this after the end.
const GIVE_UP: Duration = Duration::from_secs(70);

/// Run the drop.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let mut config = Config::dev(UNITS, 1, DurationMs::from_secs(3_600));
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    let outflow = OutflowBody { per_second: Some(PER_SECOND), ..OutflowBody::default() };
    config.campaigns[0].line = Some(LineBody { outflow, ..LineBody::default() });
    let engine = Engine::open(dir.path(), onrush::Options::default()).expect("open");
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = stop.clone();
    let stopped = async move { stopped.notified().await };
    let running = serve(&config, engine.clone(), stopped).expect("serve");
    let addr: SocketAddr = running.public_addr.to_string().parse().expect("a TCP address");
    let campaign = engine.campaign("demo").expect("it was put");
    // Those who buy stand in front; whoever only looks stands behind and waits in vain.
    for n in 0..BUYERS {
        let ask = JoinRequest { campaign: &campaign, buyer: engine.buyer(&name(n)), class: 0 };
        assert!(engine.join(&ask).wait().expect("answer").granted().is_some());
    }
    let tickets = tickets(addr);
    let started = Instant::now();
    let crowd = std::thread::spawn(move || wait_for_the_end(addr, tickets));
    let sold_out = sell(&engine, &campaign);
    assert!(sold_out.duration_since(started) > Duration::from_secs(120), "they waited long");
    let (listeners, pollers) = crowd.join().expect("the crowd");
    stop.notify_one();
    running.wait().expect("served");
    let late = |told: &[Instant]| {
        let late = told.iter().filter(|at| at.saturating_duration_since(sold_out) > LATE).count();
        late as f64 / told.len() as f64
    };
    let slowest = listeners.iter().map(|at| at.saturating_duration_since(sold_out)).max();
    let (on_stream, polling) = (late(&listeners), late(&pollers));
    let slowest_ms = slowest.unwrap_or_default().as_secs_f64() * 1e3;
    let share = on_stream * 100.0;
    let (listening, looking) = (
        format!("{share:.1} % of {LISTENERS}, the last after {slowest_ms:.0} ms"),
        format!("{:.0} % of {POLLERS}", polling * 100.0),
    );
    let row = |who: &str, measured, late: f64| Row {
        what: format!("waited in vain: told of sold out later than 2 s after it, {who}"),
        target: "< 1 %",
        measured,
        reached: late < 0.01,
    };
    vec![
        row("on the stream of events", listening, on_stream),
        row("looking only when told to", looking, polling),
    ]
}

fn name(n: u32) -> String {
    format!("in-front-{n}")
}

/// Let those who look join over HTTP, and return their tickets.
fn tickets(addr: SocketAddr) -> Vec<String> {
    let join = |n: u32| {
        let head = "POST /v1/campaigns/demo/tickets HTTP/1.1\r\nhost: localhost\r\n\
                    content-length: 0\r\n";
        format!("{head}x-onrush-buyer: behind-{n}\r\n\r\n").into_bytes()
    };
    let joins: Vec<Vec<u8>> = (0..POLLERS).map(join).collect();
    let answers = client::ask(addr, &joins, POLLERS, true);
    let ticket = |answer: &String| body(answer)["ticket"].as_str().expect("a ticket").to_owned();
    answers.iter().map(ticket).collect()
}

fn body(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Buy with every pass as soon as it is there, until all is sold; return when that was.
fn sell(engine: &Engine, campaign: &Campaign) -> Instant {
    let mut next = 0;
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        while let Some(Standing::Served { pass }) = engine.standing(campaign, TicketNo(next)) {
            let mut ask = ReserveRequest::new(campaign, "unit", engine.buyer(&name(next)), "k");
            ask.pass = PassShown::Valid(pass);
            let held = engine.reserve(&ask).wait().expect("answer").granted().expect("a unit");
            let line = PaymentLine {
                provider: Name::new("bank").expect("a name"),
                method: Name::new("card").expect("a name"),
                reference: format!("p-{next}").into(),
                money: Money { amount: held.price.amount, currency: Currency::CNY },
            };
            let paid = engine.confirm(held.seq, vec![line], None).wait().expect("answer");
            assert!(paid.granted().is_some(), "paid in time");
            next += 1;
        }
        if engine.line(campaign).expect("a line").all_sold {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "{next} of {UNITS} sold");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Wait on the stream and by looking, and return when each was told.
fn wait_for_the_end(addr: SocketAddr, tickets: Vec<String>) -> (Vec<Instant>, Vec<Instant>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("runtime"), async {
        let listeners: Vec<_> =
            (0..LISTENERS).map(|_| tokio::task::spawn_local(listen(addr))).collect();
        let pollers: Vec<_> = tickets
            .into_iter()
            .map(|ticket| tokio::task::spawn_local(look(addr, ticket)))
            .collect();
        let (mut heard, mut seen) = (Vec::new(), Vec::new());
        for task in listeners {
            heard.push(task.await.expect("a listener"));
        }
        for task in pollers {
            seen.push(task.await.expect("a poller"));
        }
        (heard, seen)
    })
}

async fn listen(addr: SocketAddr) -> Instant {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    let ask = "GET /v1/campaigns/demo/events HTTP/1.1\r\nhost: localhost\r\n\
               accept: text/event-stream\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.expect("write");
    let mut tail = String::new();
    let mut buffer = [0; 2_048];
    loop {
        let read = stream.read(&mut buffer).await.expect("read");
        assert!(read > 0, "the stream ended: {tail}");
        tail.push_str(&String::from_utf8_lossy(&buffer[..read]));
        if tail.contains("\"sold_out\":true") {
            return Instant::now();
        }
        // A frame may come in two pieces; none is longer than this.
        let keep = tail.len().saturating_sub(1_024);
        tail.drain(..keep);
    }
}

async fn look(addr: SocketAddr, ticket: String) -> Instant {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    let ask =
        format!("GET /v1/campaigns/demo/tickets/{ticket} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let deadline = Instant::now() + Duration::from_secs(600) + GIVE_UP;
    let mut buffer = vec![0; 8_192];
    loop {
        stream.write_all(ask.as_bytes()).await.expect("write");
        let mut have = 0;
        while !client::complete(&buffer[..have]) {
            have += stream.read(&mut buffer[have..]).await.expect("read");
        }
        let answer = String::from_utf8_lossy(&buffer[..have]).into_owned();
        let state = body(&answer);
        if state["sold_out"] == true || Instant::now() > deadline {
            return Instant::now();
        }
        let next_ms = state["next_poll_ms"].as_u64().expect("when to look again");
        tokio::time::sleep(Duration::from_millis(next_ms)).await;
    }
}
