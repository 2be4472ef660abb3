//! The thread beside the engine: how holds end goes to the sketches, recorded rows go to files, and
//! sales that are over are forgotten. A restart loses what it knew: it only ever makes scores milder.

use super::desk::{ROWS_WAITING_MAX, Risks};
use onrush::ledger::{Change, PaidOutcome};
use onrush::{CampaignIx, Engine, Events, ReservationSeq, SkuIx, Timestamp};
use onrush_risk::limits::RECORDING_ROWS_MAX;
use onrush_risk::recording::{RecordedRow, header};
use onrush_risk::{EntityId, Outcome};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the thread sleeps at most.
const IDLE: Duration = Duration::from_millis(100);

/// Records followed between two looks at the rows.
const RECORDS_A_TURN: usize = 4_096;

/// The running thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Start the thread.
    pub(super) fn start(engine: Engine, risks: Arc<Risks>) -> io::Result<Worker> {
        let stop: Arc<AtomicBool> = Arc::default();
        let (sender, rows) = sync_channel(ROWS_WAITING_MAX);
        if risks.settings().record && risks.folder.is_some() {
            risks.rows.store(Some(Arc::new(sender)));
        }
        let follower = Follower {
            engine,
            risks,
            stop: stop.clone(),
            holds: HashMap::new(),
            campaigns: HashMap::new(),
            files: HashMap::new(),
        };
        let named = thread::Builder::new().name("onrush-risk".to_owned());
        let thread = named.spawn(move || follower.run(&rows))?;
        Ok(Worker { stop, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `run`.
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that follows risk panicked");
        }
    }
}

/// A hold that has not ended: of whom, and how many units.
struct Hold {
    campaign: CampaignIx,
    account: EntityId,
    units: u32,
}

struct Follower {
    engine: Engine,
    risks: Arc<Risks>,
    stop: Arc<AtomicBool>,
    /// Bounded by the live holds of the engine.
    holds: HashMap<ReservationSeq, Hold>,
    campaigns: HashMap<SkuIx, CampaignIx>,
    files: HashMap<CampaignIx, (BufWriter<File>, u64)>,
}

impl Follower {
    fn run(mut self, rows: &Receiver<(CampaignIx, RecordedRow)>) {
        let from = onrush::Lsn(self.engine.durable_lsn().0 + 1);
        let mut events = match self.engine.events(from) {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "risk does not see how holds end");
                return;
            }
        };
        // Acquire: pairs with the Release in `drop`.
        while !self.stop.load(Ordering::Acquire) {
            if let Err(error) = self.turn(&mut events, rows) {
                tracing::warn!(%error, "risk does not see how holds end any more");
                return;
            }
        }
        while let Ok((campaign, row)) = rows.try_recv() {
            self.write(campaign, &row);
        }
        self.flush();
    }

    fn turn(
        &mut self,
        events: &mut Events,
        rows: &Receiver<(CampaignIx, RecordedRow)>,
    ) -> Result<(), onrush::EventsError> {
        let mut wait = IDLE;
        for _ in 0..RECORDS_A_TURN {
            let Some((lsn, record)) = events.next(wait)? else { break };
            wait = Duration::ZERO;
            self.follow(&record.change, record.stamp);
            // Release: pairs with the Acquire of whoever shows it, who then sees what was followed.
            self.risks.followed.store(lsn.0, Ordering::Release);
        }
        self.risks.left_behind.lock().retain_mut(|under_way| !under_way.is_settled());
        let mut wrote = false;
        while let Ok((campaign, row)) = rows.try_recv() {
            self.write(campaign, &row);
            wrote = true;
        }
        if wrote {
            self.flush();
        }
        let now = self.engine.now();
        self.risks.end_sales(&self.engine, now);
        // Tables and time locks are made here, before the crowd asks for them.
        for campaign in self.engine.campaigns() {
            if let Some(sale) = self.risks.sale(&campaign, now) {
                sale.challenges();
            }
        }
        Ok(())
    }

    fn follow(&mut self, change: &Change, at: Timestamp) {
        match change {
            Change::Reserved(r) => {
                let Some(campaign) = self.campaign_of(r.sku) else { return };
                if let Some(sale) = self.risks.sales.load().get(&campaign) {
                    let account = sale.account(r.buyer);
                    self.holds.insert(r.seq, Hold { campaign, account, units: r.quantity.get() });
                }
            }
            Change::Paid(paid) => match paid.outcome {
                PaidOutcome::Sold => self.ended(paid.seq, Outcome::Sold, at),
                PaidOutcome::Partial | PaidOutcome::Retaken | PaidOutcome::Refund => {}
            },
            Change::Confirmed { seq, .. } => self.ended(*seq, Outcome::Sold, at),
            Change::Released { seq, .. } | Change::Rejected { seq, .. } => {
                self.ended(*seq, Outcome::Released, at);
            }
            Change::Expired { seq } => self.ended(*seq, Outcome::Expired, at),
            _ => {}
        }
    }

    /// A SKU stays in its campaign, so each is looked up once.
    fn campaign_of(&mut self, sku: SkuIx) -> Option<CampaignIx> {
        if !self.campaigns.contains_key(&sku) {
            for campaign in self.engine.campaigns() {
                self.campaigns.extend(campaign.skus().map(|sku| (sku.ix, campaign.ix())));
            }
        }
        self.campaigns.get(&sku).copied()
    }

    fn ended(&mut self, seq: ReservationSeq, outcome: Outcome, at: Timestamp) {
        let Some(Hold { campaign, account, units }) = self.holds.remove(&seq) else { return };
        let sales = self.risks.sales.load();
        let Some(sale) = sales.get(&campaign) else { return };
        sale.sketches.ended(account, units, outcome, at);
        drop(sales);
        if self.risks.rows.load().is_some() {
            let account = account.0;
            self.write(campaign, &RecordedRow::Ended { at, account, units, outcome });
        }
    }

    fn write(&mut self, campaign: CampaignIx, row: &RecordedRow) {
        let Some(folder) = self.risks.folder.clone() else { return };
        if !self.files.contains_key(&campaign) {
            let opened = open(&folder, &self.engine, campaign);
            match opened {
                Ok(file) => drop(self.files.insert(campaign, (file, 0))),
                Err(error) => {
                    tracing::warn!(%error, "a recording cannot be written");
                    return;
                }
            }
        }
        if let Some((file, rows)) = self.files.get_mut(&campaign)
            && *rows < RECORDING_ROWS_MAX
            && file.write_all(&row.encode()).is_ok()
        {
            *rows += 1;
        }
    }

    fn flush(&mut self) {
        for (file, _) in self.files.values_mut() {
            if let Err(error) = file.flush() {
                tracing::warn!(%error, "a recording cannot be written");
            }
        }
    }
}

/// Begin a recording: each start has its own file, as it has its own keys.
fn open(
    folder: &std::path::Path,
    engine: &Engine,
    campaign: CampaignIx,
) -> io::Result<BufWriter<File>> {
    let all = engine.campaigns();
    let named = all.iter().find(|c| c.ix() == campaign).map(|c| c.name().to_string());
    let name = named.unwrap_or_else(|| campaign.0.to_string());
    let file = folder.join(format!("{name}-{}.risk", engine.now().0));
    let mut file = BufWriter::new(OpenOptions::new().create_new(true).write(true).open(file)?);
    file.write_all(header().as_bytes())?;
    Ok(file)
}
