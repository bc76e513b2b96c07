//! Workers that are left alone, although they are silent or interrupted.

use serde_json::json;
use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

use super::{at_work, healed, in_place, incident, only};

#[tokio::test]
async fn a_stopped_queue_is_left_alone_and_an_interruption_that_nobody_demanded_is_not() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let stopped = at_work(&forge, "arango-candles", "abc123").await.unwrap();
    let interrupted = at_work(&forge, "arango-candles", "def456").await.unwrap();

    forge.stop(&stopped.queue).await.unwrap();
    forge
        .workers
        .behave(&stopped.job, Manner::Says("interrupted"));
    // Later, so that whatever is done to this one would have been done to the other one before.
    forge
        .workers
        .behave(&interrupted.job, Manner::Says("interrupted"));
    in_place(&forge, &interrupted).await.unwrap();

    healed(&healer, &interrupted).await.unwrap();
    only(&forge, [stopped.job, interrupted.successor(1)])
        .await
        .unwrap();
}

#[tokio::test]
async fn jobs_of_others_and_those_that_people_have_marked_are_only_watched() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let [marked, owned, other] =
        ["aaa111", "bbb222", "ccc333"].map(|id| Worker::new("loader-producer", id));
    let uid = forge.config_map("owner").await.unwrap();
    let ignore = json!({ "healer.temper.dev/ignore": "true" });
    let edit = |manifest: &mut serde_json::Value| manifest["metadata"]["annotations"] = ignore;
    forge.submit_edited(&marked, edit).await.unwrap();
    let reference = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "controller": true }]);
    let edit =
        |manifest: &mut serde_json::Value| manifest["metadata"]["ownerReferences"] = reference;
    forge.submit_edited(&owned, edit).await.unwrap();
    forge.submit(&other).await.unwrap();

    for worker in [&marked, &owned, &other] {
        forge.workers.behave(&worker.job, Manner::IsSilent);
    }
    in_place(&forge, &other).await.unwrap();

    for (worker, reason) in [
        (&marked, "healer.temper.dev/ignore"),
        (&owned, "ConfigMap owner"),
    ] {
        let observed = until(
            "the healer says why it only watches",
            PATIENCE,
            async || incident(&healer, worker).await,
        );
        let observed = observed.await.unwrap();
        assert_eq!(observed["decision"], "observe", "{observed:#}");
        assert!(
            observed["why"].as_str().unwrap().contains(reason),
            "{observed:#}"
        );
    }
    healed(&healer, &other).await.unwrap();
    only(&forge, [marked.job, owned.job, other.successor(1)])
        .await
        .unwrap();
}

#[tokio::test]
async fn an_evicted_worker_is_brought_back_by_its_own_job_and_not_doubled() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let evicted = at_work(&forge, "loader-producer", "abc123").await.unwrap();
    let other = at_work(&forge, "loader-producer", "def456").await.unwrap();

    let pod = forge.evict(&evicted.job).await.unwrap();
    until("another pod of the same Job runs", PATIENCE, async || {
        let diary = forge.workers.diary();
        let mut running = diary.running();
        Ok(running
            .any(|who| who.job == evicted.job && who.pod != pod)
            .then_some(()))
    })
    .await
    .unwrap();
    // The healer has gone on meanwhile, and had every opportunity.
    super::replaced(&forge, &healer, &other, Manner::IsSilent)
        .await
        .unwrap();

    only(&forge, [evicted.job, other.successor(1)])
        .await
        .unwrap();
}

#[tokio::test]
async fn check_finds_the_topics_the_rights_and_the_jobs_that_are_there() {
    let forge = StreamForge::open().await.unwrap();
    at_work(&forge, "loader-producer", "abc123").await.unwrap();
    let (said, well) = forge.check(&[]).await.unwrap();
    assert!(well, "{said}");
    for line in [
        "ok   rights: all that are needed in namespace stf",
        "ok   jobs: 1 loader-*; 0 Jobs are none of ours",
        "ok   topic queue-events: 3 partitions, 3 replicas",
        "ok   topic queue-events: brokers write down when a record came",
        "ok   topic queue-control: ",
        "ok   topic temper-canary: every broker leads a partition of it",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}
