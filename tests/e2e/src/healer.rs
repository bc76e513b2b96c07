//! The healer under test, as a process.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::{Context, Result};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    child::Child,
    http,
    kafka::{PASSWORD, USER},
    patience::until,
    streamforge::{CANARY, NAMESPACE, PATIENCE},
};

/// What a healer must know to be of use.
#[derive(Debug)]
pub struct Surroundings {
    /// The brokers.
    pub bootstrap: String,
    /// Who signed their certificate.
    pub authority: PathBuf,
    /// Where the API server is.
    pub kubeconfig: PathBuf,
    /// The policy.
    pub policy: PathBuf,
    /// Where it is to answer questions.
    pub listen: SocketAddr,
    /// Where its log goes.
    pub folder: PathBuf,
}

/// A running healer; it ends when this is dropped.
#[derive(Debug)]
pub struct Healer {
    process: Child,
    listen: SocketAddr,
}

impl Healer {
    /// Starts the program that `TEMPER_HEALER_BIN` names. `name` is who it is in the Lease.
    pub fn start(name: &str, surroundings: &Surroundings, arguments: &[&str]) -> Result<Self> {
        let mut command = command("run", surroundings)?;
        command
            .arg(format!("--listen={}", surroundings.listen))
            .args(arguments)
            .env("POD_NAME", name)
            .env("TEMPER_LOG", "info");
        Self::run(name, command, surroundings.listen, &surroundings.folder)
    }

    /// Runs a command that is a healer and answers questions at `listen`.
    pub fn run(name: &str, command: Command, listen: SocketAddr, folder: &Path) -> Result<Self> {
        let process = Child::start(name, command, folder)?;
        Ok(Self { process, listen })
    }

    /// Waits until it says that it is ready.
    pub async fn become_ready(&mut self) -> Result<()> {
        let url = self.url("/readyz");
        http::ready(&mut self.process, async || http::get(&url).await).await?;
        Ok(())
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Tells it to end, and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        kill_process(self.process.id(), Signal::TERM).context("telling the healer to end")?;
        self.end().await
    }

    /// Waits until it has ended.
    pub async fn end(&mut self) -> Result<ExitStatus> {
        until("the healer ends", PATIENCE, async || self.process.ended()).await
    }

    /// Waits until it has heard all that was said, and acts.
    pub async fn become_armed(&self) -> Result<()> {
        until("the healer acts", PATIENCE, async || {
            Ok(self.is_armed().then_some(()))
        })
        .await
    }

    /// Whether it, or one of its name before it, has said that it has heard all that was said, and acts.
    pub fn is_armed(&self) -> bool {
        self.log().contains("this healer acts")
    }

    /// The body of what it answers with success at this path, such as `/metrics`.
    pub async fn get(&self, path: &str) -> Result<String> {
        http::get(&self.url(path)).await
    }

    /// What it tells of its decisions.
    pub async fn incidents(&self) -> Result<Value> {
        let text = self.get("/incidents.json").await?;
        serde_json::from_str(&text).with_context(|| format!("reading the incidents: {text}"))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }
}

/// What `temper-healer check` finds, and whether all is as it must be.
pub async fn check(surroundings: &Surroundings, arguments: &[&str]) -> Result<(String, bool)> {
    let output = command("check", surroundings)?
        .args(arguments)
        .output()
        .await
        .context("running the check")?;
    Ok((String::from_utf8(output.stdout)?, output.status.success()))
}

fn command(what: &str, surroundings: &Surroundings) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .args([what, "--namespace", NAMESPACE])
        // By the environment, so that arguments may say otherwise.
        .env("TEMPER_POLICY", &surroundings.policy)
        .env("KAFKA_BOOTSTRAP_SERVERS", &surroundings.bootstrap)
        .env("KAFKA_USER", USER)
        .env("KAFKA_PASSWORD", PASSWORD)
        .env("CA_PATH", &surroundings.authority)
        .env("TEMPER_CANARY_TOPIC", CANARY)
        .env("KUBECONFIG", &surroundings.kubeconfig);
    Ok(command)
}

/// The program under test: what `TEMPER_HEALER_BIN` names.
pub(crate) fn program() -> Result<PathBuf> {
    let path = env::var_os("TEMPER_HEALER_BIN")
        .context("finding the healer: set TEMPER_HEALER_BIN to it, as `make e2e` does")?;
    Path::new(&path)
        .canonicalize()
        .with_context(|| format!("finding TEMPER_HEALER_BIN {}", path.display()))
}
