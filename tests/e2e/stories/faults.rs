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

    same_test_fails_on_errors(&before, &analysis.end().await.unwrap());
}

#[tokio::test]
async fn a_plugin_killed_in_the_middle_reaches_the_same_verdict() {
    let stage = Stage::open(Regression::Errors).await.unwrap();
    let analysis = stage.analyse("plugin-killed", quick).await.unwrap();
    let before = in_the_middle(&analysis).await.unwrap();
    let plugin = stage.controller.plugin().unwrap().unwrap();

    kill_process(plugin, Signal::KILL).unwrap();
    let after = analysis.end().await.unwrap();

    assert_ne!(stage.controller.plugin().unwrap(), Some(plugin));
    same_test_fails_on_errors(&before, &after);
}

#[tokio::test]
async fn a_prometheus_that_is_down_delays_a_verdict_and_never_makes_one() {
    let mut stage = Stage::open(Regression::Errors).await.unwrap();
    let analysis = stage.analyse("prometheus-down", quick).await.unwrap();
    in_the_middle(&analysis).await.unwrap();

    stage.prometheus.kill().await.unwrap();
    let blind = analysis
        .until("it says that Prometheus is down", says_it_is_blind)
        .await
        .unwrap();
    assert_eq!(blind.phase, "Running", "{blind:#?}");
    stage.prometheus.restart().await.unwrap();

    let after = analysis.end().await.unwrap();
    assert_eq!(after.phase, "Failed", "{after:#?}");
    assert!(after.newest().message.contains("errors"), "{after:#?}");
}

/// Waits until the first look was taken and says how things stand.
async fn in_the_middle(analysis: &Analysis) -> Result<Status> {
    analysis
        .until("it watches", |status| status.newest().phase == "Running")
        .await
}

fn says_it_is_blind(status: &Status) -> bool {
    let newest = status.newest();
    newest.phase == "Running" && newest.message.contains("prometheus")
}

fn same_test_fails_on_errors(before: &Status, after: &Status) {
    assert_eq!(after.phase, "Failed", "{after:#?}");
    assert!(after.newest().message.contains("errors"), "{after:#?}");
    assert_eq!(
        after.newest().started_at,
        before.newest().started_at,
        "{after:#?}"
    );
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
