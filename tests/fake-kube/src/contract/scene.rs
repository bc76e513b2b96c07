//! What cases are told with: objects of one's own, questions, expectations, and waiting.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, interval, timeout};

use super::{Error, Failure, Server, Stream, Verdict};
use crate::{
    object::{list, text},
    patch,
    resource::Resource,
};

/// Far more than controllers take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN: Duration = Duration::from_millis(50);

pub(super) const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Where a case is played: a server, and a word that begins all its names.
pub(super) struct Scene<'a> {
    pub(super) server: &'a Server,
    prefix: String,
    made: RefCell<BTreeSet<String>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.map_or(0, |since| since.as_secs());
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            server,
            prefix: format!("t{second:x}-{number}"),
            made: RefCell::default(),
        }
    }

    /// A name that no other case has.
    pub(super) fn name(&self, short: &str) -> String {
        format!("{}-{short}", self.prefix)
    }

    /// The labels that only objects of this case have.
    pub(super) fn labels(&self) -> Value {
        json!({ "contract": self.prefix })
    }

    /// A selector of objects of this case.
    pub(super) fn selector(&self) -> String {
        format!("labelSelector=contract%3D{}", self.prefix)
    }

    /// A Job that would wait for a node for ever, with changes merged in.
    pub(super) fn job(&self, short: &str, changes: &Value) -> Value {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": self.name(short), "labels": self.labels() },
            "spec": { "template": { "spec": {
                "restartPolicy": "Never",
                "containers": [{ "name": "worker", "image": "worker:1" }],
            } } },
        });
        patch::merge(&mut job, changes);
        job
    }

    /// A Job that has no pods.
    pub(super) fn suspended(&self, short: &str) -> Value {
        self.job(short, &json!({ "spec": { "suspend": true } }))
    }

    pub(super) fn config_map(&self, short: &str, changes: &Value) -> Value {
        let metadata = json!({ "name": self.name(short), "labels": self.labels() });
        let mut map = json!({ "metadata": metadata, "data": { "key": "value" } });
        patch::merge(&mut map, changes);
        map
    }

    pub(super) fn path(&self, resource: Resource, short: &str) -> String {
        let all = resource.path(&self.server.namespace);
        match short {
            "" => all,
            short => format!("{all}/{}", self.name(short)),
        }
    }

    pub(super) async fn get(&self, resource: Resource, short: &str) -> Result<Answer, Error> {
        self.ask(Method::GET, &self.path(resource, short), JSON, None)
            .await
    }

    /// A list or one object, by its whole path.
    pub(super) async fn get_path(&self, path: &str) -> Result<Answer, Error> {
        self.ask(Method::GET, path, JSON, None).await
    }

    pub(super) async fn post(&self, resource: Resource, object: &Value) -> Result<Answer, Error> {
        let path = self.path(resource, "");
        let answer = self.post_to(&path, object).await?;
        if answer.code == 201 {
            let made = format!("{path}/{}", text(&answer.body, "/metadata/name"));
            self.made.borrow_mut().insert(made);
        }
        Ok(answer)
    }

    pub(super) async fn post_to(&self, path: &str, object: &Value) -> Result<Answer, Error> {
        self.ask(Method::POST, path, JSON, Some(object)).await
    }

    pub(super) async fn put(
        &self,
        resource: Resource,
        short: &str,
        object: &Value,
    ) -> Result<Answer, Error> {
        self.ask(Method::PUT, &self.path(resource, short), JSON, Some(object))
            .await
    }

    /// Merges changes in.
    pub(super) async fn merge(
        &self,
        resource: Resource,
        short: &str,
        changes: &Value,
    ) -> Result<Answer, Error> {
        self.patch(&self.path(resource, short), MERGE, changes)
            .await
    }

    pub(super) async fn patch(
        &self,
        path: &str,
        media_type: &str,
        changes: &Value,
    ) -> Result<Answer, Error> {
        self.ask(Method::PATCH, path, media_type, Some(changes))
            .await
    }

    pub(super) async fn delete(
        &self,
        resource: Resource,
        short: &str,
        options: &Value,
    ) -> Result<Answer, Error> {
        self.ask(
            Method::DELETE,
            &self.path(resource, short),
            JSON,
            Some(options),
        )
        .await
    }

    pub(super) async fn delete_path(
        &self,
        path: &str,
        options: Option<&Value>,
    ) -> Result<Answer, Error> {
        self.ask(Method::DELETE, path, JSON, options).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let told = format!("{method} {path}");
        let asking = self.server.ask(method, path, media_type, body);
        let (code, body) = timeout(PATIENCE, asking)
            .await
            .unwrap_or(Err(Error::Late("an answer")))?;
        Ok(Answer { told, code, body })
    }

    /// The pods of a Job.
    pub(super) async fn pods(&self, short: &str) -> Result<Vec<Value>, Failure> {
        let pods = self.path(Resource::Pods, "");
        let path = format!("{pods}?labelSelector=job-name%3D{}", self.name(short));
        let answer = self.get_path(&path).await?.is(200)?;
        Ok(list(&answer, "/items").to_vec())
    }

    /// The pod of a Job, once there is one.
    pub(super) async fn pod(&self, short: &str) -> Result<Value, Failure> {
        self.until("the Job has a pod", async || {
            Ok(self.pods(short).await?.pop())
        })
        .await
    }

    pub(super) async fn until_gone(&self, resource: Resource, short: &str) -> Verdict {
        let what = "the object is gone";
        self.until(what, async || {
            let answer = self.get(resource, short).await?;
            Ok((answer.code == 404).then_some(()))
        })
        .await
    }

    /// Looks again and again until there is something.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = interval(BETWEEN);
        while Instant::now() < deadline {
            ticks.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
        Err(Failure(format!(
            "it is not so after {PATIENCE:?} that {what}"
        )))
    }

    /// The version of everything.
    pub(super) async fn version(&self, resource: Resource) -> Result<String, Failure> {
        let answer = self.get(resource, "").await?.is(200)?;
        Ok(text(&answer, "/metadata/resourceVersion").to_owned())
    }

    /// What happens to objects of this case; `parameters` begin with `&`.
    pub(super) async fn watch(&self, resource: Resource, parameters: &str) -> Result<Watch, Error> {
        let path = self.path(resource, "");
        let path = format!("{path}?watch=1&{}{parameters}", self.selector());
        Ok(Watch(self.server.watch(&path).await?))
    }

    /// Deletes what was made, and what holds it; a case that failed may have left anything.
    pub(super) async fn clean_up(&self) {
        let made = self.made.take();
        for path in made {
            let free = json!({ "metadata": { "finalizers": null } });
            let background = json!({ "propagationPolicy": "Background" });
            // Most are gone already; what can't be reached now is left there.
            drop(self.delete_path(&path, Some(&background)).await);
            drop(self.patch(&path, MERGE, &free).await);
        }
    }
}

