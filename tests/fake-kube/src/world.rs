//! All there is, behind one lock: objects, controllers, faults, and who watches.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    api::{self, Reply},
    controllers::Controllers,
    fault::{Fault, Faults},
    record::{Outcome, Record},
    request::Request,
    status::Status,
    store::{Cause, Store},
    watch::Stream,
};

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) controllers: Controllers,
    /// Whether controllers act at once, or when the test says so.
    pub(crate) automatic: bool,
    pub(crate) faults: Faults,
    pub(crate) records: Vec<Record>,
    pub(crate) streams: BTreeMap<usize, Stream>,
}

impl World {
    fn new(now: Timestamp) -> Self {
        Self {
            store: Store::new(now),
            controllers: Controllers::default(),
            automatic: true,
            faults: Faults::default(),
            records: Vec::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Notes a request, and says its number and what goes wrong with it.
    pub(crate) fn receive(&mut self, request: &Request) -> (usize, Option<Fault>) {
        let fault = self.faults.strike(request);
        let mut key = request.key.clone();
        key.name = request.object_name();
        self.records.push(Record {
            verb: request.verb,
            key,
            path: request.path.clone(),
            body: request.json().unwrap_or_default(),
            outcome: Outcome {
                faulty: fault.is_some(),
                ..Outcome::PENDING
            },
        });
        (self.records.len() - 1, fault)
    }

    pub(crate) fn outcome(&mut self, number: usize) -> &mut Outcome {
        &mut self.records[number].outcome
    }

    pub(crate) fn carry_out(&mut self, number: usize, request: &Request) -> Result<Reply, Status> {
        let result = self.act(Cause::Request(number), |store| {
            api::carry_out(store, request)
        });
        let code = result
            .as_ref()
            .map_or_else(|status| status.code, |reply| reply.code);
        self.outcome(number).done = Some(code);
        result
    }

    /// Does something to the objects, and lets the controllers do what follows from it.
    pub(crate) fn act<T>(&mut self, cause: Cause, action: impl FnOnce(&mut Store) -> T) -> T {
        self.store.cause = cause;
        let result = action(&mut self.store);
        self.store.cause = Cause::Test;
        if self.automatic {
            self.settle();
        }
        result
    }

    pub(crate) fn settle(&mut self) {
        while self.controllers.step(&mut self.store) {}
    }
}

/// The world, and the news that something in it is another than before.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    news: watch::Sender<()>,
}

impl Shared {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            world: Mutex::new(World::new(now)),
            news: watch::Sender::new(()),
        }
    }

    /// Only looks.
    pub(crate) fn see<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something that concerns nobody who waits.
    pub(crate) fn quietly<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes something, and tells those who wait for news.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = self.quietly(change);
        self.news.send_replace(());
        result
    }

    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}
