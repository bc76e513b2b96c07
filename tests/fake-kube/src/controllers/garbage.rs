//! The garbage collector: what is owned goes before its owner, after it, or is let free.

use serde_json::Value;

use crate::{
    api::{FOREGROUND, ORPHAN, Propagation, delete_now, settle},
    object::{disown, has_finalizer, is_terminating, set_finalizer, uid},
    resource::Key,
    store::Store,
};

/// Deletes one of those whose owner is gone. Owners that were never here are not known to be gone.
pub(super) fn collect(store: &mut Store, owner: &str) {
    if store.has_departed(owner) {
        delete_next_of(store, owner);
    }
}

/// Does the next thing that has to be done before the owner may go, if there is one.
pub(super) fn release(store: &mut Store, key: &Key, owner: &Value) -> bool {
    if has_finalizer(owner, ORPHAN) {
        if !free_next_of(store, uid(owner)) {
            drop_finalizer(store, key, owner, ORPHAN);
        }
        return true;
    }
    if has_finalizer(owner, FOREGROUND) {
        let deleted = delete_next_of(store, uid(owner));
        let waits = store.owned_by(uid(owner)).next().is_some();
        if !deleted && !waits {
            drop_finalizer(store, key, owner, FOREGROUND);
        }
        return deleted || !waits;
    }
    false
}

fn delete_next_of(store: &mut Store, owner: &str) -> bool {
    let next = next_of(store, owner, |object| !is_terminating(object));
    let Some((key, _)) = next else { return false };
    delete_now(store, &key, Propagation::Background);
    true
}

fn free_next_of(store: &mut Store, owner: &str) -> bool {
    let Some((key, mut object)) = next_of(store, owner, |_| true) else {
        return false;
    };
    disown(&mut object, owner);
    store.put(&key, object);
    true
}

fn next_of(store: &Store, owner: &str, which: impl Fn(&Value) -> bool) -> Option<(Key, Value)> {
    let (key, object) = store.owned_by(owner).find(|(_, object)| which(object))?;
    Some((key.clone(), Value::clone(object)))
}

fn drop_finalizer(store: &mut Store, key: &Key, owner: &Value, finalizer: &str) {
    let mut free = owner.clone();
    set_finalizer(&mut free, finalizer, false);
    settle(store, key, free);
}
