//! StreamForge in miniature: brokers, a cluster in which Jobs run, and workers that report.

mod job;
mod sidecar;

use std::{cell::Cell, collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use futures_util::Stream;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Namespace, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::{job::Worker, sidecar::QUEUE_MANAGER};
use crate::{
    cluster::Cluster,
    healer::{self, Healer, Surroundings},
    home::Home,
    kafka::{Brokers, Telemetry},
    parts::Parts,
    patience::until,
    workers::Workers,
    workloads::Workloads,
};

/// Where the Jobs are.
pub const NAMESPACE: &str = "stf";
/// Where workers report.
pub const EVENTS: &str = "queue-events";
/// Where people command them.
pub const CONTROL: &str = "queue-control";
/// Where the healer proves that records are taken.
pub const CANARY: &str = "temper-canary";
/// What anything takes at most on a busy machine that is not waited for by a deadline of the policy.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// All of it, up and running; when it is dropped, all of it ends, those first who talk to the others.
#[derive(Debug)]
pub struct StreamForge {
    /// The programs in the pods.
    pub workers: Workers,
    /// The brokers.
    pub brokers: Brokers,
    /// The API server.
    pub cluster: Cluster,
    _workloads: Workloads,
    jobs: Api<Job>,
    pods: Api<Pod>,
    config_maps: Api<ConfigMap>,
    policy: PathBuf,
    next_port: Cell<u16>,
    folder: TempDir,
    home: Home,
}

impl StreamForge {
    /// Brings everything up but workers and healers.
    pub async fn open() -> Result<Self> {
        let parts = Parts::locate()?;
        let home = Home::claim()?;
        let dir = tempfile::tempdir().context("making a folder for StreamForge")?;
        let folder = dir.path();

        let (brokers, cluster) = tokio::try_join!(
            Brokers::start(&parts, home.address, 3, folder),
            Cluster::start(&parts, home.address, folder),
        )?;
        let workloads = Workloads::start(&parts, &cluster, folder).await?;
        let client = cluster.client().await?;
        make_namespace(&client).await?;
        make_topics(&brokers).await?;
        let telemetry = Telemetry::connect(&brokers.client(), EVENTS, Duration::from_mins(1))?;
        let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
        let policy = folder.join("policy.yaml");
        fs::write(&policy, include_str!("streamforge/policy.yaml"))?;
        Ok(Self {
            workers: Workers::watch(pods.clone(), telemetry),
            brokers,
            cluster,
            _workloads: workloads,
            jobs: Api::namespaced(client.clone(), NAMESPACE),
            config_maps: Api::namespaced(client, NAMESPACE),
            pods,
            policy,
            next_port: Cell::new(18_080),
            folder: dir,
            home,
        })
    }

    /// Changes the policy, of which the stories' own is the beginning. A healer that runs hears of it after some seconds.
    pub fn govern(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let text = fs::read_to_string(&self.policy).context("reading the policy")?;
        let mut policy = serde_saphyr::from_str(&text).context("reading the policy")?;
        change(&mut policy);
        fs::write(&self.policy, policy.to_string()).context("writing the policy")
    }

    /// Starts a healer of that name, with further arguments, and waits until it is ready.
    pub async fn heal(&self, name: &str, arguments: &[&str]) -> Result<Healer> {
        let mut healer = self.start_healer(name, arguments)?;
        healer.become_ready().await?;
        Ok(healer)
    }

    /// Starts a healer, and leaves it to itself.
    pub fn start_healer(&self, name: &str, arguments: &[&str]) -> Result<Healer> {
        Healer::start(name, &self.surroundings(), arguments)
    }

    /// What `temper-healer check` finds here, with further arguments, and whether all is as it must be.
    pub async fn check(&self, arguments: &[&str]) -> Result<(String, bool)> {
        healer::check(&self.surroundings(), arguments).await
    }

    /// What a healer is told of what is around it, with a port of its own.
    pub fn surroundings(&self) -> Surroundings {
        let port = self.next_port.replace(self.next_port.get() + 1);
        Surroundings {
            bootstrap: self.brokers.bootstrap(),
            authority: self.brokers.authority().to_owned(),
            kubeconfig: self.cluster.kubeconfig(),
            policy: self.policy.clone(),
            listen: (self.home.address, port).into(),
            folder: self.folder.path().to_owned(),
        }
    }

    /// Creates the Job of a worker and waits until it is at work and has been heard.
    pub async fn submit(&self, worker: &Worker) -> Result<()> {
        self.submit_edited(worker, |_| {}).await?;
        until(&format!("{} is heard", worker.job), PATIENCE, async || {
            Ok(self.workers.are_heard(&worker.job).then_some(()))
        })
        .await
    }

    /// Creates the Job of a worker with a manifest that `edit` has changed, and waits until its pod runs.
    pub async fn submit_edited(
        &self,
        worker: &Worker,
        edit: impl FnOnce(&mut Value),
    ) -> Result<()> {
        let mut manifest = worker.manifest();
        edit(&mut manifest);
        let job = serde_json::from_value(manifest)?;
        self.jobs.create(&PostParams::default(), &job).await?;
        self.pod_of(&worker.job).await.map(drop)
    }

    /// The running pod of a Job, once there is one.
    pub async fn pod_of(&self, job: &str) -> Result<String> {
        until(&format!("a pod of {job} runs"), PATIENCE, async || {
            let diary = self.workers.diary();
            let mut running = diary.running();
            Ok(running
                .find(|who| who.job == job)
                .map(|who| who.pod.clone()))
        })
        .await
    }

    /// Evicts the pod of a Job, as a node that is drained does.
    pub async fn evict(&self, job: &str) -> Result<String> {
        let pod = self.pod_of(job).await?;
        self.pods.delete(&pod, &DeleteParams::default()).await?;
        Ok(pod)
    }

    /// A Job as the API server has it, if it is there.
    pub async fn job(&self, name: &str) -> Result<Option<Value>> {
        let job = self.jobs.get_opt(name).await?;
        Ok(job.map(serde_json::to_value).transpose()?)
    }

    /// Watches Jobs as they come, change and go.
    pub fn watch_jobs(&self) -> impl Stream<Item = watcher::Result<Event<Job>>> + use<> {
        watcher(self.jobs.clone(), watcher::Config::default())
    }

    /// The names of all Jobs, sorted.
    pub async fn job_names(&self) -> Result<Vec<String>> {
        let jobs = self.jobs.list(&ListParams::default()).await?;
        let mut names: Vec<_> = jobs
            .into_iter()
            .filter_map(|job| job.metadata.name)
            .collect();
        names.sort();
        Ok(names)
    }

    /// The version of each Job, by name: it changes with everything that is done to the Job.
    ///
    /// Waits until the Job controller has counted the running pods of all of them, which it does of its own accord.
    pub async fn settled_jobs(&self) -> Result<BTreeMap<String, String>> {
        until("all pods are counted", PATIENCE, async || {
            let jobs = self.jobs.list(&ListParams::default()).await?;
            Ok(jobs.iter().map(settled).collect())
        })
        .await
    }

    /// What `kubectl describe job` shows people.
    pub async fn describe(&self, job: &str) -> Result<String> {
        let namespace = format!("--namespace={NAMESPACE}");
        let question = ["describe", "job", job, &namespace];
        self.cluster.kubectl(&question).await
    }

    /// What `kubectl events` shows people of a Job, also of one that is gone.
    pub async fn events_of(&self, job: &str) -> Result<String> {
        let namespace = format!("--namespace={NAMESPACE}");
        let of = format!("--for=job/{job}");
        let question = ["events", &of, &namespace];
        self.cluster.kubectl(&question).await
    }

    /// Makes a config map, which may own things, and tells its uid.
    pub async fn config_map(&self, name: &str) -> Result<String> {
        let map = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        let map = self
            .config_maps
            .create(&PostParams::default(), &map)
            .await?;
        map.metadata.uid.context("the config map has no uid")
    }

    /// Deletes the topic of events with all that it holds, and makes it anew with so many partitions.
    pub async fn make_events_anew(&self, partitions: i32) -> Result<()> {
        self.brokers.delete_topic(EVENTS).await?;
        // Brokers forget a topic a moment after they have said so.
        until("the topic is made anew", PATIENCE, async || {
            self.brokers
                .create_topic(EVENTS, partitions, 3, &SETTINGS)
                .await?;
            let made = self.brokers.view(0, EVENTS).await?;
            Ok((made.len() == usize::try_from(partitions)?).then_some(()))
        })
        .await
    }

    /// Says on the control topic that a queue is to stop.
    pub async fn stop(&self, queue: &str) -> Result<()> {
        let patience = Duration::from_mins(1);
        let people = Telemetry::connect(&self.brokers.client(), CONTROL, patience)?;
        let command = json!({ "command": "stop", "queue_id": queue });
        people.send_bytes(0, command.to_string().as_bytes()).await?;
        Ok(())
    }
}

/// The name and version of a Job of which one pod is known to be ready.
fn settled(job: &Job) -> Option<(String, String)> {
    let ready = job.status.as_ref()?.ready?;
    let version = job.metadata.resource_version.clone()?;
    (ready == 1).then_some((job.metadata.name.clone()?, version))
}

async fn make_namespace(client: &Client) -> Result<()> {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
    let namespaces = Api::<Namespace>::all(client.clone());
    let made = namespaces.create(&PostParams::default(), &namespace).await;
    made.context("making the namespace")?;
    Ok(())
}

async fn make_topics(brokers: &Brokers) -> Result<()> {
    for (topic, partitions) in [(EVENTS, 3), (CONTROL, 1), (CANARY, 3)] {
        brokers
            .create_topic(topic, partitions, 3, &SETTINGS)
            .await?;
    }
    Ok(())
}

/// How topics are set.
const SETTINGS: [(&str, &str); 2] = [
    ("min.insync.replicas", "2"),
    ("message.timestamp.type", "LogAppendTime"),
];
