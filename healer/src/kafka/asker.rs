//! The thread that asks one broker where the partitions end that it leads.
//!
//! One thread a broker: a question waits for its answer up to the call's time, so a broker that is dead or hangs holds up nobody
//! else's answers. And one question for all partitions of a broker: an answer takes one round trip, however many there are.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
};
use temper_healer_core::{Moment, Topic};

use super::{
    board::{Board, From},
    client::Ear,
    cluster::Partition,
    scout::reason,
    trouble::Trouble,
    wire::Word,
};

/// Retention deletes whole segments, and rarely: it is enough to ask so often whether it has overtaken us.
const FLOOR_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when its broker leads nothing any more, or all ends.
pub(crate) fn start(
    board: Arc<Board>,
    client: Arc<BaseConsumer<Ear>>,
    broker: i32,
) -> io::Result<JoinHandle<()>> {
    let asker = Asker {
        board,
        client,
        broker,
        floored: Instant::now(),
    };
    thread::Builder::new()
        .name(format!("kafka-asker-{broker}"))
        .spawn(move || asker.run())
}

struct Asker {
    board: Arc<Board>,
    client: Arc<BaseConsumer<Ear>>,
    broker: i32,
    floored: Instant,
}

/// A partition and the offset that was answered.
type Answer = (Topic, i32, i64);

impl Asker {
    fn run(mut self) {
        while !self.board.is_over() {
            let started = Instant::now();
            let heard = self.board.looks();
            let led = self.board.cluster().led_by(self.broker);
            if led.is_empty() {
                return;
            }
            if let Err(error) = self.round(&led) {
                let reason = reason(&error);
                self.offer(Trouble::Broker {
                    broker: self.broker,
                    reason,
                });
            }
            self.board
                .rest(started + self.board.settings.barrier_every, heard);
        }
    }

    fn round(&mut self, led: &[(Topic, i32, Partition)]) -> KafkaResult<()> {
        let asked = self.board.now();
        let ends = self.ask(
            led.iter()
                .map(|(topic, partition, _)| (*topic, *partition, Offset::End)),
        )?;
        self.tell_ends(asked, led, &ends);
        self.tell_starts(led, &ends)?;
        if self.floored.elapsed() >= FLOOR_EVERY {
            self.floored = Instant::now();
            self.tell_floors(led)?;
        }
        Ok(())
    }

    fn tell_ends(&self, asked: Moment, led: &[(Topic, i32, Partition)], ends: &[Answer]) {
        for (topic, partition, high) in ends.iter().copied() {
            let described = led
                .iter()
                .find(|(of, number, _)| (*of, *number) == (topic, partition));
            let sound = described
                .is_some_and(|(.., described)| described.is_sound(self.board.settings.min_isr));
            self.board.wire.offer(Word::End {
                topic,
                partition,
                asked,
                high,
                sound,
            });
        }
    }

    /// Tells where partitions begin that have no beginning yet. The end was asked before: a record appended since is read,
    /// whatever its time.
    fn tell_starts(&self, led: &[(Topic, i32, Partition)], ends: &[Answer]) -> KafkaResult<()> {
        let unstarted = self.board.unstarted(led);
        if unstarted.partitions.is_empty() {
            return Ok(());
        }
        let wanted = unstarted
            .partitions
            .iter()
            .map(|(topic, partition, from)| match from {
                From::Oldest => (*topic, *partition, Offset::Beginning),
                From::Time(time) => (*topic, *partition, Offset::Offset(unix_ms(*time))),
            });
        let reading = unstarted.reading;
        for (topic, partition, offset) in self.ask(wanted)? {
            let same = |(of, number, _): &&Answer| (*of, *number) == (topic, partition);
            let Some((.., end)) = ends.iter().find(same) else {
                continue;
            };
            // No record of that time or later: -1.
            let offset = if offset < 0 { *end } else { offset };
            if self.board.claim(reading, topic, partition) {
                self.board.wire.say(Word::Start {
                    reading,
                    topic,
                    partition,
                    offset,
                });
            }
        }
        Ok(())
    }

    fn tell_floors(&self, led: &[(Topic, i32, Partition)]) -> KafkaResult<()> {
        let wanted = led
            .iter()
            .map(|(topic, partition, _)| (*topic, *partition, Offset::Beginning));
        for (topic, partition, low) in self.ask(wanted)? {
            self.board.wire.offer(Word::Floor {
                topic,
                partition,
                low,
            });
        }
        Ok(())
    }

    /// Asks for offsets: [`Offset::End`], [`Offset::Beginning`] or a time in milliseconds. Partitions whose answer is an error are
    /// left out, and that is said.
    fn ask(&self, wanted: impl Iterator<Item = (Topic, i32, Offset)>) -> KafkaResult<Vec<Answer>> {
        if self.board.is_over() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in wanted {
            list.add_partition_offset(self.board.settings.name(topic), partition, offset)?;
        }
        let answers = self
            .client
            .offsets_for_times(list, self.board.settings.call_timeout)?;
        let mut told = Vec::with_capacity(answers.count());
        for answer in answers.elements() {
            let topic = self.board.settings.topic(answer.topic());
            let partition = answer.partition();
            match answer.error() {
                Ok(()) => told.push((topic, partition, raw(answer.offset()))),
                Err(error) => self.say_partition(topic, partition, &error),
            }
        }
        Ok(told)
    }

    fn say_partition(&self, topic: Topic, partition: i32, error: &KafkaError) {
        let reason = reason(error);
        self.offer(Trouble::Partition {
            topic,
            partition,
            reason,
        });
    }

    fn offer(&self, trouble: Trouble) {
        self.board.wire.offer(Word::Trouble(trouble));
    }
}

fn unix_ms(moment: Moment) -> i64 {
    i64::try_from(moment.as_unix_ms()).unwrap_or(i64::MAX)
}

/// An offset as a number; -1 for the end, which is how a broker says that no record is so young.
fn raw(offset: Offset) -> i64 {
    match offset {
        Offset::Offset(number) => number,
        Offset::Beginning
        | Offset::End
        | Offset::Stored
        | Offset::Invalid
        | Offset::OffsetTail(_) => -1,
    }
}
