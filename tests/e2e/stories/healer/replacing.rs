//! A worker in trouble is replaced by a copy, which says what it replaces and why.

use serde_json::{Value, json};
use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

use super::{annotation, at_work, healed, in_place, only, replaced};

#[tokio::test]
async fn a_silent_loader_is_replaced_by_a_copy_that_says_why() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let silent = at_work(&forge, "loader-producer", "abc123").await.unwrap();
    let neighbour = at_work(&forge, "loader-ws-trades", "def456").await.unwrap();
    let before = forge.job(&silent.job).await.unwrap().unwrap();

    replaced(&forge, &healer, &silent, Manner::IsSilent)
        .await
        .unwrap();

    let successor = silent.successor(1);
    let after = forge.job(&successor).await.unwrap().unwrap();
    assert_eq!(
        annotation(&after, "replaces-uid"),
        before["metadata"]["uid"]
    );
    assert_eq!(annotation(&after, "replaces-name"), silent.job);
    assert_eq!(annotation(&after, "cause"), "silent");
    assert_eq!(common(after.clone()), common(before));
    only(&forge, [successor.clone(), neighbour.job])
        .await
        .unwrap();

    let why = annotation(&after, "why");
    assert!(!why.is_empty());
    let described = forge.describe(&successor).await.unwrap();
    assert!(described.contains(why), "{described}");
    let told = forge.events_of(&silent.job).await.unwrap();
    assert!(
        told.contains("WorkerReplaced") && told.contains(why),
        "{told}"
    );
    for (job, words) in [
        (
            &successor,
            [
                "takes the place of Job",
                silent.job.as_str(),
                why,
                "last heard at",
            ],
        ),
        (
            &silent.job,
            [
                "SuccessorCreated",
                successor.as_str(),
                "takes its place",
                why,
            ],
        ),
    ] {
        until(&format!("{job} tells of the other"), PATIENCE, async || {
            let told = forge.events_of(job).await?;
            Ok(words.iter().all(|word| told.contains(word)).then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_connector_that_reports_an_error_is_replaced_though_only_its_jobs_name_tells_whose_it_is()
{
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let connector = Worker::as_documented("arango-candles", "abc123");
    forge.submit(&connector).await.unwrap();

    replaced(&forge, &healer, &connector, Manner::Says("error"))
        .await
        .unwrap();

    let after = forge.job(&connector.successor(1)).await.unwrap().unwrap();
    assert_eq!(annotation(&after, "cause"), "error");
    only(&forge, [connector.successor(1)]).await.unwrap();

    // The name of the successor ends in its number, and no more in the id that tells whose it is.
    let first = connector.successor(1);
    forge.workers.behave(&first, Manner::Says("error"));
    forge.pod_of(&connector.successor(2)).await.unwrap();
    healed(&healer, &connector).await.unwrap();
    only(&forge, [connector.successor(2)]).await.unwrap();
}

#[tokio::test]
async fn a_successor_that_fails_as_well_is_replaced_in_its_turn() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let loader = at_work(&forge, "loader-producer", "abc123").await.unwrap();
    forge
        .workers
        .behave(&loader.successor(1), Manner::Says("error"));

    forge.workers.behave(&loader.job, Manner::Says("error"));
    forge.pod_of(&loader.successor(2)).await.unwrap();

    healed(&healer, &loader).await.unwrap();
    only(&forge, [loader.successor(2)]).await.unwrap();
}

#[tokio::test]
async fn a_loader_that_never_spoke_is_replaced() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let loader = Worker::new("loader-producer", "abc123");
    forge.workers.behave(&loader.job, Manner::IsSilent);
    forge.submit_edited(&loader, |_| {}).await.unwrap();

    in_place(&forge, &loader).await.unwrap();
    healed(&healer, &loader).await.unwrap();
    only(&forge, [loader.successor(1)]).await.unwrap();
}

/// What a Job and its successor have in common: everything that does not belong to one object alone.
fn common(mut job: Value) -> Value {
    forget(&mut job["spec"], |field| {
        ["selector", "suspend"].contains(&field)
    });
    forget(
        &mut job["spec"]["template"]["metadata"]["labels"],
        is_of_one_job,
    );
    forget(&mut job["metadata"]["labels"], |label| {
        is_of_one_job(label) || label.starts_with("healer.temper.dev/")
    });
    json!({ "labels": job["metadata"]["labels"], "spec": job["spec"] })
}

fn forget(map: &mut Value, which: impl Fn(&str) -> bool) {
    if let Some(map) = map.as_object_mut() {
        map.retain(|key, _| !which(key));
    }
}

fn is_of_one_job(label: &str) -> bool {
    let name = label.trim_start_matches("batch.kubernetes.io/");
    ["controller-uid", "job-name"].contains(&name)
}
