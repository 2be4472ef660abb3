//! A network with its own time: a server that is a function, answers when it says so, and a clock that
//! jumps from event to event. An hour of a stalled server takes no time.

use onrush_load::wire::{Heard, Net, Side};
use std::collections::HashSet;
use std::time::Duration;

/// A request as the server sees it.
pub(crate) struct Asked<'a> {
    pub(crate) now: Duration,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) head: &'a str,
    pub(crate) body: &'a str,
}

/// What it answers.
pub(crate) struct Reply {
    /// When the answer is there.
    pub(crate) at: Duration,
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) trait Server {
    /// `None`: the connection breaks.
    fn ask(&mut self, asked: &Asked<'_>) -> Option<Reply>;

    /// What a stream of events says at `now`, and when to look again.
    fn events(&mut self, _now: Duration) -> Option<String> {
        None
    }
}

/// How often a stream of events says something.
const EVENTS_EVERY: Duration = Duration::from_millis(100);

/// When something is heard, under which tag, and the answer.
type Pending = (Duration, u32, Option<(u16, String)>);

pub(crate) struct Virtual<S> {
    pub(crate) server: S,
    pub(crate) now: Duration,
    pub(crate) connections: usize,
    busy: usize,
    pending: Vec<Pending>,
    streams: HashSet<u32>,
    pub(crate) streams_most: usize,
    next_events: Duration,
}

impl<S: Server> Virtual<S> {
    pub(crate) fn new(server: S, connections: usize) -> Virtual<S> {
        Virtual {
            server,
            now: Duration::ZERO,
            connections,
            busy: 0,
            pending: Vec::new(),
            streams: HashSet::new(),
            streams_most: 0,
            next_events: EVENTS_EVERY,
        }
    }
}

impl Asked<'_> {
    /// Return the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.strip_prefix(": "))
    }
}

impl<S: Server> Net for Virtual<S> {
    fn now(&self) -> Duration {
        self.now
    }

    fn can_send(&self, _: Side) -> bool {
        self.busy < self.connections
    }

    fn send(&mut self, _: Side, request: &[u8], tag: u32) {
        self.busy += 1;
        let text = std::str::from_utf8(request).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole request");
        let mut words = head.split(' ');
        let (method, path) = (words.next().expect("method"), words.next().expect("path"));
        let asked = Asked { now: self.now, method, path, head, body };
        match self.server.ask(&asked) {
            Some(reply) => {
                assert!(reply.at >= self.now, "answers come after their questions");
                self.pending.push((reply.at, tag, Some((reply.status, reply.body))));
            }
            None => self.pending.push((self.now, tag, None)),
        }
    }

    fn listen(&mut self, _: Side, _: &[u8], tag: u32) {
        self.streams.insert(tag);
        self.streams_most = self.streams_most.max(self.streams.len());
    }

    fn hang_up(&mut self, tag: u32) {
        if self.streams.remove(&tag) {
            // As a socket that is closed; it counts among the busy until that is heard.
            self.busy += 1;
            self.pending.push((self.now, tag, None));
        } else if let Some(pending) = self.pending.iter_mut().find(|pending| pending.1 == tag) {
            *pending = (self.now, tag, None);
        }
    }

    fn wait(&mut self, until: Duration, hear: &mut dyn FnMut(u32, Heard<'_>, Duration)) {
        let events = (!self.streams.is_empty()).then_some(self.next_events);
        let first = self.pending.iter().map(|pending| pending.0).chain(events).min();
        let next = first.map_or(until, |first| first.min(until));
        assert!(next < Duration::MAX, "nothing will ever happen again");
        self.now = self.now.max(next);
        let now = self.now;
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.0 <= now);
        self.pending = later;
        due.sort_by_key(|pending| pending.0);
        for (_, tag, answer) in due {
            self.busy -= 1;
            match &answer {
                Some((status, body)) => {
                    let (status, body) = (*status, body.as_bytes());
                    hear(tag, Heard::Answer { status, retry_after_ms: None, body }, now);
                }
                None => hear(tag, Heard::Lost { sent: true }, now),
            }
        }
        if now >= self.next_events {
            self.next_events = now + EVENTS_EVERY;
            if let Some(text) = self.server.events(now) {
                for &tag in &self.streams {
                    hear(tag, Heard::Piece(text.as_bytes()), now);
                }
            }
        }
    }

    fn opened(&self) -> u64 {
        self.connections as u64
    }
}
