//! What makes Jobs run: the real Job controller and its neighbours, and kwok in the place of a node with a kubelet.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tokio::process::Command;

use crate::{child::Child, cluster::Cluster, http, parts::Parts};

/// The one node. There is no scheduler: pods name it themselves.
pub const NODE: &str = "n1";

/// Those that have to do with Jobs and pods. The one for service accounts shows, by making one, that all of them run.
const CONTROLLERS: &str = "job-controller,garbage-collector-controller,namespace-controller,ttl-after-finished-controller,\
    pod-garbage-collector-controller,serviceaccount-controller";

/// A running kube-controller-manager and kwok; both end when this is dropped.
#[derive(Debug)]
pub struct Workloads {
    _kwok: Child,
    _manager: Child,
}

impl Workloads {
    /// Starts both; they are ready when the node is, and when `default` has its service account.
    pub async fn start(parts: &Parts, cluster: &Cluster, folder: &Path) -> Result<Self> {
        let client = cluster.client().await?;
        let (manager, kwok) = tokio::try_join!(
            start_manager(parts, cluster, &client, folder),
            start_kwok(parts, cluster, &client, folder),
        )?;
        Ok(Self {
            _kwok: kwok,
            _manager: manager,
        })
    }
}

async fn start_manager(
    parts: &Parts,
    cluster: &Cluster,
    client: &Client,
    folder: &Path,
) -> Result<Child> {
    let mut command = Command::new(parts.program("kube-controller-manager")?);
    command
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .arg(format!("--controllers={CONTROLLERS}"))
        .args(["--leader-elect=false", "--secure-port=0"])
        // As many calls as it likes: what is told here is not how patient the Job controller is.
        .args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
    let mut manager = Child::start("kube-controller-manager", command, folder)?;
    let accounts = Api::<ServiceAccount>::default_namespaced(client.clone());
    http::ready(&mut manager, async || accounts.get("default").await).await?;
    Ok(manager)
}

async fn start_kwok(
    parts: &Parts,
    cluster: &Cluster,
    client: &Client,
    folder: &Path,
) -> Result<Child> {
    let stages = concat!(env!("CARGO_MANIFEST_DIR"), "/src/workloads/stages.yaml");
    let mut command = Command::new(parts.program("kwok")?);
    command
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(["--manage-all-nodes=true", "--config", stages])
        .env("HOME", folder); // It looks there for settings of its own.
    let mut kwok = Child::start("kwok", command, folder)?;
    let nodes = Api::<Node>::all(client.clone());
    nodes
        .create(&PostParams::default(), &node()?)
        .await
        .context("making a node")?;
    http::ready(&mut kwok, async || is_ready(&nodes).await).await?;
    Ok(kwok)
}

/// As StreamForge labels the nodes for its workers.
fn node() -> Result<Node> {
    let labels = json!({ "streamforge-worker": "true" });
    let node = json!({ "metadata": { "name": NODE, "labels": labels } });
    Ok(serde_json::from_value(node)?)
}

async fn is_ready(nodes: &Api<Node>) -> Result<()> {
    let status = nodes.get(NODE).await?.status.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ensure!(
        ready.is_some_and(|condition| condition.status == "True"),
        "the node is not ready"
    );
    Ok(())
}
