//! What acts on objects in a cluster: the Job controller, the garbage collector and the kubelet, a step at a time.
//!
//! Each step is one change, and which one comes next depends on the objects alone, so a test may stop between any two of them.
//! Three things are simpler than the real ones: a pod runs as soon as it is there, a failed one is replaced without a pause, and no
//! finalizer on pods says which of them have been counted.

mod garbage;
mod jobs;

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    api::settle,
    object,
    resource::{Key, Resource},
    store::{Cause, Store},
};

/// What the controllers know beside the objects.
#[derive(Debug, Default)]
pub(crate) struct Controllers {
    /// Terminating pods stay while this holds, as on a node that does not answer.
    pub(crate) holds_pods: bool,
    /// Pods whose end is already in the status of their Job.
    counted: BTreeSet<String>,
}

impl Controllers {
    /// Takes the next step; says whether there was one.
    pub(crate) fn step(&mut self, store: &mut Store) -> bool {
        let before = (store.revision(), store.cause);
        store.cause = Cause::Controllers;
        while store.revision() == before.0 {
            let Some(uid) = store.unsettled.pop_first() else {
                break;
            };
            self.look_at(store, &uid);
            if store.revision() != before.0 {
                // There may be more to do about it.
                store.unsettled.insert(uid);
            }
        }
        store.cause = before.1;
        store.revision() != before.0
    }

    /// Does at most one thing about the object with this uid, or about what it owned.
    fn look_at(&mut self, store: &mut Store, uid: &str) {
        let Some((key, object)) = store.find(uid) else {
            garbage::collect(store, uid);
            return;
        };
        let (key, object) = (key.clone(), Arc::clone(object));
        if object::is_terminating(&object) && garbage::release(store, &key, &object) {
            return;
        }
        match key.resource {
            Resource::Jobs => jobs::sync(&mut self.counted, store, &key, &object),
            Resource::Pods => self.stop(store, &key, &object),
            Resource::Events
            | Resource::Leases
            | Resource::ConfigMaps
            | Resource::Nodes
            | Resource::HealingPolicies => {}
        }
    }

    /// The kubelet: what a pod runs has ended, so its grace is over.
    fn stop(&self, store: &mut Store, key: &Key, pod: &Value) {
        if !object::is_terminating(pod) || self.holds_pods {
            return;
        }
        let mut stopped = pod.clone();
        if is_over(pod) {
            stopped["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        } else {
            // The Job controller sees it before the pod goes: a Job is older than its pods, so it comes first.
            stopped["status"]["phase"] = json!("Failed");
        }
        settle(store, key, stopped);
    }
}

/// Whether what the pod runs has ended.
pub(crate) fn is_over(pod: &Value) -> bool {
    ["Succeeded", "Failed"].contains(&object::text(pod, "/status/phase"))
}

/// The one node, which takes all pods.
pub(crate) fn make_node(store: &mut Store) {
    let uid = store.next_uid();
    let now = store.time(SignedDuration::ZERO);
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": jobs::NODE, "uid": uid, "creationTimestamp": now },
        "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }] },
    });
    store.put(&Key::new(Resource::Nodes, "", jobs::NODE), node);
}

/// Says that a Job has failed, whatever its pods do.
pub(crate) fn fail(store: &mut Store, key: &Key, reason: &str) {
    let Some(job) = store.get(key) else { return };
    let mut failed = Value::clone(job);
    let now = store.time(SignedDuration::ZERO);
    let message = match reason {
        "DeadlineExceeded" => "Job was active longer than specified deadline",
        "BackoffLimitExceeded" => "Job has reached the specified backoff limit",
        _ => "Job has failed",
    };
    jobs::fail(&mut failed["status"], reason, message, &now);
    store.put(key, failed);
}

/// Finished Jobs whose time to live is over.
pub(crate) fn outlived(store: &Store) -> Vec<Key> {
    let jobs = store.list(Resource::Jobs, "");
    jobs.filter(|(_, job)| has_outlived(job, store.now))
        .map(|(key, _)| key.clone())
        .collect()
}

fn has_outlived(job: &Value, now: Timestamp) -> bool {
    let finished = object::list(job, "/status/conditions")
        .iter()
        .filter(|condition| condition["type"] == "Complete" || condition["type"] == "Failed")
        .filter_map(|condition| object::text(condition, "/lastTransitionTime").parse().ok())
        .max();
    let ttl = job["spec"]["ttlSecondsAfterFinished"].as_i64();
    let over = |(finished, ttl): (Timestamp, i64)| {
        finished.saturating_add(SignedDuration::from_secs(ttl)).ok()
    };
    !object::is_terminating(job)
        && finished
            .zip(ttl)
            .and_then(over)
            .is_some_and(|end| end <= now)
}
