//! Kafka brokers that can be killed, hung and started again.

mod backlog;
mod keys;
mod node;
mod telemetry;
mod words;

use std::{net::Ipv4Addr, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    types::RDKafkaErrorCode,
};
use rustix::process::{Signal, kill_process};
use tokio::task::spawn_blocking;

use self::{keys::Keys, node::Node};
pub use self::{
    telemetry::{Event, Telemetry},
    words::Words,
};
use crate::{child::Child, http, parts::Parts};

/// The one user.
pub const USER: &str = "user-streamforge";
/// The one user's password.
pub const PASSWORD: &str = "e2e";

/// A cluster whose brokers are its controllers too; all of them end when this is dropped.
///
/// Brokers are named by their place, from 0; Kafka calls the first one 1.
#[derive(Debug)]
pub struct Brokers {
    nodes: Vec<Node>,
    processes: Vec<Child>,
    keys: Keys,
}

impl Brokers {
    /// Starts `count` brokers on `address`; they are ready when a record is acknowledged by all of them.
    pub async fn start(
        parts: &Parts,
        address: Ipv4Addr,
        count: u16,
        folder: &Path,
    ) -> Result<Self> {
        let parts = parts.kafka()?;
        let keys = keys::make(address, folder)?;
        let nodes = (1..=count)
            .map(|number| Node::describe(number, count, address, &parts, &keys, folder))
            .collect::<Result<Vec<_>>>()?;
        try_join_all(nodes.iter().map(Node::format)).await?;
        let processes = nodes.iter().map(Node::start).collect::<Result<_>>()?;
        let mut brokers = Self {
            nodes,
            processes,
            keys,
        };
        brokers.become_ready().await?;
        Ok(brokers)
    }

    /// The addresses of all brokers, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<_> = (0..self.nodes.len()).map(|i| self.address(i)).collect();
        addresses.join(",")
    }

    /// Where clients find one broker.
    pub fn address(&self, i: usize) -> String {
        self.nodes[i].client_address().to_string()
    }

    /// The certificate of who signed that of the brokers.
    pub fn authority(&self) -> &Path {
        &self.keys.authority
    }

    /// How a client reaches the brokers; a story may change what it likes.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("security.protocol", "SASL_SSL")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", USER)
            .set("sasl.password", PASSWORD)
            .set("ssl.ca.location", self.authority().to_string_lossy())
            // A broker that is back is found after a second, not after ten.
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// Kills a broker with SIGKILL.
    pub async fn kill(&mut self, i: usize) -> Result<()> {
        self.processes[i].kill().await
    }

    /// Starts a broker that was killed over what it had stored; ends when it accepts clients again.
    pub async fn restart(&mut self, i: usize) -> Result<()> {
        self.processes[i] = self.nodes[i].start()?;
        self.nodes[i].accepts(&mut self.processes[i]).await
    }

    /// Stops a broker in its tracks: connections to it stay open, and nothing comes back.
    pub fn pause(&self, i: usize) -> Result<()> {
        self.signal(i, Signal::STOP)
    }

    /// Lets a broker go on that was paused.
    pub fn resume(&self, i: usize) -> Result<()> {
        self.signal(i, Signal::CONT)
    }

    /// Makes a topic; `settings` are such as `("min.insync.replicas", "2")`.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i32,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        create_topic(&self.client(), name, partitions, replicas, settings).await
    }

    /// Deletes a topic.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        let admin: AdminClient<_> = self.client().create_with_context(Words::default())?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in admin.delete_topics(&[name], &options).await? {
            if let Err((_, code)) = result {
                bail!("deleting topic {name}: {code}");
            }
        }
        Ok(())
    }

    /// Writes so many events of loaders at work to a topic, as fast as the brokers take them.
    pub async fn fill(&self, topic: &str, count: u32) -> Result<()> {
        let (client, topic) = (self.client(), topic.to_owned());
        spawn_blocking(move || backlog::write(&client, &topic, count)).await?
    }

    /// What broker `i` says about the partitions of a topic, true or not.
    pub async fn view(&self, i: usize, topic: &str) -> Result<Vec<Partition>> {
        let mut config = self.client();
        config.set("bootstrap.servers", self.address(i));
        let topic = topic.to_owned();
        spawn_blocking(move || view(&config, &topic)).await?
    }

    async fn become_ready(&mut self) -> Result<()> {
        for (node, process) in self.nodes.iter().zip(&mut self.processes) {
            node.accepts(process).await?;
        }
        let config = self.client();
        let count = i32::try_from(self.nodes.len())?;
        let all = count.to_string();
        let settings = [("min.insync.replicas", all.as_str())];
        let first = self.processes.first_mut().context("starting no broker")?;
        http::ready(first, async || {
            create_topic(&config, "ready", count, count, &settings).await
        })
        .await?;
        let telemetry = Telemetry::connect(&config, "ready", PATIENCE)?;
        let sent = (0..count).map(|partition| telemetry.send_bytes(partition, b"ready"));
        try_join_all(sent).await?;
        Ok(())
    }

    fn signal(&self, i: usize, signal: Signal) -> Result<()> {
        let process = &self.processes[i];
        kill_process(process.id(), signal)
            .with_context(|| format!("sending {signal:?} to {}", process.name()))
    }
}

/// A partition as a broker describes it; brokers are named by their place, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Who leads it, if anybody does.
    pub leader: Option<usize>,
    /// Who has all of its records.
    pub in_sync: Vec<usize>,
}

/// What any broker that lives answers in, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a topic; one that is there already stays as it is.
async fn create_topic(
    config: &ClientConfig,
    name: &str,
    partitions: i32,
    replicas: i32,
    settings: &[(&str, &str)],
) -> Result<()> {
    let words = Words::default();
    let admin: AdminClient<_> = config.create_with_context(words.clone())?;
    let replication = TopicReplication::Fixed(replicas);
    let mut topic = NewTopic::new(name, partitions, replication);
    for (setting, value) in settings {
        topic = topic.set(setting, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let results = admin
        .create_topics([&topic], &options)
        .await
        .with_context(|| format!("making topic {name}; the client said:\n{words}"))?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => bail!("making topic {name}: {code}; the client said:\n{words}"),
        }
    }
    Ok(())
}

fn view(config: &ClientConfig, topic: &str) -> Result<Vec<Partition>> {
    let client: BaseConsumer = config.create()?;
    let metadata = client
        .fetch_metadata(Some(topic), PATIENCE)
        .with_context(|| format!("asking a broker about topic {topic}"))?;
    let described = metadata.topics().first().context("no such topic")?;
    if let Some(error) = described.error() {
        bail!(
            "asking a broker about topic {topic}: {}",
            RDKafkaErrorCode::from(error)
        );
    }
    Ok(described
        .partitions()
        .iter()
        .map(|partition| Partition {
            leader: place(partition.leader()),
            in_sync: partition.isr().iter().copied().filter_map(place).collect(),
        })
        .collect())
}

/// The place of the broker with that number; none has -1, which Kafka says when there is no leader.
fn place(number: i32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}
