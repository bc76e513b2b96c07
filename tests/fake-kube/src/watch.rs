//! WATCH: what happens to a selection of objects, one line of JSON each.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::{
    object,
    request::Request,
    resource::Resource,
    selector::Selector,
    server::Cut,
    status::{Cause, Status},
    store::{Change, Happening, Store, belongs},
    world::{Shared, World},
};

/// What the test does to streams that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The connection is closed in the middle.
    Cut,
    /// The stream says 410 and ends, as if it had fallen too far behind.
    Expire,
    /// The stream ends in good order, as it does when its time is over.
    End,
    /// What happens next, so many times, is not told.
    Gap(usize),
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) resource: Resource,
    /// What the test wants of it, each after all that had happened by then, which is told first.
    pub(crate) orders: VecDeque<(u64, Order)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Interrupt(Interruption),
    Bookmark,
}

/// What a stream has to tell.
struct Watcher {
    id: usize,
    resource: Resource,
    namespace: String,
    selector: Selector,
    bookmarks: bool,
    /// What happened up to this version has been told.
    told: u64,
    gap: usize,
}

/// How a stream ends.
enum End {
    Orderly,
    Cut,
}

/// The lines that come, and whether others follow.
type Turn = (Vec<Bytes>, Option<End>);

/// Opens a stream, which goes on in a task until its time is over or nobody listens.
pub(crate) fn open(
    shared: &Arc<Shared>,
    request: &Request,
) -> Result<mpsc::Receiver<Result<Bytes, Cut>>, Status> {
    /// Real servers choose half an hour to an hour.
    const DEFAULT_SECONDS: u64 = 1800;
    let seconds = request.query.number("timeoutSeconds")?;
    let (lines, receiver) = mpsc::channel(16);
    // Before the stream begins, so that nothing which happens from then on goes unnoticed.
    let news = shared.news();
    let (watcher, first) = shared.with(|world| begin(world, request))?;
    let speaker = Speaker {
        shared: shared.clone(),
        watcher,
        lines,
        news,
        deadline: Instant::now() + Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS)),
    };
    tokio::spawn(speaker.speak(first));
    Ok(receiver)
}

/// Where a stream begins, and what it says first.
fn begin(world: &mut World, request: &Request) -> Result<(Watcher, Turn), Status> {
    let query = &request.query;
    let (store, resource) = (&world.store, request.key.resource);
    let mut watcher = Watcher {
        id: world.streams.last_key_value().map_or(0, |(id, _)| id + 1),
        resource,
        namespace: request.key.namespace.clone(),
        selector: Selector::parse(resource, query)?,
        bookmarks: query.flag("allowWatchBookmarks"),
        told: store.revision(),
        gap: 0,
    };
    let version = query.number("resourceVersion")?.unwrap_or_default();
    let streams_list = query.flag("sendInitialEvents");
    if streams_list && query.text("resourceVersionMatch") != "NotOlderThan" {
        return Err(needs_match());
    }
    let first = if version == 0 || streams_list {
        watcher.whole(store, streams_list)
    } else {
        watcher.since(store, version)
    };
    let orders = VecDeque::new();
    world
        .streams
        .insert(watcher.id, Stream { resource, orders });
    Ok((watcher, first))
}

fn needs_match() -> Status {
    let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    let cause = Cause::forbidden("resourceVersionMatch", why);
    Status::invalid_options("ListOptions", cause)
}

fn expired(version: u64, oldest: u64) -> Turn {
    let status = Status::expired(format!("too old resource version: {version} ({oldest})"));
    let lines = vec![line("ERROR", &status.to_value())];
    (lines, Some(End::Orderly))
}

/// The task of a stream.
struct Speaker {
    shared: Arc<Shared>,
    watcher: Watcher,
    lines: mpsc::Sender<Result<Bytes, Cut>>,
    news: watch::Receiver<()>,
    deadline: Instant,
}

impl Speaker {
    async fn speak(mut self, first: Turn) {
        let mut turn = first;
        while self.tell(turn).await.is_ok() {
            tokio::select! {
                () = self.lines.closed() => break,
                () = sleep_until(self.deadline) => break,
                _ = self.news.changed() => {}
            }
            // Quietly: what a look changes concerns this stream alone.
            turn = self.shared.quietly(|world| self.watcher.look(world));
        }
        let id = self.watcher.id;
        self.shared.with(|world| world.streams.remove(&id));
    }

