//! A healer that acts, among workers that do as they are told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;
use temper_fake_kube::{Control, FakeKube, Resource};
use tempfile::TempDir;
use tokio::time::interval;

use crate::stage::{
    NAMESPACE,
    kafka::Brokers,
    program::{Healer, Surroundings},
    worker::Worker,
};

/// Nothing that is measured takes so long.
const DEADLINE: Duration = Duration::from_mins(3);

/// How often one looks whether something is so that can't be waited for.
pub(crate) const OFTEN: Duration = Duration::from_millis(5);

/// All parts, and the program among them.
pub(crate) struct Scene {
    pub(crate) control: Control,
    pub(crate) brokers: Brokers,
    listen: SocketAddr,
    _healer: Healer,
    _kube: FakeKube,
    _folder: TempDir,
}

impl Scene {
    /// So many workers have a Job, made by `manifest`, and the healer acts.
    pub(crate) async fn open(
        workers: usize,
        policy: &str,
        manifest: impl Fn(Worker) -> Value,
    ) -> Self {
        let kube = FakeKube::start_at(Timestamp::now()).expect("a free port");
        let control = kube.control();
        for worker in (0..workers).map(Worker) {
            let made = control.create(Resource::Jobs, NAMESPACE, &manifest(worker));
            made.expect("a valid Job");
        }
        let (folder, brokers) = (tempfile::tempdir().expect("a folder"), Brokers::start());
        let surroundings = Surroundings::write(folder.path(), &brokers, &kube.url(), policy);
        let listen = free_address();
        let healer = surroundings.start("healer", "lease", &listen.to_string());
        let scene = Self {
            control,
            brokers,
            listen,
            _healer: healer,
            _kube: kube,
            _folder: folder,
        };
        let acts = |scene: &Self| scene.metric("healer_armed") == Some(1.0);
        scene.until(OFTEN, acts).await;
        scene
    }

    /// Looks again and again.
    pub(crate) async fn until(&self, every: Duration, so: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        let mut looks = interval(every);
        while !so(self) {
            assert!(began.elapsed() < DEADLINE, "what is waited for never comes");
            looks.tick().await;
        }
    }

    /// What the program answers at this path: status and body. Nothing while it does not listen yet.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut connection = TcpStream::connect(self.listen).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: healer\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    /// How a probe finds things.
    pub(crate) fn probe(&self, name: &str) -> String {
        let answer = self.get(&format!("/probes/{name}"));
        let body = answer.and_then(|(_, body)| serde_json::from_str::<Value>(&body).ok());
        let state = body.as_ref().and_then(|body| body["state"].as_str());
        state.unwrap_or_default().to_owned()
    }

    /// A number of the metrics page that has that name and those labels, as they are written there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics")?;
        let line = page.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    }

    /// When healers decided to replace whom, in ms since 1970, by the successors that they made.
    pub(crate) fn decided(&self) -> Vec<(Worker, u64)> {
        let history = self.control.history();
        let made = history
            .iter()
            .filter(|change| change.key.resource == Resource::Jobs && change.before.is_none());
        made.filter_map(|change| {
            let annotations = &change.object["metadata"]["annotations"];
            let decided = annotations["healer.temper.dev/decided-at"].as_str()?;
            let at: Timestamp = decided.parse().ok()?;
            let at = u64::try_from(at.as_millisecond()).ok()?;
            Some((Worker::of_job(&change.key.name), at))
        })
        .collect()
    }
}

/// An address where nobody listens.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket")
}
