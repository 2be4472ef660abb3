//! Invite lists: files with one buyer's identity a line, kept as digests only.
//!
//! Empty lines and lines that start with `#` are passed over. A list is read when the server starts
//! and again when its file changed; one that cannot be read leaves the old one in force.

use crate::config::{ConfigErrors, InviteListSection};
use crate::secrets::secret_error;
use arc_swap::ArcSwap;
use onrush::{BuyerDigest, Engine};
use onrush_types::limits::BUYER_BYTES_MAX;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Buyers on one list: sixteen bytes each.
const INVITED_MAX: usize = 4_000_000;

/// One list.
#[derive(Debug)]
pub(crate) struct InviteList {
    pub(crate) name: String,
    file: PathBuf,
    kept: ArcSwap<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// The file's time when it was read.
    of: Option<SystemTime>,
    /// Sorted.
    buyers: Vec<[u8; 16]>,
}

impl InviteList {
    /// Read a list.
    pub(crate) fn load(
        section: &InviteListSection,
        engine: &Engine,
    ) -> Result<InviteList, ConfigErrors> {
        let kept = read(&section.file, engine)
            .map_err(|problem| secret_error(&section.file, "invite_lists.file", &problem))?;
        let kept = ArcSwap::from_pointee(kept);
        Ok(InviteList { name: section.name.to_string(), file: section.file.clone(), kept })
    }

    /// Tell whether a buyer was invited. O(log buyers).
    pub(crate) fn has(&self, buyer: BuyerDigest) -> bool {
        self.kept.load().buyers.binary_search(&buyer.0).is_ok()
    }

    /// Read the list again if its file changed.
    pub(crate) fn refresh(&self, engine: &Engine) {
        if changed(&self.file) == self.kept.load().of {
            return;
        }
        match read(&self.file, engine) {
            Ok(kept) => self.kept.store(Arc::new(kept)),
            Err(problem) => {
                tracing::warn!(list = self.name, problem, "the invite list was not read again");
            }
        }
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

fn read(file: &Path, engine: &Engine) -> Result<Kept, String> {
    // Before the content: a change meanwhile is found the next time.
    let of = changed(file);
    let unreadable =
        |error: std::io::Error| format!("cannot be read: {error}; check the path and its encoding");
    let mut buyers = Vec::new();
    for (at, line) in
        BufReader::new(std::fs::File::open(file).map_err(unreadable)?).lines().enumerate()
    {
        let line = line.map_err(unreadable)?;
        let identity = line.trim();
        if identity.is_empty() || identity.starts_with('#') {
            continue;
        }
        if identity.len() > BUYER_BYTES_MAX {
            return Err(format!("line {}: a buyer has at most {BUYER_BYTES_MAX} bytes", at + 1));
        }
        if buyers.len() == INVITED_MAX {
            return Err(format!("has more than {INVITED_MAX} buyers; use a group or a hook"));
        }
        buyers.push(engine.buyer(identity).0);
    }
    buyers.sort_unstable();
    buyers.dedup();
    Ok(Kept { of, buyers })
}
