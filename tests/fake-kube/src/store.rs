//! The objects, and everything that ever happened to them.
//!
//! There is one counter of versions for all, and every change has the next one. Time stands still unless it is moved.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use crate::{
    object,
    resource::{Key, Resource},
};

/// What has happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// It is there.
    Added,
    /// It is another than before.
    Modified,
    /// It is gone.
    Deleted,
}

/// Whose doing a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The request with this number, counted from 0 (see [`Record`](crate::Record)).
    Request(usize),
    /// The Job controller, the garbage collector or the kubelet.
    Controllers,
    /// The test itself.
    Test,
}

/// A change of an object.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its version, which is the object's from then on.
    pub revision: u64,
    /// When, by the clock of the fake.
    pub at: Timestamp,
    /// What happened.
    pub happening: Happening,
    /// To which object.
    pub key: Key,
    /// The object afterwards; of one that is gone, what it was last.
    pub object: Arc<Value>,
    /// The object before, unless it is new.
    pub before: Option<Arc<Value>>,
    /// Whose doing it was.
    pub cause: Cause,
}

/// The objects.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    /// Where the object with a uid is, and where those are that it owns.
    by_uid: BTreeMap<String, Key>,
    owned: BTreeMap<String, BTreeSet<Key>>,
    /// Owners that were here and are not any more.
    departed: BTreeSet<String>,
    /// Uids that the controllers have to look at.
    pub(crate) unsettled: BTreeSet<String>,
    history: Vec<Arc<Change>>,
    /// What happened up to this version is told to nobody any more.
    compacted: u64,
    made: u64,
    pub(crate) now: Timestamp,
    pub(crate) cause: Cause,
}

