//! Changing objects.

use serde_json::json;

use super::{
    Verdict,
    scene::{MERGE, Scene, equal, require},
};
use crate::{
    object::{text, uid},
    resource::Resource::{ConfigMaps, Jobs, Leases},
};

pub(super) async fn a_patch_of_a_version_that_is_not_the_newest_is_refused(
    scene: &Scene<'_>,
) -> Verdict {
    let first = scene
        .post(ConfigMaps, &scene.config_map("a", &json!({})))
        .await?
        .is(201)?;
    let version = text(&first, "/metadata/resourceVersion");
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": { "key": "second" } });
    let second = scene.merge(ConfigMaps, "a", &patch).await?.is(200)?;
    require(
        text(&second, "/metadata/resourceVersion") != version,
        || "no new version".to_owned(),
    )?;
    let words = format!(
        "Operation cannot be fulfilled on configmaps \"{}\": the object has been modified; \
         please apply your changes to the latest version and try again",
        scene.name("a")
    );
    let third = json!({ "metadata": { "resourceVersion": version }, "data": { "key": "third" } });
    scene
        .merge(ConfigMaps, "a", &third)
        .await?
        .refused(409, "Conflict", &words)?;
    let kept = scene.get(ConfigMaps, "a").await?.is(200)?;
    equal("data", &kept["data"]["key"], &json!("second"))?;
    let unconditional = json!({ "data": { "key": "third" } });
    scene
        .merge(ConfigMaps, "a", &unconditional)
        .await?
        .is(200)?;
    Ok(())
}

pub(super) async fn a_patch_that_changes_nothing_makes_no_version(scene: &Scene<'_>) -> Verdict {
    let made = scene
        .post(ConfigMaps, &scene.config_map("a", &json!({})))
        .await?
        .is(201)?;
    let same = json!({ "data": { "key": "value" } });
    let patched = scene.merge(ConfigMaps, "a", &same).await?.is(200)?;
    let version = "/metadata/resourceVersion";
    require(text(&made, version) == text(&patched, version), || {
        "a new version".to_owned()
    })
}

