//! One-time links into the console, and the visits that they open.
//!
//! A link's code is good once and for half an hour; whoever shows it gets a token that works like an API
//! key with one scope, for half a day. Both are kept in memory as keyed digests only: a restart ends them,
//! and a new link is made. There is no default password.

use super::ApiKey;
use crate::config::Scope;
use hmac::{Hmac, KeyInit, Mac};
use onrush::{Engine, Name, Timestamp};
use parking_lot::RwLock;
use sha2::Sha256;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Links that wait, and visits under way, at most; the oldest one makes room.
const LINKS_MAX: usize = 32;
const VISITS_MAX: usize = 256;

const LINK_MS: u64 = 30 * 60_000;
const VISIT_MS: u64 = 12 * 3_600_000;

/// Bytes of randomness in a code and in a token.
const SECRET_BYTES: usize = 24;

type Digest = [u8; 32];

/// All links and visits.
pub(crate) struct Links {
    digest_key: Hmac<Sha256>,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    links: Vec<Entry>,
    visits: Vec<Entry>,
}

struct Entry {
    digest: Digest,
    until: Timestamp,
    key: Arc<ApiKey>,
}

/// What a link opened.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) token: String,
    pub(crate) until: Timestamp,
    pub(crate) key: Arc<ApiKey>,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.kept.read();
        write!(f, "Links({}, {})", kept.links.len(), kept.visits.len())
    }
}

impl Links {
    pub(crate) fn new(engine: &Engine) -> Links {
        let key = engine.derive_key("onrush console links v1");
        let digest_key = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Links { digest_key, kept: RwLock::default() }
    }

    /// Make a link for somebody who may do what `scope` says; return its code, and until when it is good.
    pub(crate) fn make(&self, name: Name, scope: Scope, now: Timestamp) -> (String, Timestamp) {
        let code = secret();
        let until = Timestamp(now.0 + LINK_MS);
        let key = Arc::new(ApiKey::new(name, vec![scope]));
        let entry = Entry { digest: self.digest(&code), until, key };
        add(&mut self.kept.write().links, entry, LINKS_MAX, now);
        (code, until)
    }

    /// Take a link: it is gone, and a visit is open. `None`: it is unknown, used or over.
    pub(crate) fn take(&self, code: &str, now: Timestamp) -> Option<Visit> {
        let digest = self.digest(code);
        let mut kept = self.kept.write();
        let at = kept.links.iter().position(|link| is(link, &digest, now))?;
        let key = kept.links.swap_remove(at).key;
        let token = secret();
        let until = Timestamp(now.0 + VISIT_MS);
        let entry = Entry { digest: self.digest(&token), until, key: key.clone() };
        add(&mut kept.visits, entry, VISITS_MAX, now);
        Some(Visit { token, until, key })
    }

    /// Find who visits with a token.
    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Arc<ApiKey>> {
        let digest = self.digest(token);
        let kept = self.kept.read();
        kept.visits.iter().find(|visit| is(visit, &digest, now)).map(|visit| visit.key.clone())
    }

    fn digest(&self, secret: &str) -> Digest {
        let mut mac = self.digest_key.clone();
        mac.update(secret.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn is(entry: &Entry, digest: &Digest, now: Timestamp) -> bool {
    bool::from(entry.digest.ct_eq(digest)) && now < entry.until
}

/// Add an entry; what is over goes first, then the oldest.
fn add(entries: &mut Vec<Entry>, entry: Entry, most: usize, now: Timestamp) {
    entries.retain(|entry| now < entry.until);
    if entries.len() >= most
        && let Some(oldest) = (0..entries.len()).min_by_key(|at| entries[*at].until)
    {
        entries.swap_remove(oldest);
    }
    entries.push(entry);
}

fn secret() -> String {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> (tempfile::TempDir, Links) {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = Engine::open(folder.path(), onrush::Options::default()).expect("an engine");
        (folder, Links::new(&engine))
    }

    fn name() -> Name {
        Name::new("ann").expect("a name")
    }

    #[test]
    fn a_link_opens_one_visit() {
        let (_folder, links) = links();
        let (code, until) = links.make(name(), Scope::View, Timestamp(5));
        assert_eq!(until, Timestamp(5 + LINK_MS));
        assert!(links.find(&code, Timestamp(6)).is_none(), "a code is no token");
        let visit = links.take(&code, Timestamp(6)).expect("it is good");
        assert!(links.take(&code, Timestamp(6)).is_none(), "once");
        let found = links.find(&visit.token, Timestamp(7)).expect("a visit");
        assert!(found.may(Scope::View) && !found.may(Scope::Operate));
        assert!(links.find("x", Timestamp(7)).is_none());
        assert!(links.find(&visit.token, Timestamp(6 + VISIT_MS - 1)).is_some());
        assert!(links.find(&visit.token, Timestamp(6 + VISIT_MS)).is_none());
    }

    #[test]
    fn a_link_is_over_after_its_time() {
        let (_folder, links) = links();
        let (code, until) = links.make(name(), Scope::View, Timestamp(5));
        assert!(links.take(&code, until).is_none());
        let (code, until) = links.make(name(), Scope::View, Timestamp(5));
        assert!(links.take(&code, Timestamp(until.0 - 1)).is_some());
    }

    #[test]
    fn links_are_bounded_and_the_oldest_makes_room() {
        let (_folder, links) = links();
        let make = |at| links.make(name(), Scope::View, Timestamp(at)).0;
        let codes: Vec<String> = (0..=LINKS_MAX as u64).map(make).collect();
        assert!(links.take(&codes[0], Timestamp(99)).is_none());
        assert!(codes[1..].iter().all(|code| links.take(code, Timestamp(99)).is_some()));
    }
}