impl Store {
    /// Versions of a real server are never small; and whoever takes 0 for one is found out.
    const FIRST_REVISION: u64 = 1000;

    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            objects: BTreeMap::new(),
            by_uid: BTreeMap::new(),
            owned: BTreeMap::new(),
            departed: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            history: Vec::new(),
            compacted: Self::FIRST_REVISION - 1,
            made: 0,
            now,
            cause: Cause::Test,
        }
    }

    /// The version of everything.
    pub(crate) fn revision(&self) -> u64 {
        self.history
            .last()
            .map_or(Self::FIRST_REVISION, |change| change.revision)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn find(&self, uid: &str) -> Option<(&Key, &Arc<Value>)> {
        let key = self.by_uid.get(uid)?;
        self.objects.get_key_value(key)
    }

    /// What the object with this uid owns.
    pub(crate) fn owned_by(&self, uid: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let keys = self.owned.get(uid).into_iter().flatten();
        keys.filter_map(|key| self.objects.get_key_value(key))
    }

    pub(crate) fn has_departed(&self, uid: &str) -> bool {
        self.departed.contains(uid)
    }

    /// All objects of a resource in a namespace, by name; in an empty one, all there are.
    pub(crate) fn list(
        &self,
        resource: Resource,
        namespace: &str,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let from = Key::new(resource, namespace, "");
        self.objects
            .range(from..)
            .take_while(move |(key, _)| belongs(key, resource, namespace))
    }

    /// The same as it was at a version.
    pub(crate) fn list_at(
        &self,
        resource: Resource,
        namespace: &str,
        revision: u64,
    ) -> BTreeMap<Key, Arc<Value>> {
        let mut then: BTreeMap<_, _> = self
            .list(resource, namespace)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        let later = self.since(revision).iter().rev();
        for change in later.filter(|change| belongs(&change.key, resource, namespace)) {
            match &change.before {
                Some(before) => then.insert(change.key.clone(), before.clone()),
                None => then.remove(&change.key),
            };
        }
        then
    }

    /// What happened after a version.
    pub(crate) fn since(&self, revision: u64) -> &[Arc<Change>] {
        let first = self
            .history
            .partition_point(|change| change.revision <= revision);
        &self.history[first..]
    }

    pub(crate) fn history(&self) -> &[Arc<Change>] {
        &self.history
    }

    /// Tells nobody any more what happened so far.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.revision();
    }

    /// The oldest version whose successors are all known.
    pub(crate) fn oldest(&self) -> u64 {
        self.compacted
    }

    /// A uid that no object has had.
    pub(crate) fn next_uid(&mut self) -> String {
        self.made += 1;
        format!("7e39e500-0000-4000-8000-{:012x}", self.made)
    }

    /// The end of a generated name: five characters of those that Kubernetes uses.
    pub(crate) fn next_suffix(&mut self) -> String {
        const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        self.made += 1;
        let mut rest = self.made;
        let mut digit = || {
            let (base, place) = (27, usize::try_from(rest % 27).unwrap_or_default());
            rest /= base;
            char::from(ALPHABET[place])
        };
        let low_first: Vec<_> = (0..5).map(|_| digit()).collect();
        low_first.into_iter().rev().collect()
    }

    /// Now, or later, as Kubernetes writes it: in whole seconds.
    pub(crate) fn time(&self, later: SignedDuration) -> Value {
        let time = self.now.saturating_add(later).unwrap_or(self.now);
        let whole = time.round(Unit::Second).unwrap_or(time);
        json!(whole.to_string())
    }

    /// Puts an object in its place, with the next version. Nothing happens if it is the same as before.
    pub(crate) fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let before = self.objects.get(key).cloned();
        if before.as_deref() == Some(&object) {
            return Arc::new(object);
        }
        let revision = self.revision() + 1;
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        let object = Arc::new(object);
        let happening = match before {
            Some(_) => Happening::Modified,
            None => Happening::Added,
        };
        self.forget_owners(key, before.as_deref());
        self.learn_owners(key, &object);
        self.objects.insert(key.clone(), object.clone());
        self.remember(key, happening, object.clone(), before);
        object
    }

    /// Takes an object away, which was `last` at the end.
    pub(crate) fn remove(&mut self, key: &Key, mut last: Value) {
        let Some(before) = self.objects.remove(key) else {
            return;
        };
        let revision = self.revision() + 1;
        last["metadata"]["resourceVersion"] = json!(revision.to_string());
        self.forget_owners(key, Some(&before));
        self.by_uid.remove(object::uid(&before));
        self.departed.insert(object::uid(&before).to_owned());
        self.remember(key, Happening::Deleted, Arc::new(last), Some(before));
    }

    fn forget_owners(&mut self, key: &Key, object: Option<&Value>) {
        for owner in object.into_iter().flat_map(object::owners) {
            if let Some(owned) = self.owned.get_mut(owner) {
                owned.remove(key);
            }
        }
    }

    fn learn_owners(&mut self, key: &Key, object: &Value) {
        let uid = object::uid(object).to_owned();
        self.by_uid.insert(uid, key.clone());
        for owner in object::owners(object) {
            let owned = self.owned.entry(owner.to_owned()).or_default();
            owned.insert(key.clone());
        }
    }

    fn remember(
        &mut self,
        key: &Key,
        happening: Happening,
        object: Arc<Value>,
        before: Option<Arc<Value>>,
    ) {
        for concerned in [Some(&object), before.as_ref()].into_iter().flatten() {
            self.unsettled.insert(object::uid(concerned).to_owned());
            let owners = object::owners(concerned).map(str::to_owned);
            self.unsettled.extend(owners);
        }
        self.history.push(Arc::new(Change {
            revision: self.revision() + 1,
            at: self.now,
            happening,
            key: key.clone(),
            object,
            before,
            cause: self.cause,
        }));
    }
}

/// Whether the object is one of that resource in that namespace; an empty one stands for all.
pub(crate) fn belongs(key: &Key, resource: Resource, namespace: &str) -> bool {
    key.resource == resource && (namespace.is_empty() || key.namespace == namespace)
}
