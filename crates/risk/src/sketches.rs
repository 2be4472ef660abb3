//! All that one campaign remembers, and how a request becomes signals. Safe to share: one lock, taken
//! once for a request. A lock for each entity made a request slower: an atomic operation waits for
//! the cache misses before it, and under one lock the seven looks of a request miss at the same time.

use crate::clusters::{ClusterFacts, Clusters, NONE};
use crate::entities::{Entities, Rhythm, Row};
use crate::evidence::{Evidence, Stage};
use crate::hll::Distinct;
use crate::key::EntityId;
use crate::limits::{CLUSTERS_MAX, ENTITIES_MAX, ENTITIES_MIN, SKETCH_BYTES_MAX, SYNCHRONY_SLOTS};
use crate::signals::{Signal, Signals};
use crate::synchrony::Synchrony;
use onrush_types::Timestamp;
use parking_lot::Mutex;

/// A delivery address or phone that more accounts share joins nobody: an office, a campus, a locker.
const SHARED_BY_FEW: f32 = 8.0;

/// Requests look at most this far before and after the opening.
const OFFSET_S_MAX: f32 = 3_600.0;

/// The opening is answered by a clock within this time.
const LOCK_MS: f32 = 250.0;

/// How a hold ended. Numbers are part of recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It was paid for.
    Sold = 1,
    /// It was given up.
    Released = 2,
    /// Nobody paid in time.
    Expired = 3,
    /// The sale was taken back.
    Cancelled = 4,
}

/// Figures for an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entities remembered.
    pub entities: u64,
    /// Entities forgotten to make room.
    pub evicted: u64,
    /// Newcomers for whom no cluster was left.
    pub clusters_full: u64,
    /// Memory that is taken or may be.
    pub bytes: u64,
}

/// What one campaign remembers.
#[derive(Debug)]
pub struct Sketches {
    began: Timestamp,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    entities: Entities,
    clusters: Clusters,
    synchrony: Synchrony,
}

/// What a row told.
#[derive(Clone, Copy, Default)]
struct Told {
    counts: [f32; 3],
    accounts: f32,
    age_s: f32,
    cluster: u32,
}

impl Sketches {
    /// Make sketches for about `accounts` people; `began` is the time from which all others count.
    ///
    /// # Panics
    /// Never: sizes are bounded so that the memory stays within 512 MiB, which is asserted.
    pub fn new(accounts: usize, began: Timestamp) -> Sketches {
        // An account, its device, and a share in what it has in common with others.
        let entities = accounts.saturating_mul(3).clamp(ENTITIES_MIN, ENTITIES_MAX);
        let clusters = accounts.clamp(ENTITIES_MIN / 4, CLUSTERS_MAX);
        let sketches = Sketches {
            began,
            tables: Mutex::new(Tables {
                entities: Entities::new(entities),
                clusters: Clusters::new(clusters),
                synchrony: Synchrony::new(SYNCHRONY_SLOTS),
            }),
        };
        assert!(sketches.figures().bytes <= SKETCH_BYTES_MAX as u64, "the budget of the sketches");
        sketches
    }

    /// Count a request and return its signals. O(1), no allocation.
    pub fn observe(&self, e: &Evidence, now: Timestamp) -> Signals {
        let mut s = Signals::ZERO;
        let now_ms = self.ms(now);
        transport(&mut s, e);
        let ids = [Some(e.account), e.address, e.device, e.destination, e.payment, e.phone, e.tls];
        let mut tables = self.tables.lock();
        tables.entities.warm(&ids);
        let account = tables.account(&mut s, e, now, now_ms);
        let address = tables.visit(e.address, e.account, now_ms);
        let device = tables.visit(e.device, e.account, now_ms);
        let destination = tables.visit(e.destination, e.account, now_ms);
        let payment = tables.visit(e.payment, e.account, now_ms);
        let phone = tables.visit(e.phone, e.account, now_ms);
        let tls = tables.visit(e.tls, e.account, now_ms);
        s.set(Signal::Ja4Count1m, tls.counts[1]);
        entity(&mut s, Signal::AddressCount1s, &address);
        entity(&mut s, Signal::DeviceCount1s, &device);
        s.set(Signal::DeviceAbsent, flag(e.device.is_none()));
        pair(&mut s, Signal::DestinationAccounts, &destination);
        pair(&mut s, Signal::PaymentAccounts, &payment);
        pair(&mut s, Signal::PhoneAccounts, &phone);
        let few = |told: &Told, id: Option<EntityId>| id.filter(|_| told.accounts <= SHARED_BY_FEW);
        let links = [
            (e.device, device.cluster),
            (e.payment, payment.cluster),
            (few(&destination, e.destination), destination.cluster),
            (few(&phone, e.phone), phone.cluster),
        ];
        let facts = tables.link(e.account, account, &links, now_ms);
        cluster(&mut s, &facts);
        s.set(Signal::SyncPeers, tables.synchrony.count(e.behaviour, now_ms));
        s
    }

