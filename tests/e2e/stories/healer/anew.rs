//! A topic that is deleted and made anew.

use temper_e2e::{StreamForge, patience::until, streamforge::PATIENCE, workers::Manner};

use super::{at_work, healed, in_place, only};

#[tokio::test]
async fn a_topic_that_is_made_anew_is_read_anew_and_blames_nobody() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let silent = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let jobs = forge.job_names().await.unwrap();

    forge.make_events_anew(2).await.unwrap();
    until("it reads the topic anew, and acts", PATIENCE, async || {
        let log = healer.log();
        let since = log.split_once("everything is read again");
        Ok(since.and_then(|(_, since)| since.contains("this healer acts").then_some(())))
    })
    .await
    .unwrap();
    assert_eq!(forge.job_names().await.unwrap(), jobs);

    forge.workers.behave(&silent.job, Manner::IsSilent);
    in_place(&forge, &silent).await.unwrap();
    healed(&healer, &silent).await.unwrap();
    only(&forge, [silent.successor(1), healthy.job])
        .await
        .unwrap();
}
