//! The whole of a connection, with a host played by [`peer::Peer`] at the other end of an in-memory pipe.

mod peer;
mod calls;
mod hostile;
mod recorded;