    /// Count `units` for the cluster of an account unless it would have more than `most` then. An
    /// account without a cluster gets one: from here on there is something to remember.
    ///
    /// # Errors
    /// How many units its cluster has, when these would be too many.
    pub fn claim(
        &self,
        account: EntityId,
        units: u32,
        most: u32,
        now: Timestamp,
    ) -> Result<(), u32> {
        let mut tables = self.tables.lock();
        let cluster = tables.cluster_of(account, self.ms(now));
        tables.clusters.claim(cluster, units, most)
    }

    /// Take a claim back that came to nothing.
    pub fn unclaim(&self, account: EntityId, units: u32, now: Timestamp) {
        let mut tables = self.tables.lock();
        let cluster = tables.cluster_of(account, self.ms(now));
        tables.clusters.give_back(cluster, units, false, false);
    }

    /// Note how a hold of `units` ended.
    pub fn ended(&self, account: EntityId, units: u32, outcome: Outcome, now: Timestamp) {
        let mut tables = self.tables.lock();
        let cluster = tables.cluster_of(account, self.ms(now));
        let back = if outcome == Outcome::Sold { 0 } else { units };
        let is_hold = outcome != Outcome::Cancelled;
        tables.clusters.give_back(cluster, back, is_hold, outcome == Outcome::Expired);
    }

    /// Return how many accounts were seen with a payment instrument for certain, at most 16.
    pub fn accounts_at_least(&self, payment: EntityId, now: Timestamp) -> u32 {
        let row = *self.tables.lock().entities.row(payment, self.ms(now));
        Distinct(row.more).at_least()
    }

    /// Return what is known of the cluster of an account.
    pub fn cluster(&self, account: EntityId, now: Timestamp) -> ClusterFacts {
        let now_ms = self.ms(now);
        let mut tables = self.tables.lock();
        let at = tables.entities.row(account, now_ms).cluster;
        tables.clusters.facts(at, now_ms)
    }

    /// Return figures for an operator.
    pub fn figures(&self) -> Figures {
        let Tables { entities, clusters, synchrony } = &*self.tables.lock();
        Figures {
            entities: entities.len() as u64,
            evicted: entities.evicted(),
            clusters_full: clusters.turned_away(),
            bytes: (entities.bytes() + clusters.bytes() + synchrony.bytes()) as u64,
        }
    }

    fn ms(&self, now: Timestamp) -> u32 {
        now.0.saturating_sub(self.began.0).min(u64::from(u32::MAX)) as u32
    }
}

impl Tables {
    fn visit(&mut self, id: Option<EntityId>, account: EntityId, now_ms: u32) -> Told {
        let Some(id) = id else { return Told::default() };
        let row = self.entities.row(id, now_ms);
        let counts = row.count(now_ms).weights;
        let accounts = row.with_account(account);
        Told { counts, accounts, age_s: age_s(row, now_ms), cluster: row.cluster }
    }

    /// Count the request for its account, and return the account's cluster.
    fn account(&mut self, s: &mut Signals, e: &Evidence, now: Timestamp, now_ms: u32) -> u32 {
        let offset_ms = e.opens_at.map(|at| signed_ms(now, at));
        let (rhythm, told, since_ms) = {
            let row = self.entities.row(e.account, now_ms);
            let since_ms = now_ms.saturating_sub(row.last_ms);
            let is_first = row.counts.weights == [0.0; 3];
            let mut rhythm = Rhythm::of(row);
            if e.stage == Stage::Beacon {
                rhythm.beacons = rhythm.beacons.saturating_add(1);
            } else if !is_first {
                rhythm.gap(since_ms);
            }
            if offset_ms.is_some_and(|offset| offset < 0.0) && e.stage != Stage::Beacon {
                rhythm.probes = rhythm.probes.saturating_add(1);
            }
            row.more = rhythm.packed();
            let counts = row.count(now_ms).weights;
            let age_s = age_s(row, now_ms);
            (rhythm, Told { counts, age_s, cluster: row.cluster, accounts: 0.0 }, since_ms)
        };
        if let Some(offset) = offset_ms {
            s.set(Signal::OpeningOffset, (offset / 1_000.0).clamp(-OFFSET_S_MAX, OFFSET_S_MAX));
            s.set(Signal::PhaseLock, (1.0 - offset.abs() / LOCK_MS).max(0.0));
        }
        s.set(Signal::ProbesBefore, f32::from(rhythm.probes));
        s.set(Signal::Regularity, rhythm.regularity());
        s.set(Signal::Beacons, f32::from(rhythm.beacons));
        s.set(Signal::SinceLast, (since_ms as f32 / 1_000.0).min(OFFSET_S_MAX));
        let session_s = e.session_at.map_or(0, |at| now.0.saturating_sub(at.0) / 1_000);
        s.set(Signal::TokenAge, session_s.min(86_400) as f32);
        s.set(Signal::AccountCount1s, told.counts[0]);
        s.set(Signal::AccountCount1m, told.counts[1]);
        s.set(Signal::AccountCount1h, told.counts[2]);
        s.set(Signal::AccountSeen, told.age_s);
        told.cluster
    }