    /// Sends what there is; fails when that was the end.
    async fn tell(&self, (lines, end): Turn) -> Result<(), ()> {
        for line in lines {
            self.lines.send(Ok(line)).await.map_err(drop)?;
        }
        match end {
            None => Ok(()),
            Some(End::Orderly) => Err(()),
            Some(End::Cut) => self.lines.send(Err(Cut)).await.map_err(drop).and(Err(())),
        }
    }
}

impl Watcher {
    /// All there is, and the mark of its end if that is wanted.
    fn whole(&self, store: &Store, marks_end: bool) -> Turn {
        let mut lines = self.all(store);
        if marks_end && self.bookmarks {
            lines.push(self.bookmark(true));
        }
        (lines, None)
    }

    /// What happened after a version; if that is forgotten, it says so.
    fn since(&mut self, store: &Store, version: u64) -> Turn {
        self.told = version;
        if version < store.oldest() {
            return expired(version, store.oldest());
        }
        (self.news(store, u64::MAX), None)
    }

    /// What is new since the last look.
    fn look(&mut self, world: &mut World) -> Turn {
        let mut orders = world
            .streams
            .get_mut(&self.id)
            .map(|stream| std::mem::take(&mut stream.orders))
            .unwrap_or_default();
        let mut lines = Vec::new();
        while let Some((by_then, order)) = orders.pop_front() {
            lines.extend(self.news(&world.store, by_then));
            match order {
                Order::Bookmark if self.bookmarks => lines.push(self.bookmark(false)),
                Order::Bookmark => {}
                Order::Interrupt(Interruption::Gap(count)) => self.gap += count,
                Order::Interrupt(Interruption::Cut) => return (lines, Some(End::Cut)),
                Order::Interrupt(Interruption::End) => return (lines, Some(End::Orderly)),
                Order::Interrupt(Interruption::Expire) => {
                    let (error, end) = expired(self.told, world.store.revision());
                    lines.extend(error);
                    return (lines, end);
                }
            }
        }
        lines.extend(self.news(&world.store, u64::MAX));
        (lines, None)
    }

    /// What is new up to a version.
    fn news(&mut self, store: &Store, until: u64) -> Vec<Bytes> {
        let mut lines = Vec::new();
        let new = store.since(self.told).iter();
        for change in new.take_while(|change| change.revision <= until) {
            self.told = change.revision;
            let Some(line) = self.line(change) else {
                continue;
            };
            if self.gap > 0 {
                self.gap -= 1;
            } else {
                lines.push(line);
            }
        }
        lines
    }

    /// A change as the selection sees it: what leaves it is deleted, what enters it is added.
    fn line(&self, change: &Change) -> Option<Bytes> {
        if !belongs(&change.key, self.resource, &self.namespace) {
            return None;
        }
        let before = change.before.as_ref();
        let was = before.is_some_and(|before| self.selector.selects(before));
        let is = change.happening != Happening::Deleted && self.selector.selects(&change.object);
        match (was, is) {
            (false, true) => Some(line("ADDED", &change.object)),
            (true, true) => Some(line("MODIFIED", &change.object)),
            (true, false) => Some(line("DELETED", &change.object)),
            (false, false) => None,
        }
    }

    fn all(&self, store: &Store) -> Vec<Bytes> {
        store
            .list(self.resource, &self.namespace)
            .filter(|(_, object)| self.selector.selects(object))
            .map(|(_, object)| line("ADDED", object))
            .collect()
    }

    fn bookmark(&self, ends_list: bool) -> Bytes {
        let mut object = json!({
            "kind": self.resource.kind(), "apiVersion": self.resource.api_version(),
            "metadata": { "resourceVersion": self.told.to_string() },
        });
        if ends_list {
            let annotations = object::object_at(&mut object["metadata"], "annotations");
            annotations["k8s.io/initial-events-end"] = json!("true");
        }
        line("BOOKMARK", &object)
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({ "type": kind, "object": object })).into()
}
