//! What the server makes of an object before it keeps it: fields filled in, rules checked.

mod job;

use serde_json::{Value, json};

use crate::{
    object::{self, default, object_at, text},
    resource::{Key, Resource},
    status::{Cause, Status},
    store::Store,
};

/// Completes and checks an object that is to be new.
pub(crate) fn create(store: &mut Store, key: &mut Key, object: &mut Value) -> Result<(), Status> {
    complete(store, key, object);
    match key.resource {
        Resource::Jobs => job::complete(object),
        Resource::HealingPolicies => object["metadata"]["generation"] = json!(1),
        Resource::Pods
        | Resource::Events
        | Resource::Leases
        | Resource::ConfigMaps
        | Resource::Nodes => {}
    }
    let mut causes = check_metadata(object);
    if key.resource == Resource::Jobs {
        causes.extend(job::check(object));
    }
    accept(key, &causes)
}

/// Completes and checks what is to replace `old`.
pub(crate) fn update(key: &Key, old: &Value, new: &mut Value) -> Result<(), Status> {
    let mut causes = Vec::new();
    keep_what_is_the_servers(old, new, &mut causes);
    if key.resource == Resource::Jobs {
        default(&mut new["spec"], "suspend", json!(false));
        causes.extend(job::check_update(old, new));
    }
    if matches!(key.resource, Resource::Jobs | Resource::HealingPolicies) {
        count_generation(old, new);
    }
    causes.extend(check_metadata(new));
    accept(key, &causes)
}

fn accept(key: &Key, causes: &[Cause]) -> Result<(), Status> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(key.resource, &key.name, causes))
}

/// Name, uid and times are the server's to say; status is nothing that one could create.
fn complete(store: &mut Store, key: &mut Key, object: &mut Value) {
    let resource = key.resource;
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind());
    let uid = store.next_uid();
    let now = store.time(jiff::SignedDuration::ZERO);
    let metadata = object_at(object, "metadata");
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "selfLink",
    ] {
        object::remove(metadata, field);
    }
    let prefix = text(metadata, "/generateName");
    if text(metadata, "/name").is_empty() && !prefix.is_empty() {
        metadata["name"] = json!(format!("{prefix}{}", store.next_suffix()));
    }
    text(metadata, "/name").clone_into(&mut key.name);
    if resource.namespaced() {
        metadata["namespace"] = json!(key.namespace);
    }
    metadata["uid"] = json!(uid);
    metadata["creationTimestamp"] = now;
}

/// An update changes neither identity nor times, and status has a resource of its own.
fn keep_what_is_the_servers(old: &Value, new: &mut Value, causes: &mut Vec<Cause>) {
    for field in ["kind", "apiVersion", "status"] {
        keep(old, new, field);
    }
    let (old, new) = (&old["metadata"], object_at(new, "metadata"));
    if !new["uid"].is_null() && new["uid"] != old["uid"] {
        let cause = Cause::invalid("metadata.uid", &new["uid"], "field is immutable");
        causes.push(cause);
    }
    if old.get("deletionTimestamp").is_some() {
        causes.extend(check_no_new_finalizers(old, new));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
        "resourceVersion",
    ] {
        keep(old, new, field);
    }
    object::remove(new, "managedFields");
}

fn keep(old: &Value, new: &mut Value, field: &str) {
    match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => object::remove(new, field),
    }
}

fn check_no_new_finalizers(old: &Value, new: &Value) -> Option<Cause> {
    let before = object::list(old, "/finalizers");
    let added: Vec<_> = object::list(new, "/finalizers")
        .iter()
        .filter(|finalizer| !before.contains(finalizer))
        .map(Value::to_string)
        .collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    (!added.is_empty()).then(|| Cause::forbidden("metadata.finalizers", &why))
}

/// A generation is a change of what is wanted.
fn count_generation(old: &Value, new: &mut Value) {
    if old["spec"] != new["spec"] {
        let generation = object::number(old, "/metadata/generation");
        new["metadata"]["generation"] = json!(generation + 1);
    }
}

fn check_metadata(object: &mut Value) -> Vec<Cause> {
    let metadata = object_at(object, "metadata");
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = metadata[field]
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
            || metadata[field].as_array().is_some_and(Vec::is_empty);
        if empty || metadata[field].is_null() {
            object::remove(metadata, field);
        }
    }
    let name = text(metadata, "/name");
    check_name(name)
        .into_iter()
        .chain(check_labels(metadata, "metadata.labels"))
        .collect()
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
    regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn check_name(name: &str) -> Option<Cause> {
    let field = "metadata.name";
    if name.is_empty() {
        return Some(Cause::required(field, "name or generateName is required"));
    }
    if name.len() > 253 {
        return Some(Cause::invalid(
            field,
            &json!(name),
            "must be no more than 253 characters",
        ));
    }
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| is_framed(part.as_bytes(), lower, b"-");
    (!name.split('.').all(part)).then(|| Cause::invalid(field, &json!(name), SUBDOMAIN))
}

fn check_labels(metadata: &Value, field: &str) -> Vec<Cause> {
    let labels = metadata["labels"].as_object();
    let values = labels.into_iter().flat_map(|labels| labels.values());
    values
        .filter_map(|value| check_label(field, value.as_str()?))
        .collect()
}

fn check_label(field: &str, value: &str) -> Option<Cause> {
    if value.len() > 63 {
        return Some(Cause::invalid(
            field,
            &json!(value),
            "must be no more than 63 characters",
        ));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let valid = value.is_empty() || is_framed(value.as_bytes(), plain, b"-_.");
    (!valid).then(|| Cause::invalid(field, &json!(value), LABEL))
}

/// Whether the ends are plain, and what is between them is plain or one of the others.
fn is_framed(text: &[u8], plain: impl Fn(u8) -> bool, others: &[u8]) -> bool {
    let ends = [text.first(), text.last()];
    ends.iter().all(|end| end.is_some_and(|byte| plain(*byte)))
        && text
            .iter()
            .all(|byte| plain(*byte) || others.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_subdomains() {
        for (name, valid) in [
            ("job-loader-r2", true),
            ("a.b", true),
            ("9", true),
            ("wf_x", false),
            ("Upper", false),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("", false),
            (&"x".repeat(254), false),
        ] {
            assert_eq!(check_name(name).is_none(), valid, "{name}");
        }
    }

    #[test]
    fn values_of_labels_are_short_and_framed() {
        for (value, valid) in [
            ("wf-btcusdt-api_candles_1m-20240801-abc123", true),
            ("", true),
            ("a b", false),
            ("_a", false),
            (&"x".repeat(63), true),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(check_label("l", value).is_none(), valid, "{value}");
        }
    }
}