pub(super) async fn what_the_server_says_is_not_changed_by_a_patch(scene: &Scene<'_>) -> Verdict {
    let made = scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let patch = json!({
        "metadata": { "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 99, "annotations": { "a": "b" } },
        "status": { "succeeded": 7 },
    });
    let patched = scene.merge(Jobs, "a", &patch).await?.is(200)?;
    for field in ["creationTimestamp", "generation"] {
        equal(field, &patched["metadata"][field], &made["metadata"][field])?;
    }
    equal("succeeded", &patched["status"]["succeeded"], &json!(null))?;
    equal(
        "annotation",
        &patched["metadata"]["annotations"]["a"],
        &json!("b"),
    )?;

    let renamed = json!({ "metadata": { "name": "other" } });
    let words = "the name of the object (other) does not match the name on the URL";
    scene
        .merge(Jobs, "a", &renamed)
        .await?
        .refused(400, "BadRequest", words)?;
    let stranger = json!({ "metadata": { "uid": "other" } });
    let words = "metadata.uid: Invalid value: \"other\": field is immutable";
    scene
        .merge(Jobs, "a", &stranger)
        .await?
        .refused(422, "Invalid", words)?;
    Ok(())
}

pub(super) async fn what_a_job_is_made_of_is_not_changed(scene: &Scene<'_>) -> Verdict {
    scene
        .post(Jobs, &scene.job("a", &json!({})))
        .await?
        .is(201)?;
    // While the template is not yet started it may change: this one waits until it is.
    scene.pod("a").await?;
    for (patch, words) in [
        (
            json!({ "completions": 3 }),
            "spec.completions: Invalid value: 3: field is immutable",
        ),
        (
            json!({ "completionMode": "Indexed" }),
            "spec.completionMode: Invalid value: \"Indexed\": field is immutable",
        ),
        (
            json!({ "selector": { "matchLabels": { "a": "b" } } }),
            "field is immutable",
        ),
        (
            json!({ "template": { "spec": { "restartPolicy": "OnFailure" } } }),
            "field is immutable",
        ),
    ] {
        let patch = json!({ "spec": patch });
        scene
            .merge(Jobs, "a", &patch)
            .await?
            .refused(422, "Invalid", words)?;
    }
    Ok(())
}

pub(super) async fn a_generation_is_a_change_of_what_is_wanted(scene: &Scene<'_>) -> Verdict {
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    for (patch, generation) in [
        (json!({ "metadata": { "labels": { "a": "b" } } }), 1),
        (json!({ "spec": { "backoffLimit": 2 } }), 2),
        (json!({ "spec": { "backoffLimit": 2 } }), 2),
        (json!({ "spec": { "ttlSecondsAfterFinished": 60 } }), 3),
    ] {
        let patched = scene.merge(Jobs, "a", &patch).await?.is(200)?;
        equal(
            "generation",
            &patched["metadata"]["generation"],
            &json!(generation),
        )?;
    }
    Ok(())
}

pub(super) async fn operations_are_applied_all_or_none(scene: &Scene<'_>) -> Verdict {
    const OPERATIONS: &str = "application/json-patch+json";
    scene
        .post(ConfigMaps, &scene.config_map("a", &json!({})))
        .await?
        .is(201)?;
    let path = scene.path(ConfigMaps, "a");
    let change = json!({ "op": "replace", "path": "/data/key", "value": "second" });
    let wrong = json!({ "op": "test", "path": "/data/key", "value": "third" });
    scene
        .patch(&path, OPERATIONS, &json!([change, wrong]))
        .await?
        .refused(422, "Invalid", "")?;
    let kept = scene.get(ConfigMaps, "a").await?.is(200)?;
    equal("data", &kept["data"]["key"], &json!("value"))?;
    let patched = scene
        .patch(&path, OPERATIONS, &json!([change]))
        .await?
        .is(200)?;
    equal("data", &patched["data"]["key"], &json!("second"))
}

pub(super) async fn patches_of_other_kinds_are_refused(scene: &Scene<'_>) -> Verdict {
    scene
        .post(ConfigMaps, &scene.config_map("a", &json!({})))
        .await?
        .is(201)?;
    let path = scene.path(ConfigMaps, "a");
    let patched = scene.patch(&path, "application/json", &json!({})).await?;
    patched.refused(415, "UnsupportedMediaType", "")?;
    scene.patch(&path, MERGE, &json!([1])).await?.refused(
        400,
        "BadRequest",
        "error decoding patch",
    )?;
    Ok(())
}

pub(super) async fn a_lease_is_replaced_by_those_who_know_its_version(
    scene: &Scene<'_>,
) -> Verdict {
    let lease =
        json!({ "metadata": { "name": scene.name("a") }, "spec": { "holderIdentity": "first" } });
    let first = scene.post(Leases, &lease).await?.is(201)?;
    let mut second = first.clone();
    second["spec"]["holderIdentity"] = json!("second");
    scene.put(Leases, "a", &second).await?.is(200)?;

    let stale = scene.put(Leases, "a", &second).await?;
    let words = format!(
        "Operation cannot be fulfilled on leases.coordination.k8s.io \"{}\": the object has been modified",
        scene.name("a")
    );
    let refusal = stale.refused(409, "Conflict", &words)?;
    equal(
        "kind in details",
        &refusal["details"]["kind"],
        &json!("leases"),
    )?;

    let mut other = first.clone();
    other["metadata"]["uid"] = json!("other");
    let words = format!(
        "UID in precondition: other, UID in object meta: {}",
        uid(&first)
    );
    scene
        .put(Leases, "a", &other)
        .await?
        .refused(409, "Conflict", &words)?;
    let unknown = scene.put(Leases, "a", &lease).await?;
    unknown.refused(
        422,
        "Invalid",
        "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    )?;
    let now = scene.get(Leases, "a").await?.is(200)?;
    equal("holder", &now["spec"]["holderIdentity"], &json!("second"))
}

pub(super) async fn a_lease_is_made_by_a_put(scene: &Scene<'_>) -> Verdict {
    let metadata = json!({ "name": scene.name("a"), "resourceVersion": "5" });
    let lease = json!({ "metadata": metadata, "spec": { "holderIdentity": "first" } });
    scene.put(Leases, "a", &lease).await?.is(201)?;
    scene.delete(Leases, "a", &json!({})).await?.is(200)?;
    let map = json!({ "metadata": { "name": scene.name("a") } });
    scene
        .put(ConfigMaps, "a", &map)
        .await?
        .refused(404, "NotFound", "configmaps")?;
    Ok(())
}