    /// Join the account with what it uses, where that is new, and return what is known of them all.
    fn link(
        &mut self,
        account: EntityId,
        own: u32,
        links: &[(Option<EntityId>, u32); 4],
        now_ms: u32,
    ) -> ClusterFacts {
        let mut others = [NONE; 4];
        let mut used = 0;
        for (id, cluster) in links {
            if id.is_some() {
                others[used] = *cluster;
                used += 1;
            }
        }
        if used == 0 {
            return self.clusters.facts(own, now_ms);
        }
        let joined = self.clusters.join(own, &others[..used], now_ms);
        // Rows may name any node of the cluster; only those that name none are written again.
        for (id, cluster) in links.iter().chain([&(Some(account), own)]) {
            if let (Some(id), NONE) = (id, *cluster)
                && joined != NONE
            {
                self.entities.row(*id, now_ms).cluster = joined;
            }
        }
        self.clusters.facts(joined, now_ms)
    }

    fn cluster_of(&mut self, account: EntityId, now_ms: u32) -> u32 {
        let known = self.entities.row(account, now_ms).cluster;
        if known != NONE {
            return known;
        }
        let made = self.clusters.join(NONE, &[], now_ms);
        self.entities.row(account, now_ms).cluster = made;
        made
    }
}

fn signed_ms(now: Timestamp, at: Timestamp) -> f32 {
    if now >= at { (now.0 - at.0) as f32 } else { -((at.0 - now.0) as f32) }
}

fn age_s(row: &Row, now_ms: u32) -> f32 {
    now_ms.saturating_sub(row.first_ms) as f32 / 1_000.0
}

fn flag(is: bool) -> f32 {
    if is { 1.0 } else { 0.0 }
}

fn transport(s: &mut Signals, e: &Evidence) {
    let t = &e.transport;
    s.set(Signal::HeaderOrderOdd, t.header_order_odd);
    s.set(Signal::HeadersMissing, t.headers_missing);
    s.set(Signal::HttpVersion, t.http_version);
    s.set(Signal::AgentMismatch, flag(t.agent_mismatch));
    s.set(Signal::AgentTool, flag(t.agent_tool));
    s.set(Signal::Ja4Known, flag(e.tls.is_some()));
    s.set(Signal::Ja4Mismatch, flag(t.ja4_mismatch));
    s.set(Signal::AccountAge, e.account_age_days.unwrap_or(-1.0));
    s.set(Signal::EarlierWins, e.earlier_wins as f32);
    if let Some(passed) = e.challenge {
        s.set(Signal::ChallengeTime, passed.ratio);
        s.set(Signal::ChallengeLevel, f32::from(passed.level));
    }
    s.set(Signal::Replay, flag(e.replay || e.forged));
    s.set(Signal::Honeypot, flag(e.honeypot));
}

/// Set five places from `first` on: three counts, accounts, age.
fn entity(s: &mut Signals, first: Signal, told: &Told) {
    let values = [told.counts[0], told.counts[1], told.counts[2], told.accounts, told.age_s];
    for (offset, value) in values.into_iter().enumerate() {
        s.set(Signal::ALL[first as usize + offset], value);
    }
}

/// Set two places from `first` on: accounts, and the count over an hour.
fn pair(s: &mut Signals, first: Signal, told: &Told) {
    s.set(first, told.accounts);
    s.set(Signal::ALL[first as usize + 1], told.counts[2]);
}

fn cluster(s: &mut Signals, facts: &ClusterFacts) {
    s.set(Signal::ClusterSize, facts.accounts as f32);
    s.set(Signal::ClusterGrowth, facts.growth);
    s.set(Signal::ClusterWins, facts.units as f32);
    s.set(Signal::UnpaidHolds, facts.unpaid as f32);
    let share = if facts.ended == 0 { 0.0 } else { facts.unpaid as f32 / facts.ended as f32 };
    s.set(Signal::UnpaidShare, share);
}

#[cfg(test)]
#[path = "sketches_tests.rs"]
mod tests;
