//! What the server makes of a Job: the selector and the labels by which it finds its pods, and its defaults.

use serde_json::{Value, json};

use crate::{
    object::{default, list, object_at, text},
    status::Cause,
};

const UID: &str = "batch.kubernetes.io/controller-uid";
const NAME: &str = "batch.kubernetes.io/job-name";
/// The same under the names that they had before.
const OLD_UID: &str = "controller-uid";
const OLD_NAME: &str = "job-name";

/// Fills in what was not said.
pub(super) fn complete(job: &mut Value) {
    let (uid, name) = (
        text(job, "/metadata/uid").to_owned(),
        text(job, "/metadata/name").to_owned(),
    );
    job["metadata"]["generation"] = json!(1);
    job["status"] = json!({});
    let spec = object_at(job, "spec");
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        default(spec, field, value);
    }
    complete_template(object_at(spec, "template"));
    if spec["manualSelector"] != true {
        select_by_uid(spec, &uid, &name);
    }
}

/// Labels that are there already stay, and are complained about later.
fn select_by_uid(spec: &mut Value, uid: &str, name: &str) {
    let labels = object_at(object_at(&mut spec["template"], "metadata"), "labels");
    for (label, value) in [(UID, uid), (OLD_UID, uid), (NAME, name), (OLD_NAME, name)] {
        default(labels, label, json!(value));
    }
    let selected = object_at(object_at(spec, "selector"), "matchLabels");
    default(selected, UID, json!(uid));
}

fn complete_template(template: &mut Value) {
    let spec = object_at(template, "spec");
    for (field, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        default(spec, field, value);
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        complete_container(container);
    }
}

fn complete_container(container: &mut Value) {
    let image = text(container, "/image");
    let (_, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let pull = if tag == "latest" || tag.contains('/') {
        "Always"
    } else {
        "IfNotPresent"
    };
    for (field, value) in [
        ("imagePullPolicy", json!(pull)),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ] {
        default(container, field, value);
    }
}

/// The rules of a new one.
pub(super) fn check(job: &Value) -> Vec<Cause> {
    let mut causes = check_template(job);
    if job["spec"]["manualSelector"] != true {
        causes.extend(check_labels(job));
    }
    let name = &job["metadata"]["name"];
    if name.as_str().is_some_and(|name| name.len() > 63) {
        let why = "must be no more than 63 characters";
        causes.push(Cause::invalid("spec.template.labels", name, why));
    }
    causes
}

fn check_template(job: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if list(job, "/spec/template/spec/containers").is_empty() {
        causes.push(Cause::missing("spec.template.spec.containers"));
    }
    if !["Never", "OnFailure"].contains(&text(job, "/spec/template/spec/restartPolicy")) {
        let field = "spec.template.spec.restartPolicy";
        let why = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required(field, why));
    }
    causes
}

/// Labels and selector of another Job betray a careless copy.
fn check_labels(job: &Value) -> Vec<Cause> {
    let labels = &job["spec"]["template"]["metadata"]["labels"];
    let (uid, name) = (&job["metadata"]["uid"], &job["metadata"]["name"]);
    let mut causes: Vec<_> = [(OLD_UID, uid), (OLD_NAME, name), (UID, uid), (NAME, name)]
        .into_iter()
        .filter(|(label, value)| &labels[*label] != *value)
        .map(|(label, value)| {
            let field = format!("spec.template.metadata.labels[{label}]");
            let wanted = value.as_str().unwrap_or_default();
            Cause::invalid(&field, labels, &format!("must be '{wanted}'"))
        })
        .collect();
    let selector = &job["spec"]["selector"];
    let selected = selector["matchLabels"].as_object();
    if selected
        .into_iter()
        .flatten()
        .any(|(label, value)| &labels[label] != value)
    {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, why));
    }
    if selector != &json!({ "matchLabels": { UID: uid } }) {
        causes.push(Cause::invalid(
            "spec.selector",
            selector,
            "`selector` not auto-generated",
        ));
    }
    causes
}

/// The rules of a change.
pub(super) fn check_update(old: &Value, new: &Value) -> Vec<Cause> {
    const FIXED: [&str; 5] = [
        "completions",
        "selector",
        "template",
        "completionMode",
        "manualSelector",
    ];
    let (old, new) = (&old["spec"], &new["spec"]);
    let changed = FIXED.into_iter().filter(|field| old[*field] != new[*field]);
    changed
        .map(|field| Cause::invalid(&format!("spec.{field}"), &new[field], "field is immutable"))
        .collect()
}
