//! Router benchmarks: every policy in one run on the same orders, losses shown.
//!
//! `cargo run --release -p onrush-bench-router -- [--data FOLDER] [SECTION...]`, where a section is
//! one of `single`, `a`, `b`, `c`, `d`, `e`, `replay`; none stands for all.
#![allow(clippy::print_stdout)]

mod baskets;
mod city;
mod control;
mod data;
mod dice;
#[cfg(feature = "highs")]
mod mip;
mod nearest;
mod published;
mod replay;
mod report;
mod scale;
mod single;

use std::path::PathBuf;

fn main() {
    let mut folder = PathBuf::from("../shared/data");
    let mut wanted: Vec<String> = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--data" => folder = args.next().map_or(folder, PathBuf::from),
            _ => wanted.push(arg.to_lowercase()),
        }
    }
    let data = data::Data { folder };
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|have| have == name);
    report::machine();
    if is_wanted("single") {
        single::run();
    }
    if is_wanted("a") {
        published::run();
    }
    if is_wanted("replay") {
        replay::run();
    }
    if is_wanted("b") {
        city::run(&data);
    }
    if is_wanted("c") {
        baskets::run(&data);
    }
    if is_wanted("d") {
        scale::run(&data);
    }
    if is_wanted("e") {
        control::run();
    }
}
