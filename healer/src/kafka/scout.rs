//! The thread that asks who leads what, and keeps an asker per leader.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};
use temper_healer_core::Topic;

use super::{asker, board::Board, client::Ear, cluster::Partition, trouble::Trouble, wire::Word};

/// Starts the thread. It ends, and its askers with it, within one call's time after [`Board::end`].
pub(crate) fn start(board: Arc<Board>, client: BaseConsumer<Ear>) -> io::Result<JoinHandle<()>> {
    let scout = Scout {
        board,
        client: Arc::new(client),
        counts: [0; 2],
        askers: BTreeMap::new(),
    };
    thread::Builder::new()
        .name("kafka-scout".into())
        .spawn(move || scout.run())
}

struct Scout {
    board: Arc<Board>,
    client: Arc<BaseConsumer<Ear>>,
    counts: [usize; 2],
    askers: BTreeMap<i32, JoinHandle<()>>,
}

impl Scout {
    fn run(mut self) {
        while !self.board.is_over() {
            let started = Instant::now();
            let heard = self.board.looks();
            self.pass();
            self.board
                .rest(started + self.board.settings.barrier_every, heard);
        }
        for (_, asker) in self.askers {
            // An asker that panicked has nothing more to say.
            drop(asker.join());
        }
    }

    fn pass(&mut self) {
        self.learn(Topic::Events);
        self.learn(Topic::Control);
        self.learn_canary();
        self.keep_askers();
        // Nothing is read by this client: polling it serves what it complains of.
        drop(self.client.poll(Duration::ZERO));
    }

    fn learn(&mut self, topic: Topic) {
        let board = Arc::clone(&self.board);
        let name = board.settings.name(topic);
        let asked = self.board.now();
        match self.describe(name) {
            Ok(partitions) => {
                self.count(topic, partitions.len());
                self.say_unsound(topic, &partitions);
                self.board.learn(topic, asked, partitions);
            }
            Err(error) => {
                if is_unknown(&error) {
                    self.board.learn(topic, asked, Vec::new());
                }
                self.complain(name, &error);
            }
        }
    }

    fn learn_canary(&self) {
        let Some(name) = &self.board.settings.canary else {
            return;
        };
        let asked = self.board.now();
        match self.describe(name) {
            Ok(partitions) => self.board.learn_canary(asked, partitions),
            Err(error) => self.complain(name, &error),
        }
    }

    /// The partitions of a topic, in their order.
    fn describe(&self, name: &str) -> KafkaResult<Vec<Partition>> {
        if self.board.is_over() {
            return Err(KafkaError::Canceled);
        }
        let timeout = self.board.settings.call_timeout;
        let metadata = self.client.fetch_metadata(Some(name), timeout)?;
        let unknown = KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition);
        let topic = metadata.topics().first().ok_or(unknown)?;
        if let Some(error) = topic.error() {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        let mut partitions: Vec<_> = topic.partitions().iter().collect();
        partitions.sort_unstable_by_key(|partition| partition.id());
        Ok(partitions.into_iter().map(Partition::described).collect())
    }

    fn count(&mut self, topic: Topic, count: usize) {
        let known = &mut self.counts[topic as usize];
        if *known != count {
            *known = count;
            self.board.wire.say(Word::Count { topic, count });
        }
    }

    fn say_unsound(&self, topic: Topic, partitions: &[Partition]) {
        let min_isr = self.board.settings.min_isr;
        for (number, partition) in (0..).zip(partitions) {
            if !partition.is_sound(min_isr) {
                self.board.wire.offer(Word::Trouble(Trouble::Unsound {
                    topic,
                    partition: number,
                    leader: partition.leader,
                    in_sync: partition.in_sync,
                }));
            }
        }
    }

    fn complain(&self, name: &str, error: &KafkaError) {
        if !matches!(error, KafkaError::Canceled) {
            let topic = name.to_owned();
            let reason = reason(error);
            self.board
                .wire
                .offer(Word::Trouble(Trouble::Topic { topic, reason }));
        }
    }

    /// An asker ends by itself when its broker leads nothing any more.
    fn keep_askers(&mut self) {
        self.askers.retain(|_, asker| !asker.is_finished());
        for broker in self.board.cluster().leaders() {
            if self.askers.contains_key(&broker) {
                continue;
            }
            match asker::start(Arc::clone(&self.board), Arc::clone(&self.client), broker) {
                Ok(asker) => drop(self.askers.insert(broker, asker)),
                Err(error) => {
                    let reason = format!("cannot start a thread: {error}");
                    self.board
                        .wire
                        .offer(Word::Trouble(Trouble::Broker { broker, reason }));
                }
            }
        }
    }
}

/// What the library says of an error, without the words it puts before each.
pub(crate) fn reason(error: &KafkaError) -> String {
    error
        .rdkafka_error_code()
        .map_or_else(|| error.to_string(), |code| code.to_string())
}

fn is_unknown(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic)
    )
}
