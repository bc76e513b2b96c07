//! What breaks around a judgement delays its verdict and never changes it.

use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};
use temper_e2e::{
    Stage,
    analysis::{Analysis, Status},
    child,
    fleet::Regression,
};
use tokio::time::{interval, timeout};

use crate::quick;

#[tokio::test]
async fn a_controller_killed_in_the_middle_reaches_the_same_verdict() {
    let mut stage = Stage::open(Regression::Errors).await.unwrap();
    let analysis = stage.analyse("controller-killed", quick).await.unwrap();
    let before = in_the_middle(&analysis).await.unwrap();
    let plugin = stage.controller.plugin().unwrap().unwrap();

    stage.controller.kill().await.unwrap();
    ends(plugin).await;
    stage.restart_controller().await.unwrap();

    fails_as_if_nothing_had_happened(&analysis, &before)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_plugin_killed_in_the_middle_reaches_the_same_verdict() {
    let stage = Stage::open(Regression::Errors).await.unwrap();
    let analysis = stage.analyse("plugin-killed", quick).await.unwrap();
    let before = in_the_middle(&analysis).await.unwrap();
    let plugin = stage.controller.plugin().unwrap().unwrap();

    kill_process(plugin, Signal::KILL).unwrap();

    fails_as_if_nothing_had_happened(&analysis, &before)
        .await
        .unwrap();
    assert_ne!(stage.controller.plugin().unwrap(), Some(plugin));
}

#[tokio::test]
async fn a_prometheus_that_is_down_delays_a_verdict_and_never_makes_one() {
    let mut stage = Stage::open(Regression::Errors).await.unwrap();
    let analysis = stage.analyse("prometheus-down", quick).await.unwrap();
    let before = in_the_middle(&analysis).await.unwrap();

    stage.prometheus.kill().await.unwrap();
    analysis
        .until("it says that it cannot see", cannot_see)
        .await
        .unwrap();
    stage.prometheus.restart().await.unwrap();

    fails_as_if_nothing_had_happened(&analysis, &before)
        .await
        .unwrap();
}

/// Waits until the first look was taken and says how things stand.
async fn in_the_middle(analysis: &Analysis) -> Result<Status> {
    analysis
        .until("it watches", |status| status.newest().phase == "Running")
        .await
}

fn cannot_see(status: &Status) -> bool {
    let newest = status.newest();
    newest.phase == "Running" && newest.message.contains("waiting for prometheus")
}

/// The new version is refused for its errors; and an analysis that goes on from `before` undisturbed, with the same
/// data, says the same to the letter.
async fn fails_as_if_nothing_had_happened(analysis: &Analysis, before: &Status) -> Result<()> {
    let disturbed = analysis.end().await?;
    assert_eq!(disturbed.phase, "Failed", "{disturbed:#?}");
    assert!(
        disturbed.newest().message.contains("errors"),
        "{disturbed:#?}"
    );

    let undisturbed = analysis.again_from(before).await?.end().await?;
    assert_eq!(disturbed.phase, undisturbed.phase);
    assert_eq!(disturbed.newest().message, undisturbed.newest().message);
    Ok(())
}

/// Waits until a process is gone that is not ours to wait for.
async fn ends(process: Pid) {
    /// A plugin may take two seconds to end, on an idle machine.
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut ticks = interval(Duration::from_millis(20));
    let gone = async {
        while child::runs(process) {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("the plugin outlives its controller");
}
