//! Everything that a story needs, up and running.

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    analysis::Analysis,
    cluster::Cluster,
    controller::{self, Controller},
    fleet::{Fleet, Regression},
    home::Home,
    parts::{self, Parts},
    prometheus::{CANARY_HASH, Prometheus, STABLE_HASH},
};

/// A control plane with our program in it, a fleet under traffic and a Prometheus that scrapes it.
///
/// When it is dropped, all of it ends, those first who talk to the others.
#[derive(Debug)]
pub struct Stage {
    /// The Argo Rollouts controller.
    pub controller: Controller,
    /// What the canary is judged from.
    pub prometheus: Prometheus,
    /// The API server.
    pub cluster: Cluster,
    _fleet: Fleet,
    parts: Parts,
    folder: TempDir,
    _home: Home,
}

impl Stage {
    /// Brings everything up, with a new version that has this regression.
    pub async fn open(regression: Regression) -> Result<Self> {
        let parts = Parts::locate()?;
        let home = Home::claim()?;
        let dir = tempfile::tempdir().context("making a folder for the stage")?;
        let folder = dir.path();

        let fleet = Fleet::start(regression, folder).await?;
        let (prometheus, cluster) = tokio::try_join!(
            Prometheus::start(&parts, home.address, &fleet.pods, folder),
            Cluster::start(&parts, home.address, folder),
        )?;
        cluster.define(&parts.definitions()?).await?;
        controller::apply_plugin_config(&cluster).await?;
        controller::load_from(&cluster, &parts::temper()?).await?;
        let controller = Controller::start(&parts, &cluster, folder).await?;
        Ok(Self {
            controller,
            prometheus,
            cluster,
            _fleet: fleet,
            parts,
            folder: dir,
            _home: home,
        })
    }

    /// Starts an analysis of the new version; `edit` may change the plugin's configuration before.
    pub async fn analyse(&self, name: &str, edit: impl FnOnce(&mut Value)) -> Result<Analysis> {
        let prometheus = self.prometheus.url();
        let arguments = [
            ("canary-hash", CANARY_HASH),
            ("stable-hash", STABLE_HASH),
            ("prometheus", prometheus.as_str()),
        ];
        Analysis::start(self.cluster.client().await?, name, &arguments, edit).await
    }

    /// Puts a new controller in the place of one that was killed.
    pub async fn restart_controller(&mut self) -> Result<()> {
        self.controller = Controller::start(&self.parts, &self.cluster, self.folder.path()).await?;
        Ok(())
    }
}
