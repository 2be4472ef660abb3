//! A notifier on a temporary folder, with campaigns and a clock that only tests move.

use onrush_notify::{
    Address, Campaigns, Done, Entropy, Facts, Job, Key, Links, Locale, NoEntropy, Notifier, Order,
    Outcome, Policy, Stage, State, Store,
};
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, Name, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tempfile::TempDir;

/// 2026-12-01T12:00:00Z.
pub(crate) const OPENS: Timestamp = Timestamp(1_796_126_400_000);
pub(crate) const DROP: CampaignIx = CampaignIx(3);

/// Numbers from a seed; not random, but never the same twice.
pub(crate) struct Seeded(pub(crate) u64);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in bytes {
            // Knuth's MMIX constants; the high byte moves fastest.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Fair(pub(crate) Mutex<BTreeMap<CampaignIx, Facts>>);

impl Campaigns for Fair {
    fn facts(&self, campaign: CampaignIx, _: Timestamp) -> Option<Facts> {
        self.0.lock().expect("lock").get(&campaign).cloned()
    }

    fn ticket_link(&self, buyer: BuyerDigest, campaign: CampaignIx) -> Option<String> {
        (buyer.0[0] == 200).then(|| format!("https://shop.example/t/{campaign}-{}", buyer.0[1]))
    }
}

pub(crate) fn facts(opens_at: Option<Timestamp>, stage: Stage) -> Facts {
    Facts { name: Name::new("drop").expect("name"), title: None, opens_at, stage }
}

pub(crate) fn policy() -> Policy {
    Policy { lead: DurationMs(600_000), per_second: 20, give_up: DurationMs(300_000) }
}

pub(crate) struct World {
    pub(crate) notifier: Notifier,
    pub(crate) fair: Fair,
    pub(crate) now: Timestamp,
    pub(crate) entropy: Seeded,
    pub(crate) dir: TempDir,
    policy: Policy,
    rows_max: u64,
}

impl World {
    /// An hour before the start, lead ten minutes, twenty a second.
    pub(crate) fn new() -> World {
        World::with(policy(), u64::MAX)
    }

    pub(crate) fn with(policy: Policy, rows_max: u64) -> World {
        let dir = folder();
        let now = Timestamp(OPENS.0 - 3_600_000);
        let fair = Fair::default();
        fair.0.lock().expect("lock").insert(DROP, facts(Some(OPENS), Stage::Before));
        let notifier = notifier(&dir, &policy, rows_max, now);
        World { notifier, fair, now, entropy: Seeded(7), dir, policy, rows_max }
    }

    /// Die without a word and come back.
    pub(crate) fn crash(self) -> World {
        let World { notifier, fair, now, entropy, dir, policy, rows_max } = self;
        drop(notifier);
        let notifier = self::notifier(&dir, &policy, rows_max, now);
        World { notifier, fair, now, entropy, dir, policy, rows_max }
    }

    pub(crate) fn set(&self, campaign: CampaignIx, facts: Facts) {
        self.fair.0.lock().expect("lock").insert(campaign, facts);
    }

    pub(crate) fn order(&mut self, order: Order) -> Done {
        let done = self.notifier.apply(&[order], self.now, &mut self.entropy).expect("applied");
        done[0]
    }

    pub(crate) fn remind(&mut self, buyer: BuyerDigest, address: Address) -> Done {
        self.order(remind(buyer, DROP, address))
    }

    /// Remind `count` buyers by mail, each at an address of their own.
    pub(crate) fn crowd(&mut self, count: u32) {
        let orders: Vec<Order> = (0..count).map(|n| remind(buyer(n), DROP, mail(n))).collect();
        for part in orders.chunks(256) {
            let done = self.notifier.apply(part, self.now, &mut self.entropy).expect("applied");
            assert!(done.iter().all(|d| *d == Done::Kept { new: true, state: State::Waiting }));
        }
    }

    pub(crate) fn due(&mut self) -> Vec<Job> {
        self.notifier.due(&self.fair, self.now).expect("looked")
    }

    pub(crate) fn finish(&mut self, outcomes: &[(Key, Outcome)]) {
        let World { notifier, fair, now, entropy, .. } = self;
        notifier.finish(outcomes, fair, *now, entropy).expect("recorded");
    }

    /// Let every job that is due end with `outcome`; return how many there were.
    pub(crate) fn all_due(&mut self, outcome: &Outcome) -> usize {
        let jobs = self.due();
        let ended: Vec<_> = jobs.iter().map(|job| (job.key, outcome.clone())).collect();
        self.finish(&ended);
        jobs.len()
    }

    pub(crate) fn advance(&mut self, ms: u64) {
        self.now = self.now + DurationMs(ms);
    }

    pub(crate) fn at(&mut self, before_start_ms: u64) {
        self.now = OPENS - DurationMs(before_start_ms);
    }

    /// Count the campaign's reminders in a state.
    pub(crate) fn count(&self, state: State) -> u32 {
        let tally = self.notifier.figures().of(DROP);
        tally.iter().map(|states| states[state as usize]).sum()
    }

    /// Return every byte of the side folder.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(self.dir.path()).expect("folder");
        let files = entries.map(|entry| std::fs::read(entry.expect("entry").path()));
        files.flat_map(|file| file.expect("read")).collect()
    }
}

/// Make a folder in memory where there is one: what is tested is the order of writes, and a sync
/// that costs nothing makes thousands of them quick.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("folder")
}

fn notifier(dir: &TempDir, policy: &Policy, rows_max: u64, now: Timestamp) -> Notifier {
    let store = Store::open(dir.path(), &[5; 32]).expect("opens").with_room_for(rows_max);
    let links = Links {
        page: "https://shop.example/{campaign}".to_owned(),
        public: "https://drop.shop.example".to_owned(),
        utc_offset_minutes: 480,
    };
    Notifier::new(store, policy.clone(), links, &[6; 32], now)
}

pub(crate) fn remind(buyer: BuyerDigest, campaign: CampaignIx, address: Address) -> Order {
    Order::Remind {
        buyer,
        campaign,
        address,
        locale: Locale::En,
        consent_at: Timestamp(OPENS.0 - 7_200_000),
        text_version: 1,
    }
}

pub(crate) fn buyer(n: u32) -> BuyerDigest {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    BuyerDigest(bytes)
}

pub(crate) fn mail(n: u32) -> Address {
    Address::mail(&format!("canary-{n:06}@people.example")).expect("a mailbox")
}
