//! What a Kafka client has to say.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError};

/// Collects what clients log and complain about. Calls themselves fail with no more than "transport failure" or "timed
/// out"; a wrong password or certificate is named here and nowhere else. Clones collect together.
#[derive(Debug, Clone, Default)]
pub struct Words(Arc<Mutex<Vec<String>>>);

impl Words {
    /// Collects one more.
    pub(super) fn note(&self, line: String) {
        self.lines().push(line);
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl ClientContext for Words {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        self.note(format!("{facility}: {message}"));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(format!("{error}: {reason}"));
    }
}
