//! The notifier in virtual time: when, how fast, how often, and what is left on disk.

mod privacy;
mod restart;
mod schedule;
mod world;
