//! The Job controller: a Job has the pods that it wants, and its status says what became of them.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::is_over;
use crate::{
    api::{Propagation, delete_now},
    object::{self, has_condition, is_finished, is_terminating, list, number, text, uid},
    resource::{Key, Resource},
    store::Store,
};

/// The node that takes every pod that names no other.
pub(crate) const NODE: &str = "node-1";

/// Does the next thing about a Job: its status is brought up to date, then its pods.
pub(super) fn sync(counted: &mut BTreeSet<String>, store: &mut Store, key: &Key, job: &Value) {
    let pods = pods(store, job);
    let mut status = job["status"].clone();
    count(&mut status, counted, &pods);
    if !is_finished(job) {
        judge(&mut status, store, job);
    }
    if status != job["status"] {
        let mut new = job.clone();
        new["status"] = status;
        store.put(key, new);
    } else if !is_terminating(job) {
        fit_pods(store, key, job, &pods);
    }
}

fn pods(store: &Store, job: &Value) -> Vec<(Key, Value)> {
    store
        .owned_by(uid(job))
        .filter(|(key, _)| key.resource == Resource::Pods)
        .map(|(key, pod)| (key.clone(), Value::clone(pod)))
        .collect()
}

fn is_active(pod: &Value) -> bool {
    !is_over(pod) && !is_terminating(pod)
}

/// Takes the pods into the status; each that has ended is counted once.
fn count(status: &mut Value, counted: &mut BTreeSet<String>, pods: &[(Key, Value)]) {
    let number_of =
        |which: &dyn Fn(&Value) -> bool| pods.iter().filter(|(_, pod)| which(pod)).count();
    let active = number_of(&is_active);
    if active > 0 {
        status["active"] = json!(active);
    } else {
        object::remove(status, "active");
    }
    status["ready"] = json!(number_of(
        &|pod| is_active(pod) && text(pod, "/status/phase") == "Running"
    ));
    status["terminating"] = json!(number_of(&|pod| !is_over(pod) && is_terminating(pod)));
    status["uncountedTerminatedPods"] = json!({});
    for (_, pod) in pods {
        let field = match text(pod, "/status/phase") {
            "Succeeded" => "succeeded",
            "Failed" => "failed",
            _ => continue,
        };
        if counted.insert(uid(pod).to_owned()) {
            status[field] = json!(status[field].as_u64().unwrap_or_default() + 1);
        }
    }
}

/// Whether it has ended, and whether it is suspended.
fn judge(status: &mut Value, store: &Store, job: &Value) {
    let spec = &job["spec"];
    let now = store.time(SignedDuration::ZERO);
    if number(status, "/failed") > number(spec, "/backoffLimit") && !is_suspended(job) {
        let message = "Job has reached the specified backoff limit";
        fail(status, "BackoffLimitExceeded", message, &now);
    } else if number(status, "/succeeded") >= number(spec, "/completions") && !is_suspended(job) {
        complete(status, &now);
    } else {
        suspend_or_resume(status, job, &now);
    }
}

fn is_suspended(job: &Value) -> bool {
    job["spec"]["suspend"] == true
}

fn suspend_or_resume(status: &mut Value, job: &Value, now: &Value) {
    let was = has_condition(job, "Suspended");
    match (is_suspended(job), was) {
        (true, false) => set(
            status,
            "Suspended",
            "True",
            ["JobSuspended", "Job suspended"],
            now,
        ),
        (false, true) => {
            set(
                status,
                "Suspended",
                "False",
                ["JobResumed", "Job resumed"],
                now,
            );
            status["startTime"] = now.clone();
        }
        (false, false) => object::default(status, "startTime", now.clone()),
        (true, true) => {}
    }
}

/// Says that a Job has failed, in the two steps of the real controller at once.
pub(crate) fn fail(status: &mut Value, reason: &str, message: &str, now: &Value) {
    for kind in ["FailureTarget", "Failed"] {
        set(status, kind, "True", [reason, message], now);
    }
}

/// Says that a Job has succeeded.
pub(crate) fn complete(status: &mut Value, now: &Value) {
    let words = [
        "CompletionsReached",
        "Reached expected number of succeeded pods",
    ];
    for kind in ["SuccessCriteriaMet", "Complete"] {
        set(status, kind, "True", words, now);
    }
    status["completionTime"] = now.clone();
}

fn set(status: &mut Value, kind: &str, holds: &str, [reason, message]: [&str; 2], now: &Value) {
    let mut conditions = list(status, "/conditions").to_vec();
    conditions.retain(|condition| condition["type"] != kind);
    conditions.push(json!({
        "type": kind, "status": holds, "reason": reason, "message": message,
        "lastProbeTime": now, "lastTransitionTime": now,
    }));
    status["conditions"] = Value::Array(conditions);
}

/// Makes a pod that is missing, or deletes one that is too many.
fn fit_pods(store: &mut Store, key: &Key, job: &Value, pods: &[(Key, Value)]) {
    let active: Vec<_> = pods.iter().filter(|(_, pod)| is_active(pod)).collect();
    let wanted = wanted(job);
    let have = u64::try_from(active.len()).unwrap_or(u64::MAX);
    if have < wanted {
        let pod = pod(store, key, job);
        let name = text(&pod, "/metadata/name").to_owned();
        store.put(&Key::new(Resource::Pods, &key.namespace, &name), pod);
    } else if let Some((surplus, _)) = active.last().filter(|_| have > wanted) {
        delete_now(store, surplus, Propagation::Background);
    }
}

fn wanted(job: &Value) -> u64 {
    if is_suspended(job) || is_finished(job) {
        return 0;
    }
    let left = number(job, "/spec/completions").saturating_sub(number(job, "/status/succeeded"));
    left.min(number(job, "/spec/parallelism"))
}

fn pod(store: &mut Store, key: &Key, job: &Value) -> Value {
    let template = &job["spec"]["template"];
    let now = store.time(SignedDuration::ZERO);
    let prefix = format!("{}-", key.name);
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!(format!("{prefix}{}", store.next_suffix()));
    metadata["generateName"] = json!(prefix);
    metadata["namespace"] = json!(key.namespace);
    metadata["uid"] = json!(store.next_uid());
    metadata["creationTimestamp"] = now.clone();
    metadata["generation"] = json!(1);
    metadata["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": key.name, "uid": uid(job),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"],
        "status": { "phase": "Running", "startTime": now },
    });
    object::default(&mut pod["spec"], "nodeName", json!(NODE));
    pod
}
