//! Three brokers on loopback, and a voice for workers.

use rdkafka::{
    ClientConfig, ClientContext,
    mocking::MockCluster,
    producer::{
        BaseRecord, DefaultProducerContext, DeliveryResult, ProducerContext, ThreadedProducer,
    },
};

/// How many partitions `queue-events` has: a worker says each word to any of them.
pub(crate) const PARTITIONS: i32 = 3;

pub(crate) const CANARY: &str = "temper-canary";
const EVENTS: &str = "queue-events";
const CONTROL: &str = "queue-control";
const BROKERS: i32 = 3;

/// A cluster with all topics that the healer knows.
///
/// The library's mock keeps 5 MiB a partition, and does not move leaders. A broker that was brought down may not come up again: if its
/// port has been taken meanwhile, the mock aborts the process.
pub(crate) struct Brokers(pub(crate) MockCluster<'static, DefaultProducerContext>);

impl Brokers {
    pub(crate) fn start() -> Self {
        let cluster = MockCluster::new(BROKERS).expect("a mock cluster");
        for (topic, partitions) in [(EVENTS, PARTITIONS), (CONTROL, 1), (CANARY, BROKERS)] {
            cluster
                .create_topic(topic, partitions, BROKERS)
                .expect("a new topic");
            for partition in 0..partitions {
                cluster
                    .partition_leader(topic, partition, Some(partition % BROKERS + 1))
                    .expect("a broker that there is");
            }
        }
        Self(cluster)
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Speaks to `queue-events`. `written` is told what came with each word as soon as all replicas have it.
    pub(crate) fn voice<T: Send + Sync + 'static>(
        &self,
        written: impl Fn(T) + Send + Sync + 'static,
    ) -> Voice<T> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            // A word is on its way at once, however long acknowledgements take: what a program that is killed has not sent is never
            // written, and one producer speaks for many programs here.
            .set("max.in.flight", "1000000")
            .set("linger.ms", "0")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200");
        let written = Written(Box::new(written));
        Voice(config.create_with_context(written).expect("a producer"))
    }
}

/// A producer.
pub(crate) struct Voice<T: Send + Sync + 'static>(ThreadedProducer<Written<T>>);

impl<T: Send + Sync + 'static> Voice<T> {
    /// Hands a word over; it is written soon, or as soon as it can be.
    pub(crate) fn say(&self, partition: i32, word: &str, comes_with: T) {
        let record = BaseRecord::<(), str, _>::with_opaque_to(EVENTS, Box::new(comes_with));
        self.0
            .send(record.partition(partition).payload(word))
            .map_err(|(error, _)| error)
            .expect("room for a record");
    }
}

struct Written<T>(Box<dyn Fn(T) + Send + Sync>);

impl<T> ClientContext for Written<T> {}

impl<T: Send + Sync + 'static> ProducerContext for Written<T> {
    type DeliveryOpaque = Box<T>;

    fn delivery(&self, result: &DeliveryResult<'_>, comes_with: Box<T>) {
        if result.is_ok() {
            (self.0)(*comes_with);
        }
    }
}
