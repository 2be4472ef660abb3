//! The line at the door: tickets, passes, what people in it see, and how other shops use it.
//!
//! | module | idea |
//! |---|---|
//! | `ring`, `token` | signed tickets and passes, keys that follow the clock |
//! | `figures` | what is counted |

// Parts of it are used by the next ones.
#![allow(dead_code)]

mod figures;
mod ring;
mod token;
