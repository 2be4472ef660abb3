//! Opening a data folder: recover the ledger, mirror it, start the threads.

use crate::admission::Admission;
use crate::background::{Background, start_indexing, start_preparing, start_snapshots};
use crate::bell::Bell;
use crate::catalogue::Catalogue;
use crate::clock::{Clock, SaleTime, SystemClock};
use crate::engine::{Engine, Running};
use crate::error::OpenError;
use crate::flight::Flights;
use crate::front::Screen;
use crate::line::indexer::Indexer;
use crate::owner::{Owner, Turn};
use crate::public_id::Ids;
use crate::secret::{Digests, Secret, new_journal_id};
use crate::shared::{Shared, slots, tags};
use crate::snapshots;
use crate::status::Counters;
use crate::waitlist::WaitRooms;
use arc_swap::ArcSwap;
use onrush_core::front::{Board, FlightLinks};
use onrush_core::ledger::{Ledger, decode};
use onrush_journal::{DiskStorage, Journal, JournalId, Options as JournalOptions, Storage};
use onrush_types::Lsn;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// The journal's folder inside a data folder.
pub(crate) const JOURNAL_FOLDER: &str = "journal";

/// Requests under way at most, over both lanes.
pub const QUEUE_MAX: u32 = 1 << 20;

/// How an engine is set up. The default suits a sale on one box.
#[derive(Clone)]
pub struct Options {
    /// Reserves under way at most; one more is answered `overloaded`. Fewer are let in while batches
    /// take so long that a reserve would wait more than 20 ms for its own.
    pub reserves_max: u32,
    /// Payments, releases and operators' actions under way at most.
    pub settles_max: u32,
    /// People joining a line under way at most.
    pub joins_max: u32,
    /// Bytes of one journal segment.
    pub segment_bytes: u64,
    /// Records between two snapshots; `None`: none are taken.
    pub snapshot_every: Option<u64>,
    /// Looks at requests before anything is claimed.
    pub screen: Option<Arc<dyn Screen>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reserves_max: 65_536,
            settles_max: 16_384,
            joins_max: 65_536,
            segment_bytes: 64 << 20,
            snapshot_every: Some(1 << 20),
            screen: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("reserves_max", &self.reserves_max)
            .field("settles_max", &self.settles_max)
            .field("joins_max", &self.joins_max)
            .field("segment_bytes", &self.segment_bytes)
            .field("snapshot_every", &self.snapshot_every)
            .finish_non_exhaustive()
    }
}

/// What an engine stands on. A simulator brings its own.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where the journal lives.
    pub storage: Arc<dyn Storage>,
    /// Which clocks count.
    pub clock: Arc<dyn Clock>,
    /// The secret behind digests and ids.
    pub secret: Secret,
    /// The id of the journal, should a new one be made.
    pub new_journal: JournalId,
}

impl Parts {
    /// Use a folder of this machine and its clocks. The folder is made if need be, and locked.
    ///
    /// # Errors
    /// When it cannot be made, read or locked.
    pub fn on_disk(dir: impl AsRef<Path>) -> Result<Parts, OpenError> {
        let dir = dir.as_ref();
        let folder = dir.join(JOURNAL_FOLDER);
        fs::create_dir_all(&folder)
            .map_err(|e| OpenError::Journal(format!("cannot make {}: {e}", folder.display())))?;
        // The lock comes first: two processes must not both make a secret.
        let storage = DiskStorage::open(&folder).map_err(|e| OpenError::Journal(e.to_string()))?;
        Ok(Parts {
            storage: Arc::new(storage),
            clock: Arc::new(SystemClock::default()),
            secret: Secret::of_folder(dir)?,
            new_journal: new_journal_id()?,
        })
    }
}

impl Engine {
    /// Open a data folder, making it if it is new, and start the engine's threads.
    ///
    /// Everything that was ever acknowledged is there again; a torn tail, which nobody was told of,
    /// is cut.
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, or is damaged; the text names the place.
    pub fn open(dir: impl AsRef<Path>, options: Options) -> Result<Engine, OpenError> {
        Engine::open_with(Parts::on_disk(dir)?, options)
    }

