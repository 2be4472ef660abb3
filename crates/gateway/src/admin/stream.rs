//! `POST /admin/v1/reservations:stream`: reservations one after the other on one connection, for as
//! long as a shop's back end likes.
//!
//! Each line of the body is an entry as in a batch, and gets a line with its outcome, in the order of
//! the lines, as soon as it is durable. Lines need not wait for each other's outcomes, so one
//! connection fills a sync by itself.
//!
//! **Back-pressure.** While [`UNDER_WAY_MAX`] lines have no outcome, or outcomes are not taken,
//! nothing more is read, and the client's socket fills up. When the engine lets nobody in, the line
//! waits, too, until one before it has its outcome or the server tries again: none is answered
//! `overloaded`.
//!
//! This file knows no sockets: bytes are brought by [`take`](ReservationStream::take).

use super::batch::{Entry, landed, push_outcome};
use crate::answer::{Answer, Content};
use crate::config::Scope;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, PUBLIC_BODY_BYTES_MAX, Reply};
use crate::identity::Caller;
use crate::jitter::Jitter;
use crate::line::parameter;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{check_lines, read_object};
use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use onrush::{Decision, Refusal, Timestamp};
use onrush_types::limits::RESERVATIONS_PER_BATCH_MAX;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lines of one stream that have no outcome yet, at most.
const UNDER_WAY_MAX: usize = RESERVATIONS_PER_BATCH_MAX;

/// Longest line.
const LINE_BYTES_MAX: usize = PUBLIC_BODY_BYTES_MAX;

/// Outcomes are handed over when they are so long together.
const PIECE_BYTES: usize = 15 * 1_024;

/// Reservations that come line by line, and their outcomes.
#[derive(Debug)]
pub struct ReservationStream {
    campaign: Box<str>,
    caller: Caller,
    /// What came and was not a whole line, or has no place yet.
    unread: BytesMut,
    under_way: VecDeque<Entry>,
    /// Nothing more comes.
    is_ended: bool,
    /// Every whole line was begun.
    is_starved: bool,
    /// The next line was not let in.
    is_held_back: bool,
}

impl Gateway {
    /// Open a stream; its lines are no part of `ask`.
    pub(crate) fn open_stream(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        check_lines(ask.headers)?;
        let key = self.authorised(ask, now, Scope::Reserve)?;
        let campaign = parameter(ask.query.unwrap_or_default(), "campaign");
        let campaign = campaign.ok_or_else(|| {
            Problem::invalid("campaign: name it in the address: reservations:stream?campaign=drop")
        })?;
        self.visible(&campaign, now)?;
        let stream = ReservationStream {
            campaign: campaign.into_boxed_str(),
            caller: Caller::BackEnd(key),
            unread: BytesMut::new(),
            under_way: VecDeque::new(),
            is_ended: false,
            is_starved: true,
            is_held_back: false,
        };
        let head = Answer::of(StatusCode::OK, Route::AdminStream, Content::Lines, Bytes::new());
        Ok(Reply::Stream(head, Box::new(stream)))
    }
}

impl ReservationStream {
    /// Tell whether it can do with more lines.
    pub(crate) fn wants_more(&self) -> bool {
        self.is_starved && !self.is_ended
    }

    /// Tell whether only a try at a later time goes on: the next line was not let in, and none is under
    /// way whose outcome would make room.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.is_held_back && self.under_way.is_empty()
    }

    /// Take what came.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.is_starved = false;
    }

    /// Note that nothing more comes. A last line needs no line feed.
    pub(crate) fn end(&mut self) {
        if !self.is_ended && !self.unread.is_empty() {
            self.take(b"\n");
        }
        self.is_ended = true;
    }

    /// Begin nothing more: lines that were not begun get no outcome.
    pub(crate) fn stop(&mut self) {
        self.unread.clear();
        self.is_held_back = false;
        self.is_ended = true;
    }

    /// Begin lines, and return outcomes; nothing once the last one was returned.
    pub(crate) fn poll(
        &mut self,
        gateway: &Gateway,
        jitter: &Jitter,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Bytes>> {
        let mut out = Vec::new();
        loop {
            self.begin(gateway);
            if !self.answer(gateway, jitter, cx, &mut out) || out.len() >= PIECE_BYTES {
                break;
            }
        }
        match out.is_empty() {
            false => Poll::Ready(Some(out.into())),
            true if self.is_ended && self.under_way.is_empty() && self.unread.is_empty() => {
                Poll::Ready(None)
            }
            true => Poll::Pending,
        }
    }

    /// Begin as many lines as there are, and as there is room for.
    fn begin(&mut self, gateway: &Gateway) {
        while self.under_way.len() < UNDER_WAY_MAX {
            let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') else {
                if self.unread.len() > LINE_BYTES_MAX {
                    // Where the next line begins cannot be told any more.
                    self.stop();
                    self.under_way.push_back(Entry::Wrong(too_long()));
                }
                self.is_starved = true;
                return;
            };
            let line = self.unread[..end].trim_ascii();
            if !line.is_empty() {
                let mut entry = self.entry(gateway, line).unwrap_or_else(Entry::Wrong);
                entry.look(&gateway.lines.funnels);
                self.is_held_back = is_overloaded(&entry);
                if self.is_held_back {
                    return;
                }
                self.under_way.push_back(entry);
            }
            self.unread.advance(end + 1);
        }
    }

    fn entry(&self, gateway: &Gateway, line: &[u8]) -> Result<Entry, Problem> {
        if line.len() > LINE_BYTES_MAX {
            return Err(too_long());
        }
        let entry = read_object(line)?;
        let campaign = gateway.visible(&self.campaign, gateway.engine.now())?;
        gateway.reserve_entry(&campaign, &self.caller, entry)
    }

    /// Write outcomes in the order of their lines; tell whether there were any.
    fn answer(
        &mut self,
        gateway: &Gateway,
        jitter: &Jitter,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> bool {
        let before = out.len();
        while let Some(entry) = self.under_way.front_mut() {
            if let Entry::Flying(pending, from) = entry {
                let Poll::Ready(outcome) = Pin::new(pending).poll(cx) else { break };
                *entry = landed(&gateway.lines.funnels, *from, outcome);
            }
            let entry = self.under_way.pop_front().expect("it is the first");
            push_outcome(out, entry, jitter);
            out.push(b'\n');
            if out.len() >= PIECE_BYTES {
                break;
            }
        }
        out.len() > before
    }
}

fn is_overloaded(entry: &Entry) -> bool {
    matches!(entry, Entry::Landed(Ok(Decision::Refused(Refusal::Overloaded { .. }))))
}

fn too_long() -> Problem {
    Problem::new(Code::TooLarge, format!("a line has at most {LINE_BYTES_MAX} bytes"))
}
