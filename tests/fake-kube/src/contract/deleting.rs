//! Deleting objects, and what they own.

use serde_json::{Value, json};

use super::{
    Failure, Verdict,
    scene::{MERGE, Scene, equal, require},
};
use crate::{
    object::{is_terminating, list, text, uid},
    resource::Resource::{ConfigMaps, Jobs, Pods},
};

const HOLD: &str = "temper.dev/contract";

pub(super) async fn conditions_of_a_deletion_are_kept(scene: &Scene<'_>) -> Verdict {
    let made = scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let (name, record) = (scene.name("a"), uid(&made));
    let other = json!({ "preconditions": { "uid": "other" }, "propagationPolicy": "Foreground" });
    let words = format!(
        "Operation cannot be fulfilled on Job.batch \"{name}\": the UID in the precondition (other) does not match \
         the UID in record ({record}). The object might have been deleted and then recreated"
    );
    let refusal = scene
        .delete(Jobs, "a", &other)
        .await?
        .refused(409, "Conflict", &words)?;
    let details = json!({ "name": name, "group": "batch", "kind": "Job" });
    equal("details", &refusal["details"], &details)?;
    let stale = json!({ "preconditions": { "resourceVersion": "1" } });
    let words = "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (";
    scene
        .delete(Jobs, "a", &stale)
        .await?
        .refused(409, "Conflict", words)?;
    let kept = scene.get(Jobs, "a").await?.is(200)?;
    require(!is_terminating(&kept), || {
        format!("it should not go: {kept}")
    })?;
    let right = json!({ "preconditions": { "uid": record }, "propagationPolicy": "Background" });
    let gone = scene.delete(Jobs, "a", &right).await?.is(200)?;
    equal("status", &gone["status"], &json!("Success"))?;
    equal("uid", &gone["details"]["uid"], &json!(record))
}

pub(super) async fn a_foreground_deletion_keeps_the_job_until_its_pods_are_gone(
    scene: &Scene<'_>,
) -> Verdict {
    let pod = job_with_held_pod(scene).await?;
    let foreground = json!({ "propagationPolicy": "Foreground" });
    let going = scene.delete(Jobs, "a", &foreground).await?.is(200)?;
    require(is_terminating(&going), || {
        format!("it should be terminating: {going}")
    })?;
    equal(
        "finalizers",
        &going["metadata"]["finalizers"],
        &json!(["foregroundDeletion"]),
    )?;
    equal(
        "grace",
        &going["metadata"]["deletionGracePeriodSeconds"],
        &json!(0),
    )?;
    equal("generation", &going["metadata"]["generation"], &json!(2))?;

    until_terminating(scene, &pod).await?;
    scene.get(Jobs, "a").await?.is(200)?;
    let words = "object is being deleted";
    scene
        .post(Jobs, &scene.suspended("a"))
        .await?
        .refused(409, "AlreadyExists", words)?;
    scene.delete(Jobs, "a", &foreground).await?.is(200)?;
    let_go(scene, &pod).await?;
    scene.until_gone(Jobs, "a").await?;
    require(scene.pods("a").await?.is_empty(), || {
        "pods outlived their Job".to_owned()
    })
}

pub(super) async fn a_foreground_deletion_goes_on_in_the_background_if_asked_to(
    scene: &Scene<'_>,
) -> Verdict {
    let pod = job_with_held_pod(scene).await?;
    scene
        .delete(Jobs, "a", &json!({ "propagationPolicy": "Foreground" }))
        .await?
        .is(200)?;
    until_terminating(scene, &pod).await?;
    let gone = scene
        .delete(Jobs, "a", &json!({ "propagationPolicy": "Background" }))
        .await?
        .is(200)?;
    equal("status", &gone["status"], &json!("Success"))?;
    scene.get(Jobs, "a").await?.is(404)?;
    let_go(scene, &pod).await
}

pub(super) async fn a_background_deletion_takes_the_job_first_and_its_pods_then(
    scene: &Scene<'_>,
) -> Verdict {
    let pod = job_with_held_pod(scene).await?;
    let gone = scene
        .delete(Jobs, "a", &json!({ "propagationPolicy": "Background" }))
        .await?
        .is(200)?;
    equal("status", &gone["status"], &json!("Success"))?;
    scene.get(Jobs, "a").await?.is(404)?;
    until_terminating(scene, &pod).await?;
    let_go(scene, &pod).await?;
    let what = "the pods have followed their Job";
    scene
        .until(what, async || {
            Ok(scene.pods("a").await?.is_empty().then_some(()))
        })
        .await
}

/// What the real server does to those who leave the policy out, in batch/v1 alone.
pub(super) async fn a_deletion_that_says_nothing_orphans_the_pods(scene: &Scene<'_>) -> Verdict {
    scene
        .post(Jobs, &scene.job("a", &json!({})))
        .await?
        .is(201)?;
    let pod = scene.pod("a").await?;
    let path = pod_path(scene, &pod);
    let going = scene
        .delete_path(&scene.path(Jobs, "a"), None)
        .await?
        .is(200)?;
    equal(
        "finalizers",
        &going["metadata"]["finalizers"],
        &json!(["orphan"]),
    )?;
    scene.until_gone(Jobs, "a").await?;
    let orphan = scene.get_path(&path).await?.is(200)?;
    require(!is_terminating(&orphan), || {
        format!("it should stay: {orphan}")
    })?;
    require(
        list(&orphan, "/metadata/ownerReferences").is_empty(),
        || format!("it should be free: {orphan}"),
    )?;
    scene.delete_path(&path, None).await?.is(200)?;
    Ok(())
}

