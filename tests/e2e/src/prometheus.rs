//! Prometheus, scraping the fleet's pods as it would find them in a cluster.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    child::Child,
    fleet::{Pod, Pods},
    http,
    parts::Parts,
};

/// The hash that Argo Rollouts would have given the old version's pods.
pub const STABLE_HASH: &str = "5c9d7f6b48";
/// The hash that Argo Rollouts would have given the new version's pods.
pub const CANARY_HASH: &str = "7b4f9c6d55";
const PORT: u16 = 19_090;

/// A Prometheus that can be killed and started again over the same data.
#[derive(Debug)]
pub struct Prometheus {
    program: PathBuf,
    folder: PathBuf,
    listen: String,
    process: Child,
}

impl Prometheus {
    /// Starts it on `address`; it is ready when it has scraped every pod.
    pub async fn start(
        parts: &Parts,
        address: Ipv4Addr,
        pods: &Pods,
        folder: &Path,
    ) -> Result<Self> {
        fs::write(config(folder), configuration(pods).to_string())?;
        let program = parts.program("prometheus")?;
        let listen = format!("{address}:{PORT}");
        let process = spawn(&program, &listen, folder)?;
        let mut prometheus = Self {
            program,
            folder: folder.to_owned(),
            listen,
            process,
        };
        prometheus
            .scrapes(pods.stable.len() + pods.canary.len())
            .await?;
        Ok(prometheus)
    }

    /// Where its HTTP API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Starts it again over what it had stored.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.program, &self.listen, &self.folder)?;
        let url = format!("{}/-/ready", self.url());
        http::ready(&mut self.process, async || http::get(&url).await).await?;
        Ok(())
    }

    async fn scrapes(&mut self, pods: usize) -> Result<()> {
        let url = format!("{}/api/v1/targets?state=active", self.url());
        http::ready(&mut self.process, async || {
            let up = targets_up(&http::get(&url).await?)?;
            ensure!(up == pods, "it scraped {up} of {pods} pods");
            Ok(())
        })
        .await
    }
}

fn config(folder: &Path) -> PathBuf {
    folder.join("prometheus.json")
}

/// JSON, because all JSON is YAML.
fn configuration(pods: &Pods) -> Value {
    let pods = [
        targets(&pods.stable, STABLE_HASH),
        targets(&pods.canary, CANARY_HASH),
    ]
    .concat();
    json!({
        // Four scrapes to the shortest step that a story judges.
        "global": { "scrape_interval": "250ms", "scrape_timeout": "250ms" },
        "scrape_configs": [{ "job_name": "queue-manager", "static_configs": pods }],
    })
}

/// The labels are those that a cluster's relabelling would take from each pod.
fn targets(pods: &[Pod], hash: &str) -> Vec<Value> {
    pods.iter()
        .map(|pod| {
            let address = pod
                .url
                .trim_start_matches("http://")
                .trim_end_matches("/metrics");
            let labels = json!({ "pod": pod.pod, "rollouts_pod_template_hash": hash });
            json!({ "targets": [address], "labels": labels })
        })
        .collect()
}

fn spawn(program: &Path, listen: &str, folder: &Path) -> Result<Child> {
    let mut command = Command::new(program);
    command
        .arg("--config.file")
        .arg(config(folder))
        .arg("--storage.tsdb.path")
        .arg(folder.join("prometheus"))
        .args(["--web.listen-address", listen])
        .arg("--log.level=warn")
        // The first scrape would otherwise come after five seconds.
        .arg("--scrape.discovery-reload-interval=100ms");
    Child::start("prometheus", command, folder)
}

/// How many targets were scraped; an error says what is wrong with one that could not be.
fn targets_up(answer: &str) -> Result<usize> {
    let answer: Value = serde_json::from_str(answer)?;
    let targets = answer["data"]["activeTargets"]
        .as_array()
        .context("listing scraped pods")?;
    if let Some(error) = targets
        .iter()
        .filter_map(|target| target["lastError"].as_str())
        .max()
    {
        ensure!(error.is_empty(), "scraping a pod: {error}");
    }
    Ok(targets
        .iter()
        .filter(|target| target["health"] == "up")
        .count())
}
