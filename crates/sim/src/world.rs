//! One life of the machine: an engine without threads on a disk in memory, perhaps behind the gateway,
//! and how requests reach it.

use crate::batch::Entry;
use crate::clock::SimClock;
use crate::counter;
use crate::http;
use crate::lexicon::Lexicon;
use crate::line_asks::{self, LineAsk};
use crate::papers::{self, Papers};
use crate::plan::Setup;
use crate::said::{How, Said};
use crate::store_asks::{self, StoreAsk};
use onrush::journal::{FakeDisk, JournalId, JournalReader};
use onrush::ledger::naive_model::Line;
use onrush::ledger::{Record, decode};
use onrush::{
    By, Campaign, CampaignSpec, Currency, Driver, DurationMs, Engine, Extended, Lsn, Money, Name,
    NodeNo, OpenError, Options, Parts, Pass, PassShown, PaymentLine, Pending, Phase, Quantity,
    Reservation, ReservationSeq, ReserveRequest, Secret, SkuIx, Ticket, TicketNo, Timestamp,
    WaitRequest, WaitTicket,
};
use onrush_gateway::{Gateway, Jitter, Waiting};
use std::sync::Arc;

/// People joining lines under way at most.
pub(crate) const JOINS_MAX: u32 = 8;

/// Something asked of the engine.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum Ask {
    Reserve { sku: usize, buyer: u8, units: u32, key: u8, review: bool, shown: Shown },
    Confirm { n: usize, line: Option<Line>, key: Option<u8> },
    Release { n: usize, key: Option<u8>, buyer: u8 },
    Join { sku: usize, buyer: u8, units: u32 },
    Leave { sku: usize, buyer: u8 },
    Cancel { n: usize, restock: bool },
    Judge { n: usize, accept: bool },
    Extend { camp: usize, one: Option<usize>, more_ms: u64 },
    Refunded { refund: usize },
    Supply { sku: usize, units: i32 },
    Move { camp: usize, to: Phase },
    Put { camp: usize, limit: u32, hold_ms: u64, price: i64 },
    Line(LineAsk),
    Store(StoreAsk),
}

/// The pass that comes with a reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None.
    Nothing,
    /// One that the gateway did not sign.
    Forged,
    /// One that it signed.
    Pass {
        /// For which ticket.
        number: u32,
        /// At which place.
        place: u32,
    },
    /// One that it signed, with a letter of the signature changed.
    Altered {
        /// For which ticket.
        number: u32,
        /// At which place.
        place: u32,
    },
}

/// An answer that is there or will come.
#[derive(Debug)]
#[allow(missing_docs, reason = "one for each kind of answer")]
pub enum Waits {
    Reservation(Pending<Reservation>),
    Campaign(Pending<Arc<Campaign>>),
    Sku(Pending<SkuIx>),
    Refund(Pending<u32>),
    Extended(Pending<Extended>),
    Place(Pending<WaitTicket>),
    Ticket(Pending<Ticket>),
    Node(Pending<NodeNo>),
    Policy(Pending<u32>),
    Entry(Entry),
    Http(Waiting),
    /// It is there.
    Said(Said),
    /// Nobody waits for it.
    Gone,
}

/// An engine between two crashes.
#[derive(Debug)]
pub struct World {
    /// Its disk.
    pub disk: FakeDisk,
    /// Its clocks.
    pub clock: Arc<SimClock>,
    /// The engine.
    pub engine: Engine,
    /// Its threads.
    pub driver: Driver,
    /// The gateway in front of it, if there is one.
    pub gateway: Option<Gateway>,
    /// The spread of its retries.
    pub jitter: Jitter,
    /// What people hold of what it signed.
    pub(crate) papers: Papers,
    reader: Option<JournalReader>,
    campaigns: Vec<Arc<Campaign>>,
}

impl World {
    /// Start the machine.
    ///
    /// # Errors
    /// When the engine does not open.
    pub fn open(
        disk: FakeDisk,
        clock: Arc<SimClock>,
        setup: &Setup,
        lexicon: &Lexicon,
    ) -> Result<World, OpenError> {
        let options = Options {
            reserves_max: setup.reserves_max,
            settles_max: setup.settles_max,
            joins_max: JOINS_MAX,
            segment_bytes: setup.segment_bytes,
            snapshot_every: None,
            screen: None,
        };
        let (engine, driver) = Engine::open_driven(parts(&disk, &clock), options)?;
        let gateway = setup.http.then(|| {
            Gateway::new_driven(&http::config(lexicon), engine.clone())
                .expect("its one secret is there")
        });
        let campaigns = engine.campaigns();
        let jitter = Jitter::new(7);
        let papers = Papers::default();
        Ok(World { disk, clock, engine, driver, gateway, jitter, papers, reader: None, campaigns })
    }

