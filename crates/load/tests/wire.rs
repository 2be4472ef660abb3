//! The wire over real sockets, against a server that sends exactly what a test says, cut as it says.

use onrush_load::wire::{Door, Heard, Net, Side, Wire, ask_once};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// What was heard, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Answer(u16, String),
    Lost(bool),
    Piece(String),
}

/// Answer each request on each connection with the next pieces, each of which is sent when the one
/// before was flushed; `None` closes the connection. Tells the number of each connection's requests.
fn server(script: Vec<Vec<Option<&'static str>>>) -> (SocketAddr, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    let (requests, seen) = channel();
    thread::spawn(move || {
        let mut script = script.into_iter();
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut stream = stream;
            stream.set_nodelay(true).expect("nodelay");
            while read_request(&mut stream) {
                let _ = requests.send(n);
                let Some(pieces) = script.next() else { return };
                let closes = pieces.contains(&None);
                for piece in pieces.into_iter().flatten() {
                    stream.write_all(piece.as_bytes()).expect("written");
                    stream.flush().expect("flushed");
                }
                if closes {
                    break;
                }
            }
        }
    });
    (addr, seen)
}

fn read_request(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn wire(addr: SocketAddr, connections: usize, timeout: Duration) -> Wire {
    Wire::new(Door { addr, connections }, None, timeout).expect("a wire")
}

/// Wait until `count` things were heard.
fn hear(wire: &mut Wire, count: usize) -> Vec<(u32, Got)> {
    let mut all = Vec::new();
    while all.len() < count {
        let until = wire.now() + LONG;
        wire.wait(until, &mut |tag, heard, _| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
            all.push((
                tag,
                match heard {
                    Heard::Answer { status, body, .. } => Got::Answer(status, text(body)),
                    Heard::Lost { sent } => Got::Lost(sent),
                    Heard::Piece(bytes) => Got::Piece(text(bytes)),
                },
            ));
        });
    }
    all
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

#[test]
fn answers_of_every_shape_are_heard_and_connections_are_used_again() {
    let (addr, connections) = server(vec![
        vec![Some("HTTP/1.1 201 x\r\ncontent-length: 2\r\n\r\nab")],
        vec![Some("HTTP/1.1 200 x\r\ncontent-len"), Some("gth: 4\r\n\r\na"), Some("bcd")],
        vec![
            Some("HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab"),
            Some("c\r\n0\r\n\r\n"),
        ],
        vec![Some("HTTP/1.1 409 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"), None],
        vec![Some("HTTP/1.1 200 x\r\n\r\nuntil the end"), None],
    ]);
    let mut wire = wire(addr, 1, LONG);
    let mut heard = Vec::new();
    for tag in 0..5 {
        assert!(wire.can_send(Side::Public));
        wire.send(Side::Public, GET, tag);
        assert!(!wire.can_send(Side::Public), "its only connection is busy");
        heard.extend(hear(&mut wire, 1));
    }
    let answer = |tag, status, body: &str| (tag, Got::Answer(status, body.to_owned()));
    let expected = [
        answer(0, 201, "ab"),
        answer(1, 200, "abcd"),
        answer(2, 200, "abc"),
        answer(3, 409, ""),
        answer(4, 200, "until the end"),
    ];
    assert_eq!(heard, expected);
    assert_eq!(connections.try_iter().collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
    assert_eq!(wire.opened(), 2);
}

#[test]
fn what_gets_no_answer_is_heard_of_once() {
    let (addr, _) = server(vec![
        vec![None],
        vec![Some("HTTP/1.1 200 x\r\ncontent-length: 9\r\n\r\nhalf"), None],
        vec![Some("nonsense\r\n\r\n"), None],
        vec![Some("HTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\ntwo"), None],
    ]);
    let mut wire = wire(addr, 1, LONG);
    for tag in 0..4 {
        wire.send(Side::Public, GET, tag);
        assert_eq!(hear(&mut wire, 1), [(tag, Got::Lost(true))]);
    }
}

#[test]
fn silence_ends_at_the_timeout_and_a_refused_connection_was_not_sent() {
    let (addr, seen) = server(vec![vec![Some("HTTP/1.1 200 x\r\n")]]);
    let mut silent = wire(addr, 1, Duration::from_millis(1));
    silent.send(Side::Public, GET, 7);
    // Whether the request went out before its time was over is the machine's to say.
    assert!(matches!(hear(&mut silent, 1)[..], [(7, Got::Lost(_))]));
    drop((silent, seen));
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let mut refused = wire(closed, 1, LONG);
    refused.send(Side::Public, GET, 8);
    assert_eq!(hear(&mut refused, 1), [(8, Got::Lost(false))]);
    assert!(refused.open_ahead(1).is_err());
    assert!(ask_once(closed, GET, LONG).is_err());
}

#[test]
fn whoever_hangs_up_hears_of_it_and_the_place_is_free() {
    let (addr, seen) = server(vec![vec![], vec![Some("HTTP/1.1 204 x\r\n\r\n")]]);
    let mut wire = wire(addr, 1, LONG);
    wire.open_ahead(1).expect("a connection");
    wire.send(Side::Public, GET, 1);
    seen.recv().expect("the request came");
    wire.hang_up(1);
    assert_eq!(hear(&mut wire, 1), [(1, Got::Lost(true))]);
    wire.send(Side::Public, GET, 2);
    assert_eq!(hear(&mut wire, 1), [(2, Got::Answer(204, String::new()))]);
}

#[test]
fn a_stream_is_heard_piece_by_piece_beside_the_connections() {
    let (addr, _) = server(vec![vec![
        Some("HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"),
        Some("3\r\ncde\r\n"),
        None,
    ]]);
    let mut wire = wire(addr, 1, LONG);
    wire.listen(Side::Public, GET, 3);
    assert!(wire.can_send(Side::Public), "a stream takes no place");
    let (mut text, mut ended) = (String::new(), false);
    while !ended {
        for heard in hear(&mut wire, 1) {
            match heard {
                (3, Got::Piece(piece)) if !ended => text += &piece,
                (3, Got::Lost(true)) => ended = true,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(text, "abcde");
}

#[test]
fn many_connections_are_waited_for_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    const MANY: usize = 200;
    thread::spawn(move || {
        let streams: Vec<TcpStream> =
            listener.incoming().take(MANY).map(|stream| stream.expect("a connection")).collect();
        // Everybody is there before anybody is answered, the last one first.
        for mut stream in streams.into_iter().rev() {
            assert!(read_request(&mut stream));
            stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n").expect("written");
        }
    });
    let mut wire = wire(addr, MANY, LONG);
    for tag in 0..MANY as u32 {
        wire.send(Side::Public, GET, tag);
    }
    assert!(!wire.can_send(Side::Public));
    let mut tags: Vec<u32> = hear(&mut wire, MANY).into_iter().map(|(tag, _)| tag).collect();
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..MANY as u32));
}
