//! The test's handle: it sees everything, moves time, lets things happen, and orders what goes wrong.

use std::{sync::Arc, time::Duration};

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    api::{self, Propagation, delete_now},
    controllers,
    fault::{Fault, Matcher, Times},
    object,
    record::Record,
    request::Request,
    resource::{Key, Resource},
    status::Status,
    store::{Cause, Change, Store},
    watch::{Interruption, Order},
    world::{Shared, World},
};

/// A handle on a running fake; clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    // What is there.

    /// An object as it is now.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(resource, namespace, name);
        self.shared
            .see(|world| world.store.get(&key).map(|object| Value::clone(object)))
    }

    /// All objects of a resource, by namespace and name.
    pub fn list(&self, resource: Resource) -> Vec<Value> {
        self.shared.see(|world| {
            let objects = world.store.list(resource, "");
            objects.map(|(_, object)| Value::clone(object)).collect()
        })
    }

    /// A Job, which need not be there yet.
    pub fn job(&self, namespace: &str, name: &str) -> Job {
        Job {
            control: self.clone(),
            key: Key::new(Resource::Jobs, namespace, name),
        }
    }

    /// Every change there ever was, in its order: what a test states its laws over.
    pub fn history(&self) -> Vec<Arc<Change>> {
        self.shared.see(|world| world.store.history().to_vec())
    }

    /// Every request there ever was, in the order in which they came in. Those that name nothing that is served are left out.
    pub fn requests(&self) -> Vec<Record> {
        self.shared.see(|world| world.records.clone())
    }

    /// Waits until there is something to see; it looks again after every request and every change.
    pub async fn until<T>(&self, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let mut news = self.shared.news();
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            let changed = news.changed().await;
            // It fails only without a sender, which `self` holds.
            debug_assert!(changed.is_ok());
        }
    }

    // What others do.

    /// Does what a request of somebody else would do. No fault strikes it, and nobody records it.
    pub fn create(
        &self,
        resource: Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, Status> {
        self.ask(
            &Method::POST,
            &resource.path(namespace),
            "application/json",
            object,
        )
    }

    /// Merges a patch into an object, as somebody else.
    pub fn patch(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        changes: &Value,
    ) -> Result<Value, Status> {
        let path = format!("{}/{name}", resource.path(namespace));
        self.ask(
            &Method::PATCH,
            &path,
            "application/merge-patch+json",
            changes,
        )
    }

    /// Deletes an object, as somebody else, with these `DeleteOptions`.
    pub fn delete(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        options: &Value,
    ) -> Result<Value, Status> {
        let path = format!("{}/{name}", resource.path(namespace));
        self.ask(&Method::DELETE, &path, "application/json", options)
    }

    fn ask(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Status> {
        let mut request = Request::parse(method, path, "")?;
        content_type.clone_into(&mut request.content_type);
        request.body = body.to_string().into_bytes();
        let reply = self.act(|store| api::carry_out(store, &request))?;
        Ok(reply.body)
    }

    fn act<T>(&self, action: impl FnOnce(&mut Store) -> T) -> T {
        self.shared.with(|world| world.act(Cause::Test, action))
    }

    // Controllers and time.

    /// Whether controllers act at once, as they do from the beginning, or only when they are told to.
    pub fn automatic(&self, automatic: bool) {
        self.shared.with(|world| world.automatic = automatic);
    }

    /// Lets the controllers do one thing; says whether there was one to do.
    pub fn step(&self) -> bool {
        self.shared
            .with(|world| world.controllers.step(&mut world.store))
    }

    /// Lets the controllers do everything there is to do.
    pub fn settle(&self) {
        self.shared.with(World::settle);
    }

    /// From now on pods that are to go stay where they are, as on a node that does not answer.
    pub fn hold_pods(&self) {
        self.shared
            .with(|world| world.controllers.holds_pods = true);
    }

    /// They go.
    pub fn let_pods_go(&self) {
        self.shared.with(|world| {
            world.controllers.holds_pods = false;
            world.act(Cause::Test, |store| {
                let pods = store.list(Resource::Pods, "");
                let uids: Vec<_> = pods.map(|(_, pod)| object::uid(pod).to_owned()).collect();
                store.unsettled.extend(uids);
            });
        });
    }

    /// What the clock says.
    pub fn now(&self) -> Timestamp {
        self.shared.see(|world| world.store.now)
    }

    /// Moves the clock. Finished Jobs whose `ttlSecondsAfterFinished` is over are deleted.
    pub fn advance(&self, by: Duration) {
        self.act(|store| {
            let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
            store.now = store.now.saturating_add(by).unwrap_or(Timestamp::MAX);
            for key in controllers::outlived(store) {
                store.cause = Cause::Controllers;
                delete_now(store, &key, Propagation::Foreground);
            }
        });
    }

    // What goes wrong.

    /// Orders a fault. Of several that fit a request, the one that was ordered first strikes.
    pub fn order(&self, matcher: Matcher, times: Times, fault: Fault) {
        self.shared
            .with(|world| world.faults.order(matcher, times, fault));
    }

    /// Forgets all faults that are ordered. Requests that wait at a gate go on waiting.
    pub fn clear_faults(&self) {
        self.shared.with(|world| world.faults.clear());
    }

    /// Forgets what happened so far: who asks to watch from an older version is told 410. Open streams go on, and the
    /// test's own [`history`](Self::history) is whole.
    pub fn compact(&self) {
        self.shared.with(|world| world.store.compact());
    }

    /// How many streams of a resource are open.
    pub fn streams(&self, resource: Resource) -> usize {
        self.shared.see(|world| {
            let streams = world.streams.values();
            streams.filter(|stream| stream.resource == resource).count()
        })
    }

    /// Does something to all open streams of a resource, after what happened so far has been told.
    pub fn interrupt(&self, resource: Resource, interruption: Interruption) {
        self.order_streams(resource, Order::Interrupt(interruption));
    }

    /// Sends a bookmark on all open streams of a resource that allow it.
    pub fn bookmark(&self, resource: Resource) {
        self.order_streams(resource, Order::Bookmark);
    }

    fn order_streams(&self, resource: Resource, order: Order) {
        self.shared.with(|world| {
            let by_then = world.store.revision();
            let streams = world.streams.values_mut();
            for stream in streams.filter(|stream| stream.resource == resource) {
                stream.orders.push_back((by_then, order));
            }
        });
    }
}

/// What happens to a Job and its pods.
#[derive(Debug, Clone)]
pub struct Job {
    control: Control,
    key: Key,
}

impl Job {
    /// The Job as it is now.
    pub fn get(&self) -> Option<Value> {
        let Key {
            namespace, name, ..
        } = &self.key;
        self.control.get(Resource::Jobs, namespace, name)
    }

    /// Its pods as they are now.
    pub fn pods(&self) -> Vec<Value> {
        let uid = self.get().map(|job| object::uid(&job).to_owned());
        self.control.shared.see(|world| {
            let owned = uid.iter().flat_map(|uid| world.store.owned_by(uid));
            let pods = owned.filter(|(key, _)| key.resource == Resource::Pods);
            pods.map(|(_, pod)| Value::clone(pod)).collect()
        })
    }

    /// Its pods end well, and so does it.
    pub fn finish(&self) {
        self.end_pods("Succeeded");
    }

    /// It is Failed for this reason, such as `DeadlineExceeded`, and its pods are deleted.
    pub fn fail(&self, reason: &str) {
        self.control
            .act(|store| controllers::fail(store, &self.key, reason));
    }

    /// What its pods run dies.
    pub fn kill_pod(&self) {
        self.end_pods("Failed");
    }

    /// Its pods are deleted, as by a node that is drained.
    pub fn evict_pod(&self) {
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        });
        let keys = self.edit_pods(|pod| pod["status"]["conditions"] = json!([condition]));
        for key in keys {
            self.control
                .act(|store| delete_now(store, &key, Propagation::Background));
        }
    }

    fn end_pods(&self, phase: &str) {
        self.edit_pods(|pod| pod["status"]["phase"] = json!(phase));
    }

    /// Changes those pods that run.
    fn edit_pods(&self, edit: impl Fn(&mut Value)) -> Vec<Key> {
        let running = self
            .pods()
            .into_iter()
            .filter(|pod| !controllers::is_over(pod));
        let mut keys = Vec::new();
        for mut pod in running {
            edit(&mut pod);
            let name = object::text(&pod, "/metadata/name").to_owned();
            let key = Key::new(Resource::Pods, &self.key.namespace, &name);
            self.control.act(|store| store.put(&key, pod));
            keys.push(key);
        }
        keys
    }
}
