//! The reading itself, and what it proves.

use std::{
    fmt, io, mem,
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
};
use temper_healer_core::{Moment, Topic};
use thiserror::Error;

use super::{
    board::Board,
    canary,
    client::{self, Ear},
    heard::{Heard, Position, Record},
    progress::{Floor, Missing, Progress},
    scout,
    settings::Settings,
    trouble::{Hush, Trouble},
    wire::{Wire, Word},
};

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
    /// What is read does not follow what was read.
    astray: bool,
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
            astray: false,
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

    /// Whether records came that stand before some that were read, or partitions have gone: the topic was made anew, or has lost records. Nothing
    /// more is handed over until [`Telemetry::rewind`].
    pub const fn is_astray(&self) -> bool {
        self.astray
    }

    /// Begins anew, the lookback before now. What was fetched and not handed over is forgotten; nothing of the reading before is handed
    /// over after this.
    pub fn rewind(&mut self) -> Result<(), Error> {
        // A new client and not a seek: nothing of the old one's queue or positions can pass for the new reading's.
        let old = mem::replace(&mut self.reader, reader(&self.board)?);
        self.reading += 1;
        self.topics = [Vec::new(), Vec::new()];
        self.astray = false;
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
            Word::Count { topic, count } => {
                self.astray |= count < self.topics[topic as usize].len();
                sink(Heard::Partitions { topic, count });
            }
            Word::Start {
                reading,
                topic,
                partition,
                offset,
            } if reading == self.reading => {
                self.assign(topic, partition, offset, sink);
            }
            // The one only wakes; the other belongs to a reading that was given up.
            Word::Ready | Word::Start { .. } => {}
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
        let overtaken = progress(&mut self.topics, topic, partition)
            .is_some_and(|progress| progress.next() < low);
        // What was fetched before its deletion comes first.
        let drained = overtaken && self.read(sink) < RECORDS_A_POLL;
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
        while handed < RECORDS_A_POLL && !self.astray {
            let message = match self.reader.poll(Duration::ZERO) {
                None => break,
                // The client's ear has heard of it, in more words.
                Some(Err(_)) => continue,
                Some(Ok(message)) => message,
            };
            let record = Record::of(&message, &self.board.settings);
            let Some(progress) = progress(&mut self.topics, record.topic, record.partition) else {
                continue;
            };
            if let Some(missing) = progress.handed(record.offset) {
                back = Some((record.topic, record.partition, missing));
                self.astray = true;
                break;
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
        if self.astray {
            return;
        }
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
