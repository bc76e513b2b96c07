//! One of the brokers: a controller too, in a process of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result, ensure};
use tokio::{net::TcpStream, process::Command};

use super::{PASSWORD, USER, keys::Keys};
use crate::{child::Child, http};

/// Each broker has three ports: one of these and its number.
const CLIENT_PORT: u16 = 29_100;
const INTERNAL_PORT: u16 = 29_200;
const CONTROLLER_PORT: u16 = 29_300;

/// Sixteen bytes in base64 that all brokers of a cluster share.
const CLUSTER: &str = "TemperEndToEndTestingA";

/// How to start a broker, as often as it takes.
#[derive(Debug)]
pub(super) struct Node {
    number: u16,
    address: Ipv4Addr,
    /// Holds the folder `kafka` with all that it is made of.
    parts: PathBuf,
    properties: PathBuf,
    folder: PathBuf,
}

impl Node {
    /// Writes down what broker `number` of `count` is to be; numbers begin with 1.
    pub(super) fn describe(
        number: u16,
        count: u16,
        address: Ipv4Addr,
        parts: &Path,
        keys: &Keys,
        folder: &Path,
    ) -> Result<Self> {
        let name = format!("kafka-{number}");
        let properties = folder.join(format!("{name}.properties"));
        let own = own_properties(number, count, address, keys, &folder.join(&name));
        let all = format!("{}\n{own}", include_str!("broker.properties"));
        fs::write(&properties, all).context("writing the properties of a broker")?;
        Ok(Self {
            number,
            address,
            parts: parts.to_owned(),
            properties,
            folder: folder.to_owned(),
        })
    }

    /// Where clients find it.
    pub(super) fn client_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, CLIENT_PORT + self.number)
    }

    /// Prepares its folder, with the one user in it.
    pub(super) async fn format(&self) -> Result<()> {
        let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
        let output = self
            .java("kafka.tools.StorageTool")
            .args([
                "format",
                "--cluster-id",
                CLUSTER,
                "--add-scram",
                &user,
                "--config",
            ])
            .arg(&self.properties)
            .kill_on_drop(true)
            .output()
            .await
            .context("running java: install it by the means of your system")?;
        ensure!(
            output.status.success(),
            "formatting a broker: {}",
            words(&output)
        );
        Ok(())
    }

    /// Starts it over what it has stored.
    pub(super) fn start(&self) -> Result<Child> {
        let mut command = self.java("kafka.Kafka");
        command.arg(&self.properties);
        Child::start(&format!("kafka-{}", self.number), command, &self.folder)
    }

    /// Waits until it accepts clients, which it does as soon as the controller counts it among the living.
    pub(super) async fn accepts(&self, process: &mut Child) -> Result<()> {
        let address = self.client_address();
        http::ready(process, async || TcpStream::connect(address).await).await?;
        Ok(())
    }

    fn java(&self, class: &str) -> Command {
        let options = concat!("@", env!("CARGO_MANIFEST_DIR"), "/parts/kafka/java.options");
        let mut command = Command::new("java");
        command
            .arg(options)
            .arg("-Dlog4j2.level=WARN")
            // Made by `parts/build` for a class path of just these words.
            .arg("-XX:SharedArchiveFile=kafka/classes.jsa")
            .args(["-cp", "kafka/*"])
            .current_dir(&self.parts)
            .arg(class);
        command
    }
}

fn own_properties(number: u16, count: u16, address: Ipv4Addr, keys: &Keys, data: &Path) -> String {
    let at = |name: &str, port: u16| format!("{name}://{address}:{}", port + number);
    let client = at("CLIENT", CLIENT_PORT);
    let internal = at("INTERNAL", INTERNAL_PORT);
    let controller = at("CONTROLLER", CONTROLLER_PORT);
    let voters: Vec<_> = (1..=count)
        .map(|voter| format!("{voter}@{address}:{}", CONTROLLER_PORT + voter))
        .collect();
    let majority = count / 2 + 1;
    [
        format!("node.id={number}"),
        format!("controller.quorum.voters={}", voters.join(",")),
        format!("listeners={client},{internal},{controller}"),
        format!("advertised.listeners={client},{internal}"),
        format!("log.dirs={}", data.display()),
        format!(
            "listener.name.client.ssl.keystore.location={}",
            keys.keystore.display()
        ),
        format!(
            "listener.name.client.ssl.truststore.location={}",
            keys.authority.display()
        ),
        format!("offsets.topic.replication.factor={count}"),
        format!("transaction.state.log.replication.factor={count}"),
        format!("transaction.state.log.min.isr={majority}"),
        format!("share.coordinator.state.topic.replication.factor={count}"),
        format!("share.coordinator.state.topic.min.isr={majority}"),
        String::new(),
    ]
    .join("\n")
}

fn words(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}
