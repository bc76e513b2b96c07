//! Kafka: what workers say and what is demanded of them, with proof of what has been seen.
//!
//! [`Telemetry`] reads all partitions of both topics, assigned and not subscribed: there is no group to join, nothing to be
//! rebalanced and nothing to commit. It is polled by one thread of the caller's, which hands every record over in its partition's
//! order and never waits for a broker. What has to wait does so elsewhere:
//!
//! * the *scout* asks who leads each partition and how many replicas are in sync, and keeps
//! * an *asker* per leading broker, which asks where that broker's partitions end. When everything before such an end has been handed
//!   over, that is a [`Heard::Barrier`]: all that was appended before the question has been seen. A broker that is dead holds up its
//!   own asker and nobody else's;
//! * the *canary* writes a small record to each partition of a topic of its own, with `acks=all`, and its acknowledgement is a
//!   [`Heard::Written`] for all partitions of the same leader.
//!
//! A barrier comes only from a partition's leader, only when metadata no older than three calls shows that leader and enough replicas
//! in sync, and only if the end has not moved back since reading began: a leader just elected may not know yet how far the last one
//! had got. Without an answer there is no barrier; nothing here guesses.
//!
//! One thing is not seen: when compaction leaves an empty batch at the very end of a partition, its barriers stop until the next
//! record. Topics that only delete by age never have such batches.

mod asker;
mod board;
mod canary;
mod client;
mod cluster;
mod heard;
mod progress;
mod scout;
mod settings;
mod telemetry;
mod trouble;
mod wire;

pub use heard::{Heard, Position, Record, Stamp};
pub use settings::{Security, Settings, SettingsError};
pub use telemetry::{Error, Telemetry};
pub use temper_healer_core::Topic;
pub use trouble::Trouble;
