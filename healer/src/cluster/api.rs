//! The calls of the replacement protocol, on the real API server.

use std::{fmt, future::Future, time::Duration};

use k8s_openapi::api::{batch::v1::Job as TypedJob, core::v1::Node};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::{Request, Status},
};
use serde_json::{Value, json};
use temper_healer_core::{
    Job, Moment, job,
    replace::{Cluster, Phase, Pod, Replacement, Trouble},
};

use super::CALL_TIMEOUT;

/// Who is written down as the author of what is created here.
const FIELD_MANAGER: &str = "temper-healer";

/// The Jobs of one namespace.
#[derive(Clone)]
pub struct Jobs {
    client: Client,
    requests: Request,
    pod_requests: Request,
    nodes: Api<Node>,
    /// Nodes may be read, and are, where a policy needs to know whether they are ready.
    reads_nodes: bool,
    /// Nothing is changed: changes are checked by the API server and not kept.
    dry_run: bool,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("at", &self.requests.url_path)
            .finish_non_exhaustive()
    }
}

impl Jobs {
    /// The Jobs of `namespace`.
    pub fn new(client: Client, namespace: &str) -> Self {
        let jobs = TypedJob::url_path(&(), Some(namespace));
        let pods = k8s_openapi::api::core::v1::Pod::url_path(&(), Some(namespace));
        Self {
            nodes: Api::all(client.clone()),
            client,
            requests: Request::new(jobs),
            pod_requests: Request::new(pods),
            reads_nodes: false,
            dry_run: false,
        }
    }

    /// Reads nodes as well, which takes a right of its own.
    #[must_use]
    pub const fn that_reads_nodes(mut self, reads: bool) -> Self {
        self.reads_nodes = reads;
        self
    }

    /// Asks the API server to check every change and to keep none.
    #[must_use]
    pub const fn that_changes_nothing(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The uid of the Job that takes the old one's place, if it is there and can be read.
    pub async fn uid_of_successor(&self, replacement: &Replacement) -> Option<String> {
        let found = self.job(&replacement.successor_name()).await.ok()??;
        let (_, job) = Job::read(&found).ok()?;
        let is_it = job.replaces()?.uid == replacement.old_uid;
        is_it.then(|| job.uid.to_string())
    }

    async fn ask(
        &self,
        what: &str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Trouble> {
        let request = request.map_err(|error| Trouble::Denied(format!("{what}: {error}")))?;
        in_time(what, self.client.request::<Value>(request)).await
    }

    async fn is_ready(&self, node: Option<&str>) -> bool {
        let (true, Some(node)) = (self.reads_nodes, node) else {
            return true;
        };
        let found = in_time("reading a node", self.nodes.get_opt(node)).await;
        match found {
            Ok(Some(node)) => is_ready(&node),
            // A node that is gone runs nothing.
            Ok(None) => false,
            Err(_) => true,
        }
    }

    fn post(&self) -> PostParams {
        PostParams {
            dry_run: self.dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        }
    }
}

impl Cluster for Jobs {
    async fn job(&self, name: &str) -> Result<Option<Value>, Trouble> {
        let what = format!("reading Job {name}");
        let request = self.requests.get(name, &GetParams::default());
        match request.map_err(|error| Trouble::Denied(format!("{what}: {error}"))) {
            Ok(request) => absent_is_none(
                in_time_or_status(&what, self.client.request::<Value>(request)).await,
            ),
            Err(trouble) => Err(trouble),
        }
    }

    async fn line(&self, first_uid: &str) -> Result<Vec<Value>, Trouble> {
        let what = format!("listing Jobs of the line of {first_uid}");
        let selector = format!("{}={first_uid}", job::keys::LINE);
        let request = self.requests.list(&ListParams::default().labels(&selector));
        let mut list = self.ask(&what, request).await?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(jobs)) => Ok(jobs),
            _ => Ok(Vec::new()),
        }
    }

