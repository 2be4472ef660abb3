//! PostgreSQL behind axum: a function call for each wish, or one transaction for all that wait.

use super::{Decide, Outcome, Wish};
use crate::rivals::postgres_connect as connect;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_postgres::{Client, Statement};

/// Wishes in one transaction at most.
const BATCH_MAX: usize = 1_000;

/// Wishes that may wait; more wait for a place.
const WAITING_MAX: usize = 10_000;

/// A pool of connections, each with one transaction at a time.
pub(super) struct Each {
    idle: Mutex<Vec<(Client, Statement)>>,
    free: Semaphore,
}

impl Each {
    /// Connect `pool` times.
    pub(super) async fn open(url: &str, pool: usize) -> Result<Each> {
        let mut idle = Vec::new();
        for _ in 0..pool {
            let client = connect(url).await?;
            let call = client.prepare("SELECT outcome, id FROM reserve($1, $2, $3)").await?;
            idle.push((client, call));
        }
        Ok(Each { idle: Mutex::new(idle), free: Semaphore::new(pool) })
    }
}

impl Decide for Each {
    async fn decide(&self, Wish { sku, buyer, key }: &Wish) -> Result<Outcome> {
        let _permit = self.free.acquire().await?;
        let taken = self.idle.lock().expect("no panic inside").pop();
        let (client, call) = taken.context("a permit without a connection")?;
        let answer = client.query_one(&call, &[sku, buyer, key]).await;
        self.idle.lock().expect("no panic inside").push((client, call));
        let answer = answer?;
        Outcome::named(answer.get(0), answer.get(1))
    }
}

type Waiting = (Wish, oneshot::Sender<Result<Outcome>>);

/// One task that takes what has queued, whenever the transaction before is through.
pub(super) struct Batched {
    queue: mpsc::Sender<Waiting>,
}

impl Batched {
    /// Connect and start the task.
    pub(super) async fn open(url: &str) -> Result<Batched> {
        let client = connect(url).await?;
        let call = "SELECT place, outcome, id FROM reserve_many($1, $2, $3)";
        let call = client.prepare(call).await?;
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(work(client, call, waiting));
        Ok(Batched { queue })
    }
}

impl Decide for Batched {
    async fn decide(&self, Wish { sku, buyer, key }: &Wish) -> Result<Outcome> {
        let (tell, told) = oneshot::channel();
        let wish = Wish { sku: sku.clone(), buyer: buyer.clone(), key: key.clone() };
        self.queue.send((wish, tell)).await.ok().context("the task is gone")?;
        told.await?
    }
}

async fn work(client: Client, call: Statement, mut waiting: mpsc::Receiver<Waiting>) {
    let mut taken = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut taken, BATCH_MAX).await > 0 {
        let mut by_sku: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
        for (wish, tell) in taken.drain(..) {
            by_sku.entry(wish.sku.clone()).or_default().push((wish, tell));
        }
        for (sku, batch) in by_sku {
            if let Err(error) = decide(&client, &call, &sku, batch).await {
                eprintln!("{error:#}");
            }
        }
    }
}

/// Decide one batch; where that fails, those who wait see their channel closed.
async fn decide(client: &Client, call: &Statement, sku: &str, batch: Vec<Waiting>) -> Result<()> {
    let buyers: Vec<&str> = batch.iter().map(|(wish, _)| wish.buyer.as_str()).collect();
    let keys: Vec<&str> = batch.iter().map(|(wish, _)| wish.key.as_str()).collect();
    let answers = client.query(call, &[&sku, &buyers, &keys]).await?;
    ensure!(answers.len() == batch.len(), "{} answers to {} wishes", answers.len(), batch.len());
    let mut tells: Vec<_> = batch.into_iter().map(|(_, tell)| Some(tell)).collect();
    for answer in answers {
        let place = answer.get::<_, i64>(0) as usize;
        let tell = tells.get_mut(place.wrapping_sub(1)).and_then(Option::take);
        let outcome = Outcome::named(answer.get(1), answer.get(2));
        // Whoever asked may be gone.
        let _ = tell.context("a place that nobody has")?.send(outcome);
    }
    Ok(())
}
