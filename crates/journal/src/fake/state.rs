//! The state of a fake disk: files, names, and which of their changes are durable.

use super::{Loss, Operations};
use crate::layout::SECTOR_BYTES;
use crate::storage::StorageError;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
enum NameChange {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

/// Faults planned by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) cut_power_at: Option<u64>,
    pub(super) fail_sync: Option<u64>,
    pub(super) fail_write: Option<u64>,
    pub(super) misdirect: Option<(u64, i64)>,
}

/// One file's content, as seen and as stored. Bytes beyond the vectors are zero.
#[derive(Clone, Debug, Default)]
struct Node {
    seen: Vec<u8>,
    seen_bytes: u64,
    stored: Vec<u8>,
    stored_bytes: u64,
    dirty: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    names: BTreeMap<String, u64>,
    stored_names: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    /// Counts processes; a handle of an earlier one is dead.
    pub(super) life: u64,
    powered: bool,
    pub(super) operations: Operations,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    random: u64,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            nodes: BTreeMap::new(),
            next_node: 0,
            names: BTreeMap::new(),
            stored_names: BTreeMap::new(),
            name_changes: Vec::new(),
            life: 0,
            powered: true,
            operations: Operations::default(),
            faults: Faults::default(),
            capacity: None,
            random: seed,
        }
    }

    pub(super) fn fork(&self) -> State {
        self.clone()
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn lost(&mut self, loss: Loss) -> bool {
        match loss {
            Loss::Everything => true,
            Loss::Nothing => false,
            Loss::Random => self.draw() & 1 == 0,
            Loss::Percent(percent) => self.draw() % 100 < u64::from(percent),
        }
    }

    pub(super) fn kill(&mut self) {
        self.life += 1;
        if !self.powered {
            self.powered = true;
            self.faults.cut_power_at = None;
        }
    }

    pub(super) fn power_cut(&mut self, loss: Loss) {
        self.life += 1;
        self.powered = true;
        self.faults = Faults::default();
        let changes = std::mem::take(&mut self.name_changes);
        let kept = match loss {
            Loss::Everything => 0,
            Loss::Nothing => changes.len(),
            _ => (self.draw() % (changes.len() as u64 + 1)) as usize,
        };
        for change in changes.into_iter().take(kept) {
            apply(&mut self.stored_names, change);
        }
        self.names = self.stored_names.clone();
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        self.nodes.retain(|node, _| live.contains(node));
        for node in live {
            let mut content = self.nodes.remove(&node).unwrap_or_default();
            let dirty = std::mem::take(&mut content.dirty);
            if content.seen_bytes != content.stored_bytes && !self.lost(loss) {
                content.stored_bytes = content.seen_bytes;
            }
            for sector in dirty {
                if !self.lost(loss) {
                    content.store(sector);
                }
            }
            content.stored.truncate(content.stored_bytes as usize);
            content.seen = content.stored.clone();
            content.seen_bytes = content.stored_bytes;
            self.nodes.insert(node, content);
        }
    }

    /// Count a change; say whether the power goes while it is made.
    fn change(&mut self, operation: &'static str, file: &str) -> Result<bool, StorageError> {
        self.check_power(operation, file)?;
        let number = self.operations.changes;
        self.operations.changes += 1;
        let cut = self.faults.cut_power_at.is_some_and(|at| number >= at);
        self.powered = !cut;
        Ok(cut)
    }

    fn check_power(&self, operation: &'static str, file: &str) -> Result<(), StorageError> {
        if self.powered { Ok(()) } else { Err(no_power(operation, file)) }
    }

    fn node(&mut self, node: u64) -> &mut Node {
        self.nodes.entry(node).or_default()
    }

    fn change_names(
        &mut self,
        operation: &'static str,
        file: &str,
        change: NameChange,
    ) -> Result<(), StorageError> {
        let cut = self.change(operation, file)?;
        apply(&mut self.names, change.clone());
        self.name_changes.push(change);
        if cut { Err(no_power(operation, file)) } else { Ok(()) }
    }

    pub(super) fn create(&mut self, name: &str) -> Result<u64, StorageError> {
        let node = self.next_node;
        self.next_node += 1;
        self.nodes.insert(node, Node::default());
        self.change_names("create", name, NameChange::Set(name.to_owned(), node))?;
        Ok(node)
    }

    pub(super) fn open(&mut self, name: &str) -> Result<u64, StorageError> {
        self.check_power("open", name)?;
        self.names.get(name).copied().ok_or_else(|| not_found("open", name))
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.open(from).map_err(|_| not_found("rename", from))?;
        self.change_names("rename", from, NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        self.open(name).map_err(|_| not_found("remove", name))?;
        self.change_names("remove", name, NameChange::Remove(name.to_owned()))
    }

    pub(super) fn list(&mut self) -> Result<Vec<String>, StorageError> {
        self.check_power("list", "")?;
        Ok(self.names.keys().cloned().collect())
    }

    pub(super) fn sync_dir(&mut self) -> Result<(), StorageError> {
        let cut = self.change("sync folder", "")?;
        if cut {
            return Err(no_power("sync folder", ""));
        }
        for change in std::mem::take(&mut self.name_changes) {
            apply(&mut self.stored_names, change);
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, node: u64, file: &str) -> Result<u64, StorageError> {
        self.check_power("measure", file)?;
        Ok(self.node(node).seen_bytes)
    }

    pub(super) fn read(
        &mut self,
        node: u64,
        file: &str,
        offset: u64,
        into: &mut [u8],
    ) -> Result<usize, StorageError> {
        self.check_power("read", file)?;
        let node = self.node(node);
        let count = into.len().min(node.seen_bytes.saturating_sub(offset) as usize);
        let start = (offset as usize).min(node.seen.len());
        let end = (offset as usize + count).min(node.seen.len());
        into[..end - start].copy_from_slice(&node.seen[start..end]);
        into[end - start..count].fill(0);
        Ok(count)
    }

    /// Count a write, make room for it, and say what of it happens.
    fn begin_write(
        &mut self,
        node: u64,
        file: &str,
        offset: u64,
        count: u64,
    ) -> Result<WritePlan, StorageError> {
        let cut = self.change("write", file)?;
        let number = self.operations.writes;
        self.operations.writes += 1;
        self.operations.bytes += count;
        let end = offset + count;
        let grows = end.saturating_sub(self.node(node).seen_bytes);
        if grows > 0 && self.capacity.is_some_and(|most| self.used_bytes() + grows > most) {
            let error = io::Error::from_raw_os_error(ENOSPC);
            return Err(StorageError::from_io("write", file, &error));
        }
        let content = self.node(node);
        content.seen_bytes = content.seen_bytes.max(end);
        let fails = self.faults.fail_write == Some(number);
        let shift = self.faults.misdirect.filter(|(at, _)| *at == number).map_or(0, |(_, by)| by);
        let last = self.node(node).seen_bytes.saturating_sub(count) as i64;
        let offset = (offset as i64 + shift * SECTOR_BYTES as i64).clamp(0, last.max(0)) as u64;
        Ok(WritePlan { offset, cut, fails })
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|node| self.nodes.get(node)).map(|n| n.seen_bytes).sum()
    }

    pub(super) fn write(
        &mut self,
        node: u64,
        file: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let plan = self.begin_write(node, file, offset, bytes.len() as u64)?;
        let done = self.written(&plan, bytes.len());
        self.node(node).write(plan.offset as usize, &bytes[..done]);
        plan.outcome(file)
    }

    pub(super) fn write_zeros(
        &mut self,
        node: u64,
        file: &str,
        offset: u64,
        count: u64,
    ) -> Result<(), StorageError> {
        let plan = self.begin_write(node, file, offset, count)?;
        let done = self.written(&plan, count as usize);
        self.node(node).write_zeros(plan.offset as usize, done);
        plan.outcome(file)
    }

    /// Say how much of a write happens: all of it, or whole sectors from its beginning.
    fn written(&mut self, plan: &WritePlan, bytes: usize) -> usize {
        if !plan.cut && !plan.fails {
            return bytes;
        }
        let sectors = bytes / SECTOR_BYTES;
        let drawn = (self.draw() % (sectors as u64 + 1)) as usize;
        if self.draw() & 1 == 0 { bytes } else { drawn * SECTOR_BYTES }
    }

    pub(super) fn sync(&mut self, node: u64, file: &str) -> Result<(), StorageError> {
        let cut = self.change("sync", file)?;
        let number = self.operations.syncs;
        self.operations.syncs += 1;
        if cut {
            return Err(no_power("sync", file));
        }
        if self.faults.fail_sync == Some(number) {
            // The pages are clean afterwards and stay readable, but some were never stored.
            let dirty = std::mem::take(&mut self.node(node).dirty);
            for sector in dirty {
                if self.draw().is_multiple_of(4) {
                    self.node(node).store(sector);
                }
            }
            return Err(eio("sync", file));
        }
        let content = self.node(node);
        content.stored_bytes = content.seen_bytes;
        while let Some(sector) = content.dirty.pop_first() {
            content.store(sector);
        }
        Ok(())
    }

    pub(super) fn flip_bit(&mut self, file: &str, bit: u64) -> bool {
        let at = (bit / 8) as usize;
        let Some(&node) = self.names.get(file) else { return false };
        let content = self.node(node);
        if at as u64 >= content.seen_bytes {
            return false;
        }
        for bytes in [&mut content.seen, &mut content.stored] {
            if bytes.len() <= at {
                bytes.resize((at + 1).next_multiple_of(SECTOR_BYTES), 0);
            }
            bytes[at] ^= 1 << (bit % 8);
        }
        true
    }

    pub(super) fn truncate(&mut self, file: &str, bytes: u64) -> bool {
        let Some(&node) = self.names.get(file) else { return false };
        let content = self.node(node);
        content.seen.truncate(bytes as usize);
        content.stored.truncate(bytes as usize);
        content.seen_bytes = bytes;
        content.stored_bytes = bytes;
        content.dirty.retain(|sector| ((sector * SECTOR_BYTES) as u64) < bytes);
        true
    }

    pub(super) fn content(&mut self, file: &str) -> Option<Vec<u8>> {
        let node = *self.names.get(file)?;
        let content = self.node(node);
        let mut bytes = content.seen.clone();
        bytes.resize(content.seen_bytes as usize, 0);
        Some(bytes)
    }
}

/// What becomes of a write.
struct WritePlan {
    offset: u64,
    cut: bool,
    fails: bool,
}

impl WritePlan {
    fn outcome(&self, file: &str) -> Result<(), StorageError> {
        match (self.cut, self.fails) {
            (true, _) => Err(no_power("write", file)),
            (false, true) => Err(eio("write", file)),
            (false, false) => Ok(()),
        }
    }
}

impl Node {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end.next_multiple_of(SECTOR_BYTES), 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    /// Sectors that nobody wrote to are zero already.
    fn write_zeros(&mut self, offset: usize, count: usize) {
        let used = self.seen.len().max(self.stored.len());
        let end = (offset + count).min(used);
        if offset < end {
            self.write(offset, &vec![0; end - offset]);
        }
    }

    /// Store one sector as it is seen now.
    fn store(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        if self.stored.len() < start + SECTOR_BYTES {
            self.stored.resize(start + SECTOR_BYTES, 0);
        }
        let into = &mut self.stored[start..start + SECTOR_BYTES];
        match self.seen.get(start..start + SECTOR_BYTES) {
            Some(seen) => into.copy_from_slice(seen),
            None => into.fill(0),
        }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: NameChange) {
    match change {
        NameChange::Set(name, node) => {
            names.insert(name, node);
        }
        NameChange::Rename(from, to) => {
            if let Some(node) = names.remove(&from) {
                names.insert(to, node);
            }
        }
        NameChange::Remove(name) => {
            names.remove(&name);
        }
    }
}

fn no_power(operation: &'static str, file: &str) -> StorageError {
    StorageError::invalid(operation, file, "the power is off")
}

fn not_found(operation: &'static str, file: &str) -> StorageError {
    StorageError::from_io(operation, file, &io::Error::from(io::ErrorKind::NotFound))
}

fn eio(operation: &'static str, file: &str) -> StorageError {
    StorageError::from_io(operation, file, &io::Error::from_raw_os_error(EIO))
}
