//! The accepting side of a yamux session.
//!
//! [`Session`] is the protocol without any IO: bytes of the peer in, events and bytes for the peer out. A plugin never
//! opens streams of its own, so it can't either.

mod frame;
mod session;

#[cfg(test)]
pub(crate) use frame::{Flags, HEADER_BYTES, Header, Kind};
pub use session::ProtocolError;
pub(crate) use session::{Event, Session};
