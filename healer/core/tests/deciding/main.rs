//! What is decided about single workers, in a world where nothing goes wrong but them.
#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod bench;
mod carrying_out;
mod doubts;
mod laws;
mod protocol;
mod workers;