    /// Return sale time.
    pub fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// See the campaigns that were made since.
    pub fn refresh(&mut self) {
        self.campaigns = self.engine.campaigns();
    }

    /// Return the records after `known` that are durable, as they stand on the disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn records(&mut self, known: Lsn) -> Result<Vec<(Lsn, Record)>, String> {
        let durable = self.engine.durable_lsn();
        let mut records = Vec::new();
        if durable <= known {
            return Ok(records);
        }
        let reader = match &mut self.reader {
            Some(reader) if reader.next_lsn() == known.next() => reader,
            other => {
                let disk = Arc::new(self.disk.clone());
                let reader = JournalReader::open(disk, known.next()).map_err(|e| e.to_string())?;
                other.insert(reader)
            }
        };
        while let Some((lsn, bytes)) = reader.next(durable).map_err(|e| e.to_string())? {
            records.push((lsn, decode(bytes).map_err(|e| e.to_string())?));
        }
        Ok(records)
    }

    /// Ask for something, the way this history's clients do.
    pub fn ask(&self, ask: &Ask, lexicon: &Lexicon, spec: impl FnOnce() -> CampaignSpec) -> Waits {
        match &self.gateway {
            // Campaigns and waitlists have bodies of their own; those are the gateway's tests.
            Some(gateway) if !ask.is_for_the_engine() => {
                let asked = match ask {
                    Ask::Store(ask) => counter::ask(self, gateway, *ask, lexicon),
                    _ if ask.has_papers() => papers::ask(self, gateway, ask, lexicon),
                    _ => Some(http::ask(self, gateway, ask, lexicon)),
                };
                asked.unwrap_or_else(|| self.ask_engine(ask, lexicon, spec))
            }
            _ => self.ask_engine(ask, lexicon, spec),
        }
    }

    fn ask_engine(
        &self,
        ask: &Ask,
        lexicon: &Lexicon,
        spec: impl FnOnce() -> CampaignSpec,
    ) -> Waits {
        let engine = &self.engine;
        let seq = |n: usize| ReservationSeq(n as u32);
        let key = |key: Option<u8>| key.map(|key| &*lexicon.keys[usize::from(key)]);
        match *ask {
            Ask::Reserve { sku, buyer, units, key, review, shown } => {
                let (campaign, sku) = self.sku(sku);
                let buyer = lexicon.digest(buyer);
                let key = &lexicon.keys[usize::from(key)];
                let quantity = Quantity::new(units).expect("plans keep to legal quantities");
                let request = ReserveRequest::new(campaign, sku, buyer, key);
                let pass = shown.pass();
                let request = ReserveRequest { quantity, review, pass, ..request };
                Waits::Reservation(engine.reserve(&request))
            }
            Ask::Confirm { n, line, key: k } => {
                let lines = line.iter().map(payment).collect();
                Waits::Reservation(engine.confirm(seq(n), lines, key(k)))
            }
            Ask::Release { n, key: k, .. } => Waits::Reservation(engine.release(seq(n), key(k))),
            Ask::Join { sku, buyer, units } => {
                let (campaign, sku) = self.sku(sku);
                let quantity = Quantity::new(units).expect("plans keep to legal quantities");
                let buyer = lexicon.digest(buyer);
                let ask = WaitRequest { campaign, sku, quantity, buyer };
                Waits::Place(engine.join_waitlist(&ask))
            }
            Ask::Leave { sku, buyer } => {
                let sku = SkuIx(sku as u32);
                Waits::Place(engine.leave_waitlist(sku, lexicon.digest(buyer)))
            }
            Ask::Cancel { n, restock } => Waits::Reservation(engine.cancel(seq(n), restock, by())),
            Ask::Judge { n, accept } => Waits::Reservation(engine.judge(seq(n), accept, by())),
            Ask::Extend { camp, one, more_ms } => {
                let more = DurationMs(more_ms);
                match one {
                    Some(n) => Waits::Reservation(engine.extend_hold(seq(n), more, by())),
                    None => {
                        let campaign = &self.campaigns[camp];
                        Waits::Extended(engine.extend_holds(campaign, more, by()))
                    }
                }
            }
            Ask::Refunded { refund } => Waits::Refund(engine.refunded(refund as u32, by())),
            Ask::Supply { sku, units } => {
                Waits::Sku(engine.supply(SkuIx(sku as u32), i64::from(units), by()))
            }
            Ask::Move { camp, to } => {
                Waits::Campaign(engine.move_phase(&self.campaigns[camp], to, by()))
            }
            Ask::Put { .. } => Waits::Campaign(engine.put_campaign(spec())),
            Ask::Line(ask) => line_asks::ask(self, ask, lexicon),
            Ask::Store(ask) => store_asks::ask(self, ask),
        }
    }

    /// Return the campaign and the name of a SKU.
    pub fn sku(&self, sku: usize) -> (&Campaign, &str) {
        let ix = SkuIx(sku as u32);
        let of = |c: &'_ Arc<Campaign>| c.skus().any(|s| s.ix == ix);
        let campaign = self.campaigns.iter().find(|c| of(c)).expect("plans name what was made");
        let sku = campaign.skus().find(|s| s.ix == ix).expect("just found");
        (campaign, sku.name.as_str())
    }

    /// Return the number of the campaign that a SKU is of.
    pub(crate) fn camp_of(&self, sku: usize) -> usize {
        self.sku(sku).0.ix().index()
    }

    /// Return the number of the campaign of this name.
    pub(crate) fn camp_named(&self, name: &str) -> Option<usize> {
        self.campaigns.iter().position(|campaign| campaign.name().as_str() == name)
    }

    /// Return the name of a campaign.
    pub fn campaign(&self, camp: usize) -> &Campaign {
        &self.campaigns[camp]
    }
}

