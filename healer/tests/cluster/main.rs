//! Kubernetes as the healer sees it, through its real client, on an API server that fails as it is told to.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

mod crowding;
mod election;
mod replacing;
mod ruling;
mod telling;
mod watching;

use std::time::Duration;

use kube::{Client, Config};
use serde_json::{Value, json};
use temper_fake_kube::{Control, FakeKube, Resource};

const NAMESPACE: &str = "stf";

/// A fake, and the healer's client.
struct Scene {
    _kube: FakeKube,
    client: Client,
    control: Control,
}

impl Scene {
    fn open() -> Self {
        let kube = FakeKube::start().unwrap();
        let mut config = Config::new(kube.url().parse().unwrap());
        config.default_retry = false;
        config.read_timeout = Some(Duration::from_secs(30));
        let client = Client::try_from(config).unwrap();
        let control = kube.control();
        Self {
            _kube: kube,
            client,
            control,
        }
    }

    /// Makes a worker's Job, as somebody else.
    fn make(&self, name: &str) -> Value {
        self.control
            .create(Resource::Jobs, NAMESPACE, &job(name))
            .unwrap();
        self.control.job(NAMESPACE, name).get().unwrap()
    }
}

fn job(name: &str) -> Value {
    let producer = json!({"name": "TELEMETRY_PRODUCER_ID", "value": format!("loader__{name}")});
    let container = json!({"name": "worker", "image": "worker:1", "env": [producer]});
    json!({
        "metadata": {"name": name, "labels": {"queue_id": "q"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    })
}
