//! Good versions pass and bad ones don't, for a reason that can be read.

use anyhow::Result;
use temper_e2e::{Stage, analysis::Status, fleet::Regression};

use crate::quick;

#[tokio::test]
async fn a_version_that_fails_more_often_is_refused() {
    let status = verdict_on(Regression::Errors).await.unwrap();
    assert_eq!(status.phase, "Failed", "{status:#?}");
    names_metric_effect_and_interval(&status, "errors");
}

#[tokio::test]
async fn a_version_that_takes_longer_is_refused() {
    let status = verdict_on(Regression::Latency).await.unwrap();
    assert_eq!(status.phase, "Failed", "{status:#?}");
    names_metric_effect_and_interval(&status, "latency");
}

#[tokio::test]
async fn a_version_as_good_as_the_old_one_passes() {
    let status = verdict_on(Regression::None).await.unwrap();
    assert_eq!(status.phase, "Successful", "{status:#?}");
}

async fn verdict_on(regression: Regression) -> Result<Status> {
    let stage = Stage::open(regression).await?;
    stage.analyse("verdict", quick).await?.end().await
}

fn names_metric_effect_and_interval(status: &Status, metric: &str) {
    let message = status.newest().message;
    assert!(
        message.contains(metric),
        "{metric} is not named in: {message}"
    );
}
