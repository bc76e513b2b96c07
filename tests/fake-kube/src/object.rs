//! Reading and changing objects as JSON.

use serde_json::{Value, json};

/// The text at a path of fields; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The number at a path of fields; 0 where there is none.
pub(crate) fn number(object: &Value, pointer: &str) -> u64 {
    object
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// The list at a path of fields; empty where there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Whether it is about to go.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    !list(object, "/metadata/finalizers").is_empty()
}

pub(crate) fn has_finalizer(object: &Value, name: &str) -> bool {
    list(object, "/metadata/finalizers")
        .iter()
        .any(|finalizer| finalizer == name)
}

/// Adds or takes away a finalizer; an empty list of them is no field at all.
pub(crate) fn set_finalizer(object: &mut Value, name: &str, present: bool) {
    let mut finalizers = list(object, "/metadata/finalizers").to_vec();
    finalizers.retain(|finalizer| finalizer != name);
    if present {
        finalizers.push(json!(name));
    }
    set_list(object, "finalizers", finalizers);
}

/// Takes away the reference to an owner.
pub(crate) fn disown(object: &mut Value, owner: &str) {
    let mut owners = list(object, "/metadata/ownerReferences").to_vec();
    owners.retain(|reference| text(reference, "/uid") != owner);
    set_list(object, "ownerReferences", owners);
}

fn set_list(object: &mut Value, field: &str, list: Vec<Value>) {
    if list.is_empty() {
        remove(&mut object["metadata"], field);
    } else {
        object["metadata"][field] = Value::Array(list);
    }
}

/// The uids of its owners.
pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .map(|owner| text(owner, "/uid"))
}

/// Takes away a field, if it is there.
pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// The object at a field, which is made if it is not there or no object.
pub(crate) fn object_at<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    let found = &mut object[field];
    if !found.is_object() {
        *found = json!({});
    }
    found
}

/// Fills in a field that is absent.
pub(crate) fn default(object: &mut Value, field: &str, value: Value) {
    let found = &mut object[field];
    if found.is_null() {
        *found = value;
    }
}

/// Whether the Job has a condition of that type that holds.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    list(object, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// Whether it is a Job that has ended.
pub(crate) fn is_finished(job: &Value) -> bool {
    has_condition(job, "Complete") || has_condition(job, "Failed")
}
