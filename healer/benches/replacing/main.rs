//! How soon the program replaces a worker, and what it does when everything fails at once: `cargo bench -p temper-healer --bench replacing`,
//! or a part of it: `-- errors`, `silence`, `outage`, `storm`.
//!
//! The built program runs between the library's mock brokers and an API server in memory, all on this machine, so that what is measured is
//! the program and two loopback connections. Each figure stands beside the one that is wanted, and beside what the bare call costs.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod bare;
mod errors;
mod outage;
mod pages;
mod scene;
mod silence;
mod storm;
mod times;

#[path = "../../tests/stage/lib.rs"]
mod stage;

use std::env;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Cargo says `--bench`; what people add names what they want to see.
    let named: Vec<_> = env::args().skip(1).collect();
    let named: Vec<_> = named.iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| *named == name);
    bare::measure().await;
    if wanted("errors") {
        errors::measure().await;
    }
    if wanted("silence") {
        silence::measure().await;
    }
    if wanted("outage") {
        outage::measure().await;
    }
    if wanted("storm") {
        storm::measure().await;
    }
}
