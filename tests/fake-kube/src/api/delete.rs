//! DELETE: conditions, what becomes of what the object owns, and what holds it until then.

use serde_json::{Value, json};

use super::{Reply, existing, mark_terminating, settle};
use crate::{
    object::{self, set_finalizer, text, uid},
    request::Request,
    resource::{Key, Resource},
    status::{Cause, Status},
    store::Store,
};

/// Holds an owner until all that it owns is gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until it owns nothing any more.
pub(crate) const ORPHAN: &str = "orphan";

/// What becomes of what the object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// It goes first.
    Foreground,
    /// It goes afterwards.
    Background,
    /// It stays.
    Orphan,
}

#[derive(Debug)]
struct Options {
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    grace_seconds: Option<u32>,
    dry_run: bool,
}

pub(super) fn delete(store: &mut Store, request: &Request) -> Result<Reply, Status> {
    let options = options(request)?;
    let key = &request.key;
    let old = existing(store, key)?;
    check(key, &old, &options)?;
    let marked = mark(store, key, &old, &options);
    let after = if options.dry_run {
        marked
    } else {
        settle(store, key, marked)
    };
    if stays(&after) || key.resource == Resource::Pods {
        return Ok(Reply::ok(after));
    }
    Ok(Reply::ok(gone(key, &old)))
}

/// Deletes an object as the controllers do, which set no conditions.
pub(crate) fn delete_now(store: &mut Store, key: &Key, propagation: Propagation) {
    let Some(old) = store.get(key).cloned() else {
        return;
    };
    let options = Options {
        propagation,
        uid: None,
        version: None,
        grace_seconds: None,
        dry_run: false,
    };
    let marked = mark(store, key, &old, &options);
    settle(store, key, marked);
}

/// Options are in the body; only where there is none, in the query.
fn options(request: &Request) -> Result<Options, Status> {
    if request.body.is_empty() {
        return from_query(request);
    }
    let body = request
        .json()
        .ok_or_else(|| Status::bad_request("couldn't get version/kind; json parse error"))?;
    let word = |pointer| Some(text(&body, pointer).to_owned()).filter(|text| !text.is_empty());
    let grace = body["gracePeriodSeconds"].as_u64();
    Ok(Options {
        propagation: propagation(
            request.key.resource,
            text(&body, "/propagationPolicy"),
            body["orphanDependents"].as_bool(),
        )?,
        uid: word("/preconditions/uid"),
        version: word("/preconditions/resourceVersion"),
        grace_seconds: grace.and_then(|seconds| u32::try_from(seconds).ok()),
        dry_run: object::list(&body, "/dryRun").contains(&json!("All")),
    })
}

fn from_query(request: &Request) -> Result<Options, Status> {
    let query = &request.query;
    let orphan = match query.text("orphanDependents") {
        "" => None,
        _ => Some(query.flag("orphanDependents")),
    };
    let policy = query.text("propagationPolicy");
    let grace = query.number("gracePeriodSeconds")?;
    Ok(Options {
        propagation: propagation(request.key.resource, policy, orphan)?,
        uid: None,
        version: None,
        grace_seconds: grace.and_then(|seconds| u32::try_from(seconds).ok()),
        dry_run: request.is_dry_run(),
    })
}

fn propagation(
    resource: Resource,
    policy: &str,
    orphan: Option<bool>,
) -> Result<Propagation, Status> {
    let field = "propagationPolicy";
    if orphan.is_some() && !policy.is_empty() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        let cause = Cause::invalid(field, &json!(policy), why);
        return Err(Status::invalid_options("DeleteOptions", cause));
    }
    // Who says nothing about a Job orphans its pods: in batch/v1 that is the default, and in no other group.
    let orphan = orphan.unwrap_or(resource == Resource::Jobs);
    match (policy, orphan) {
        ("Foreground", _) => Ok(Propagation::Foreground),
        ("Background", _) | ("", false) => Ok(Propagation::Background),
        ("Orphan", _) | ("", true) => Ok(Propagation::Orphan),
        (other, _) => {
            let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            let cause = Cause::unsupported(field, other, supported);
            Err(Status::invalid_options("DeleteOptions", cause))
        }
    }
}

fn check(key: &Key, object: &Value, options: &Options) -> Result<(), Status> {
    let record = uid(object);
    if let Some(told) = options.uid.as_ref().filter(|told| *told != record) {
        let why = format!(
            "the UID in the precondition ({told}) does not match the UID in record ({record}). \
             The object might have been deleted and then recreated"
        );
        return Err(Status::precondition(key, &why));
    }
    let record = text(object, "/metadata/resourceVersion");
    if let Some(told) = options.version.as_ref().filter(|told| *told != record) {
        let why = format!(
            "the ResourceVersion in the precondition ({told}) does not match the ResourceVersion in record ({record}). \
             The object might have been modified"
        );
        return Err(Status::precondition(key, &why));
    }
    Ok(())
}

/// The object as it is while it waits to go.
fn mark(store: &Store, key: &Key, old: &Value, options: &Options) -> Value {
    let mut marked = old.clone();
    let propagation = options.propagation;
    set_held(
        &mut marked,
        FOREGROUND,
        propagation == Propagation::Foreground,
    );
    set_held(&mut marked, ORPHAN, propagation == Propagation::Orphan);
    let grace = grace_seconds(key, old, options);
    let sooner = object::number(old, "/metadata/deletionGracePeriodSeconds") > u64::from(grace);
    if !object::is_terminating(old) || sooner {
        mark_terminating(store, &mut marked, grace);
    }
    marked
}

fn set_held(object: &mut Value, finalizer: &str, held: bool) {
    if object::has_finalizer(object, finalizer) != held {
        set_finalizer(object, finalizer, held);
    }
}

/// Only a pod that runs on a node is given time; the kubelet says when it is over.
fn grace_seconds(key: &Key, object: &Value, options: &Options) -> u32 {
    let ended = ["Succeeded", "Failed"].contains(&text(object, "/status/phase"));
    if key.resource != Resource::Pods || ended || text(object, "/spec/nodeName").is_empty() {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds");
    let own = own.and_then(Value::as_u64).unwrap_or(30);
    options
        .grace_seconds
        .unwrap_or_else(|| u32::try_from(own).unwrap_or(u32::MAX))
}

fn stays(marked: &Value) -> bool {
    object::has_finalizers(marked)
        || object::number(marked, "/metadata/deletionGracePeriodSeconds") > 0
}

fn gone(key: &Key, object: &Value) -> Value {
    let mut details =
        json!({ "name": key.name, "kind": key.resource.plural(), "uid": uid(object) });
    if !key.resource.group().is_empty() {
        details["group"] = json!(key.resource.group());
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
