//! The unmodified Argo Rollouts controller, which loads the program under test as it would in production.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rustix::process::Pid;
use serde_json::json;
use tokio::process::Command;

use crate::{
    child::{self, Child},
    cluster::{Cluster, text},
    http,
    parts::{self, Parts},
};

/// The name under which `plugin-config` registers the plugin.
pub const PLUGIN: &str = "temper/judge";
/// Where the controller looks for its configuration.
const NAMESPACE: &str = "argo-rollouts";

/// A running controller that only judges `AnalysisRuns`; it and its plugin end when this is dropped.
#[derive(Debug)]
pub struct Controller {
    process: Child,
}

impl Controller {
    /// Starts a controller in a fresh folder: it copies the plugin there, over no copy that may still run.
    pub async fn start(parts: &Parts, cluster: &Cluster, folder: &Path) -> Result<Self> {
        let home = fresh(folder)?;
        let mut command = Command::new(parts.program("rollouts-controller")?);
        command
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(["--controllers=analysis", "--leader-elect=false"])
            // It would otherwise ask the API server's version, which this build does not carry.
            .arg("--ingress-api-version=networking/v1")
            // Any free port: nobody asks there, and the controller knows no way not to listen.
            .args(["--metricsPort=0", "--healthzPort=0"])
            .env("POD_NAMESPACE", NAMESPACE)
            .env("TMPDIR", &home)
            .current_dir(&home);
        let mut process = Child::start("rollouts-controller", command, folder)?;
        http::ready(&mut process, async || plugin_copy(&home)).await?;
        Ok(Self { process })
    }

    /// The plugin's process, if the controller has started one.
    pub fn plugin(&self) -> Result<Option<Pid>> {
        Ok(child::children(self.process.id())?.first().copied())
    }

    /// Kills the controller with SIGKILL; its plugin is left alone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// What the controller has logged, its plugin's lines among it.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Applies `plugin-config` as an operator does; strictly, so that no misspelled field passes.
pub async fn apply_plugin_config(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "namespace", NAMESPACE]).await?;
    apply_strictly(cluster, "--kustomize", &parts::plugin_config()).await
}

/// `plugin-config` as one text of many manifests.
pub async fn render_plugin_config(cluster: &Cluster) -> Result<String> {
    cluster
        .kubectl(&["kustomize", text(&parts::plugin_config())?])
        .await
}

/// Applies what `source` (`--filename` or `--kustomize`) finds at `path`, with the server's strict validation.
pub async fn apply_strictly(cluster: &Cluster, source: &str, path: &Path) -> Result<()> {
    cluster
        .kubectl(&[
            "apply",
            "--server-side",
            "--validate=strict",
            source,
            text(path)?,
        ])
        .await?;
    Ok(())
}

/// Lets the plugin that `plugin-config` registers be `program`.
pub async fn load_from(cluster: &Cluster, program: &Path) -> Result<()> {
    let plugins = json!([{ "name": PLUGIN, "location": format!("file://{}", program.display()) }]);
    let patch = json!({ "data": { "metricProviderPlugins": plugins.to_string() } });
    Api::<ConfigMap>::namespaced(cluster.client().await?, NAMESPACE)
        .patch(
            "argo-rollouts-config",
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .context("registering the program under test")?;
    Ok(())
}

fn fresh(folder: &Path) -> Result<PathBuf> {
    Ok(tempfile::Builder::new()
        .prefix("controller-")
        .tempdir_in(folder)?
        .keep())
}

/// The controller copies its plugins before anything else; without a copy it has read no configuration.
fn plugin_copy(home: &Path) -> Result<()> {
    let copy = home.join("plugin-bin").join(PLUGIN);
    copy.metadata()
        .map(drop)
        .with_context(|| format!("looking for {}", copy.display()))
}