    async fn pods(&self, job_uid: &str) -> Result<Vec<Pod>, Trouble> {
        // Labels of the Job controller; the older one is still set by all versions.
        let selector = format!("controller-uid={job_uid}");
        let what = format!("listing pods of Job {job_uid}");
        let list = self
            .ask(
                &what,
                self.pod_requests
                    .list(&ListParams::default().labels(&selector)),
            )
            .await?;
        let mut pods = Vec::new();
        for item in list
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let node = item.pointer("/spec/nodeName").and_then(Value::as_str);
            let deleting = moment(item, "/metadata/deletionTimestamp");
            let node_ready = deleting.is_none() || self.is_ready(node).await;
            pods.push(pod(item, deleting, node_ready));
        }
        Ok(pods)
    }

    async fn create(&self, job: Value) -> Result<(), Trouble> {
        let name = job
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or("?");
        let request = self
            .requests
            .create(&self.post(), job.to_string().into_bytes());
        self.ask(&format!("creating Job {name}"), request)
            .await
            .map(drop)
    }

    async fn delete(&self, name: &str, uid: &str, version: &str) -> Result<(), Trouble> {
        let what = format!("deleting Job {name}");
        let request = self
            .requests
            .delete(name, &foreground(uid, version, self.dry_run));
        let request = request.map_err(|error| Trouble::Denied(format!("{what}: {error}")))?;
        absent_is_none(in_time_or_status(&what, self.client.request::<Value>(request)).await)
            .map(drop)
    }

    async fn patch(&self, name: &str, version: &str, mut change: Value) -> Result<(), Trouble> {
        change["metadata"]["resourceVersion"] = json!(version);
        let params = PatchParams {
            dry_run: self.dry_run,
            ..PatchParams::default()
        };
        let request = self.requests.patch(name, &params, &Patch::Merge(change));
        self.ask(&format!("changing Job {name}"), request)
            .await
            .map(drop)
    }
}

/// Without a policy the API server would orphan the pods of a Job, and they would go on writing.
fn foreground(uid: &str, version: &str, dry_run: bool) -> DeleteParams {
    let preconditions = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: Some(version.to_owned()),
    };
    DeleteParams {
        dry_run,
        ..DeleteParams::foreground().preconditions(preconditions)
    }
}

fn pod(item: &Value, deleting: Option<Moment>, node_ready: bool) -> Pod {
    let text = |pointer: &str| {
        item.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    Pod {
        name: text("/metadata/name").into(),
        phase: match text("/status/phase") {
            "Pending" => Phase::Pending,
            "Succeeded" | "Failed" => Phase::Ended,
            _ => Phase::Running,
        },
        deleting,
        node_ready,
        why: waits_for(item).into(),
    }
}

/// Why a pod does not run: what its container waits for, or why it has no node.
fn waits_for(pod: &Value) -> String {
    let container = pod.pointer("/status/containerStatuses/0/state/waiting/reason");
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let scheduled = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "PodScheduled");
    let reason = container
        .or_else(|| scheduled?.get("reason"))
        .and_then(Value::as_str);
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    reason.or(phase).unwrap_or("no status yet").to_owned()
}

fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .any(|condition| condition.status == "True")
}

fn moment(object: &Value, pointer: &str) -> Option<Moment> {
    object.pointer(pointer)?.as_str().and_then(job::timestamp)
}

/// What an object that is not there means: nothing is there.
fn absent_is_none(answer: Result<Value, Unanswered>) -> Result<Option<Value>, Trouble> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Unanswered::Status(status)) if status.code == 404 => Ok(None),
        Err(unanswered) => Err(unanswered.into()),
    }
}

enum Unanswered {
    Status(Box<Status>),
    Trouble(Trouble),
}

impl From<Unanswered> for Trouble {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Status(status) => trouble(&status),
            Unanswered::Trouble(trouble) => trouble,
        }
    }
}

async fn in_time<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    in_time_or_status(what, call).await.map_err(Trouble::from)
}

async fn in_time_or_status<T>(
    what: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Unanswered> {
    let busy = |why: String| Unanswered::Trouble(Trouble::Busy { why, after: None });
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kube::Error::Api(mut status))) => {
            status.message = format!("{what}: {}", status.message);
            Err(Unanswered::Status(status))
        }
        Ok(Err(error)) => Err(busy(format!("{what}: {error}"))),
        Err(_) => Err(busy(format!("{what}: no answer within {CALL_TIMEOUT:?}"))),
    }
}

/// What can be done about a refusal, by its status.
fn trouble(status: &Status) -> Trouble {
    let why = status.message.clone();
    match status.code {
        // It has changed, or it has gone: read again.
        404 | 409 | 410 => Trouble::Conflict(why),
        408 | 429 | 500.. => Trouble::Busy {
            why,
            after: retry_after(status),
        },
        _ => Trouble::Denied(why),
    }
}

fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}
