//! Brokers hang: they keep their connections and answer nothing, and go on some time later.

use serde_json::{Value, json};
use temper_e2e::{StreamForge, workers::Manner};

use super::{
    at_work,
    blindness::{becomes_blind, nothing_happens},
    only, replaced,
};

#[tokio::test]
async fn one_hanging_broker_of_three_brings_no_verdict_and_healing_goes_on() {
    let forge = StreamForge::open().await.unwrap();
    forge.govern(sharp_eyed).unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let first = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let second = at_work(&forge, "loader-producer", "ccc333").await.unwrap();
    let jobs = forge.job_names().await.unwrap();

    forge.brokers.pause(0).unwrap();
    nothing_happens(&forge, &jobs).await.unwrap();
    replaced(&forge, &healer, &first, Manner::IsSilent)
        .await
        .unwrap();

    forge.brokers.resume(0).unwrap();
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
async fn two_hanging_brokers_of_three_blind_the_healer_until_they_go_on() {
    let forge = StreamForge::open().await.unwrap();
    forge.govern(sharp_eyed).unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let silent = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let jobs = forge.job_names().await.unwrap();

    forge.brokers.pause(1).unwrap();
    forge.brokers.pause(2).unwrap();
    becomes_blind(&healer).await.unwrap();
    forge.workers.behave(&silent.job, Manner::IsSilent);
    nothing_happens(&forge, &jobs).await.unwrap();
    healer.get("/probes/blind").await.unwrap();
    healer.get("/readyz").await.unwrap_err();

    forge.brokers.resume(1).unwrap();
    forge.brokers.resume(2).unwrap();
    replaced(&forge, &healer, &silent, Manner::IsSilent)
        .await
        .unwrap();
    healer.get("/probes/blind").await.unwrap_err();
    only(&forge, [healthy.job, silent.successor(1)])
        .await
        .unwrap();
}

/// Others lead after three seconds, while who had sent something to the broker that hangs waits for five: what is dark for two must
/// have counted as dark.
fn sharp_eyed(policy: &mut Value) {
    policy["sight"]["maxGap"] = json!("2s");
}
