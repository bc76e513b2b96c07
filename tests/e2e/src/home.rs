//! A loopback address of one's own.

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
};

use anyhow::{Context, Result};

/// An address in 127.0.0.0/8 that no other stage has, for as long as this lives.
///
/// On it every part listens on the port of its choice. A free port of 127.0.0.1 would have to be looked up, let go
/// and bound again by the part, and another stage could be faster.
#[derive(Debug)]
pub struct Home {
    /// The address.
    pub address: Ipv4Addr,
    _claim: TcpListener,
}

impl Home {
    /// Whoever listens here owns the address.
    const CLAIM_PORT: u16 = 10_000;

    /// Takes the first free address of those that belong to this process by its number.
    pub fn claim() -> Result<Self> {
        let [.., high, low] = process::id().to_be_bytes();
        (1..=u8::MAX)
            .map(|last| Ipv4Addr::new(127, high, low, last))
            .find_map(|address| {
                let claim = TcpListener::bind((address, Self::CLAIM_PORT)).ok()?;
                Some(Self {
                    address,
                    _claim: claim,
                })
            })
            .context("claiming a loopback address: none of 255 is free")
    }
}
