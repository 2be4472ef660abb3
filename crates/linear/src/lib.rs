//! Is what a real server answered over HTTP linearizable?
//!
//! A crowd of short stories, one for each SKU, is played against the real binary on many connections,
//! while it is killed and started again, stopped and let go on, and callers walk away and ask again
//! with the same key. Every call and every answer is noted in the order in which they were seen. Two
//! checks that share nothing but the notes have to agree that some order of the operations explains
//! all answers (Herlihy and Wing, *Linearizability*, 1990):
//!
//! | check | order | cost |
//! |---|---|---|
//! | [`by_lsn`] | the journal's: each answer carries the LSN at which it was true | O(n) |
//! | [`search`] | whatever fits, found by Wing and Gong's search, with nothing read from the journal | exponential at worst, so short histories |
//!
//! **What an unanswered call may do.** A call whose answer never came may have happened at any time
//! since, or not at all. While the server lives such a call may hold a unit that it then loses with the
//! process: the unit is taken before its record is on disk, so that nobody else can have it, and a
//! refusal is told at once. So a hold that nobody was told of may end with a crash, and only then.
//!
//! | module | idea |
//! |---|---|
//! | [`history`] | calls and answers, as seen |
//! | [`order`] | what the journal says |
//! | [`story`] | what is asked about one SKU |
//! | [`play`](mod@play) | servers, crashes and pauses; the figures |

pub mod by_lsn;
mod gauge;
pub mod history;
pub mod order;
pub mod play;
pub mod search;
mod stock;
pub mod story;

#[cfg(test)]
mod toy;
#[cfg(test)]
mod toy_tests;
