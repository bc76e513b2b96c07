//! Making objects.

use serde_json::{Value, json};

use super::{
    Verdict,
    scene::{Scene, equal, require},
};
use crate::{
    object::{has_finalizers, is_terminating, list, remove, text, uid},
    resource::Resource::{ConfigMaps, Jobs},
};

pub(super) async fn what_is_created_has_an_identity_and_is_read_back(scene: &Scene<'_>) -> Verdict {
    let made = scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    equal("kind", &made["kind"], &json!("Job"))?;
    equal("group and version", &made["apiVersion"], &json!("batch/v1"))?;
    equal("generation", &made["metadata"]["generation"], &json!(1))?;
    equal(
        "namespace",
        &made["metadata"]["namespace"],
        &json!(scene.server.namespace),
    )?;
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        require(made["metadata"][field].is_string(), || {
            format!("{field} is missing in {made}")
        })?;
    }
    let read = scene.get(Jobs, "a").await?.is(200)?;
    equal("uid", &read["metadata"]["uid"], &made["metadata"]["uid"])?;
    equal("spec", &read["spec"], &made["spec"])
}

pub(super) async fn selector_and_labels_of_the_template_are_filled_in(
    scene: &Scene<'_>,
) -> Verdict {
    let made = scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let uid = uid(&made);
    let selector = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } });
    equal("selector", &made["spec"]["selector"], &selector)?;
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
        "batch.kubernetes.io/job-name": scene.name("a"), "job-name": scene.name("a"),
    });
    equal(
        "labels",
        &made["spec"]["template"]["metadata"]["labels"],
        &labels,
    )?;
    let mut rest = made["spec"].clone();
    remove(&mut rest, "selector");
    remove(&mut rest["template"], "metadata");
    let defaults = json!({
        "backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1, "manualSelector": false, "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed", "suspend": true,
        "template": { "spec": {
            "restartPolicy": "Never", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
            "containers": [{
                "name": "worker", "image": "worker:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
        } },
    });
    equal("defaults", &rest, &defaults)?;
    equal("status", &made["status"], &json!({}))
}

pub(super) async fn a_second_one_of_the_same_name_is_refused(scene: &Scene<'_>) -> Verdict {
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let words = format!("jobs.batch \"{}\" already exists", scene.name("a"));
    let second = scene.post(Jobs, &scene.suspended("a")).await?;
    let refusal = second.refused(409, "AlreadyExists", &words)?;
    equal("message", &refusal["message"], &json!(words))?;
    let details = json!({ "name": scene.name("a"), "group": "batch", "kind": "jobs" });
    equal("details", &refusal["details"], &details)
}

pub(super) async fn a_name_is_taken_until_its_owner_is_gone(scene: &Scene<'_>) -> Verdict {
    let mut held = scene.suspended("a");
    held["metadata"]["finalizers"] = json!(["temper.dev/contract"]);
    scene.post(Jobs, &held).await?.is(201)?;
    let background = json!({ "propagationPolicy": "Background" });
    let going = scene.delete(Jobs, "a", &background).await?.is(200)?;
    require(is_terminating(&going), || {
        format!("it should be terminating: {going}")
    })?;
    let words = format!(
        "object is being deleted: jobs.batch \"{}\" already exists",
        scene.name("a")
    );
    let second = scene.post(Jobs, &scene.suspended("a")).await?;
    second.refused(409, "AlreadyExists", &words)?;

    let free = json!({ "metadata": { "finalizers": null } });
    let last = scene.merge(Jobs, "a", &free).await?.is(200)?;
    require(!has_finalizers(&last), || {
        format!("nothing should hold it: {last}")
    })?;
    scene
        .get(Jobs, "a")
        .await?
        .refused(404, "NotFound", "not found")?;
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    Ok(())
}

pub(super) async fn names_and_labels_keep_to_their_alphabets(scene: &Scene<'_>) -> Verdict {
    for (name, words) in [
        (
            "wf_x",
            "metadata.name: Invalid value: \"wf_x\": a lowercase RFC 1123 subdomain must consist of",
        ),
        (
            "Upper",
            "metadata.name: Invalid value: \"Upper\": a lowercase RFC 1123 subdomain",
        ),
        (
            "a..b",
            "metadata.name: Invalid value: \"a..b\": a lowercase RFC 1123 subdomain",
        ),
        (&"x".repeat(254), "must be no more than 253 characters"),
        (
            &"x".repeat(64),
            "spec.template.labels: Invalid value: \"xxxxxx",
        ),
        (
            "",
            "metadata.name: Required value: name or generateName is required",
        ),
    ] {
        let mut job = scene.suspended("a");
        job["metadata"]["name"] = json!(name);
        let refusal = scene
            .post(Jobs, &job)
            .await?
            .refused(422, "Invalid", words)?;
        equal(
            "kind in details",
            &refusal["details"]["kind"],
            &json!("Job"),
        )?;
    }
    for (value, words) in [
        (
            "a b",
            "metadata.labels: Invalid value: \"a b\": a valid label must be an empty string or consist of",
        ),
        (&"y".repeat(64), "must be no more than 63 characters"),
    ] {
        let labels = json!({ "metadata": { "labels": { "queue_id": value } } });
        let refused = scene.post(Jobs, &scene.job("a", &labels)).await?;
        refused.refused(422, "Invalid", words)?;
    }
    Ok(())
}

pub(super) async fn the_end_of_a_name_can_be_left_to_the_server(scene: &Scene<'_>) -> Verdict {
    let prefix = scene.name("a-");
    let unnamed = json!({ "metadata": { "name": null, "generateName": prefix } });
    let made = scene
        .post(ConfigMaps, &scene.config_map("a", &unnamed))
        .await?
        .is(201)?;
    let other = scene
        .post(ConfigMaps, &scene.config_map("a", &unnamed))
        .await?
        .is(201)?;
    let names = [&made, &other].map(|made| text(made, "/metadata/name").to_owned());
    let fits = |name: &String| name.starts_with(&prefix) && name.len() == prefix.len() + 5;
    require(names.iter().all(fits) && names[0] != names[1], || {
        format!("odd names {names:?}")
    })
}

pub(super) async fn a_copy_that_carries_the_labels_of_another_job_is_refused(
    scene: &Scene<'_>,
) -> Verdict {
    let mut copy = scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    copy["metadata"] = json!({ "name": scene.name("b") });
    let whole = scene
        .post(Jobs, &copy)
        .await?
        .refused(422, "Invalid", "must be '")?;
    let expected = [
        "spec.template.metadata.labels[controller-uid]",
        "spec.template.metadata.labels[job-name]",
        "spec.template.metadata.labels[batch.kubernetes.io/controller-uid]",
        "spec.template.metadata.labels[batch.kubernetes.io/job-name]",
        "spec.selector",
    ];
    equal("fields", &fields(&whole), &json!(expected))?;

    remove(&mut copy["spec"], "selector");
    let unselected = scene.post(Jobs, &copy).await?;
    let unselected = unselected.refused(
        422,
        "Invalid",
        "`selector` does not match template `labels`",
    )?;
    let mut expected = expected;
    expected[4] = "spec.template.metadata.labels";
    equal("fields", &fields(&unselected), &json!(expected))?;

    remove(&mut copy["spec"]["template"], "metadata");
    scene.post(Jobs, &copy).await?.is(201)?;
    Ok(())
}

fn fields(refusal: &Value) -> Value {
    list(refusal, "/details/causes")
        .iter()
        .map(|cause| cause["field"].clone())
        .collect()
}

pub(super) async fn a_version_is_refused_and_a_uid_is_replaced(scene: &Scene<'_>) -> Verdict {
    let versioned = json!({ "metadata": { "resourceVersion": "5" } });
    let words = "resourceVersion should not be set on objects to be created";
    scene
        .post(ConfigMaps, &scene.config_map("a", &versioned))
        .await?
        .refused(500, "", words)?;
    let stranger = json!({ "metadata": { "uid": "of-another" } });
    let made = scene
        .post(ConfigMaps, &scene.config_map("a", &stranger))
        .await?
        .is(201)?;
    require(uid(&made) != "of-another", || {
        format!("the uid was taken over: {made}")
    })
}

pub(super) async fn a_dry_run_leaves_nothing(scene: &Scene<'_>) -> Verdict {
    let path = format!("{}?dryRun=All", scene.path(Jobs, ""));
    let told = scene.post_to(&path, &scene.suspended("a")).await?.is(201)?;
    require(!uid(&told).is_empty(), || {
        format!("it should tell all: {told}")
    })?;
    scene.get(Jobs, "a").await?.is(404)?;
    scene.post(Jobs, &scene.suspended("a")).await?.is(201)?;
    let path = format!("{}?dryRun=All", scene.path(Jobs, "a"));
    let resumed = json!({ "spec": { "suspend": false } });
    let told = scene
        .patch(&path, super::scene::MERGE, &resumed)
        .await?
        .is(200)?;
    equal("told", &told["spec"]["suspend"], &json!(false))?;
    let kept = scene.get(Jobs, "a").await?.is(200)?;
    equal("kept", &kept["spec"]["suspend"], &json!(true))
}

pub(super) async fn what_does_not_fit_the_path_is_refused(scene: &Scene<'_>) -> Verdict {
    let elsewhere = json!({ "metadata": { "namespace": "elsewhere" } });
    let words =
        "the namespace of the provided object does not match the namespace sent on the request";
    scene
        .post(Jobs, &scene.job("a", &elsewhere))
        .await?
        .refused(400, "BadRequest", words)?;
    let pod = json!({ "apiVersion": "v1", "kind": "Pod" });
    let words = "Pod in version \"v1\" cannot be handled as a Job";
    scene
        .post(Jobs, &scene.job("a", &pod))
        .await?
        .refused(400, "BadRequest", words)?;
    scene
        .post(Jobs, &json!([]))
        .await?
        .refused(400, "BadRequest", "")?;
    let empty = json!({ "spec": null });
    let words =
        "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    scene
        .post(Jobs, &scene.job("a", &empty))
        .await?
        .refused(422, "Invalid", words)?;
    let named = scene.path(Jobs, "a");
    scene
        .post_to(&named, &scene.suspended("a"))
        .await?
        .refused(405, "MethodNotAllowed", "")?;
    Ok(())
}