impl Ask {
    /// Tell whether it never comes through the gateway: campaigns and waitlists have bodies of their
    /// own, which are the gateway's tests.
    fn is_for_the_engine(&self) -> bool {
        matches!(self, Ask::Put { .. } | Ask::Join { .. } | Ask::Leave { .. })
    }

    /// Tell whether it is asked with what the gateway signed, or for it.
    fn has_papers(&self) -> bool {
        match self {
            Ask::Line(_) => true,
            Ask::Reserve { shown, .. } => *shown != Shown::Nothing,
            _ => false,
        }
    }
}

impl Shown {
    fn pass(self) -> PassShown {
        match self {
            Shown::Nothing => PassShown::NotShown,
            Shown::Forged | Shown::Altered { .. } => PassShown::Invalid,
            // Until when it says it is good does not count: the line knows.
            Shown::Pass { number, place } => PassShown::Valid(Pass {
                number: TicketNo(number),
                place,
                until: Timestamp::FAR_FUTURE,
            }),
        }
    }
}

impl Waits {
    /// Take the answer, if it is there.
    pub fn take(&mut self, world: &World) -> Option<Said> {
        let said = match self {
            Waits::Reservation(pending) => Said::of(pending.try_take()?, Said::see),
            Waits::Campaign(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Sku(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Extended(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Refund(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Place(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Policy(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Node(pending) => Said::of(pending.try_take()?, |_, _| {}),
            Waits::Ticket(pending) => Said::of(pending.try_take()?, |said, ticket: &Ticket| {
                said.ticket = Some(ticket.number.index());
            }),
            Waits::Entry(entry) => entry.take(world)?,
            Waits::Http(waiting) => http::take(waiting, world)?,
            Waits::Said(said) => *said,
            Waits::Gone => return None,
        };
        *self = Waits::Gone;
        Some(said)
    }

    /// Tell whether somebody still waits.
    pub fn is_awaited(&self) -> bool {
        !matches!(self, Waits::Gone)
    }

    /// Tell whether the answer was there at once.
    pub fn said_at_once(&mut self, world: &World) -> Option<Said> {
        let said = self.take(world)?;
        debug_assert!(said.how != How::Waiting);
        Some(said)
    }
}

/// Return what an engine of a history stands on.
pub fn parts(disk: &FakeDisk, clock: &Arc<SimClock>) -> Parts {
    Parts {
        storage: Arc::new(disk.clone()),
        clock: clock.clone(),
        secret: secret(),
        new_journal: JournalId([5; 16]),
    }
}

/// Return the secret of every history.
pub(crate) fn secret() -> Secret {
    Secret::from_bytes([9; 32])
}

/// Return a payment as the engine takes it.
pub fn payment(line: &Line) -> PaymentLine {
    PaymentLine {
        provider: name("bank"),
        method: name("bank"),
        reference: format!("p{}", line.reference).into(),
        money: Money { amount: line.amount, currency: currency(line) },
    }
}

/// Return the currency of a payment.
pub fn currency(line: &Line) -> Currency {
    if line.foreign { Currency::new("PTS").expect("three letters") } else { Currency::CNY }
}

/// Return the legal name that `text` is.
pub fn name(text: &str) -> Name {
    Name::new(text).expect("histories use legal names")
}

/// Return who does what operators do.
pub(crate) fn by() -> By {
    By::new("operator", "a drill")
}
