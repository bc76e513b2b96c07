//! Handing records over, beside the client library's bare poll: `cargo bench -p temper-healer --bench kafka`.
//!
//! Both have two seconds to fetch ahead, so that the mock cluster is not what is measured.

use std::{
    thread,
    time::{Duration, Instant},
};

use divan::{Bencher, black_box, counter::ItemsCount};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};
use temper_healer::kafka::{Heard, Settings, Telemetry};
use temper_healer_core::Moment;

const PARTITIONS: i32 = 6;
/// The mock keeps 5 MiB a partition: 16 000 records of 255 bytes fit.
const RECORDS: i32 = 16_000;
const ALL: i32 = PARTITIONS * RECORDS;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 8, sample_size = 1)]
fn telemetry(bencher: Bencher<'_, '_>) {
    let cluster = filled();
    let bootstrap = cluster.bootstrap_servers();
    bencher
        .counter(ItemsCount::new(
            usize::try_from(ALL).expect("a small number"),
        ))
        .with_inputs(|| {
            let began = Instant::now();
            let settings = Settings {
                lookback: Duration::MAX,
                ..Settings::new(bootstrap.as_str())
            };
            let mut telemetry =
                Telemetry::connect(settings, move || Moment::default().plus(began.elapsed()))
                    .expect("good settings");
            let mut early = 0;
            while telemetry.positions().count() < 6 {
                telemetry.poll(Duration::from_millis(1), &mut |word| {
                    early += i32::from(matches!(word, Heard::Record(_)));
                });
            }
            fetch_ahead();
            (telemetry, early)
        })
        .bench_local_values(|(mut telemetry, mut heard)| {
            let mut bytes = 0;
            while heard < ALL {
                telemetry.poll(Duration::from_millis(10), &mut |word| {
                    if let Heard::Record(record) = word {
                        bytes += record.payload.map_or(0, <[u8]>::len);
                        heard += 1;
                    }
                });
            }
            black_box(bytes);
            telemetry
        });
}

#[divan::bench(sample_count = 8, sample_size = 1)]
fn bare_poll(bencher: Bencher<'_, '_>) {
    let cluster = filled();
    let bootstrap = cluster.bootstrap_servers();
    bencher
        .counter(ItemsCount::new(
            usize::try_from(ALL).expect("a small number"),
        ))
        .with_inputs(|| {
            let consumer = consumer(&bootstrap);
            fetch_ahead();
            consumer
        })
        .bench_local_values(|consumer| {
            let mut bytes = 0;
            let mut heard = 0;
            while heard < ALL {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(10)) {
                    bytes += message.payload().map_or(0, <[u8]>::len);
                    heard += 1;
                }
            }
            black_box(bytes);
            consumer
        });
}

fn filled() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(3).expect("a mock cluster");
    cluster
        .create_topic("queue-events", PARTITIONS, 3)
        .expect("a new topic");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .create()
        .expect("a producer");
    for n in 0..ALL {
        let record = BaseRecord::<(), [u8]>::to("queue-events")
            .partition(n % PARTITIONS)
            .payload(&[b'x'; 255]);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("room for a record");
    }
    producer
        .flush(Duration::from_mins(1))
        .expect("a cluster that takes writes");
    cluster
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", "32768")
        .set("fetch.wait.max.ms", "50")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset("queue-events", partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&all).expect("an assignment");
    consumer
}

fn fetch_ahead() {
    let until = Instant::now() + Duration::from_secs(2);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
