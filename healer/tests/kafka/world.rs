//! A cluster on loopback, one who writes to it, and a diary of what the healer hears.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use temper_healer::kafka::{Heard, Settings, Stamp, Telemetry, Topic, Trouble};
use temper_healer_core::Moment;

/// No machine is so slow that what is waited for takes longer.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) const EVENTS: &str = "queue-events";
pub(crate) const CONTROL: &str = "queue-control";
pub(crate) const CANARY: &str = "temper-canary";

/// Three brokers, and a producer.
pub(crate) struct World {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    began: Instant,
}

impl World {
    /// Both topics are there, the events with six partitions: two led by each broker.
    pub(crate) fn new() -> Self {
        let world = Self::empty();
        world.create(EVENTS, 6, 3);
        world.create(CONTROL, 1, 3);
        for partition in 0..6 {
            world.lead(EVENTS, partition, Some(partition % 3 + 1));
        }
        world.lead(CONTROL, 0, Some(1));
        world
    }

    /// No topic is there.
    pub(crate) fn empty() -> Self {
        let cluster = MockCluster::new(3).expect("a mock cluster");
        let producer = ClientConfig::new()
            .set("bootstrap.servers", cluster.bootstrap_servers())
            .set("message.max.bytes", "20000000")
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .create()
            .expect("a producer");
        Self {
            cluster,
            producer,
            began: Instant::now(),
        }
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32, replicas: i32) {
        self.cluster
            .create_topic(topic, partitions, replicas)
            .expect("a topic is made once");
    }

    pub(crate) fn lead(&self, topic: &str, partition: i32, broker: Option<i32>) {
        self.cluster
            .partition_leader(topic, partition, broker)
            .expect("brokers are 1 to 3");
    }

    /// A canary topic with a partition on each broker.
    pub(crate) fn create_canary(&self) {
        self.create(CANARY, 3, 3);
        for partition in 0..3 {
            self.lead(CANARY, partition, Some(partition + 1));
        }
    }

    /// Reads from the oldest record on, and asks often.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            lookback: Duration::MAX,
            barrier_every: Duration::from_millis(20),
            canary_every: Duration::from_millis(20),
            ..Settings::new(self.cluster.bootstrap_servers())
        }
    }

    pub(crate) fn listener(&self, settings: Settings) -> Listener {
        let began = self.began;
        let clock = move || now(began);
        let telemetry = Telemetry::connect(settings, clock).expect("good settings");
        Listener {
            telemetry,
            diary: Diary::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        now(self.began)
    }

    /// Hands a record over; it is there after [`World::flush`].
    pub(crate) fn send(&self, topic: &str, partition: i32, payload: Option<&[u8]>) {
        let record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .key(b"key");
        let record = match payload {
            Some(payload) => record.payload(payload),
            None => record,
        };
        self.producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
    }

    pub(crate) fn flush(&self) {
        self.producer
            .flush(DEADLINE)
            .expect("a cluster that takes writes");
    }

    /// Appends records in batches that are packed by `codec`.
    pub(crate) fn append_packed(&self, codec: &str, topic: &str, partition: i32, count: usize) {
        let packer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("compression.type", codec)
            .set("linger.ms", "50")
            .create()
            .expect("a codec that the library knows");
        let payload = "loading ".repeat(50);
        for _ in 0..count {
            let record = BaseRecord::<[u8], str>::to(topic)
                .partition(partition)
                .payload(&payload);
            packer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("room for a record");
        }
        packer.flush(DEADLINE).expect("a cluster that takes writes");
    }

    /// Appends a record.
    pub(crate) fn append(&self, topic: &str, partition: i32, payload: &str) {
        self.send(topic, partition, Some(payload.as_bytes()));
        self.flush();
    }
}

fn now(began: Instant) -> Moment {
    // Some time in 2024; a listener is older than that.
    Moment::from_unix_ms(1_725_000_000_000).plus(began.elapsed())
}

/// Who listens, and what was heard.
pub(crate) struct Listener {
    pub(crate) telemetry: Telemetry,
    pub(crate) diary: Diary,
}

/// What was heard, in order.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    pub(crate) records: Vec<Entry>,
    pub(crate) barriers: Vec<Barrier>,
    pub(crate) written: Vec<(i32, Moment)>,
    pub(crate) counts: Vec<(Topic, usize)>,
    pub(crate) troubles: Vec<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) stamp: Stamp,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Barrier {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) asked: Moment,
    pub(crate) high: i64,
    /// How many records had been heard before.
    pub(crate) after: usize,
}

impl Diary {
    fn note(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Record(record) => self.records.push(Entry {
                topic: record.topic,
                partition: record.partition,
                offset: record.offset,
                stamp: record.stamp,
                key: record.key.map(<[u8]>::to_vec),
                payload: record.payload.map(<[u8]>::to_vec),
            }),
            Heard::Partitions { topic, count } => self.counts.push((topic, count)),
            Heard::Barrier {
                topic,
                partition,
                asked,
                high,
            } => {
                let after = self.records.len();
                self.barriers.push(Barrier {
                    topic,
                    partition,
                    asked,
                    high,
                    after,
                });
            }
            Heard::Written { partition, since } => self.written.push((partition, since)),
            Heard::Trouble(trouble) => self.troubles.push(trouble),
        }
    }

    /// The offsets heard of a partition, in order.
    pub(crate) fn offsets(&self, topic: Topic, partition: i32) -> Vec<i64> {
        let of = |entry: &&Entry| (entry.topic, entry.partition) == (topic, partition);
        self.records
            .iter()
            .filter(of)
            .map(|entry| entry.offset)
            .collect()
    }

    /// When the youngest barrier of that partition of the events was asked.
    pub(crate) fn barrier(&self, partition: i32) -> Option<Moment> {
        let of =
            |barrier: &&Barrier| (barrier.topic, barrier.partition) == (Topic::Events, partition);
        self.barriers
            .iter()
            .filter(of)
            .map(|barrier| barrier.asked)
            .max()
    }

    /// Since when the youngest record was on its way that proves that partition of the events writable.
    pub(crate) fn proof(&self, partition: i32) -> Option<Moment> {
        let of = |(number, _): &&(i32, Moment)| *number == partition;
        self.written
            .iter()
            .filter(of)
            .map(|(_, since)| *since)
            .max()
    }
}

impl Listener {
    pub(crate) fn poll(&mut self, patience: Duration) {
        let Self { telemetry, diary } = self;
        telemetry.poll(patience, &mut |heard| diary.note(heard));
    }

    /// Listens until that is so.
    pub(crate) fn until<W: Debug>(&mut self, what: W, so: impl Fn(&Diary) -> bool) {
        let began = Instant::now();
        while !so(&self.diary) {
            assert!(
                began.elapsed() < DEADLINE,
                "{what:?} never came: {:#?}",
                self.summary()
            );
            self.poll(Duration::from_millis(10));
        }
    }

    fn summary(&self) -> String {
        let Diary {
            records,
            barriers,
            written,
            counts,
            troubles,
        } = &self.diary;
        let (records, barriers, written) = (records.len(), barriers.len(), written.len());
        format!(
            "{records} records, {barriers} barriers, {written} written, {counts:?}, {troubles:?}"
        )
    }

    /// Listens until each of these partitions of the events has a barrier asked after `since`.
    pub(crate) fn until_barriers(&mut self, partitions: &[i32], since: Moment) {
        self.until(("barriers of", partitions), |diary| {
            partitions
                .iter()
                .all(|partition| diary.barrier(*partition) > Some(since))
        });
    }
}
