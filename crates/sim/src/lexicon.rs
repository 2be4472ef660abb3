//! What everybody in a history is called, and what the engine makes of it under its secret: learned
//! once, because every history has the same secret.

use crate::clock::SimClock;
use crate::plan::{BUYERS_MAX, KEYS};
use crate::world::{self, name, parts};
use onrush::draw_rule::Pseudonyms;
use onrush::journal::FakeDisk;
use onrush::{CampaignIx, CampaignSpec, Currency, Engine, Options, ReserveRequest, SkuSpec, Terms};
use onrush_types::BuyerDigest;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// The secret that the payment provider signs with.
pub const WEBHOOK_SECRET: &[u8] = b"a drill's secret, 24 and more";

/// The key of somebody who may read figures and nothing else.
pub const CLERK: &str = "a-clerk-who-may-only-read-the-figures";

/// Campaigns of a history at most.
const CAMPS_MAX: u16 = 2;

/// Names and their digests.
#[derive(Debug)]
pub struct Lexicon {
    /// Buyers, as the shop names them.
    pub buyers: Vec<String>,
    /// Idempotency keys. They differ at their end only.
    pub keys: Vec<String>,
    /// The operators' token.
    pub token: String,
    /// Where the provider's secret lies.
    pub secret_file: PathBuf,
    /// Where the clerk's key lies.
    pub clerk_file: PathBuf,
    digests: Vec<BuyerDigest>,
    key_digests: Vec<u64>,
    pseudonyms: Vec<Pseudonyms>,
    _folder: tempfile::TempDir,
}

impl Lexicon {
    /// Ask an engine.
    ///
    /// # Panics
    /// When a folder for one small file cannot be made, or the engine does not do the simplest thing.
    pub fn learn() -> Lexicon {
        let folder = tempfile::tempdir().expect("a folder for the provider's secret");
        let secret_file = folder.path().join("provider");
        let secret =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, WEBHOOK_SECRET);
        let mut file = std::fs::File::create(&secret_file).expect("a new file");
        write!(file, "whsec_{secret}").expect("a small write");
        let clerk_file = folder.path().join("clerk");
        std::fs::write(&clerk_file, CLERK).expect("a small write");
        let options = Options { snapshot_every: None, ..Options::default() };
        let parts = parts(&FakeDisk::new(1), &Arc::new(SimClock::new(0)));
        let (engine, mut driver) = Engine::open_driven(parts, options).expect("a new disk opens");
        let mut terms = Terms::open_now(Currency::CNY);
        terms.limit_per_buyer = 99;
        let skus = vec![SkuSpec { limit_per_buyer: 99, ..SkuSpec::new(name("s"), 1, 99) }];
        let mut put = engine.put_campaign(CampaignSpec {
            name: name("c"),
            terms,
            skus,
            waitlist: None,
            line: None,
        });
        driver.settle();
        let campaign = put.try_take().and_then(Result::ok).and_then(onrush::Decision::granted);
        let campaign = campaign.expect("the simplest campaign");
        let keys: Vec<String> =
            (0..KEYS).map(|n| format!("a-key-of-somebody's-browser-{n}")).collect();
        for (n, key) in keys.iter().enumerate() {
            let buyer = BuyerDigest([n as u8; 16]);
            drop(engine.reserve(&ReserveRequest::new(&campaign, "s", buyer, key)));
        }
        driver.settle();
        let held = (0..driver.ledger().reservation_count()).map(onrush::ReservationSeq);
        let held = held.filter_map(|seq| driver.ledger().reservation(seq));
        let key_digests: Vec<u64> = held.map(|r| r.key.0).collect();
        let buyers: Vec<String> = (0..BUYERS_MAX).map(|n| format!("buyer-{n}")).collect();
        let token = engine.derive_key("onrush dev admin token v1");
        let of_camp = |ix: CampaignIx| {
            onrush::pseudonyms(&world::secret(), ix, &name(&format!("c{}", ix.index())))
        };
        Lexicon {
            digests: buyers.iter().map(|buyer| engine.buyer(buyer)).collect(),
            buyers,
            keys,
            token: token[..24].iter().map(|byte| format!("{byte:02x}")).collect(),
            secret_file,
            clerk_file,
            key_digests,
            pseudonyms: (0..CAMPS_MAX).map(CampaignIx).map(of_camp).collect(),
            _folder: folder,
        }
    }

    /// Return the digest of a buyer.
    pub fn digest(&self, buyer: u8) -> BuyerDigest {
        self.digests[usize::from(buyer)]
    }

    /// Return whose digest that is.
    pub fn buyer_of(&self, digest: BuyerDigest) -> Option<u8> {
        self.digests.iter().position(|known| *known == digest).map(|at| at as u8)
    }

    /// Return what makes the pseudonyms of a campaign's line.
    pub fn pseudonyms(&self, campaign: CampaignIx) -> Pseudonyms {
        let known = self.pseudonyms.get(campaign.index());
        known.expect("histories have few campaigns").clone()
    }

    /// Return the digest of a key.
    pub fn key(&self, key: u8) -> u64 {
        self.key_digests.get(usize::from(key)).copied().unwrap_or_default()
    }
}
