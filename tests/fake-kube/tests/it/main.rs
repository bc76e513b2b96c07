//! What the test orders is what happens: faults, interruptions, steps and time.
#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod faults;
mod streams;
mod controllers;

use serde_json::{Value, json};
use temper_fake_kube::{
    Control, FakeKube, Resource,
    contract::{Error, Server},
};

/// A fake, and somebody who talks to it.
struct Scene {
    kube: FakeKube,
    client: Server,
    control: Control,
}

impl Scene {
    fn open() -> Self {
        let kube = FakeKube::start().unwrap();
        let client = Server::plain(&kube.url()).unwrap();
        let control = kube.control();
        Self {
            kube,
            client,
            control,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), Error> {
        let method = method.parse().unwrap();
        let media_type = "application/json";
        self.client.ask(method, path, media_type, Some(body)).await
    }

    /// Creates a Job over HTTP and gives the code.
    async fn post(&self, name: &str) -> Result<u16, Error> {
        let (code, _) = self.ask("POST", &jobs(), &job(name, &json!({}))).await?;
        Ok(code)
    }

    fn exists(&self, name: &str) -> bool {
        self.control.get(Resource::Jobs, "stf", name).is_some()
    }

    /// Makes a Job as somebody else.
    fn make(&self, name: &str, spec: &Value) -> temper_fake_kube::Job {
        let job = job(name, spec);
        self.control.create(Resource::Jobs, "stf", &job).unwrap();
        self.control.job("stf", name)
    }
}

fn jobs() -> String {
    Resource::Jobs.path("stf")
}

/// A Job with these fields in its spec.
fn job(name: &str, spec: &Value) -> Value {
    let container = json!({ "name": "worker", "image": "worker:1" });
    let template = json!({ "spec": { "restartPolicy": "Never", "containers": [container] } });
    let mut job = json!({ "metadata": { "name": name }, "spec": { "template": template } });
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}
