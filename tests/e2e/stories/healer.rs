//! The healer among real Jobs, real brokers and workers that get stuck.

mod replacing;
mod progress;
mod failing;
mod alone;
mod sidecar;
mod modes;
mod blindness;
mod hanging;
mod crashes;
mod rivals;
mod ruling;
mod denied;
mod anew;
mod failover;
mod rebuild;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use temper_e2e::{
    StreamForge,
    healer::Healer,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

/// Submits a worker's Job and waits until it is at work.
async fn at_work(forge: &StreamForge, target: &str, id: &str) -> Result<Worker> {
    let worker = Worker::new(target, id);
    forge.submit(&worker).await?;
    Ok(worker)
}

/// Lets a worker go wrong in this way, and waits until its first successor works in its place and has been heard.
async fn replaced(
    forge: &StreamForge,
    healer: &Healer,
    worker: &Worker,
    manner: Manner,
) -> Result<()> {
    forge.workers.behave(&worker.job, manner);
    in_place(forge, worker).await?;
    healed(healer, worker).await
}

/// Waits until the first successor of a worker's Job runs, and the Job is gone.
async fn in_place(forge: &StreamForge, worker: &Worker) -> Result<()> {
    forge.pod_of(&worker.successor(1)).await?;
    let old = forge.job(&worker.job).await?;
    ensure!(old.is_none(), "{} is still there", worker.job);
    Ok(())
}

/// Waits until the healer has heard the worker's successor.
async fn healed(healer: &Healer, worker: &Worker) -> Result<()> {
    let what = format!("the incident of {} ends well", worker.producer);
    until(&what, PATIENCE, async || {
        let incident = incident(healer, worker).await?.context("no incident")?;
        let outcome = incident["outcome"].as_str().unwrap_or_default();
        ensure!(outcome.starts_with("healed"), "{incident:#}");
        Ok(Some(()))
    })
    .await
}

/// The healer's last incident about a worker.
async fn incident(healer: &Healer, worker: &Worker) -> Result<Option<Value>> {
    let told = healer.incidents().await?;
    let incidents = told["incidents"].as_array().context("no incidents")?;
    let of_worker = |incident: &&Value| incident["producer"] == worker.producer.as_str();
    Ok(incidents.iter().find(of_worker).cloned())
}

/// These Jobs exist and no others, and never did two Jobs of one worker run at the same time.
async fn only(forge: &StreamForge, names: impl IntoIterator<Item = String>) -> Result<()> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort();
    let found = forge.job_names().await?;
    ensure!(found == names, "there are {found:?}, not {names:?}");
    let diary = forge.workers.diary();
    let doubles = diary.doubles();
    ensure!(doubles.is_empty(), "ran at the same time: {doubles:#?}");
    Ok(())
}

fn annotation<'a>(job: &'a Value, name: &str) -> &'a str {
    let annotation = &job["metadata"]["annotations"][format!("healer.temper.dev/{name}")];
    annotation.as_str().unwrap_or_default()
}
