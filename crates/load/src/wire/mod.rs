//! Many keep-alive HTTP/1.1 connections on one thread: one send and one receive a request, one wait
//! for all of them, no task and no timer of its own for each.
//!
//! ```text
//! send ─► idle connection, or a new one ─► write ─► epoll ─► read ─► Heard::Answer ─► idle
//!                                              └ timeout, reset, nonsense ─► Heard::Lost, closed
//! ```
//!
//! Edge-triggered epoll: a connection is registered once. A timer descriptor ends a wait at its
//! microsecond; the timeout of epoll itself is in milliseconds. Invariant: a request that was
//! accepted by [`Net::send`] is heard of exactly once.

mod answer;
mod connection;

use connection::{Connection, Progress};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Events taken from one wait.
const EVENTS: usize = 1_024;
/// Bytes read at once: an answer is rarely longer.
const READ_BYTES: usize = 64 << 10;
/// How often connections are looked at for a timeout.
const SWEEP_EVERY: Duration = Duration::from_millis(50);
/// The timer's mark among the events.
const TIMER: u64 = u64::MAX;

/// Which of a server's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where buyers ask.
    Public,
    /// Where operators and back ends ask.
    Admin,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// An answer.
    Answer {
        /// The HTTP status.
        status: u16,
        /// When to come back, where the server said so.
        retry_after_ms: Option<u64>,
        /// The body.
        body: &'a [u8],
    },
    /// No answer, and there will be none.
    Lost {
        /// `false`: there was no connection, so nothing was asked.
        sent: bool,
    },
    /// A piece of a stream; more may come.
    Piece(&'a [u8]),
}

/// How requests travel and time passes: over sockets, or in a model with its own time.
pub trait Net {
    /// Return the time since the start.
    fn now(&self) -> Duration;

    /// Tell whether [`send`](Net::send) would find a connection.
    fn can_send(&self, side: Side) -> bool;

    /// Send a whole request. What becomes of it is heard under `tag`.
    fn send(&mut self, side: Side, request: &[u8], tag: u32);

    /// Send a request whose answer is a stream, on a connection beside the others. Its pieces are
    /// heard under `tag`, and its end as [`Heard::Lost`].
    fn listen(&mut self, side: Side, request: &[u8], tag: u32);

    /// Close the connection on which `tag` waits, without its answer. It is heard of as lost.
    fn hang_up(&mut self, tag: u32);

    /// Wait until something is heard, or until `until`, and tell all of it.
    fn wait(&mut self, until: Duration, hear: &mut dyn FnMut(u32, Heard<'_>, Duration));

    /// Return how many connections were opened.
    fn opened(&self) -> u64;
}

/// Where a side is, and how many connections it may have.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The address.
    pub addr: SocketAddr,
    /// Connections at most, streams not counted.
    pub connections: usize,
}

/// Sockets.
pub struct Wire {
    start: Instant,
    epoll: OwnedFd,
    timer: OwnedFd,
    doors: [Option<DoorState>; 2],
    slots: Vec<Slot>,
    free: Vec<u32>,
    events: Vec<Event>,
    chunk: Vec<u8>,
    timeout: Duration,
    next_sweep: Duration,
    /// When the timer rings.
    rings_at: Duration,
    /// Heard of before the next wait.
    lost: Vec<(u32, bool)>,
    opened: u64,
}

#[derive(Debug)]
struct DoorState {
    door: Door,
    idle: Vec<u32>,
    open: usize,
}

/// A place for a connection; the serial tells late events of an earlier one apart.
#[derive(Debug, Default)]
struct Slot {
    serial: u32,
    connection: Option<Connection>,
}

/// Send one request on a connection of its own; returns the status and the body.
///
/// # Errors
/// When there is no answer within `timeout`.
pub fn ask_once(addr: SocketAddr, request: &[u8], timeout: Duration) -> io::Result<(u16, Vec<u8>)> {
    let mut wire = Wire::new(Door { addr, connections: 1 }, None, timeout)?;
    wire.send(Side::Public, request, 0);
    let mut heard = None;
    while heard.is_none() {
        let until = wire.now() + timeout;
        wire.wait(until, &mut |_, what, _| {
            heard = Some(match what {
                Heard::Answer { status, body, .. } => Ok((status, body.to_vec())),
                Heard::Lost { sent: false } => Err(io::ErrorKind::NotConnected.into()),
                Heard::Lost { .. } | Heard::Piece(_) => Err(io::ErrorKind::TimedOut.into()),
            });
        });
    }
    heard.expect("the loop ends when it is there")
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("doors", &self.doors).field("opened", &self.opened).finish()
    }
}

