//! Project automation: the test command, the tidy rules, benches and fuzz corpora.
pub mod tidy;
