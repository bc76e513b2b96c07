//! Jobs that fail by themselves: the Job controller has given them up.

use serde_json::{Value, json};
use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

use super::{annotation, healed, in_place, incident, only};

#[tokio::test]
async fn a_job_that_has_failed_is_replaced_where_errors_are_healed_and_only_told_of_elsewhere() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let loader = Worker::new("loader-producer", "abc123");
    let watched = Worker::new("visualizer", "abc123");
    for worker in [&loader, &watched] {
        forge.submit_edited(worker, that_tries_twice).await.unwrap();
        forge.workers.behave(&worker.job, Manner::Crashes);
    }

    in_place(&forge, &loader).await.unwrap();
    healed(&healer, &loader).await.unwrap();
    let diary = forge.workers.diary();
    let runs = diary.of(&loader.producer);
    let tries = runs.filter(|run| run.who.job == loader.job).count();
    assert_eq!(tries, 2, "the Job controller has its tries first");
    let after = forge.job(&loader.successor(1)).await.unwrap().unwrap();
    assert_eq!(annotation(&after, "cause"), "error");
    let why = annotation(&after, "why");
    assert!(
        why.contains("its Job failed (BackoffLimitExceeded"),
        "{why}"
    );
    let told = forge.events_of(&loader.job).await.unwrap();
    assert!(told.contains(why), "{told}");

    let what = "the healer says why it only watches";
    let observed = until(what, PATIENCE, async || incident(&healer, &watched).await);
    let observed = observed.await.unwrap();
    assert_eq!(observed["decision"], "observe", "{observed:#}");
    let why = observed["why"].as_str().unwrap();
    let end = "but the policy does not heal error of visualizer";
    assert!(
        why.contains("BackoffLimitExceeded") && why.ends_with(end),
        "{why}"
    );
    only(&forge, [loader.successor(1), watched.job])
        .await
        .unwrap();
}

/// And whose silence between the two, when it has no pod, is borne.
fn that_tries_twice(manifest: &mut Value) {
    manifest["spec"]["backoffLimit"] = json!(1);
    manifest["metadata"]["annotations"] = json!({ "healer.temper.dev/silent-deadline": "5m" });
}
