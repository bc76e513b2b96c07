//! Workers, as StreamForge's queue-manager makes them.

use serde_json::{Value, json};

use super::NAMESPACE;

/// A worker, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Worker(pub(crate) usize);

impl Worker {
    /// Its telemetry id.
    pub(crate) fn producer(self) -> String {
        format!("loader__{:05}", self.0)
    }

    /// The name of its first Job.
    pub(crate) fn job(self) -> String {
        format!("loader-{:05}-job", self.0)
    }

    /// The name of the Job that replaces the first one.
    pub(crate) fn successor(self) -> String {
        format!("{}-r1", self.job())
    }

    /// Whose Job that is, by its name.
    ///
    /// # Panics
    /// If it is nobody's.
    pub(crate) fn of_job(name: &str) -> Self {
        let number = name
            .split('-')
            .nth(1)
            .and_then(|number| number.parse().ok());
        Self(number.expect("a name that `job` or `successor` gave"))
    }

    /// Two workers are in one queue.
    fn queue(self) -> String {
        format!("wf-btcusdt-{:05}", self.0 / 2)
    }

    /// Its first Job, with a field that no client knows yet and an annotation of somebody else.
    pub(crate) fn manifest(self) -> Value {
        let env = json!([
            {"name": "QUEUE_ID", "value": self.queue()},
            {"name": "TELEMETRY_PRODUCER_ID", "value": self.producer()},
        ]);
        let container = json!({"name": "worker", "image": "streamforge/worker:v1", "env": env});
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": self.job(), "namespace": NAMESPACE,
                "labels": {"app": "streamforge", "queue_id": self.queue()},
                "annotations": {"example.com/team": "candles"},
            },
            "spec": {
                "backoffLimit": 6,
                "schedulingOfTomorrow": {"tier": 3},
                "template": {
                    "metadata": {"labels": {"app": "streamforge"}},
                    "spec": {"restartPolicy": "Never", "containers": [container]},
                },
            },
        })
    }

    /// A word of its, as JSON.
    pub(crate) fn word(self, status: &str, records: u64) -> String {
        let word = json!({
            "queue_id": self.queue(), "producer": self.producer(), "status": status,
            "message": format!("it is {status}"), "records_written": records,
            "finished": status == "finished",
        });
        word.to_string()
    }
}