pub(super) async fn options_in_the_query_count_where_there_is_no_body(
    scene: &Scene<'_>,
) -> Verdict {
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let path = scene.path(Jobs, "a");
    let dry = format!("{path}?dryRun=All&propagationPolicy=Background");
    scene.delete_path(&dry, None).await?.is(200)?;
    scene.get(Jobs, "a").await?.is(200)?;
    let background = json!({ "propagationPolicy": "Background" });
    scene.delete_path(&dry, Some(&background)).await?.is(200)?;
    scene.get(Jobs, "a").await?.is(404)?;
    Ok(())
}

pub(super) async fn unknown_policies_are_refused(scene: &Scene<'_>) -> Verdict {
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    for (options, words) in [
        (
            json!({ "propagationPolicy": "Sideways" }),
            "propagationPolicy: Unsupported value: \"Sideways\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
        ),
        (
            json!({ "propagationPolicy": "Foreground", "orphanDependents": true }),
            "propagationPolicy: Invalid value: \"Foreground\": orphanDependents and deletionPropagation cannot be both set",
        ),
    ] {
        scene
            .delete(Jobs, "a", &options)
            .await?
            .refused(422, "Invalid", words)?;
    }
    scene.get(Jobs, "a").await?.is(200)?;
    Ok(())
}

pub(super) async fn what_is_not_there_is_not_deleted(scene: &Scene<'_>) -> Verdict {
    let words = format!("jobs.batch \"{}\" not found", scene.name("a"));
    let options = json!({ "preconditions": { "uid": "other" } });
    let refusal = scene
        .delete(Jobs, "a", &options)
        .await?
        .refused(404, "NotFound", &words)?;
    equal("message", &refusal["message"], &json!(words))?;
    let patch = json!({ "spec": { "suspend": false } });
    scene
        .merge(Jobs, "a", &patch)
        .await?
        .refused(404, "NotFound", &words)?;
    scene
        .put(Jobs, "a", &scene.suspended("a"))
        .await?
        .refused(404, "NotFound", &words)?;
    Ok(())
}

pub(super) async fn finalizers_hold_and_none_are_added(scene: &Scene<'_>) -> Verdict {
    let held = json!({ "metadata": { "finalizers": [HOLD] } });
    scene
        .post(ConfigMaps, &scene.config_map("a", &held))
        .await?
        .is(201)?;
    let going = scene.delete(ConfigMaps, "a", &json!({})).await?.is(200)?;
    require(is_terminating(&going), || {
        format!("it should be terminating: {going}")
    })?;
    let more = json!({ "metadata": { "finalizers": [HOLD, "temper.dev/more"] } });
    let words = "no new finalizers can be added if the object is being deleted, found new finalizers []string{\"temper.dev/more\"}";
    scene
        .merge(ConfigMaps, "a", &more)
        .await?
        .refused(422, "Invalid", words)?;
    let changed = json!({ "data": { "key": "still" } });
    scene.merge(ConfigMaps, "a", &changed).await?.is(200)?;
    let free = json!({ "metadata": { "finalizers": [] } });
    scene.merge(ConfigMaps, "a", &free).await?.is(200)?;
    scene.get(ConfigMaps, "a").await?.is(404)?;
    Ok(())
}

/// A Job whose pod does not go before it is let go.
async fn job_with_held_pod(scene: &Scene<'_>) -> Result<Value, Failure> {
    scene
        .post(Jobs, &scene.job("a", &json!({})))
        .await?
        .is(201)?;
    let pod = scene.pod("a").await?;
    let mut finalizers = list(&pod, "/metadata/finalizers").to_vec();
    finalizers.push(json!(HOLD));
    let hold = json!({ "metadata": { "finalizers": finalizers } });
    scene
        .patch(&pod_path(scene, &pod), MERGE, &hold)
        .await?
        .is(200)?;
    Ok(pod)
}

fn pod_path(scene: &Scene<'_>, pod: &Value) -> String {
    format!("{}/{}", scene.path(Pods, ""), text(pod, "/metadata/name"))
}

async fn until_terminating(scene: &Scene<'_>, pod: &Value) -> Verdict {
    let path = pod_path(scene, pod);
    let what = "the pod is to go";
    scene
        .until(what, async || {
            let pod = scene.get_path(&path).await?.is(200)?;
            Ok(is_terminating(&pod).then_some(()))
        })
        .await
}

async fn let_go(scene: &Scene<'_>, pod: &Value) -> Verdict {
    let free = json!({ "metadata": { "finalizers": null } });
    scene
        .patch(&pod_path(scene, pod), MERGE, &free)
        .await?
        .is(200)?;
    Ok(())
}
