//! The owner thread: orders, what is due, and outcomes, one batch and one commit at a time.
//!
//! The only part that knows a runtime, the system's randomness and a thread. Hand-overs run side by
//! side on the same thread; while a commit syncs they wait, which is well inside their deadlines.
//!
//! Stopping: nothing new is started; what is under way is finished and recorded, at most for the
//! time it may take anyway; orders that wait are carried out. After a failure of the store nothing
//! is sent any more and every order is answered as closed.

use crate::desk::{Orders, Slip};
use crate::entropy::SystemEntropy;
use crate::limits::{BATCH_MAX, TICK_MS};
use crate::notifier::{Campaigns, Job, Notifier};
use crate::records::{Key, Order};
use crate::send::{Outcome, Senders};
use crate::store::StoreError;
use onrush_types::Timestamp;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The owner thread. Dropping it asks it to stop and does not wait.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Ask it to stop. Returns at once.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stop, and wait until what was under way is recorded.
    pub fn wait(mut self) {
        self.stop();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the reminders' thread panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Start the owner thread.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(
    notifier: Notifier,
    orders: Orders,
    senders: Arc<Senders>,
    campaigns: Arc<dyn Campaigns>,
    clock: Clock,
) -> io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let owner = Owner { notifier, orders, senders, campaigns, clock, sending: JoinSet::new() };
    let thread = thread::Builder::new()
        .name("onrush-notify".to_owned())
        .spawn(move || runtime.block_on(owner.run(stopped)))?;
    Ok(Running { stop, thread: Some(thread) })
}

struct Owner {
    notifier: Notifier,
    orders: Orders,
    senders: Arc<Senders>,
    campaigns: Arc<dyn Campaigns>,
    clock: Clock,
    sending: JoinSet<(Key, Outcome)>,
}

impl Owner {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut failed = None;
        while failed.is_none() && !*stopped.borrow() {
            failed = self.turn(&mut stopped).await.err();
        }
        if failed.is_none() {
            failed = self.finish_up().await.err();
        }
        if let Some(error) = failed {
            tracing::error!(%error, "reminders stopped; what was under way is not sent again");
        }
        // Dropping the orders answers whoever waits that nobody serves.
    }

    /// Wait for whatever comes first, and do it.
    async fn turn(&mut self, stopped: &mut watch::Receiver<bool>) -> Result<(), StoreError> {
        let mut slips = Vec::new();
        tokio::select! {
            got = self.orders.0.recv_many(&mut slips, BATCH_MAX) => {
                if got == 0 {
                    // Every desk is gone; the ticks go on.
                    tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
                }
                self.obey(slips)?;
                self.send_due()
            }
            Some(ended) = self.sending.join_next() => self.record(ended),
            () = tokio::time::sleep(Duration::from_millis(TICK_MS)) => self.send_due(),
            _ = stopped.changed() => Ok(()),
        }
    }

    async fn finish_up(&mut self) -> Result<(), StoreError> {
        self.orders.0.close();
        while let Some(ended) = self.sending.join_next().await {
            self.record(ended)?;
        }
        loop {
            let mut slips = Vec::new();
            if self.orders.0.recv_many(&mut slips, BATCH_MAX).await == 0 {
                return Ok(());
            }
            self.obey(slips)?;
        }
    }

    fn obey(&mut self, slips: Vec<Slip>) -> Result<(), StoreError> {
        if slips.is_empty() {
            return Ok(());
        }
        let (orders, waiting): (Vec<Order>, Vec<_>) =
            slips.into_iter().map(|slip| (slip.order, slip.tell)).unzip();
        let now = (self.clock)();
        let done = self.notifier.apply(&orders, now, &mut SystemEntropy)?;
        for (tell, done) in waiting.into_iter().zip(done) {
            // Who asked may be gone; the order is done all the same.
            let _ = tell.send(done);
        }
        Ok(())
    }

    fn send_due(&mut self) -> Result<(), StoreError> {
        let now = (self.clock)();
        for job in self.notifier.due(&*self.campaigns, now)? {
            let senders = self.senders.clone();
            let key = job.key;
            let hand_over = hand_over(senders, job, now);
            // In a task of its own, so that a panic in a sender costs one reminder.
            self.sending.spawn(async move {
                let ended = tokio::spawn(hand_over).await;
                (key, ended.unwrap_or(Outcome::Unknown("the sender panicked")))
            });
        }
        Ok(())
    }

    /// Record what ended, and whatever else has ended by now, in one commit.
    fn record(
        &mut self,
        first: Result<(Key, Outcome), tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        let more = std::iter::from_fn(|| self.sending.try_join_next());
        let ended: Vec<(Key, Outcome)> =
            std::iter::once(first).chain(more).filter_map(Result::ok).take(BATCH_MAX).collect();
        let now = (self.clock)();
        for (key, outcome) in &ended {
            let (channel, campaign) = (key.channel.as_str(), key.campaign.0);
            match outcome {
                Outcome::Sent => tracing::debug!(channel, campaign, "reminder sent"),
                Outcome::Later { why, .. } => tracing::debug!(channel, campaign, why, "later"),
                Outcome::Refused(why) => tracing::info!(channel, campaign, why, "not sent"),
                Outcome::Unknown(why) => tracing::warn!(channel, campaign, why, "not known"),
            }
        }
        self.notifier.finish(&ended, &*self.campaigns, now, &mut SystemEntropy)
    }
}

async fn hand_over(senders: Arc<Senders>, job: Job, now: Timestamp) -> Outcome {
    senders.send(&job, now, &mut SystemEntropy).await
}