impl Wire {
    /// Prepare to talk to `public`, and to `admin` where there is one. Nothing is connected yet. An
    /// answer must come within `timeout`.
    ///
    /// # Errors
    /// When the system gives no epoll or timer descriptor.
    pub fn new(public: Door, admin: Option<Door>, timeout: Duration) -> io::Result<Wire> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), edge)?;
        let state = |door| DoorState { door, idle: Vec::new(), open: 0 };
        Ok(Wire {
            start: Instant::now(),
            epoll,
            timer,
            doors: [Some(state(public)), admin.map(state)],
            slots: Vec::new(),
            free: Vec::new(),
            events: Vec::with_capacity(EVENTS),
            chunk: vec![0; READ_BYTES],
            timeout,
            next_sweep: SWEEP_EVERY,
            rings_at: Duration::ZERO,
            lost: Vec::new(),
            opened: 0,
        })
    }

    /// Let time begin now.
    pub fn restart_clock(&mut self) {
        self.start = Instant::now();
        self.next_sweep = SWEEP_EVERY;
        self.rings_at = Duration::ZERO;
    }

    /// Open so many connections to the public side before the crowd comes, so that a run does not
    /// begin with handshakes.
    ///
    /// # Errors
    /// When the first of them is refused.
    pub fn open_ahead(&mut self, count: usize) -> io::Result<()> {
        for n in 0..count {
            let Some(state) = &self.doors[0] else { break };
            if state.open >= state.door.connections {
                break;
            }
            match std::net::TcpStream::connect_timeout(&state.door.addr, self.timeout) {
                Ok(stream) => {
                    let connection = Connection::connected(stream, Side::Public)?;
                    let index = self.adopt(connection)?;
                    self.door(Side::Public).idle.push(index);
                }
                Err(error) if n == 0 => return Err(error),
                // The run finds out what is wrong, and says so.
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn door(&mut self, side: Side) -> &mut DoorState {
        self.doors[side as usize].as_mut().expect("only sides with an address are asked")
    }

    /// Register a connection and count it.
    fn adopt(&mut self, connection: Connection) -> io::Result<u32> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        let data = EventData::new_u64(u64::from(slot.serial) << 32 | u64::from(index));
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, &connection.stream, data, flags) {
            self.free.push(index);
            return Err(error.into());
        }
        let (side, beside) = (connection.side, connection.streams);
        slot.connection = Some(connection);
        self.opened += 1;
        self.door(side).open += usize::from(!beside);
        Ok(index)
    }

    /// Close a connection; dropping its socket takes it out of epoll.
    fn close(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        let Some(connection) = slot.connection.take() else { return };
        slot.serial = slot.serial.wrapping_add(1) & (u32::MAX >> 1);
        self.free.push(index);
        let door = self.door(connection.side);
        door.open -= usize::from(!connection.streams);
        door.idle.retain(|&idle| idle != index);
    }

    fn fail(&mut self, index: u32) {
        if let Some(connection) = &self.slots[index as usize].connection
            && let Some(tag) = connection.tag
        {
            self.lost.push((tag, connection.is_open));
        }
        self.close(index);
    }

    fn start(&mut self, side: Side, request: &[u8], tag: u32, streams: bool) {
        let deadline = self.now() + self.timeout;
        let idle = if streams { None } else { self.door(side).idle.pop() };
        let index = match idle {
            Some(index) => index,
            None => {
                let addr = self.door(side).door.addr;
                let made = Connection::begin(addr, side, streams);
                match made.and_then(|connection| self.adopt(connection)) {
                    Ok(index) => index,
                    Err(_) => return self.lost.push((tag, false)),
                }
            }
        };
        let connection = self.slots[index as usize].connection.as_mut();
        let connection = connection.expect("idle and new connections are there");
        if connection.ask(request, tag, deadline).is_err() {
            self.fail(index);
        }
    }

    /// Let the timer ring at `until` or before; a time that has come rings at once.
    fn set_timer(&mut self, until: Duration) {
        let now = self.now();
        // One wake too many costs less than setting the timer before each wait.
        if now < self.rings_at && self.rings_at <= until {
            return;
        }
        self.rings_at = until;
        let left = until.saturating_sub(now).max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let spec = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)
            .expect("the timer is ours and the time is valid");
    }

    /// Fail what waited for longer than the timeout.
    fn sweep(&mut self, now: Duration) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_EVERY;
        for index in 0..self.slots.len() as u32 {
            let connection = self.slots[index as usize].connection.as_ref();
            if connection.is_some_and(|c| c.tag.is_some() && c.deadline <= now) {
                self.fail(index);
            }
        }
    }

    fn tell_lost(&mut self, hear: &mut dyn FnMut(u32, Heard<'_>, Duration)) {
        let now = self.now();
        for (tag, sent) in self.lost.drain(..) {
            hear(tag, Heard::Lost { sent }, now);
        }
    }

    fn on_event(
        &mut self,
        data: u64,
        flags: EventFlags,
        hear: &mut dyn FnMut(u32, Heard<'_>, Duration),
    ) {
        let (serial, index) = ((data >> 32) as u32, data as u32);
        let now = self.start.elapsed();
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        // An event of a connection that was closed in this very batch.
        let Some(connection) = slot.connection.as_mut().filter(|_| slot.serial == serial) else {
            return;
        };
        if connection.has_to_write() && connection.flush().is_err() {
            return self.fail(index);
        }
        let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if !ends && !flags.intersects(EventFlags::IN) {
            return;
        }
        let progress =
            connection.read(ends, &mut self.chunk, &mut |tag, heard| hear(tag, heard, now));
        match progress {
            Progress::Waits => {}
            Progress::Done => {
                let side = connection.side;
                self.door(side).idle.push(index);
            }
            Progress::Closed => self.fail(index),
        }
    }
}

impl Net for Wire {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn can_send(&self, side: Side) -> bool {
        let state = self.doors[side as usize].as_ref();
        state.is_some_and(|state| !state.idle.is_empty() || state.open < state.door.connections)
    }

    fn send(&mut self, side: Side, request: &[u8], tag: u32) {
        self.start(side, request, tag, false);
    }

    fn listen(&mut self, side: Side, request: &[u8], tag: u32) {
        self.start(side, request, tag, true);
    }

    fn hang_up(&mut self, tag: u32) {
        let waits = |slot: &Slot| slot.connection.as_ref().is_some_and(|c| c.tag == Some(tag));
        if let Some(index) = self.slots.iter().position(waits) {
            self.fail(index as u32);
        }
    }

    fn wait(&mut self, until: Duration, hear: &mut dyn FnMut(u32, Heard<'_>, Duration)) {
        let at_once = !self.lost.is_empty() || until <= self.now();
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !at_once {
            self.set_timer(until.min(self.next_sweep));
        }
        let mut events = std::mem::take(&mut self.events);
        let timeout = at_once.then_some(&no_time);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll does not wait: {error}"),
        }
        for event in events.drain(..) {
            let Event { flags, data, .. } = event;
            if data.u64() != TIMER {
                self.on_event(data.u64(), flags, hear);
            }
        }
        self.events = events;
        self.sweep(self.now());
        self.tell_lost(hear);
    }

    fn opened(&self) -> u64 {
        self.opened
    }
}
