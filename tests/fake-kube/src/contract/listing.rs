//! Reading many objects.

use serde_json::{Value, json};

use super::{
    Failure, Verdict,
    scene::{Scene, equal, require},
};
use crate::{
    object::{list, text},
    resource::Resource::{ConfigMaps, Jobs, Pods},
};

pub(super) async fn labels_select(scene: &Scene<'_>) -> Verdict {
    make(scene, &["a", "b", "c"]).await?;
    let mine = scene.selector();
    for (selector, expected) in [
        ("%2Cletter%3Da", vec!["a"]),
        ("%2Cletter==a", vec!["a"]),
        ("%2Cletter%20in%20(a,c)", vec!["a", "c"]),
        ("%2Cletter+notin+(a,c)", vec!["b"]),
        ("%2Cletter!=a", vec!["b", "c"]),
        ("%2Cletter", vec!["a", "b", "c"]),
        ("%2C!letter", vec![]),
        ("%2Cother!=a", vec!["a", "b", "c"]),
    ] {
        let got = names(scene, &format!("{mine}{selector}")).await?;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|short| scene.name(short))
            .collect();
        require(got == expected, || {
            format!("{selector}: expected {expected:?}, got {got:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn fields_select(scene: &Scene<'_>) -> Verdict {
    make(scene, &["a", "b"]).await?;
    let (mine, name) = (scene.selector(), scene.name("a"));
    let got = names(
        scene,
        &format!("{mine}&fieldSelector=metadata.name%3D{name}"),
    )
    .await?;
    require(got == [name.as_str()], || {
        format!("expected {name}, got {got:?}")
    })?;
    let got = names(
        scene,
        &format!("{mine}&fieldSelector=metadata.name!%3D{name}"),
    )
    .await?;
    require(got == [scene.name("b")], || {
        format!("expected the other, got {got:?}")
    })
}

pub(super) async fn pages_show_one_version(scene: &Scene<'_>) -> Verdict {
    make(scene, &["a", "b", "c"]).await?;
    let mine = scene.selector();
    let first = page(scene, &format!("{mine}&limit=1")).await?;
    equal("kind", &first["kind"], &json!("ConfigMapList"))?;
    equal("group and version", &first["apiVersion"], &json!("v1"))?;
    let item = &first["items"][0];
    equal("kind of an item", &item["kind"], &json!(null))?;
    // What happens between two pages is not seen in the second.
    scene.delete(ConfigMaps, "b", &json!({})).await?.is(200)?;
    make(scene, &["d"]).await?;

    let token = text(&first, "/metadata/continue");
    require(!token.is_empty(), || {
        format!("there should be more: {first}")
    })?;
    let rest = page(scene, &format!("{mine}&continue={token}")).await?;
    let version = &first["metadata"]["resourceVersion"];
    equal("version", &rest["metadata"]["resourceVersion"], version)?;
    equal("more", &rest["metadata"]["continue"], &json!(null))?;
    require(named(&rest) == [scene.name("b"), scene.name("c")], || {
        format!("odd page {rest}")
    })?;
    let now = names(scene, &mine).await?;
    require(
        now == ["a", "c", "d"].map(|short| scene.name(short)),
        || format!("odd list {now:?}"),
    )
}

pub(super) async fn a_version_that_is_yet_to_come_is_not_waited_for_long(
    scene: &Scene<'_>,
) -> Verdict {
    let path = format!(
        "{}?resourceVersion=999999999&timeoutSeconds=1",
        scene.path(ConfigMaps, "")
    );
    let words = "Timeout: Too large resource version: 999999999, current: ";
    let refusal = scene
        .get_path(&path)
        .await?
        .refused(504, "Timeout", words)?;
    equal(
        "advice",
        &refusal["details"]["retryAfterSeconds"],
        &json!(1),
    )
}

pub(super) async fn what_cannot_be_read_is_refused(scene: &Scene<'_>) -> Verdict {
    for (query, words) in [
        ("labelSelector=a%20b%20c", "unable to parse requirement: "),
        (
            "fieldSelector=spec.foo%3Db",
            "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
        ("limit=1&continue=nonsense", "invalid continue token"),
    ] {
        let path = format!("{}?{query}", scene.path(ConfigMaps, ""));
        scene
            .get_path(&path)
            .await?
            .refused(400, "BadRequest", words)?;
    }
    let path = format!("{}?fieldSelector=spec.foo%3Db", scene.path(Jobs, ""));
    let words = "field label \"spec.foo\" not supported for Job";
    scene
        .get_path(&path)
        .await?
        .refused(400, "BadRequest", words)?;
    let path = format!("{}?fieldSelector=spec.foo%3Db", scene.path(Pods, ""));
    let words = "field label not supported: spec.foo";
    scene
        .get_path(&path)
        .await?
        .refused(400, "BadRequest", words)?;
    let unknown = scene.path(ConfigMaps, "").replace("configmaps", "nonsense");
    let words = "the server could not find the requested resource";
    scene
        .get_path(&unknown)
        .await?
        .refused(404, "NotFound", words)?;
    Ok(())
}

async fn make(scene: &Scene<'_>, letters: &[&str]) -> Verdict {
    for letter in letters {
        let labelled = json!({ "metadata": { "labels": { "letter": letter } } });
        scene
            .post(ConfigMaps, &scene.config_map(letter, &labelled))
            .await?
            .is(201)?;
    }
    Ok(())
}

async fn page(scene: &Scene<'_>, query: &str) -> Result<Value, Failure> {
    let path = format!("{}?{query}", scene.path(ConfigMaps, ""));
    scene.get_path(&path).await?.is(200)
}

async fn names(scene: &Scene<'_>, query: &str) -> Result<Vec<String>, Failure> {
    Ok(named(&page(scene, query).await?))
}

fn named(page: &Value) -> Vec<String> {
    let items = list(page, "/items").iter();
    items
        .map(|item| text(item, "/metadata/name").to_owned())
        .collect()
}
