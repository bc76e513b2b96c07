//! What is heard of Kafka.

use rdkafka::{Message, Timestamp, message::BorrowedMessage};
use temper_healer_core::{Moment, Topic};

use super::{settings::Settings, trouble::Trouble};

/// Something heard of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A record.
    Record(Record<'a>),
    /// A topic has so many partitions: told when that becomes known, and when it changes.
    Partitions {
        /// Which topic.
        topic: Topic,
        /// How many.
        count: usize,
    },
    /// Everything appended to a partition before `asked` has been handed over, as far back as reading began.
    Barrier {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: i32,
        /// When its leader was asked where it ends.
        asked: Moment,
        /// The answer: the offset after its last record.
        high: i64,
    },
    /// A canary record handed over at `since` was written, by all replicas in sync, where this partition of the events has its leader.
    Written {
        /// Which partition.
        partition: i32,
        /// When the record was handed over.
        since: Moment,
    },
    /// Something could not be done. It is tried again; what repeats is told ever more rarely.
    Trouble(Trouble),
}

/// A record, as it stands in its partition. Nothing is asked of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// Where in it.
    pub offset: i64,
    /// When it was written, and by whose clock.
    pub stamp: Stamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its payload. None is what compacted topics call a tombstone.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// As the client library has it.
    pub(crate) fn of(message: &'a BorrowedMessage<'_>, settings: &Settings) -> Self {
        Self {
            topic: settings.topic(message.topic()),
            partition: message.partition(),
            offset: message.offset(),
            stamp: match message.timestamp() {
                Timestamp::NotAvailable => Stamp::None,
                Timestamp::CreateTime(ms) => Stamp::Created(ms),
                Timestamp::LogAppendTime(ms) => Stamp::Appended(ms),
            },
            key: message.key(),
            payload: message.payload(),
        }
    }
}

/// When a record was written, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// Nobody knows.
    None,
    /// By its producer's clock.
    Created(i64),
    /// By the broker's clock (`message.timestamp.type=LogAppendTime`).
    Appended(i64),
}

/// How far a partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub partition: i32,
    /// The offset of the next record to be handed over.
    pub next: i64,
    /// Where the partition ended when that was last answered.
    pub end: Option<i64>,
}

impl Position {
    /// How many offsets are still to be read, by the last answer. It says nothing while no answers come: see [`Heard::Barrier`].
    pub fn lag(self) -> Option<u64> {
        let left = self.end?.saturating_sub(self.next);
        Some(u64::try_from(left).unwrap_or(0))
    }
}
