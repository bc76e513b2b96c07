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

/// The sentence says, for example, `errors: canary 3.8x stable (1.7x to 7.6x)`, and all of that is worse than before.
fn names_metric_effect_and_interval(status: &Status, metric: &str) {
    let message = status.newest().message;
    let (effect, low, high) = finding(&message, metric).expect(&message);
    assert!(1.0 < low && low <= effect && effect <= high, "{message}");
    assert!(
        status.message.contains(&message),
        "the controller does not pass it on: {}",
        status.message
    );
}

fn finding(message: &str, metric: &str) -> Option<(f64, f64, f64)> {
    let (_, finding) = message.split_once(&format!("{metric}: canary "))?;
    let (effect, interval) = finding.split_once("x stable (")?;
    let (interval, _) = interval.split_once("x)")?;
    let (low, high) = interval.split_once("x to ")?;
    Some((effect.parse().ok()?, low.parse().ok()?, high.parse().ok()?))
}
