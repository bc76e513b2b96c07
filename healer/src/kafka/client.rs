//! Clients of Kafka: how they are set up, and who listens to what they complain of.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, ConsumerContext},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{BaseProducer, DeliveryResult, ProducerContext},
};
use temper_healer_core::Moment;

use super::{
    settings::{Security, Settings},
    trouble::Trouble,
    wire::{Wire, Word},
};

/// How many kibibytes may wait to be handed over: it bounds the memory, whatever the backlog.
const QUEUED_KIB: u32 = 32 << 10;

/// How long a partition is not fetched from when so much waits. What waits is handed over in a tenth of a second, and with the library's
/// own second a backlog would be read in bursts with nothing in between: 140 000 records a second instead of 400 000.
const FETCH_BACKOFF_MS: u32 = 10;

/// What one answer to a fetch may hold, unless a single batch is larger.
const FETCH_BYTES: u32 = 32 << 20;

/// The client that reads records.
///
/// It has a group only because the library cannot be assigned partitions without one: nothing is joined and nothing committed.
/// Records of open and aborted transactions are read as well: else a transaction that hangs would hide what workers say behind it.
pub(crate) fn reader(settings: &Settings, wire: &Arc<Wire>) -> KafkaResult<BaseConsumer<Ear>> {
    let mut config = common(settings);
    let largest = settings.max_message_bytes.max(FETCH_BYTES);
    config
        .set("group.id", "temper-healer")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_uncommitted")
        .set("allow.auto.create.topics", "false")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", FETCH_BACKOFF_MS.to_string())
        .set("fetch.max.bytes", FETCH_BYTES.to_string())
        .set(
            "receive.message.max.bytes",
            largest.saturating_add(1 << 20).to_string(),
        )
        .set("queued.max.messages.kbytes", QUEUED_KIB.to_string());
    BaseConsumer::from_config_and_context(&config, Ear(Arc::clone(wire)))
}

/// The client that asks: who leads, and where partitions end.
///
/// It gives a connection up as soon as it gives the question up, so that a broker that hangs is asked by a new one.
pub(crate) fn asker(settings: &Settings, wire: &Arc<Wire>) -> KafkaResult<BaseConsumer<Ear>> {
    let mut config = common(settings);
    config
        .set("isolation.level", "read_uncommitted")
        .set("allow.auto.create.topics", "false")
        .set("socket.timeout.ms", millis(settings.call_timeout));
    BaseConsumer::from_config_and_context(&config, Ear(Arc::clone(wire)))
}

/// The client that writes canary records.
///
/// Not an idempotent one: a canary written twice proves as much as one written once, and without a producer's identity there is no
/// fatal state that only a new client ends, and no right needed but to write to that topic.
pub(crate) fn writer<C: ProducerContext>(
    settings: &Settings,
    context: C,
) -> KafkaResult<BaseProducer<C>> {
    let mut config = common(settings);
    config
        .set("acks", "all")
        .set("message.timeout.ms", "5000")
        .set("linger.ms", "0");
    BaseProducer::from_config_and_context(&config, context)
}

pub(crate) fn common(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap)
        .set("client.id", "temper-healer")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set_log_level(RDKafkaLogLevel::Error);
    protect(&mut config, &settings.security);
    config
}

fn protect(config: &mut ClientConfig, security: &Security) {
    let ca = match security {
        Security::Plaintext => return,
        Security::Tls { ca } => {
            config.set("security.protocol", "SSL");
            ca
        }
        Security::SaslTls { user, password, ca } => {
            config
                .set("security.protocol", "SASL_SSL")
                .set("sasl.mechanism", "SCRAM-SHA-512")
                .set("sasl.username", user)
                .set("sasl.password", password);
            ca
        }
    };
    if let Some(ca) = ca {
        config.set("ssl.ca.location", ca.to_string_lossy());
    }
}

fn millis(span: Duration) -> String {
    span.as_millis().max(10).to_string()
}

/// Passes on what a client complains of. The reasons of a failed connection come this way only.
pub(crate) struct Ear(Arc<Wire>);

impl Ear {
    fn hear(&self, facility: String, reason: &str) {
        let reason = reason.to_owned();
        self.0
            .offer(Word::Trouble(Trouble::Client { facility, reason }));
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if level as i32 <= RDKafkaLogLevel::Error as i32 {
            self.hear(facility.to_owned(), line);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The library looks for the coordinator of a group that we never join, and may not have the right to.
        if code != Some(RDKafkaErrorCode::GroupAuthorizationFailed) {
            self.hear(
                code.map_or_else(|| error.to_string(), |code| format!("{code:?}")),
                reason,
            );
        }
    }
}

impl ConsumerContext for Ear {}

/// A canary record on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    /// The partition of the canary topic.
    pub(crate) partition: i32,
    /// The broker that led it when the record was handed over.
    pub(crate) leader: i32,
    /// When that was.
    pub(crate) since: Moment,
}

/// Hears how canary records fare.
pub(crate) struct Landing<F> {
    ear: Ear,
    landed: F,
}

impl<F: Fn(&Flight, Result<(), String>) + Send + Sync> Landing<F> {
    /// Calls `landed` for each record that was written, or was not.
    pub(crate) const fn new(wire: Arc<Wire>, landed: F) -> Self {
        Self {
            ear: Ear(wire),
            landed,
        }
    }
}

impl<F: Send + Sync> ClientContext for Landing<F> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.ear.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
    }
}

impl<F: Fn(&Flight, Result<(), String>) + Send + Sync> ProducerContext for Landing<F> {
    type DeliveryOpaque = Box<Flight>;

    fn delivery(&self, result: &DeliveryResult<'_>, flight: Box<Flight>) {
        let outcome = match result {
            Ok(record) if record.offset() >= 0 => Ok(()),
            Ok(_) => Err("acknowledged without an offset".to_owned()),
            Err((error, _)) => Err(error.to_string()),
        };
        (self.landed)(&flight, outcome);
    }
}
