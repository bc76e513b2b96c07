//! What workers report: JSON on a topic.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord, future_producer::Delivery},
    util::Timeout,
};
use serde::Serialize;

use super::words::Words;

/// An event as StreamForge's workers send it.
#[derive(Debug, Clone, Serialize)]
#[expect(
    missing_docs,
    reason = "the field names are StreamForge's, and so is their meaning"
)]
pub struct Event {
    pub queue_id: String,
    /// The worker, by its telemetry id.
    pub producer: String,
    pub symbol: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub message: String,
    pub records_written: u64,
    pub finished: bool,
    /// Seconds since 1970.
    pub timestamp: f64,
}

impl Event {
    /// What a loader of candles in queue `queue_id` says now.
    pub fn of(queue_id: &str, producer: &str, status: &str) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            queue_id: queue_id.to_owned(),
            producer: producer.to_owned(),
            symbol: "BTCUSDT".to_owned(),
            kind: "api_candles_1m".to_owned(),
            status: status.to_owned(),
            message: format!("the worker is {status}"),
            records_written: 0,
            finished: status == "finished",
            timestamp: since_1970.unwrap_or_default().as_secs_f64(),
        }
    }
}

/// Workers that report to one topic: each record is acknowledged by all brokers that must have it, and stored once.
#[expect(
    missing_debug_implementations,
    reason = "librdkafka's producer has none"
)]
pub struct Telemetry {
    producer: FutureProducer<Words>,
    words: Words,
    topic: String,
}

impl Telemetry {
    /// Workers that connect as `client` says and give a record up when it is not acknowledged after `patience`.
    pub fn connect(client: &ClientConfig, topic: &str, patience: Duration) -> Result<Self> {
        let words = Words::default();
        let producer = client
            .clone()
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", patience.as_millis().to_string())
            // A broker that hangs keeps its connections: whoever has sent it something must not wait for a minute.
            .set("socket.timeout.ms", "5000")
            .create_with_context(words.clone())
            .context("making a Kafka producer")?;
        Ok(Self {
            producer,
            words,
            topic: topic.to_owned(),
        })
    }

    /// Sends what a worker says; it goes to the partition that its name is hashed to.
    pub async fn send(&self, event: &Event) -> Result<Delivery> {
        let payload = serde_json::to_vec(event).context("writing an event as JSON")?;
        let record = FutureRecord::to(&self.topic)
            .key(event.producer.as_str())
            .payload(payload.as_slice());
        self.deliver(record).await
    }

    /// Sends bytes as they are, for all that is not an event.
    pub async fn send_bytes(&self, partition: i32, payload: &[u8]) -> Result<Delivery> {
        let record = FutureRecord::to(&self.topic)
            .partition(partition)
            .payload(payload);
        self.deliver(record).await
    }

    /// What the client has logged and complained about so far.
    pub fn words(&self) -> String {
        self.words.to_string()
    }

    async fn deliver(&self, record: FutureRecord<'_, str, [u8]>) -> Result<Delivery> {
        // The queue has room: nobody sends faster than it is waited for.
        let sent = self.producer.send(record, Timeout::After(Duration::ZERO));
        sent.await.map_err(|(error, _)| {
            let (topic, words) = (&self.topic, &self.words);
            anyhow!("sending to {topic}: {error}; the client said:\n{words}")
        })
    }
}