    /// Open an engine on given parts, with threads.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(parts: Parts, options: Options) -> Result<Engine, OpenError> {
        let (shared, ledger, journal) = recover(parts, &options)?;
        let (background, preparing) = start_preparing(&shared).map_err(OpenError::Thread)?;
        let snapshots = match options.snapshot_every {
            Some(every) => {
                let every = every.max(1);
                Some(start_snapshots(shared.clone(), every).map_err(OpenError::Thread)?)
            }
            None => None,
        };
        let owner = Owner::new(shared.clone(), ledger, journal, background);
        let indexer = start_indexing(shared.clone()).map_err(OpenError::Thread)?;
        let threads = [Some(preparing), snapshots, Some(indexer)].into_iter().flatten().collect();
        let running = Running::start(owner, threads).map_err(OpenError::Thread)?;
        Ok(Engine::new(shared, options.screen, Some(running)))
    }

    /// Open an engine without threads: the returned driver does what they would, when it is told
    /// to. For simulators and tests, where nothing may happen by itself.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_driven(parts: Parts, options: Options) -> Result<(Engine, Driver), OpenError> {
        let (shared, ledger, journal) = recover(parts, &options)?;
        let owner = Owner::new(shared.clone(), ledger, journal, Background::Inline);
        let indexer = Indexer::new(shared.clone());
        Ok((Engine::new(shared, options.screen, None), Driver { owner, indexer }))
    }
}

/// Does the work of an engine's threads, one turn at a time.
pub struct Driver {
    owner: Owner,
    indexer: Indexer,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl Driver {
    /// Take one turn: decide what is due and queued, sync, let callers know.
    pub fn turn(&mut self) -> Turn {
        self.owner.turn()
    }

    /// Let the indexer of lines do some work; return whether it has more at once.
    pub fn index(&mut self) -> bool {
        self.indexer.step()
    }

    /// Take turns until nothing is due, queued or to be indexed, or the engine failed.
    pub fn settle(&mut self) -> Turn {
        loop {
            match self.owner.turn() {
                Turn::Busy => {}
                Turn::Idle { .. } if self.indexer.step() => {}
                other => return other,
            }
        }
    }

    /// Look at the ledger. Between turns everything in it is durable.
    pub fn ledger(&self) -> &Ledger {
        &self.owner.ledger
    }

    /// Take a snapshot now.
    ///
    /// # Errors
    /// Why it could not be taken; the journal is not affected.
    pub fn snapshot(&mut self) -> Result<Lsn, String> {
        snapshots::take(&self.owner.shared, &mut || ()).map_err(|e| e.to_string())
    }

    /// Check that callers and ledger agree on every SKU. Only when nothing is under way.
    ///
    /// # Errors
    /// The first SKU on which they differ.
    pub fn check_mirror(&self) -> Result<(), String> {
        crate::engine::check_mirror(&self.owner.shared, &self.owner.ledger)
    }
}

type Recovered = (Arc<Shared>, Ledger, Journal);

fn recover(parts: Parts, options: &Options) -> Result<Recovered, OpenError> {
    let in_range = |n: u32| (1..=QUEUE_MAX).contains(&n);
    let Options { reserves_max, settles_max, joins_max, .. } = *options;
    if ![reserves_max, settles_max, joins_max].into_iter().all(in_range) {
        let what = "reserves_max, settles_max and joins_max must be 1 to 1,048,576";
        return Err(OpenError::Options(what));
    }
    let Parts { storage, clock, secret, new_journal } = parts;
    let digests = Digests::new(&secret);
    let hash_key = digests.table().0;
    let snapshot = snapshots::load(&*storage, hash_key)?;
    let mut ledger = snapshot.unwrap_or_else(|| Ledger::new(hash_key));
    let mut journal_options = JournalOptions::new(new_journal);
    journal_options.segment_bytes = options.segment_bytes;
    let after = ledger.lsn();
    let (journal, recovered) =
        Journal::open(storage.clone(), &journal_options, after, |lsn, bytes: &[u8]| {
            let record = decode(bytes).map_err(|e| e.to_string())?;
            let effect = ledger.apply(&record).map_err(|e| e.to_string())?;
            if effect.lsn == lsn { Ok(()) } else { Err(format!("expected LSN {}", effect.lsn)) }
        })?;
    if recovered.last_lsn != ledger.lsn() {
        let what =
            format!("the journal ends at {}, the ledger at {}", recovered.last_lsn, ledger.lsn());
        return Err(OpenError::Replay(what));
    }
    let shared = Shared {
        slots: slots(),
        board: Board::default(),
        links: FlightLinks::new((reserves_max + settles_max) as usize),
        flights: Flights::new(reserves_max, settles_max, joins_max),
        admission: Admission::new(reserves_max),
        tags: tags(),
        waits: WaitRooms::new(),
        catalogue: ArcSwap::from_pointee(Catalogue::default()),
        bell: Bell::default(),
        index_bell: Bell::default(),
        time: SaleTime::new(clock, ledger.stamp()),
        ids: Ids::new(&secret),
        digests,
        secret,
        storage,
        journal_id: journal.id(),
        counters: Counters::default(),
        durable: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        failed: OnceLock::new(),
        watchers: AtomicUsize::new(0),
        watch: Default::default(),
        failure_hook: Default::default(),
        wakes: Default::default(),
        stores: Default::default(),
    };
    shared.mirror(&ledger);
    Ok((Arc::new(shared), ledger, journal))
}