/// What a question was answered with.
#[derive(Debug)]
pub(super) struct Answer {
    told: String,
    pub(super) code: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The body, if the code is this one.
    pub(super) fn is(self, code: u16) -> Result<Value, Failure> {
        let Self {
            told,
            code: got,
            body,
        } = self;
        require(got == code, || {
            format!("{told}: expected {code}, got {got}: {body}")
        })?;
        Ok(body)
    }

    /// A refusal with this code, this reason, and these words in its message.
    pub(super) fn refused(self, code: u16, reason: &str, words: &str) -> Result<Value, Failure> {
        let told = self.told.clone();
        let body = self.is(code)?;
        let so = body["kind"] == "Status"
            && body["code"] == code
            && text(&body, "/reason") == reason
            && text(&body, "/message").contains(words);
        require(so, || {
            format!("{told}: expected {reason:?} with {words:?}, got {body}")
        })?;
        Ok(body)
    }
}

pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds {
        return Ok(());
    }
    Err(Failure(otherwise()))
}

pub(super) fn equal(what: &str, got: &Value, expected: &Value) -> Verdict {
    require(got == expected, || {
        format!("{what}: expected {expected}, got {got}")
    })
}

/// A stream of what happens.
pub(super) struct Watch(Stream);

impl Watch {
    /// The next thing that happens; `None` if the stream has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Error> {
        let next = timeout(PATIENCE, self.0.next()).await;
        next.unwrap_or(Err(Error::Late("the next thing to happen")))
    }

    /// The next thing that happens, if it is this.
    pub(super) async fn expect(&mut self, kind: &str, name: &str) -> Result<Value, Failure> {
        let event = self.next().await?.unwrap_or_default();
        let so = event["type"] == kind && text(&event, "/object/metadata/name") == name;
        require(so, || format!("expected {kind} {name}, got {event}"))?;
        Ok(event["object"].clone())
    }
}
