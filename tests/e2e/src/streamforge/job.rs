//! The Job of a worker, as StreamForge's queue-manager makes it.

use serde_json::{Value, json};

use super::NAMESPACE;
use crate::workloads::NODE;

/// A worker, and the name of its Job.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its telemetry id, such as `loader-producer__abc123`.
    pub producer: String,
    /// Its queue.
    pub queue: String,
    /// The name of its first Job.
    pub job: String,
    /// Whether the Job's environment says its telemetry id; otherwise it is known from the Job's name alone.
    shown: bool,
}

impl Worker {
    /// The worker of kind `target` in the queue with that short id.
    pub fn new(target: &str, id: &str) -> Self {
        Self {
            producer: format!("{target}__{id}"),
            queue: format!("wf-btcusdt-api_candles_1m-20240801-{id}"),
            job: format!("job-{target}-btcusdt-{id}"),
            shown: true,
        }
    }

    /// The same, with a manifest as StreamForge's documents show it: without `TELEMETRY_PRODUCER_ID`.
    pub fn as_documented(target: &str, id: &str) -> Self {
        Self {
            shown: false,
            ..Self::new(target, id)
        }
    }

    /// The name of the Job that replaces the first one, the second one, and so on from 1.
    pub fn successor(&self, attempt: usize) -> String {
        format!("{}-r{attempt}", self.job)
    }

    /// Its Job.
    pub fn manifest(&self) -> Value {
        let container = self.container();
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": self.job,
                "namespace": NAMESPACE,
                "labels": { "app": "streamforge", "queue_id": self.queue },
            },
            "spec": {
                "backoffLimit": 2,
                "ttlSecondsAfterFinished": 3600,
                "template": { "spec": {
                    "restartPolicy": "Never",
                    "nodeName": NODE,
                    "nodeSelector": { "streamforge-worker": "true" },
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container],
                } },
            },
        })
    }

    fn container(&self) -> Value {
        let mut variables = vec![
            ("QUEUE_ID", self.queue.as_str()),
            ("SYMBOL", "BTCUSDT"),
            ("TYPE", "api_candles_1m"),
            ("KAFKA_TOPIC", "btc-klines-1m"),
            ("COLLECTION_NAME", "btcusdt_candles_1m"),
        ];
        if self.shown {
            variables.push(("TELEMETRY_PRODUCER_ID", &self.producer));
        }
        let env: Vec<_> = variables
            .into_iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        json!({
            "name": "worker",
            "image": "registry.example/streamforge/worker:v0.1.0",
            "args": [self.producer],
            "env": env,
        })
    }
}
