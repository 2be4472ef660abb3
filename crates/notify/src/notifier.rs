//! What is due, what an outcome means, what an order does. No clock, no runtime, no sockets: a test
//! or a simulator calls it as the owner thread does.
//!
//! A campaign's reminders become due at its start minus the lead time, or earlier when so many wait
//! that sending them at the bounded rate takes more than half of the lead. The start is looked up
//! when it matters, so a campaign that is moved takes its reminders along. First attempts come
//! before retries; nothing is attempted once the campaign has started.

use crate::address::{Address, Locale};
use crate::entropy::Entropy;
use crate::limits::{ATTEMPTS_MAX, BATCH_MAX, IN_FLIGHT_MAX, KEEP_MS};
use crate::rate::{Bucket, backoff};
use crate::records::{Done, Figures, Key, Order};
use crate::row::{Row, State};
use crate::send::Outcome;
use crate::store::{Session, Store, StoreError};
use crate::text::{Message, compose};
use crate::token::Unsubscribe;
use hmac::{Hmac, KeyInit, Mac};
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, Name, Timestamp};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How reminders are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long before the start.
    pub lead: DurationMs,
    /// Attempts a second.
    pub per_second: u32,
    /// How long after its first attempt a reminder is given up; never after the start.
    pub give_up: DurationMs,
}

/// What the links in a message are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// The drop page; `{campaign}` stands for the campaign's name.
    pub page: String,
    /// Where the public listener is reached, for unsubscribe links; without a slash at the end.
    pub public: String,
    /// Minutes east of UTC in which times are shown.
    pub utc_offset_minutes: i32,
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has not opened.
    Before,
    /// It is open, paused, closed or settled.
    Started,
}

/// What a reminder says about its campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: Name,
    /// Its title for people.
    pub title: Option<String>,
    /// When it opens; `None`: nobody knows yet, so nothing is due.
    pub opens_at: Option<Timestamp>,
    /// How far it is.
    pub stage: Stage,
}

/// The campaigns, as the owner of the engine sees them.
pub trait Campaigns: Send + Sync {
    /// Return what is known of a campaign.
    fn facts(&self, campaign: CampaignIx, now: Timestamp) -> Option<Facts>;

    /// Return a link that carries a ticket issued to `buyer` in advance; `None` leaves the plain
    /// link. Called before each attempt, so asking again must give the same ticket.
    fn ticket_link(&self, buyer: BuyerDigest, campaign: CampaignIx) -> Option<String> {
        let _ = (buyer, campaign);
        None
    }
}

/// One reminder that was marked and is to be handed over.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which one.
    pub key: Key,
    /// The same for every attempt at it; tells nothing about the buyer.
    pub id: String,
    /// From 1.
    pub attempt: u8,
    /// Where it goes.
    pub address: Address,
    /// What it says.
    pub message: Message,
    /// When it stops to be of use.
    pub opens_at: Timestamp,
}

/// The owner of the store.
#[derive(Debug)]
pub struct Notifier {
    store: Store,
    policy: Policy,
    links: Links,
    unsubscribe: Arc<Unsubscribe>,
    id_key: [u8; 32],
    bucket: Bucket,
    in_flight: usize,
    /// When campaigns without a planned start were first seen to have started.
    opened_by_hand: BTreeMap<CampaignIx, Timestamp>,
}

impl Notifier {
    /// Take over a store. `secret` is derived from the data folder's secret.
    pub fn new(
        store: Store,
        policy: Policy,
        links: Links,
        secret: &[u8; 32],
        now: Timestamp,
    ) -> Notifier {
        let unsubscribe = Arc::new(Unsubscribe::new(secret));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key length");
        mac.update(b"reminder id");
        let id_key = mac.finalize().into_bytes().into();
        let bucket = Bucket::new(policy.per_second, now);
        let opened_by_hand = BTreeMap::new();
        let in_flight = 0;
        Notifier { store, policy, links, unsubscribe, id_key, bucket, in_flight, opened_by_hand }
    }

    /// Return the figures.
    pub fn figures(&self) -> Arc<Figures> {
        self.store.figures()
    }

    /// Return what signs and reads unsubscribe links.
    pub fn unsubscribe(&self) -> Arc<Unsubscribe> {
        self.unsubscribe.clone()
    }

