//! Calls and answers in the order in which one thread saw them.

use onrush::State;

/// A SKU whose story was recorded. Its buyers and keys are its own.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Units.
    pub supply: u32,
    /// Units one buyer may have.
    pub limit: u32,
    /// How long a hold lives, in microseconds.
    pub hold_us: u64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// To hold units under a key.
    Reserve,
    /// To give a hold back.
    Release,
    /// To book the whole price.
    Confirm,
    /// To take a sale back; its units are free again.
    Cancel,
    /// To tell the state.
    Look,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The reservation, as it is.
    Is {
        /// Its public id.
        id: Box<str>,
        /// Its state.
        state: State,
        /// The LSN since which it is so.
        lsn: u64,
        /// It was made by this very request.
        new: bool,
    },
    /// Not enough units are free.
    NoUnits,
    /// The buyer would have more than the limit.
    Limit,
    /// It is sold or cancelled, so it cannot be released.
    Final,
    /// It expired, so it cannot be released.
    Expired,
    /// Nothing was done: it never reached the server, or was turned away before it was looked at.
    Nothing,
    /// What must not be answered.
    Strange(String),
}

/// The moment of a call or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its place among all calls, answers and crashes: two never share one.
    pub at: u64,
    /// Microseconds since the recording began.
    pub us: u64,
}

/// One call and its answer.
#[derive(Clone, Debug)]
pub struct Op {
    /// Index of the SKU.
    pub sku: u32,
    /// Who asks, counted within the SKU.
    pub buyer: u32,
    /// The reservation it is about, by the key of its reserve, counted within the SKU.
    pub key: u32,
    /// Units of that reservation.
    pub quantity: u32,
    /// What is asked.
    pub ask: Ask,
    /// When it was sent.
    pub called: Moment,
    /// The answer; `None` when none came.
    pub heard: Option<(Moment, Said)>,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The SKUs.
    pub skus: Vec<Terms>,
    /// The operations, in the order of their calls.
    pub ops: Vec<Op>,
    /// When the server was killed.
    pub crashes: Vec<Moment>,
    moments: u64,
}

/// A call, an answer or a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Of the operation with this index.
    Called(usize),
    /// Of the operation with this index.
    Heard(usize),
    /// The server was killed, at this moment.
    Crashed(u64),
}

impl History {
    /// Note a SKU and return its index.
    pub fn sku(&mut self, terms: Terms) -> u32 {
        self.skus.push(terms);
        (self.skus.len() - 1) as u32
    }

    /// Return the next moment.
    pub fn moment(&mut self, us: u64) -> Moment {
        self.moments += 1;
        Moment { at: self.moments - 1, us }
    }

    /// Note a call and return its index.
    pub fn call(&mut self, op: Op) -> usize {
        self.ops.push(op);
        self.ops.len() - 1
    }

    /// Note the answer to a call.
    ///
    /// # Panics
    /// When it was answered before.
    pub fn hear(&mut self, op: usize, us: u64, said: Said) {
        let moment = self.moment(us);
        let before = self.ops[op].heard.replace((moment, said));
        assert!(before.is_none(), "a call is answered once");
    }

    /// Note that the server was killed.
    pub fn crash(&mut self, us: u64) {
        let moment = self.moment(us);
        self.crashes.push(moment);
    }

    /// Return all events in order. O(n).
    pub fn events(&self) -> Vec<Event> {
        let mut events = vec![None; self.moments as usize];
        for (n, op) in self.ops.iter().enumerate() {
            events[op.called.at as usize] = Some(Event::Called(n));
            if let Some((heard, _)) = &op.heard {
                events[heard.at as usize] = Some(Event::Heard(n));
            }
        }
        for crash in &self.crashes {
            events[crash.at as usize] = Some(Event::Crashed(crash.at));
        }
        events.into_iter().flatten().collect()
    }

    /// Count the operations that were answered or left open: what nothing became of is not counted.
    pub fn operations(&self) -> u64 {
        let nothing = |op: &&Op| matches!(op.heard, Some((_, Said::Nothing)));
        (self.ops.len() - self.ops.iter().filter(nothing).count()) as u64
    }
}
