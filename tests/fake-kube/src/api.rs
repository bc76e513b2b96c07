//! What becomes of a request, but for WATCH: objects are read, made, changed and deleted.

mod delete;
mod list;

pub(crate) use self::delete::{FOREGROUND, ORPHAN, Propagation, delete_now};

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    admission, object,
    object::{text, uid},
    patch,
    request::{Request, Verb},
    resource::{Key, Resource},
    status::Status,
    store::Store,
};

/// What a request that was not refused is answered with.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Reply {
    fn ok(body: Value) -> Self {
        Self { code: 200, body }
    }

    fn created(body: Value) -> Self {
        Self { code: 201, body }
    }
}

/// Carries out a request.
pub(crate) fn carry_out(store: &mut Store, request: &Request) -> Result<Reply, Status> {
    match request.verb {
        Verb::Get => get(store, request),
        Verb::List | Verb::Watch => list::list(store, request).map(Reply::ok),
        Verb::Create => create(store, request),
        Verb::Update => replace(store, request),
        Verb::Patch => change(store, request),
        Verb::Delete => delete::delete(store, request),
    }
}

fn get(store: &Store, request: &Request) -> Result<Reply, Status> {
    let object = existing(store, &request.key)?;
    Ok(Reply::ok(object))
}

fn existing(store: &Store, key: &Key) -> Result<Value, Status> {
    let found = store.get(key).ok_or_else(|| Status::not_found(key))?;
    Ok(Value::clone(found))
}

fn create(store: &mut Store, request: &Request) -> Result<Reply, Status> {
    let mut object = read(request)?;
    if !text(&object, "/metadata/resourceVersion").is_empty() {
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Status::unclassified(why));
    }
    let mut key = request.key.clone();
    admission::create(store, &mut key, &mut object)?;
    if let Some(old) = store.get(&key) {
        return Err(Status::already_exists(&key, object::is_terminating(old)));
    }
    if request.is_dry_run() {
        return Ok(Reply::created(object));
    }
    let object = store.put(&key, object);
    Ok(Reply::created(Value::clone(&object)))
}

/// The object that a body holds, if it fits the path.
fn read(request: &Request) -> Result<Value, Status> {
    let key = &request.key;
    let kind = key.resource.kind();
    let object = request.json().filter(Value::is_object).ok_or_else(|| {
        let why = format!(
            "the object provided is unrecognized (must be of type {kind}): json parse error"
        );
        Status::bad_request(why)
    })?;
    let told = (text(&object, "/kind"), text(&object, "/apiVersion"));
    let expected = (kind, key.resource.api_version());
    if !told.0.is_empty() && told.0 != expected.0 || !told.1.is_empty() && told.1 != expected.1 {
        let why = format!(
            "{} in version \"{}\" cannot be handled as a {kind}",
            told.0, told.1
        );
        return Err(Status::bad_request(why));
    }
    let namespace = text(&object, "/metadata/namespace");
    if !namespace.is_empty() && namespace != key.namespace {
        let why =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    Ok(object)
}

fn replace(store: &mut Store, request: &Request) -> Result<Reply, Status> {
    let new = read(request)?;
    check_name(&request.key, &new)?;
    if store.get(&request.key).is_none() && is_made_by_put(request.key.resource) {
        return create_by_put(store, request, new);
    }
    let old = existing(store, &request.key)?;
    let told = uid(&new);
    if !told.is_empty() && told != uid(&old) {
        return Err(Status::other_uid(&request.key, told, uid(&old)));
    }
    if text(&new, "/metadata/resourceVersion").is_empty()
        && request.key.resource == Resource::Leases
    {
        return Err(Status::needs_version(&request.key));
    }
    update(store, request, &old, new)
}

/// Leases and events are made by a PUT where there are none, whatever version it states.
fn is_made_by_put(resource: Resource) -> bool {
    matches!(resource, Resource::Leases | Resource::Events)
}

fn create_by_put(store: &mut Store, request: &Request, mut object: Value) -> Result<Reply, Status> {
    let mut key = request.key.clone();
    object::remove(&mut object["metadata"], "resourceVersion");
    admission::create(store, &mut key, &mut object)?;
    if request.is_dry_run() {
        return Ok(Reply::created(object));
    }
    Ok(Reply::created(Value::clone(&store.put(&key, object))))
}

fn check_name(key: &Key, object: &Value) -> Result<(), Status> {
    let (told, name) = (text(object, "/metadata/name"), &key.name);
    if told != name {
        let why =
            format!("the name of the object ({told}) does not match the name on the URL ({name})");
        return Err(Status::bad_request(why));
    }
    Ok(())
}

fn change(store: &mut Store, request: &Request) -> Result<Reply, Status> {
    let media_type = request
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let patch = match media_type {
        "application/merge-patch+json" | "application/json-patch+json" => request.json(),
        _ => return Err(Status::unsupported_media_type()),
    };
    let unreadable = || Status::bad_request("error decoding patch: it is not of its media type");
    let patch = patch.ok_or_else(unreadable)?;
    let old = existing(store, &request.key)?;
    let new = match &patch {
        Value::Object(_) if media_type.starts_with("application/merge") => {
            let mut new = old.clone();
            patch::merge(&mut new, &patch);
            new
        }
        Value::Array(_) if media_type.starts_with("application/json") => {
            patch::apply(&old, &patch).ok_or_else(Status::inapplicable_patch)?
        }
        _ => return Err(unreadable()),
    };
    check_name(&request.key, &new)?;
    update(store, request, &old, new)
}

/// Puts a whole object in the place of another, if it was made from it.
fn update(
    store: &mut Store,
    request: &Request,
    old: &Value,
    mut new: Value,
) -> Result<Reply, Status> {
    let key = &request.key;
    let told = text(&new, "/metadata/resourceVersion");
    if !told.is_empty() && told != text(old, "/metadata/resourceVersion") {
        return Err(Status::stale(key));
    }
    admission::update(key, old, &mut new)?;
    if request.is_dry_run() {
        return Ok(Reply::ok(new));
    }
    Ok(Reply::ok(settle(store, key, new)))
}

/// Puts a changed object in its place, or takes it away if it is to go and nothing holds it any more.
pub(crate) fn settle(store: &mut Store, key: &Key, object: Value) -> Value {
    let waits = object::number(&object, "/metadata/deletionGracePeriodSeconds") > 0;
    if object::is_terminating(&object) && !object::has_finalizers(&object) && !waits {
        store.remove(key, object.clone());
        return object;
    }
    Value::clone(&store.put(key, object))
}

/// Marks an object as one that is to go after a grace period.
pub(crate) fn mark_terminating(store: &Store, object: &mut Value, grace_seconds: u32) {
    let generation = object::number(object, "/metadata/generation");
    let metadata = &mut object["metadata"];
    let grace = SignedDuration::from_secs(grace_seconds.into());
    metadata["deletionTimestamp"] = store.time(grace);
    metadata["deletionGracePeriodSeconds"] = json!(grace_seconds);
    if generation > 0 {
        metadata["generation"] = json!(generation + 1);
    }
}