    /// Carry out orders, in order, in one commit; at most [`BATCH_MAX`] of them.
    ///
    /// # Errors
    /// When the store failed; then none of them is known to be done.
    pub fn apply(
        &mut self,
        orders: &[Order],
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<Done>, StoreError> {
        self.store.write(|session| {
            orders.iter().map(|order| obey(session, order, now, entropy)).collect()
        })
    }

    /// Mark what is due at `now` as *sending*, durably, and return it for handing over.
    ///
    /// Bounded by the rate and by [`IN_FLIGHT_MAX`]. What the sale overtook becomes *missed*.
    ///
    /// # Errors
    /// When the store failed; then nothing may be handed over.
    pub fn due(
        &mut self,
        campaigns: &dyn Campaigns,
        now: Timestamp,
    ) -> Result<Vec<Job>, StoreError> {
        let mut soonest = Vec::new();
        for (ix, waiting) in self.store.figures().waiting() {
            let Some(facts) = campaigns.facts(ix, now) else { continue };
            let has_started = facts.stage == Stage::Started
                || facts.opens_at.is_some_and(|opens_at| now >= opens_at);
            if has_started {
                self.overtaken(ix, facts.opens_at, waiting, now)?;
            } else if let Some(opens_at) = facts.opens_at
                && waiting > 0
                && now >= self.policy.starts_at(opens_at, waiting)
            {
                soonest.push((opens_at, ix, facts));
            }
        }
        soonest.sort_by_key(|(opens_at, ix, _)| (*opens_at, *ix));
        let mut jobs = Vec::new();
        for (opens_at, ix, facts) in soonest {
            let room = IN_FLIGHT_MAX.saturating_sub(self.in_flight);
            let most = self.bucket.available(now).min(room as u64) as usize;
            if most == 0 {
                break;
            }
            let taken = self.mark(ix, most, now)?;
            for (key, row, address) in taken {
                let ticket = campaigns.ticket_link(key.buyer, ix);
                jobs.push(self.job(key, &row, address, &facts, ticket, opens_at));
            }
        }
        Ok(jobs)
    }

    /// Record what became of jobs, in one commit.
    ///
    /// # Errors
    /// When the store failed; at the next opening they are *unknown*.
    pub fn finish(
        &mut self,
        outcomes: &[(Key, Outcome)],
        campaigns: &dyn Campaigns,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(), StoreError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.in_flight = self.in_flight.checked_sub(outcomes.len()).expect("each job ends once");
        let policy = &self.policy;
        self.store.write(|session| {
            for (key, outcome) in outcomes {
                // Taken back or erased while it was under way: nothing is left to mark.
                let Some(row) = session.get(*key)? else { continue };
                if row.state() != State::Sending {
                    continue;
                }
                let opens_at = campaigns.facts(key.campaign, now).and_then(|facts| facts.opens_at);
                let mut drawn = [0; 4];
                entropy.fill(&mut drawn)?;
                let next = settled(&row, outcome, policy, opens_at, now, u32::from_be_bytes(drawn));
                session.put(*key, Some(&row), &next)?;
            }
            Ok(())
        })
    }

    /// Mark up to `most` of a campaign's queue and open their addresses.
    fn mark(
        &mut self,
        ix: CampaignIx,
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<(Key, Row, Address)>, StoreError> {
        // A look costs no sync; between two retries most looks find nothing.
        if !self.store.has_queued(ix, now.0)? {
            return Ok(Vec::new());
        }
        let figures = self.store.figures();
        let taken = self.store.write(|session| {
            let mut taken = Vec::new();
            for (key, row) in session.queued(ix, now.0, most)? {
                let address = session.unseal(key, &row)?;
                let mut next = row.clone();
                let Some(address) = address else {
                    next.set_state(State::Failed);
                    session.put(key, Some(&row), &next)?;
                    continue;
                };
                next.set_state(State::Sending);
                next.attempts = row.attempts.saturating_add(1);
                if row.attempts == 0 {
                    next.first_try_at = now;
                }
                session.put(key, Some(&row), &next)?;
                taken.push((key, next, address));
            }
            Ok(taken)
        })?;
        self.bucket.take(taken.len() as u64);
        self.in_flight += taken.len();
        taken.iter().for_each(|(_, row, _)| figures.attempted(row.attempts > 1));
        Ok(taken)
    }

    /// Settle what waited when the campaign started; later, forget the campaign's reminders.
    fn overtaken(
        &mut self,
        ix: CampaignIx,
        opens_at: Option<Timestamp>,
        waiting: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if waiting > 0 {
            return self.store.write(|session| {
                for (key, row) in session.queued(ix, u64::MAX - 1, BATCH_MAX)? {
                    let mut next = row.clone();
                    next.set_state(State::Missed);
                    session.put(key, Some(&row), &next)?;
                }
                Ok(())
            });
        }
        let opened_at = match opens_at {
            Some(opens_at) => opens_at,
            None => *self.opened_by_hand.entry(ix).or_insert(now),
        };
        if now >= opened_at + DurationMs(KEEP_MS) {
            self.opened_by_hand.remove(&ix);
            return self.store.write(|session| {
                for (key, row) in session.queued(ix, u64::MAX, BATCH_MAX)? {
                    session.remove(key, &row)?;
                }
                Ok(())
            });
        }
        Ok(())
    }

    fn job(
        &self,
        key: Key,
        row: &Row,
        address: Address,
        facts: &Facts,
        ticket: Option<String>,
        opens_at: Timestamp,
    ) -> Job {
        let token = self.unsubscribe.sign(key.buyer, key.channel, row.locale);
        let message = compose(facts, opens_at, row.locale, &self.links, ticket, &token);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.id_key).expect("any key length");
        mac.update(&crate::tables::row_key(key));
        mac.update(&row.made_at.0.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let id = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Job { key, id, attempt: row.attempts, address, message, opens_at }
    }
}

impl Policy {
    /// Return when the first of `waiting` reminders of a campaign is due.
    pub fn starts_at(&self, opens_at: Timestamp, waiting: u32) -> Timestamp {
        let takes = u64::from(waiting) * 1_000 / u64::from(self.per_second.max(1));
        opens_at - DurationMs(self.lead.0.max(takes.saturating_mul(2)))
    }
}

/// Tell what a reminder becomes after an attempt.
fn settled(
    row: &Row,
    outcome: &Outcome,
    policy: &Policy,
    opens_at: Option<Timestamp>,
    now: Timestamp,
    chance: u32,
) -> Row {
    let mut next = row.clone();
    match outcome {
        Outcome::Sent => next.set_state(State::Sent),
        Outcome::Unknown(_) => next.set_state(State::Unknown),
        Outcome::Refused(_) => next.set_state(State::Failed),
        Outcome::Later { after, .. } => {
            let at = now + backoff(row.attempts, *after, chance);
            let end = row.first_try_at + policy.give_up;
            let is_useful = at <= end && opens_at.is_none_or(|opens_at| at < opens_at);
            if row.attempts >= ATTEMPTS_MAX || !is_useful {
                next.set_state(State::Failed);
            } else {
                next.set_state(State::Waiting);
                next.next_try_at = at;
            }
        }
    }
    next
}

fn obey(
    session: &mut Session<'_>,
    order: &Order,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Done, StoreError> {
    match order {
        Order::Remind { buyer, campaign, address, locale, consent_at, text_version } => {
            let key = Key { buyer: *buyer, campaign: *campaign, channel: address.channel() };
            remind(session, key, address, (*locale, *consent_at, *text_version), now, entropy)
        }
        Order::TakeBack { buyer, campaign, channel } => remove(session, *buyer, |key| {
            key.campaign == *campaign && channel.is_none_or(|channel| channel == key.channel)
        }),
        Order::Unsubscribe { buyer, channel } => {
            remove(session, *buyer, |key| key.channel == *channel)
        }
        Order::Erase { buyer } => remove(session, *buyer, |_| true),
    }
}

fn remind(
    session: &mut Session<'_>,
    key: Key,
    address: &Address,
    consent: (Locale, Timestamp, u16),
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Done, StoreError> {
    let before = session.get(key)?;
    if let Some(row) = before.as_ref().filter(|row| row.state() != State::Waiting) {
        return Ok(Done::Kept { new: false, state: row.state() });
    }
    if before.is_none() && session.is_full() {
        return Ok(Done::Full);
    }
    let digest = session.digest(address);
    let is_same = before.as_ref().is_some_and(|row| row.address == digest);
    if !is_same && session.is_address_full(key.campaign, &digest)? {
        return Ok(Done::AddressFull);
    }
    let sealed = session.seal(key, address, entropy)?;
    let (locale, consent_at, text_version) = consent;
    let mut row = Row::new(locale, consent_at, text_version, now, digest, sealed);
    if let Some(before) = &before {
        row.made_at = before.made_at;
        row.attempts = before.attempts;
        row.first_try_at = before.first_try_at;
        row.next_try_at = before.next_try_at;
    }
    session.put(key, before.as_ref(), &row)?;
    Ok(Done::Kept { new: before.is_none(), state: State::Waiting })
}

fn remove(
    session: &mut Session<'_>,
    buyer: BuyerDigest,
    is_meant: impl Fn(&Key) -> bool,
) -> Result<Done, StoreError> {
    let mut gone = 0;
    for (key, row) in session.of_buyer(buyer)? {
        if is_meant(&key) {
            session.remove(key, &row)?;
            gone += 1;
        }
    }
    Ok(Done::Gone(gone))
}
