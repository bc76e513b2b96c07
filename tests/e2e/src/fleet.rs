//! Two versions of the queue-manager under traffic: `temper demo fleet`.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::process::Command;

use crate::{child::Child, http, parts};

/// What is wrong with the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regression {
    /// Nothing: it behaves as the old one.
    None,
    /// It fails more often.
    Errors,
    /// It takes longer.
    Latency,
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Errors => "errors",
            Self::Latency => "latency",
        })
    }
}

/// A running fleet; it ends when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    /// Where its pods are.
    pub pods: Pods,
    _process: Child,
}

/// The pods of both versions.
#[derive(Debug, Clone, Deserialize)]
pub struct Pods {
    /// Pods of the old version.
    pub stable: Vec<Pod>,
    /// Pods of the new version.
    pub canary: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Clone, Deserialize)]
pub struct Pod {
    /// Its name.
    pub pod: String,
    /// Where its metrics page is.
    pub url: String,
}

impl Fleet {
    /// Starts three pods of the old version and two of the new one, which gets a tenth of 600 requests a second.
    pub async fn start(regression: Regression, folder: &Path) -> Result<Self> {
        let ports = folder.join("fleet.json");
        let mut command = Command::new(parts::temper()?);
        command
            .args([
                "demo",
                "fleet",
                "--pods-stable",
                "3",
                "--pods-canary",
                "2",
                "--rate",
                "600",
            ])
            .args(["--regression", &regression.to_string(), "--port-file"])
            .arg(&ports);
        let mut process = Child::start("fleet", command, folder)?;
        let pods = http::ready(&mut process, async || read(&ports)).await?;
        Ok(Self {
            pods,
            _process: process,
        })
    }
}

fn read(ports: &Path) -> Result<Pods> {
    let text = fs::read_to_string(ports).context("reading where the pods are")?;
    serde_json::from_str(&text).with_context(|| format!("reading where the pods are: {text:?}"))
}
