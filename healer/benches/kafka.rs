//! Hearing and understanding, beside the client library's bare poll, and beside its poll and the same parser:
//! `cargo bench -p temper-healer --bench kafka`.
//!
//! All have two seconds to fetch ahead, so that the mock cluster is not what is measured.

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
use temper_healer_core::{Event, Healer, Moment, Place, Policy, telemetry::Report};

const PARTITIONS: i32 = 6;
/// The mock keeps 5 MiB a partition: 16 000 records of 255 bytes fit.
const RECORDS: i32 = 16_000;
const ALL: i32 = PARTITIONS * RECORDS;
const WORKERS: i32 = 10_000;

fn main() {
    divan::main();
}

/// Poll, parse, and take in: all that is done with a record.
#[divan::bench(sample_count = 8, sample_size = 1)]
fn telemetry_and_core(bencher: Bencher<'_, '_>) {
    let mut healer = Healer::new(Policy::streamforge(), Moment::default());
    let mut actions = Vec::new();
    let mut now = Moment::default();
    hear(bencher, &mut |place, payload| {
        now = now.plus(Duration::from_micros(1));
        let report = Report::parse(payload).expect("a report");
        let appended = None;
        let said = Event::Said {
            report,
            place,
            appended,
        };
        healer.step(said, now, &mut actions);
    });
}

#[divan::bench(sample_count = 8, sample_size = 1)]
fn bare_poll_and_parse(bencher: Bencher<'_, '_>) {
    poll(bencher, &mut |payload| {
        black_box(Report::parse(payload).expect("a report"));
    });
}

#[divan::bench(sample_count = 8, sample_size = 1)]
fn telemetry(bencher: Bencher<'_, '_>) {
    hear(bencher, &mut |_, payload| {
        black_box(payload.len());
    });
}

#[divan::bench(sample_count = 8, sample_size = 1)]
fn bare_poll(bencher: Bencher<'_, '_>) {
    poll(bencher, &mut |payload| {
        black_box(payload.len());
    });
}

fn hear(bencher: Bencher<'_, '_>, each: &mut impl FnMut(Place, &[u8])) {
    let cluster = filled();
    let bootstrap = cluster.bootstrap_servers();
    bencher
        .counter(records())
        .with_inputs(|| {
            let mut telemetry = listener(&bootstrap);
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
            while heard < ALL {
                telemetry.poll(Duration::from_millis(10), &mut |word| {
                    if let Heard::Record(record) = word {
                        let (partition, offset) = (record.partition, record.offset);
                        let place = Place { partition, offset };
                        each(place, record.payload.unwrap_or_default());
                        heard += 1;
                    }
                });
            }
            telemetry
        });
}

fn poll(bencher: Bencher<'_, '_>, each: &mut impl FnMut(&[u8])) {
    let cluster = filled();
    let bootstrap = cluster.bootstrap_servers();
    bencher
        .counter(records())
        .with_inputs(|| {
            let consumer = consumer(&bootstrap);
            fetch_ahead();
            consumer
        })
        .bench_local_values(|consumer| {
            let mut heard = 0;
            while heard < ALL {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(10)) {
                    each(message.payload().unwrap_or_default());
                    heard += 1;
                }
            }
            consumer
        });
}

fn records() -> ItemsCount {
    ItemsCount::new(usize::try_from(ALL).expect("a small number"))
}

fn listener(bootstrap: &str) -> Telemetry {
    let began = Instant::now();
    let settings = Settings {
        lookback: Duration::MAX,
        ..Settings::new(bootstrap)
    };
    Telemetry::connect(settings, move || Moment::default().plus(began.elapsed()))
        .expect("good settings")
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
        let payload = payload(n % WORKERS);
        let record = BaseRecord::<(), [u8]>::to("queue-events")
            .partition(n % PARTITIONS)
            .payload(payload.as_bytes());
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

/// What a loader says, some 250 bytes.
fn payload(worker: i32) -> String {
    format!(
        r#"{{"queue_id":"wf-btcusdt-api_candles_1m-20240801-{worker:06}","producer":"loader-producer__{worker:06}","symbol":"BTCUSDT","type":"api_candles_1m","status":"loading","message":"Loaded 1000 records","records_written":1000,"finished":false,"timestamp":1722500000.25}}"#
    )
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
