//! A shop over real sockets, of a few lines, that can be told to be wrong.

use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the shop gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    Oversells,
    Forgets,
    Doubles,
    NoLimit,
    /// Speaks as Onrush does, and tells places in the journal that go back.
    Inverts,
}

/// How many units it has.
pub(crate) const SUPPLY: usize = 40;

/// How `onrush load` is told to talk to it.
pub(crate) const TARGET: &str = r#"
name = "a shop of a few lines"

[reserve]
path = "/reserve"
headers = { "x-buyer" = "{buyer}", "x-key" = "{key}" }
body = '{"sku":"{sku}"}'
refused = [409]
id = "/id"

[check]
path = "/stats"
taken = "/taken"
supplied = "/supply"
"#;

#[derive(Default)]
struct Shop {
    by_key: HashMap<String, usize>,
    buyers: HashSet<String>,
    taken: usize,
    count: usize,
}

/// Serve for as long as the test runs.
pub(crate) fn shop(bug: Bug) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    let shop = Arc::new(Mutex::new(Shop::default()));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shop = shop.clone();
            thread::spawn(move || serve(stream, &shop, bug));
        }
    });
    addr
}

fn serve(stream: TcpStream, shop: &Mutex<Shop>, bug: Bug) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let (mut headers, mut length) = (HashMap::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            let (name, value) = line.trim_end().split_once(": ").expect("a header");
            if name == "content-length" {
                length = value.parse().expect("a length");
            }
            headers.insert(name.to_owned(), value.to_owned());
        }
        if reader.read_exact(&mut vec![0; length]).is_err() {
            return;
        }
        let (status, body) = shop.lock().expect("not poisoned").answer(&first, &headers, bug);
        let body = body.to_string();
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

impl Shop {
    fn answer(&mut self, first: &str, headers: &HashMap<String, String>, bug: Bug) -> (u16, Value) {
        if first.starts_with("GET /stats") {
            return (200, json!({"taken": self.taken, "supply": SUPPLY}));
        }
        let of = |names: [&str; 2]| names.iter().find_map(|name| headers.get(*name)).cloned();
        let buyer = of(["x-buyer", "x-onrush-buyer"]).expect("who");
        let key = of(["x-key", "idempotency-key"]).expect("a key");
        if let Some(&id) = self.by_key.get(&key)
            && bug != Bug::Doubles
        {
            return (200, self.held(id, bug));
        }
        if self.buyers.contains(&buyer) && !matches!(bug, Bug::NoLimit | Bug::Doubles) {
            return (409, json!({"code": "limit_reached"}));
        }
        if self.taken >= SUPPLY + if bug == Bug::Oversells { 3 } else { 0 } {
            return (409, json!({"code": "sold_out"}));
        }
        self.count += 1;
        let forgotten = bug == Bug::Forgets && self.count.is_multiple_of(7);
        self.taken += usize::from(!forgotten);
        self.by_key.insert(key, self.count);
        self.buyers.insert(buyer);
        (201, self.held(self.count, bug))
    }

    fn held(&self, id: usize, bug: Bug) -> Value {
        let lsn = if bug == Bug::Inverts && id.is_multiple_of(10) { 1 } else { id };
        json!({"id": format!("r{id}"), "state": "held", "lsn": lsn,
               "price": {"amount": 100, "currency": "CNY"}})
    }
}
