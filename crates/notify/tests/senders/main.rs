//! Each sender against the other side's protocol: what arrives is decrypted, verified and parsed.

#[path = "../doubles/mod.rs"]
mod doubles;

mod mail;
mod parts;
mod push;
mod services;
mod tls;
