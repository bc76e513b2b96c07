//! The client against real sockets on loopback: what it says of servers that fail, and what it makes of recorded replies.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it")]

mod server;
mod failures;
mod secrets;
mod tls;
mod recorded;
