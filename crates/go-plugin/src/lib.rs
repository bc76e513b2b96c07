//! The plugin side of [go-plugin](https://github.com/hashicorp/go-plugin), in its net/rpc dialect: what a host written in
//! Go starts, speaks to and ends, written in Rust.
//!
//! The host starts the program with a cookie in its environment, reads one line from its standard output, connects to
//! the socket named there and speaks net/rpc (gob) over streams of one yamux session. [`Plugin`] is the whole life of
//! such a process; [`Service`] is what the plugin offers; [`hclog`] writes logs that the host understands.
//!
//! This crate knows nothing of what a plugin is for, does not start processes, and does not speak the gRPC dialect.

pub mod hclog;
mod handshake;
mod plugin;
mod socket;
mod host;
mod rpc;
mod channel;
mod yamux;

pub use crate::{
    handshake::{Cookie, Handshake},
    plugin::{Ending, Error, Plugin},
    rpc::{DecodeError, Reply, Service},
    yamux::ProtocolError,
};

#[cfg(test)]
mod tests;
