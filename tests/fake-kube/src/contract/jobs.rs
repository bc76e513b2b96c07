//! What the Job controller does.

use serde_json::json;

use super::{
    Verdict,
    scene::{Scene, equal, require},
};
use crate::{
    object::{has_condition, list, text, uid},
    resource::Resource::Jobs,
};

pub(super) async fn a_suspended_job_has_no_pods_and_gets_them_when_it_is_resumed(
    scene: &Scene<'_>,
) -> Verdict {
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    until_suspended(scene).await?;
    require(scene.pods("a").await?.is_empty(), || {
        "a suspended Job has pods".to_owned()
    })?;
    let suspended = scene.get(Jobs, "a").await?.is(200)?;
    equal("start", &suspended["status"]["startTime"], &json!(null))?;

    resume(scene).await?;
    scene.pod("a").await?;
    let what = "the status counts the pod";
    let resumed = scene
        .until(what, async || {
            let job = scene.get(Jobs, "a").await?.is(200)?;
            Ok((job["status"]["active"] == 1).then_some(job))
        })
        .await?;
    require(!has_condition(&resumed, "Suspended"), || {
        format!("still suspended: {resumed}")
    })?;
    require(resumed["status"]["startTime"].is_string(), || {
        format!("it has not started: {resumed}")
    })?;
    let condition = &list(&resumed, "/status/conditions")[0];
    equal("reason", &condition["reason"], &json!("JobResumed"))
}

pub(super) async fn a_job_that_is_suspended_again_loses_its_pods(scene: &Scene<'_>) -> Verdict {
    scene
        .post(Jobs, &scene.job("a", &json!({})))
        .await?
        .is(201)?;
    let first = scene.pod("a").await?;
    scene
        .merge(Jobs, "a", &json!({ "spec": { "suspend": true } }))
        .await?
        .is(200)?;
    until_suspended(scene).await?;
    let what = "the pods are gone";
    scene
        .until(what, async || {
            Ok(scene.pods("a").await?.is_empty().then_some(()))
        })
        .await?;
    resume(scene).await?;
    let second = scene.pod("a").await?;
    require(uid(&first) != uid(&second), || {
        "the same pod is back".to_owned()
    })
}

pub(super) async fn pods_are_known_by_their_labels_and_their_owner(scene: &Scene<'_>) -> Verdict {
    let job = scene
        .post(Jobs, &scene.job("a", &json!({})))
        .await?
        .is(201)?;
    let pod = scene.pod("a").await?;
    let uid = uid(&job);
    let owner = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": scene.name("a"), "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    equal("owner", &pod["metadata"]["ownerReferences"], &owner)?;
    let labels = &job["spec"]["template"]["metadata"]["labels"];
    equal("labels", &pod["metadata"]["labels"], labels)?;
    let name = text(&pod, "/metadata/name");
    let prefix = format!("{}-", scene.name("a"));
    equal("prefix", &pod["metadata"]["generateName"], &json!(prefix))?;
    require(name.starts_with(&prefix), || format!("odd name {name}"))
}

async fn until_suspended(scene: &Scene<'_>) -> Verdict {
    let what = "the Job says that it is suspended";
    scene
        .until(what, async || {
            let job = scene.get(Jobs, "a").await?.is(200)?;
            Ok(has_condition(&job, "Suspended").then_some(()))
        })
        .await
}

async fn resume(scene: &Scene<'_>) -> Verdict {
    scene
        .merge(Jobs, "a", &json!({ "spec": { "suspend": false } }))
        .await?
        .is(200)?;
    Ok(())
}
