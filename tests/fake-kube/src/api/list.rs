//! LIST: a selection, whole or in pages that all show the same version.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    request::Request,
    resource::{Key, Resource},
    selector::Selector,
    status::Status,
    store::Store,
};

pub(super) fn list(store: &Store, request: &Request) -> Result<Value, Status> {
    let selector = Selector::parse(request.key.resource, &request.query)?;
    let from = from(store, request)?;
    let (resource, namespace) = (request.key.resource, request.key.namespace.as_str());
    let then = store.list_at(resource, namespace, from.version);
    let rest: Vec<_> = then
        .iter()
        .filter(|(key, object)| {
            from.after.as_ref().is_none_or(|after| *key > after) && selector.selects(object)
        })
        .collect();
    let limit = request.query.number("limit")?.filter(|limit| *limit > 0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let (page, left) = rest.split_at(limit.unwrap_or(usize::MAX).min(rest.len()));
    Ok(page_of(
        resource,
        &from,
        page,
        left.len(),
        selector.selects_all(),
    ))
}

/// The version that is shown, and the object after which it goes on.
struct From {
    version: u64,
    after: Option<Key>,
}

fn from(store: &Store, request: &Request) -> Result<From, Status> {
    let token = request.query.text("continue");
    let current = store.revision();
    let from = if token.is_empty() {
        From {
            version: version(store, request)?,
            after: None,
        }
    } else {
        read_token(request.key.resource, token)?
    };
    if from.version < store.oldest() {
        let why = "The provided continue parameter is too old to display a consistent list result. \
                   You can start a new list without the continue parameter.";
        return Err(Status::expired(why));
    }
    if from.version > current {
        return Err(Status::version_too_large(from.version, current));
    }
    Ok(from)
}

/// At least as new as asked is always the newest here.
fn version(store: &Store, request: &Request) -> Result<u64, Status> {
    let current = store.revision();
    let asked = request.query.number("resourceVersion")?.unwrap_or_default();
    let exact = request.query.text("resourceVersionMatch") == "Exact";
    Ok(if exact || asked > current {
        asked
    } else {
        current
    })
}

fn page_of(
    resource: Resource,
    from: &From,
    page: &[(&Key, &Arc<Value>)],
    left: usize,
    counted: bool,
) -> Value {
    let items: Vec<_> = page.iter().map(|(_, object)| bare(object)).collect();
    let mut metadata = json!({ "resourceVersion": from.version.to_string() });
    if let Some((last, _)) = page.last().filter(|_| left > 0) {
        metadata["continue"] = json!(token(from.version, last));
        if counted {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    json!({
        "kind": format!("{}List", resource.kind()), "apiVersion": resource.api_version(),
        "metadata": metadata, "items": items,
    })
}

/// Items of a list say neither kind nor version: the list does.
fn bare(object: &Value) -> Value {
    let mut item = object.clone();
    crate::object::remove(&mut item, "kind");
    crate::object::remove(&mut item, "apiVersion");
    item
}

fn token(version: u64, last: &Key) -> String {
    format!("{version}:{}:{}", last.namespace, last.name)
}

fn read_token(resource: Resource, token: &str) -> Result<From, Status> {
    let parts: Vec<_> = token.split(':').collect();
    let [version, namespace, name] = parts.as_slice() else {
        return Err(invalid_token());
    };
    Ok(From {
        version: version.parse().ok().ok_or_else(invalid_token)?,
        after: Some(Key::new(resource, namespace, name)),
    })
}

fn invalid_token() -> Status {
    Status::bad_request("invalid continue token: continue key is not valid")
}
