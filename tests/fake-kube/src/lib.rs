//! A Kubernetes API server in memory, whose faults are ordered by the test.
//!
//! It serves Jobs, pods, events, leases, config maps, nodes and, as a custom resource, `HealingPolicy` over HTTP on a loopback
//! port, to any client, and has a small Job controller and garbage collector. Where a client could tell it from the real one,
//! [`contract`] says what the real one does; the same suite is run against both.
//!
//! ```no_run
//! use temper_fake_kube::{FakeKube, Fault, Matcher, Times, Verb};
//!
//! # fn main() -> std::io::Result<()> {
//! let kube = FakeKube::start()?;
//! let control = kube.control();
//! // The second DELETE is carried out, and whoever asked for it never hears of it.
//! let deletes = Matcher::any().verb(Verb::Delete);
//! control.order(deletes, Times::Nth(2), Fault::cut().after_commit());
//! println!("KUBERNETES: {}", kube.url());
//! # Ok(())
//! # }
//! ```
//!
//! It refuses to know: namespaces (each one is there), access rules (any token will do), other versions of a resource, schemas of
//! custom resources, server-side apply, strategic merge patches, `DELETE` of collections, protobuf and tables, subresources.

mod resource;
mod request;
mod status;
mod object;
mod store;
mod selector;
mod patch;
mod admission;
mod api;
mod controllers;
mod fault;
mod record;
mod world;
mod watch;
mod server;
mod control;
pub mod contract;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use jiff::Timestamp;
use tokio::{runtime, sync::oneshot};

pub use self::{
    control::{Control, Job},
    fault::{Fault, Gate, Matcher, Refusal, Times},
    record::{Outcome, Record},
    request::Verb,
    resource::{Key, Resource},
    status::Status,
    store::{Cause, Change, Happening},
    watch::Interruption,
};
use crate::world::Shared;

/// A running fake. When it is dropped, it stops: connections are closed, and the port is free.
#[derive(Debug)]
pub struct FakeKube {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<Infallible>>,
    /// It has a thread of its own, so that a test may pause its own time, or block.
    thread: Option<JoinHandle<()>>,
}

impl FakeKube {
    /// Starts one on a free port of 127.0.0.1, at noon of a day in 2026.
    ///
    /// There is one node and nothing else; controllers act at once.
    pub fn start() -> io::Result<Self> {
        const NOON: i64 = 1_780_315_200;
        Self::start_at(Timestamp::from_second(NOON).unwrap_or_default())
    }

    /// The same at another time.
    pub fn start_at(now: Timestamp) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(now));
        shared.with(|world| controllers::make_node(&mut world.store));
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serving = server::serve(listener, shared.clone(), stopped);
        let thread = thread::Builder::new().name("fake-kube".to_owned());
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread.spawn(move || runtime.block_on(serving))?),
        })
    }

    /// Where it is: `http://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The handle by which the test sees and moves everything.
    pub fn control(&self) -> Control {
        Control::new(self.shared.clone())
    }
}

impl Drop for FakeKube {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say, even if it panicked.
            drop(thread.join());
        }
    }
}
