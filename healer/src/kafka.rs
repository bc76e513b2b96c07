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
mod progress;
mod scout;
mod settings;
mod trouble;
mod wire;

use std::{
    fmt, io, mem,
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    Message, Offset, Timestamp, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
};
use temper_healer_core::Moment;
pub use temper_healer_core::Topic;
use thiserror::Error;

use board::Board;
use client::Ear;
use progress::{Floor, Missing, Progress};
pub use settings::{Security, Settings, SettingsError};
use trouble::Hush;
pub use trouble::Trouble;
use wire::{Wire, Word};

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

/// Why reading cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The client library refuses its settings, an unreadable CA file among them.
    #[error("cannot set up a kafka client for `{bootstrap}`")]
    Client {
        /// The brokers.
        bootstrap: String,
        /// Why.
        source: KafkaError,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for kafka")]
    Thread(#[from] io::Error),
}

/// So many records are handed over by one [`Telemetry::poll`], so that the caller's other work is never far.
const RECORDS_A_POLL: usize = 10_000;

/// Reads both topics.
///
/// Dropping it ends its threads, within about [`Settings::call_timeout`].
pub struct Telemetry {
    board: Arc<Board>,
    wire: Arc<Wire>,
    heard: Receiver<Word>,
    reader: BaseConsumer<Ear>,
    /// The how-manieth reading it is: each [`Telemetry::rewind`] begins another.
    reading: u64,
    topics: [Vec<Option<Progress>>; 2],
    hush: Hush,
    threads: Vec<JoinHandle<()>>,
}

impl Telemetry {
    /// Begins to read. No broker needs to be there yet.
    ///
    /// `clock` is read by several threads, and must never step back.
    pub fn connect(
        settings: Settings,
        clock: impl Fn() -> Moment + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let (wire, heard) = Wire::new();
        let wire = Arc::new(wire);
        let board = Arc::new(Board::new(settings, Arc::clone(&wire), Arc::new(clock)));
        let mut telemetry = Self {
            reader: reader(&board)?,
            board,
            wire,
            heard,
            reading: 1,
            topics: [Vec::new(), Vec::new()],
            hush: Hush::default(),
            threads: Vec::new(),
        };
        telemetry.board.begin(telemetry.reading);
        telemetry.start_threads()?;
        Ok(telemetry)
    }

    fn start_threads(&mut self) -> Result<(), Error> {
        let asker = client::asker(&self.board.settings, &self.wire);
        let asker = asker.map_err(|error| refused(&self.board.settings, error))?;
        self.threads
            .push(scout::start(Arc::clone(&self.board), asker)?);
        if self.board.settings.canary.is_some() {
            let canary = canary::connect(&self.board);
            let canary = canary.map_err(|error| refused(&self.board.settings, error))?;
            self.threads.push(canary.start()?);
        }
        Ok(())
    }

    /// Hands over what there is, up to a bound; waits at most `patience` for the first of it.
    ///
    /// Never waits for a broker. It must be called again and again: nothing is handed over elsewhere.
    pub fn poll(&mut self, patience: Duration, sink: &mut impl FnMut(Heard<'_>)) {
        let mut any = self.listen(Duration::ZERO, sink);
        let mut read = self.read(sink);
        if !any && read == 0 && !patience.is_zero() {
            any = self.listen(patience, sink);
            read = self.read(sink);
        }
        if any || read > 0 {
            self.tell_reached(read < RECORDS_A_POLL, sink);
        }
    }

    /// Asks for barriers of all partitions at once: they are there after a round trip.
    pub fn look_now(&self) {
        self.board.look();
    }

    /// Begins anew, the lookback before now. What was fetched and not handed over is forgotten; nothing of the reading before is handed
    /// over after this.
    pub fn rewind(&mut self) -> Result<(), Error> {
        // A new client and not a seek: nothing of the old one's queue or positions can pass for the new reading's.
        let old = mem::replace(&mut self.reader, reader(&self.board)?);
        self.reading += 1;
        self.topics = [Vec::new(), Vec::new()];
        self.board.begin(self.reading);
        drop(old);
        Ok(())
    }

    /// How far each partition has been read that reading has begun of.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        [Topic::Events, Topic::Control]
            .into_iter()
            .flat_map(|topic| {
                let numbered = (0..).zip(&self.topics[topic as usize]);
                numbered.filter_map(move |(partition, progress)| {
                    let progress = progress.as_ref()?;
                    Some(Position {
                        topic,
                        partition,
                        next: progress.next(),
                        end: progress.end(),
                    })
                })
            })
    }

    /// Whether anything was said.
    fn listen(&mut self, patience: Duration, sink: &mut impl FnMut(Heard<'_>)) -> bool {
        let mut next = self.wire.listen(&self.heard, patience);
        let any = next.is_some();
        while let Some(word) = next {
            self.take(word, sink);
            next = self.wire.listen(&self.heard, Duration::ZERO);
        }
        any
    }

    fn take(&mut self, word: Word, sink: &mut impl FnMut(Heard<'_>)) {
        match word {
            Word::Ready => {}
            Word::Count { topic, count } => sink(Heard::Partitions { topic, count }),
            Word::Start {
                reading,
                topic,
                partition,
                offset,
            } if reading == self.reading => {
                self.assign(topic, partition, offset, sink);
            }
            Word::Start { .. } => {}
            Word::End {
                topic,
                partition,
                asked,
                high,
                sound,
            } => {
                let progress = progress(&mut self.topics, topic, partition);
                let shrunk = progress.and_then(|progress| progress.ended(asked, high, sound));
                if let Some(Missing { from, to }) = shrunk {
                    self.complain(
                        Trouble::Shrunk {
                            topic,
                            partition,
                            from,
                            to,
                        },
                        sink,
                    );
                }
            }
            Word::Floor {
                topic,
                partition,
                low,
            } => self.floor(topic, partition, low, sink),
            Word::Written { partition, since } => sink(Heard::Written { partition, since }),
            Word::Trouble(trouble) => self.complain(trouble, sink),
        }
    }

    fn assign(
        &mut self,
        topic: Topic,
        partition: i32,
        offset: i64,
        sink: &mut impl FnMut(Heard<'_>),
    ) {
        let Ok(index) = usize::try_from(partition) else {
            return;
        };
        let partitions = &mut self.topics[topic as usize];
        if partitions.len() <= index {
            partitions.resize_with(index + 1, || None);
        }
        partitions[index] = Some(Progress::new(offset));
        let assigned = self
            .list(topic, partition, offset)
            .and_then(|list| self.reader.incremental_assign(&list));
        if let Err(error) = assigned {
            self.complain(
                Trouble::Reading {
                    reason: error.to_string(),
                },
                sink,
            );
        }
    }

    fn floor(&mut self, topic: Topic, partition: i32, low: i64, sink: &mut impl FnMut(Heard<'_>)) {
        let drained = self.read(sink) < RECORDS_A_POLL;
        let Some(progress) = progress(&mut self.topics, topic, partition) else {
            return;
        };
        let missing = match progress.floor(low, drained) {
            Floor::Below => return,
            Floor::Outran(missing) => missing,
            Floor::Stranded(missing) => {
                self.assign_anew(topic, partition, low, sink);
                missing
            }
        };
        let Missing { from, to } = missing;
        self.complain(
            Trouble::Outrun {
                topic,
                partition,
                from,
                to,
            },
            sink,
        );
    }

    fn assign_anew(
        &mut self,
        topic: Topic,
        partition: i32,
        offset: i64,
        sink: &mut impl FnMut(Heard<'_>),
    ) {
        let list = self.list(topic, partition, offset);
        if let Err(error) = list.and_then(|list| self.reader.incremental_unassign(&list)) {
            self.complain(
                Trouble::Reading {
                    reason: error.to_string(),
                },
                sink,
            );
        }
        self.assign(topic, partition, offset, sink);
    }

    fn list(&self, topic: Topic, partition: i32, offset: i64) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(
            self.board.settings.name(topic),
            partition,
            Offset::Offset(offset),
        )?;
        Ok(list)
    }

    fn complain(&mut self, trouble: Trouble, sink: &mut impl FnMut(Heard<'_>)) {
        if self.hush.lets_through(&trouble, self.board.now()) {
            sink(Heard::Trouble(trouble));
        }
    }

    /// Hands over what was fetched, up to the bound; how many records that was.
    fn read(&mut self, sink: &mut impl FnMut(Heard<'_>)) -> usize {
        let mut handed = 0;
        let mut back = None;
        while handed < RECORDS_A_POLL {
            let message = match self.reader.poll(Duration::ZERO) {
                None => break,
                // The client's ear has heard of it, in more words.
                Some(Err(_)) => continue,
                Some(Ok(message)) => message,
            };
            let record = record(&message, &self.board.settings);
            let Some(progress) = progress(&mut self.topics, record.topic, record.partition) else {
                continue;
            };
            if let Some(missing) = progress.handed(record.offset) {
                back = Some((record.topic, record.partition, missing));
            }
            handed += 1;
            sink(Heard::Record(record));
        }
        if let Some((topic, partition, Missing { from, to })) = back {
            self.complain(
                Trouble::Shrunk {
                    topic,
                    partition,
                    from,
                    to,
                },
                sink,
            );
        }
        handed
    }

    fn tell_reached(&mut self, drained: bool, sink: &mut impl FnMut(Heard<'_>)) {
        let waits = self.tell_reached_by_records(sink);
        if waits && drained && self.pass_marks() {
            self.tell_reached_by_records(sink);
        }
    }

    /// Whether ends are still awaited.
    fn tell_reached_by_records(&mut self, sink: &mut impl FnMut(Heard<'_>)) -> bool {
        let mut awaits = false;
        for topic in [Topic::Events, Topic::Control] {
            for (partition, progress) in (0..).zip(&mut self.topics[topic as usize]) {
                let Some(progress) = progress else {
                    continue;
                };
                if let Some((asked, high)) = progress.reached() {
                    sink(Heard::Barrier {
                        topic,
                        partition,
                        asked,
                        high,
                    });
                }
                awaits |= progress.is_awaiting();
            }
        }
        awaits
    }

    /// Passes over what the client does not hand over, like the marks that transactions leave. Whether it could be asked.
    fn pass_marks(&mut self) -> bool {
        let Ok(positions) = self.reader.position() else {
            return false;
        };
        for position in positions.elements() {
            let topic = self.board.settings.topic(position.topic());
            let progress = progress(&mut self.topics, topic, position.partition());
            if let (Some(progress), Offset::Offset(offset)) = (progress, position.offset()) {
                progress.passed_to(offset);
            }
        }
        true
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.board.end();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("board", &self.board)
            .field("reading", &self.reading)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

fn reader(board: &Board) -> Result<BaseConsumer<Ear>, Error> {
    let mut reader = client::reader(&board.settings, &board.wire)
        .map_err(|error| refused(&board.settings, error))?;
    let wire = Arc::clone(&board.wire);
    reader.set_nonempty_callback(move || wire.call());
    Ok(reader)
}

fn refused(settings: &Settings, source: KafkaError) -> Error {
    Error::Client {
        bootstrap: settings.bootstrap.clone(),
        source,
    }
}

fn progress(
    topics: &mut [Vec<Option<Progress>>; 2],
    topic: Topic,
    partition: i32,
) -> Option<&mut Progress> {
    let index = usize::try_from(partition).ok()?;
    topics[topic as usize].get_mut(index)?.as_mut()
}

fn record<'a>(message: &'a BorrowedMessage<'_>, settings: &Settings) -> Record<'a> {
    Record {
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
