//! The successor's manifest: the old one's, less what belongs to one object alone.
//!
//! It is made from the JSON as the API server gave it: a typed struct would drop, in silence, fields newer than itself.

use serde_json::{Map, Value, json};

use super::{Pod, Replacement};
use crate::job::{Refusal, keys, write_heals};

/// Labels that the Job controller gives to one Job and its pods.
const OF_ONE_JOB: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

/// Annotations about the old object.
const ABOUT_THE_OLD: [&str; 5] = [
    keys::RELEASED_AT,
    keys::REPRIEVED,
    keys::REPRIEVED_AT,
    "kubectl.kubernetes.io/last-applied-configuration",
    "batch.kubernetes.io/job-tracking",
];

/// What stays of the metadata.
const KEPT: [&str; 4] = ["namespace", "labels", "annotations", "ownerReferences"];

/// A Job with more pods is treated as if the others were new: it is left alone.
const PODS: usize = 100;

/// A longer sentence is cut: annotations of one object have 256 KiB together.
const WHY_CHARACTERS: usize = 1000;

/// The Job that takes the old one's place: suspended, under a name of its own, and saying what it replaces.
pub fn successor(old: &Value, replacement: &Replacement, pods: &[Pod]) -> Result<Value, Refusal> {
    let metadata = old.get("metadata").and_then(Value::as_object);
    let mut spec = old.get("spec").cloned().ok_or(Refusal::Malformed("spec"))?;
    let fields = spec.as_object_mut().ok_or(Refusal::Malformed("spec"))?;
    fields.remove("selector");
    fields.insert("suspend".to_owned(), json!(true));
    let template = fields
        .get_mut("template")
        .and_then(Value::as_object_mut)
        .ok_or(Refusal::Malformed("spec.template"))?;
    if let Some(Value::Object(of_pods)) = template.get_mut("metadata") {
        of_pods.remove("creationTimestamp");
        forget(of_pods, "labels", &OF_ONE_JOB);
    }
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": self::metadata(metadata.ok_or(Refusal::Malformed("metadata"))?, replacement, pods),
        "spec": spec,
    }))
}

fn metadata(old: &Map<String, Value>, replacement: &Replacement, pods: &[Pod]) -> Value {
    let kept = KEPT
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), old.get(*key)?.clone())));
    let mut metadata: Map<String, Value> = kept.collect();
    forget(&mut metadata, "labels", &OF_ONE_JOB);
    forget(&mut metadata, "annotations", &ABOUT_THE_OLD);
    metadata.insert("name".to_owned(), json!(replacement.successor_name()));
    for (key, value) in [
        (keys::REPLACEMENT, "true".to_owned()),
        (keys::LINE, replacement.line.to_string()),
    ] {
        note(&mut metadata, "labels", key, value);
    }
    let names: Vec<_> = pods.iter().take(PODS).map(|pod| &*pod.name).collect();
    note(
        &mut metadata,
        "annotations",
        keys::OLD_PODS,
        names.join(","),
    );
    for (key, value) in annotations(replacement) {
        note(&mut metadata, "annotations", key, value);
    }
    Value::Object(metadata)
}

fn annotations(replacement: &Replacement) -> [(&'static str, String); 8] {
    [
        (keys::REPLACES_UID, replacement.old_uid.to_string()),
        (keys::REPLACES_NAME, replacement.old_name.to_string()),
        (keys::BASE_NAME, replacement.base.to_string()),
        (keys::ATTEMPT, replacement.attempt.to_string()),
        (keys::CAUSE, replacement.cause.word().to_owned()),
        (
            keys::WHY,
            replacement.why.chars().take(WHY_CHARACTERS).collect(),
        ),
        (keys::DECIDED_AT, replacement.decided.to_string()),
        (keys::HEALS, write_heals(&replacement.heals)),
    ]
}

fn forget(metadata: &mut Map<String, Value>, map: &str, names: &[&str]) {
    if let Some(Value::Object(entries)) = metadata.get_mut(map) {
        entries.retain(|key, _| !names.contains(&&**key));
    }
}

fn note(metadata: &mut Map<String, Value>, map: &str, key: &str, value: String) {
    let entries = metadata.entry(map).or_insert_with(|| json!({}));
    if !entries.is_object() {
        *entries = json!({});
    }
    entries[key] = Value::String(value);
}
