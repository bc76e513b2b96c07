//! What workers have said in the past: many records, quickly.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};

use super::{Event, words::Words};

/// So many workers take turns to speak.
const WORKERS: u32 = 10_000;
/// What brokers take at most to acknowledge what is on its way, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Writes `count` events of loaders at work to a topic, in large compressed batches, and waits until all are acknowledged by
/// all brokers that must have them.
pub(super) fn write(client: &ClientConfig, topic: &str, count: u32) -> Result<()> {
    let words = Words::default();
    let producer: BaseProducer<_> = client
        .clone()
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "50")
        .set("batch.size", "900000")
        .set("compression.type", "lz4")
        .create_with_context(words.clone())
        .context("making a Kafka producer")?;
    let names: Vec<_> = (0..WORKERS).map(names).collect();
    for (n, (queue, worker)) in (0..count).zip(names.iter().cycle()) {
        let event = Event {
            records_written: (n / WORKERS).into(),
            ..Event::of(queue, worker, "loading")
        };
        hand_over(&producer, topic, &event)?;
    }
    let flushed = producer.flush(PATIENCE);
    flushed.map_err(|error| anyhow!("sending to {topic}: {error}; the client said:\n{words}"))
}

/// The queue and the telemetry id of a worker.
fn names(n: u32) -> (String, String) {
    (
        format!("wf-btcusdt-api_candles_1m-20240801-{n:06}"),
        format!("loader-producer__{n:06}"),
    )
}

/// Waits while the client has too much to send already.
fn hand_over(producer: &BaseProducer<Words>, topic: &str, event: &Event) -> Result<()> {
    let payload = serde_json::to_vec(event).context("writing an event as JSON")?;
    let mut record = BaseRecord::to(topic)
        .key(event.producer.as_str())
        .payload(payload.as_slice());
    while let Err((error, refused)) = producer.send(record) {
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return Err(error).context("handing a record over");
        }
        producer.poll(Duration::from_millis(100));
        record = refused;
    }
    Ok(())
}

impl ProducerContext for Words {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.note(format!("a record was lost: {error}"));
        }
    }
}
