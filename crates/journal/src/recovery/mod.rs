//! Opening a journal after any kind of end: read forward, judge what follows, repair.
//!
//! [`walk`] only reads. It follows frames from the segment that holds the first wanted record, as
//! long as each is whole, in its place and linked to the one before. Where that ends, [`scan`] looks
//! at every sector that follows: anything there that proves the damaged place was synced makes the
//! journal refuse, with the place named; otherwise it is a torn tail. [`repair`] then makes the tail
//! durable and the rest zero. It may itself be cut short at any write and be run again.

mod repair;
mod scan;
mod walk;

pub(crate) use repair::repair;
pub(crate) use walk::{Walk, walk};

/// A place in a segment, by its position in the list of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) offset: u64,
}

/// A stretch that is not zero although nothing was kept there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) start: Place,
    pub(crate) bytes: u64,
}
