//! The healer from outside.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod deploy;
mod pages;
mod replay;
