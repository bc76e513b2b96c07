//! Brokers die: who can't be heard is not blamed for it.

use std::time::Duration;

use anyhow::Result;
use temper_e2e::{
    StreamForge,
    healer::Healer,
    patience::{always, until},
    streamforge::PATIENCE,
    workers::Manner,
};

use super::{at_work, only, replaced};

/// Several times the longest deadline for silence.
const LONG: Duration = Duration::from_secs(15);

#[tokio::test]
async fn one_dead_broker_of_three_brings_no_verdict_and_healing_goes_on() {
    let mut forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let first = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let second = at_work(&forge, "loader-producer", "ccc333").await.unwrap();
    let jobs = forge.job_names().await.unwrap();

    forge.brokers.kill(0).await.unwrap();
    nothing_happens(&forge, &jobs).await.unwrap();
    replaced(&forge, &healer, &first, Manner::IsSilent)
        .await
        .unwrap();

    forge.brokers.restart(0).await.unwrap();
    replaced(&forge, &healer, &second, Manner::IsSilent)
        .await
        .unwrap();
    only(
        &forge,
        [healthy.job, first.successor(1), second.successor(1)],
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn two_dead_brokers_of_three_blind_the_healer_and_it_says_so_and_decides_nothing() {
    let mut forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let silent = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let jobs = forge.job_names().await.unwrap();

    forge.brokers.kill(1).await.unwrap();
    forge.brokers.kill(2).await.unwrap();
    becomes_blind(&healer).await.unwrap();
    forge.workers.behave(&silent.job, Manner::IsSilent);
    nothing_happens(&forge, &jobs).await.unwrap();
    healer.get("/probes/blind").await.unwrap();
    healer.get("/readyz").await.unwrap_err();

    forge.brokers.restart(1).await.unwrap();
    forge.brokers.restart(2).await.unwrap();
    replaced(&forge, &healer, &silent, Manner::IsSilent)
        .await
        .unwrap();
    healer.get("/probes/blind").await.unwrap_err();
    only(&forge, [healthy.job, silent.successor(1)])
        .await
        .unwrap();
}

pub(super) async fn becomes_blind(healer: &Healer) -> Result<()> {
    until("the healer says that it is blind", PATIENCE, async || {
        healer.get("/probes/blind").await.map(Some)
    })
    .await?;
    Ok(())
}

pub(super) async fn nothing_happens(forge: &StreamForge, jobs: &[String]) -> Result<()> {
    always("the Jobs are the same", LONG, async || {
        Ok(forge.job_names().await? == jobs)
    })
    .await
}
