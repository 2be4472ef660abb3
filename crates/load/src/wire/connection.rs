//! One connection: what is still to be written, what was read, and for whom.

use super::answer::{Dechunk, Head, Length, Malformed, head};
use super::{Heard, Side};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection and the one request on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) side: Side,
    /// Its answer never ends.
    pub(super) streams: bool,
    /// The handshake is done.
    pub(super) is_open: bool,
    /// Whose request is on it; `None`: idle.
    pub(super) tag: Option<u32>,
    pub(super) deadline: Duration,
    /// What could not be written yet.
    out: Vec<u8>,
    /// What was read of an answer that is not complete.
    read: Vec<u8>,
    /// The head of a stream that runs.
    stream_head: Option<Head>,
    chunks: Dechunk,
}

/// What reading led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to come.
    Waits,
    /// The answer was told; the connection is idle.
    Done,
    /// The connection is of no use any more. If it still has a tag, its request is lost.
    Closed,
}

impl Connection {
    /// Begin to connect, without waiting for it.
    pub(super) fn begin(addr: SocketAddr, side: Side, streams: bool) -> io::Result<Connection> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&socket, &addr) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, side, streams, false))
    }

    /// Take a connected socket.
    pub(super) fn connected(stream: TcpStream, side: Side) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream, side, false, true))
    }

    fn new(stream: TcpStream, side: Side, streams: bool, is_open: bool) -> Connection {
        Connection {
            stream,
            side,
            streams,
            is_open,
            tag: None,
            deadline: Duration::ZERO,
            out: Vec::new(),
            read: Vec::new(),
            stream_head: None,
            chunks: Dechunk::default(),
        }
    }

    /// Send a request, or as much of it as goes.
    pub(super) fn ask(&mut self, request: &[u8], tag: u32, deadline: Duration) -> io::Result<()> {
        debug_assert!(self.tag.is_none(), "one request at a time");
        (self.tag, self.deadline) = (Some(tag), deadline);
        if !self.is_open {
            self.out.extend_from_slice(request);
            return Ok(());
        }
        let written = match self.stream.write(request) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.out.extend_from_slice(&request[written..]);
        Ok(())
    }

    pub(super) fn has_to_write(&self) -> bool {
        !self.is_open || !self.out.is_empty()
    }

    /// Go on writing, when the socket may take it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.is_open {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.peer_addr() {
                Ok(_) => self.is_open = true,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Read what is there and tell an answer, or the pieces of a stream. `ends`: the other side has
    /// closed, and nothing will tell so again.
    pub(super) fn read(
        &mut self,
        ends: bool,
        chunk: &mut [u8],
        hear: &mut dyn FnMut(u32, Heard<'_>),
    ) -> Progress {
        loop {
            let got = match self.stream.read(chunk) {
                Ok(0) => return self.end(hear),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Closed,
            };
            let Some(tag) = self.tag else {
                // Bytes that nobody asked for.
                return Progress::Closed;
            };
            let done = if self.read.is_empty() {
                self.take(tag, &chunk[..got], hear)
            } else {
                let mut read = std::mem::take(&mut self.read);
                read.extend_from_slice(&chunk[..got]);
                self.take(tag, &read, hear)
            };
            match done {
                Ok(Some(Progress::Done)) if ends => return Progress::Closed,
                Ok(Some(progress)) => return progress,
                // Edge-triggered: a short read has emptied the socket.
                Ok(None) if got < chunk.len() && !ends => return Progress::Waits,
                Ok(None) => {}
                Err(_) => return Progress::Closed,
            }
        }
    }

    /// Take all bytes of the present answer; what is not complete is kept.
    fn take(
        &mut self,
        tag: u32,
        bytes: &[u8],
        hear: &mut dyn FnMut(u32, Heard<'_>),
    ) -> Result<Option<Progress>, Malformed> {
        if self.stream_head.is_some() {
            return self.piece(tag, bytes, hear);
        }
        let Some(found) = head(bytes)? else {
            self.read = bytes.to_vec();
            return Ok(None);
        };
        let rest = &bytes[found.bytes..];
        if self.streams && (200..300).contains(&found.status) {
            self.stream_head = Some(found);
            self.deadline = Duration::MAX;
            return self.piece(tag, rest, hear);
        }
        let mut joined = Vec::new();
        let body = match found.length {
            Length::Bytes(length) if rest.len() < length => None,
            Length::Bytes(length) if rest.len() > length => {
                return Err(Malformed("more than one answer"));
            }
            Length::Bytes(_) => Some(rest),
            Length::Chunked => {
                let mut chunks = Dechunk::default();
                chunks.feed(rest, &mut joined)?;
                chunks.ended().then_some(joined.as_slice())
            }
            Length::Open => None,
        };
        let Some(body) = body else {
            self.read = bytes.to_vec();
            return Ok(None);
        };
        self.tag = None;
        let Head { status, retry_after_ms, closes, .. } = found;
        hear(tag, Heard::Answer { status, retry_after_ms, body });
        let stays = !closes && !self.streams;
        Ok(Some(if stays { Progress::Done } else { Progress::Closed }))
    }

    /// Tell a piece of a stream.
    fn piece(
        &mut self,
        tag: u32,
        bytes: &[u8],
        hear: &mut dyn FnMut(u32, Heard<'_>),
    ) -> Result<Option<Progress>, Malformed> {
        let chunked = self.stream_head.is_some_and(|head| head.length == Length::Chunked);
        if !chunked {
            hear(tag, Heard::Piece(bytes));
            return Ok(None);
        }
        let mut out = Vec::new();
        let used = self.chunks.feed(bytes, &mut out)?;
        self.read = bytes[used..].to_vec();
        if !out.is_empty() {
            hear(tag, Heard::Piece(&out));
        }
        Ok(self.chunks.ended().then_some(Progress::Closed))
    }

    /// The server closed: that may be the end of an answer without a length.
    fn end(&mut self, hear: &mut dyn FnMut(u32, Heard<'_>)) -> Progress {
        let read = std::mem::take(&mut self.read);
        if let (Some(tag), Ok(Some(head))) = (self.tag, head(&read))
            && head.length == Length::Open
            && !self.streams
        {
            self.tag = None;
            let Head { status, retry_after_ms, .. } = head;
            hear(tag, Heard::Answer { status, retry_after_ms, body: &read[head.bytes..] });
        }
        Progress::Closed
    }
}
