//! Hearing what happens.

use serde_json::{Value, json};

use super::{
    Verdict,
    scene::{Scene, equal, require},
};
use crate::{
    object::text,
    resource::Resource::{ConfigMaps, Events},
};

pub(super) async fn what_happens_is_told_in_its_order(scene: &Scene<'_>) -> Verdict {
    let version = scene.version(ConfigMaps).await?;
    make(scene, "a").await?;
    let mut watch = scene
        .watch(ConfigMaps, &format!("&resourceVersion={version}"))
        .await?;
    let second = json!({ "data": { "key": "second" } });
    scene.merge(ConfigMaps, "a", &second).await?.is(200)?;
    make(scene, "b").await?;
    scene.delete(ConfigMaps, "a", &json!({})).await?.is(200)?;

    let (a, b) = (scene.name("a"), scene.name("b"));
    let added = watch.expect("ADDED", &a).await?;
    let modified = watch.expect("MODIFIED", &a).await?;
    let other = watch.expect("ADDED", &b).await?;
    let deleted = watch.expect("DELETED", &a).await?;
    equal("kind", &added["kind"], &json!("ConfigMap"))?;
    equal("data", &modified["data"]["key"], &json!("second"))?;
    equal("data at the end", &deleted["data"], &modified["data"])?;
    let versions = [added, modified, other, deleted].map(|object| number(&object));
    require(versions.is_sorted_by(|one, next| one < next), || {
        format!("versions fall: {versions:?}")
    })
}

pub(super) async fn what_leaves_a_selection_is_deleted_and_what_enters_it_is_added(
    scene: &Scene<'_>,
) -> Verdict {
    make(scene, "a").await?;
    let version = scene.version(ConfigMaps).await?;
    let name = scene.name("a");
    let parameters = format!("&resourceVersion={version}&fieldSelector=metadata.name%3D{name}");
    let mut watch = scene.watch(ConfigMaps, &parameters).await?;
    make(scene, "b").await?;
    for label in [json!("elsewhere"), scene.labels()["contract"].clone()] {
        let moved = json!({ "metadata": { "labels": { "contract": label } } });
        scene.merge(ConfigMaps, "a", &moved).await?.is(200)?;
    }
    watch.expect("DELETED", &name).await?;
    watch.expect("ADDED", &name).await?;
    Ok(())
}

pub(super) async fn without_a_version_it_begins_with_all_there_is(scene: &Scene<'_>) -> Verdict {
    make(scene, "a").await?;
    make(scene, "b").await?;
    let mut watch = scene.watch(ConfigMaps, "").await?;
    let mut first = [watch.next().await?, watch.next().await?].map(|event| told(event.as_ref()));
    first.sort();
    let expected = ["a", "b"].map(|short| format!("ADDED {}", scene.name(short)));
    require(first == expected, || {
        format!("expected {expected:?}, got {first:?}")
    })?;
    scene.delete(ConfigMaps, "a", &json!({})).await?.is(200)?;
    watch.expect("DELETED", &scene.name("a")).await?;
    Ok(())
}

pub(super) async fn a_list_is_streamed_and_its_end_is_marked(scene: &Scene<'_>) -> Verdict {
    make(scene, "a").await?;
    let parameters =
        "&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    let mut watch = scene.watch(ConfigMaps, parameters).await?;
    let added = watch.expect("ADDED", &scene.name("a")).await?;
    let end = watch.expect("BOOKMARK", "").await?;
    let mark = json!({ "k8s.io/initial-events-end": "true" });
    equal("mark", &end["metadata"]["annotations"], &mark)?;
    require(number(&end) >= number(&added), || {
        format!("the bookmark is older than the list: {end}")
    })?;
    let path = format!(
        "{}?watch=1&sendInitialEvents=true",
        scene.path(ConfigMaps, "")
    );
    let words = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
    scene
        .get_path(&path)
        .await?
        .refused(422, "Invalid", words)?;
    Ok(())
}

/// Real servers keep what happened to most resources in a cache of their own, and forget it later than etcd does; events are not cached.
pub(super) async fn a_version_that_is_forgotten_is_told_so_on_the_stream(
    scene: &Scene<'_>,
) -> Verdict {
    let first = scene.post(Events, &event(scene, "a")).await?.is(201)?;
    scene.post(Events, &event(scene, "b")).await?.is(201)?;
    let last = scene.post(Events, &event(scene, "c")).await?.is(201)?;
    if !scene.server.forget(number(&last)).await? {
        // Nobody can make it forget, so there is nothing to be seen.
        return Ok(());
    }
    let version = text(&first, "/metadata/resourceVersion");
    let mut watch = scene
        .watch(Events, &format!("&resourceVersion={version}"))
        .await?;
    let error = watch.next().await?.unwrap_or_default();
    equal("type", &error["type"], &json!("ERROR"))?;
    equal("code", &error["object"]["code"], &json!(410))?;
    equal("reason", &error["object"]["reason"], &json!("Expired"))?;
    equal(
        "end",
        &watch.next().await?.unwrap_or_default(),
        &Value::Null,
    )
}

pub(super) async fn a_stream_ends_when_its_time_is_over(scene: &Scene<'_>) -> Verdict {
    let version = scene.version(ConfigMaps).await?;
    let parameters = format!("&resourceVersion={version}&timeoutSeconds=1");
    let mut watch = scene.watch(ConfigMaps, &parameters).await?;
    let end = watch.next().await?;
    require(end.is_none(), || format!("expected the end, got {end:?}"))
}

async fn make(scene: &Scene<'_>, short: &str) -> Verdict {
    scene
        .post(ConfigMaps, &scene.config_map(short, &json!({})))
        .await?
        .is(201)?;
    Ok(())
}

fn event(scene: &Scene<'_>, short: &str) -> Value {
    json!({
        "metadata": { "name": scene.name(short), "labels": scene.labels() },
        "eventTime": "2026-06-01T12:00:00.000000Z", "type": "Normal", "reason": "Played", "action": "Play",
        "reportingController": "temper.dev/contract", "reportingInstance": "contract",
        "regarding": { "kind": "Job", "namespace": scene.server.namespace, "name": scene.name(short) },
    })
}

fn number(object: &Value) -> u64 {
    text(object, "/metadata/resourceVersion")
        .parse()
        .unwrap_or_default()
}

fn told(event: Option<&Value>) -> String {
    let end = || "the end".to_owned();
    event.map_or_else(end, |event| {
        format!(
            "{} {}",
            text(event, "/type"),
            text(event, "/object/metadata/name")
        )
    })
}
