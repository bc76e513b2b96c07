//! Streams tell what happens, until the test interrupts them.

use serde_json::{Value, json};
use temper_fake_kube::{Interruption, Resource, contract::Stream};

use super::{Scene, jobs};

impl Scene {
    /// Opens a stream of Jobs from now on.
    async fn watch(&self) -> Stream {
        let (_, list) = self.ask("GET", &jobs(), &Value::Null).await.unwrap();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        self.watch_from(version).await
    }

    async fn watch_from(&self, version: &str) -> Stream {
        let parameters = "watch=true&allowWatchBookmarks=true&resourceVersion";
        let path = format!("{}?{parameters}={version}", jobs());
        self.client.watch(&path).await.unwrap()
    }

    /// Makes a Job that nothing more happens to.
    fn make_quiet(&self, name: &str) {
        self.control.automatic(false);
        self.make(name, &json!({ "suspend": true }));
    }
}

/// The next line, such as `ADDED a`.
async fn told(stream: &mut Stream) -> String {
    let event = stream.next().await.unwrap().unwrap();
    let about = &event["object"];
    let what = about["metadata"]["name"].as_str().unwrap_or_default();
    format!(
        "{} {what}{}",
        event["type"].as_str().unwrap(),
        about["code"]
            .as_u64()
            .map_or(String::new(), |code| code.to_string())
    )
}

#[tokio::test]
async fn a_stream_that_is_cut_breaks_after_what_had_happened() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    scene.make_quiet("a");
    scene.control.interrupt(Resource::Jobs, Interruption::Cut);
    scene.make_quiet("b");
    assert_eq!(told(&mut stream).await, "ADDED a");
    stream.next().await.unwrap_err();
}

#[tokio::test]
async fn a_stream_that_is_ended_says_no_more() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    scene.make_quiet("a");
    scene.control.interrupt(Resource::Jobs, Interruption::End);
    assert_eq!(told(&mut stream).await, "ADDED a");
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_is_expired_says_so_and_ends() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    scene.make_quiet("a");
    scene
        .control
        .interrupt(Resource::Jobs, Interruption::Expire);
    assert_eq!(told(&mut stream).await, "ADDED a");
    assert_eq!(told(&mut stream).await, "ERROR 410");
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_gap_swallows_what_happens_next_and_no_more() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    scene.make_quiet("a");
    scene
        .control
        .interrupt(Resource::Jobs, Interruption::Gap(2));
    for name in ["b", "c", "d"] {
        scene.make_quiet(name);
    }
    assert_eq!(told(&mut stream).await, "ADDED a");
    assert_eq!(told(&mut stream).await, "ADDED d");
}

#[tokio::test]
async fn only_streams_of_that_resource_are_interrupted() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    scene.control.interrupt(Resource::Pods, Interruption::Cut);
    scene.make_quiet("a");
    assert_eq!(told(&mut stream).await, "ADDED a");
}

#[tokio::test]
async fn a_bookmark_tells_how_far_it_is() {
    let scene = Scene::open();
    let mut stream = scene.watch().await;
    // Of what happens to others only the bookmark tells.
    let map = json!({ "metadata": { "name": "a" } });
    let made = scene
        .control
        .create(Resource::ConfigMaps, "stf", &map)
        .unwrap();
    scene.control.bookmark(Resource::Jobs);
    let event = stream.next().await.unwrap().unwrap();
    assert_eq!(event["type"], "BOOKMARK");
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    assert_eq!(version(&event["object"]), version(&made));
}

#[tokio::test]
async fn what_is_compacted_is_told_to_nobody_who_comes_later() {
    let scene = Scene::open();
    let mut early = scene.watch().await;
    let (_, list) = scene.ask("GET", &jobs(), &Value::Null).await.unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    for name in ["a", "b", "c"] {
        scene.make_quiet(name);
    }
    let first = format!("{}?limit=1", jobs());
    let (_, page) = scene.ask("GET", &first, &Value::Null).await.unwrap();
    scene.make_quiet("d");
    scene.control.compact();

    assert_eq!(told(&mut early).await, "ADDED a");
    let mut late = scene.watch_from(version).await;
    assert_eq!(told(&mut late).await, "ERROR 410");
    let token = page["metadata"]["continue"].as_str().unwrap();
    let next = format!("{first}&continue={token}");
    let (code, refusal) = scene.ask("GET", &next, &Value::Null).await.unwrap();
    assert_eq!((code, &refusal["reason"]), (410, &json!("Expired")));
    let mut now = scene.watch().await;
    scene.make_quiet("e");
    assert_eq!(told(&mut now).await, "ADDED e");
}

#[tokio::test]
async fn streams_are_counted_while_somebody_listens() {
    let scene = Scene::open();
    let stream = scene.watch().await;
    assert_eq!(scene.control.streams(Resource::Jobs), 1);
    assert_eq!(scene.control.streams(Resource::Pods), 0);
    drop(stream);
    let gone =
        |control: &temper_fake_kube::Control| (control.streams(Resource::Jobs) == 0).then_some(());
    scene.control.until(gone).await;
}
