//! Dense numbers by which the engine names things inside; public strings are made at the edge.

use std::fmt;

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// Return the position of this id in a dense table.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

dense_id! {
    /// A campaign's place in the engine's campaign table; never reused.
    CampaignIx(u16)
}

dense_id! {
    /// A SKU's place in the engine's slot table, unique over all campaigns; never reused.
    SkuIx(u32)
}

dense_id! {
    /// A reservation's sequence number, dense from 0 in the order in which the ledger accepted it.
    ReservationSeq(u32)
}

dense_id! {
    /// A ticket's number in the line of its campaign, dense from 0 in the order of joining.
    TicketNo(u32)
}

dense_id! {
    /// A node's place in the ledger's table of stores and warehouses; never reused.
    NodeNo(u32)
}

/// The sequence number of a journal record, dense from 1; 0 stands for "nothing yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first record.
    pub const ZERO: Lsn = Lsn(0);

    /// Return the LSN that follows this one.
    ///
    /// # Panics
    /// At 2⁶⁴ − 1 records, which no journal reaches.
    #[inline]
    pub const fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
