//! A watch tells what is there, comes and goes, and one that is told that it is too old tells everything in the end.

use std::pin::pin;

use futures_util::StreamExt as _;
use temper_fake_kube::{Interruption, Resource};
use temper_healer::cluster::{Told, watch};

use super::{NAMESPACE, Scene};

async fn until(
    told: &mut (impl futures_util::Stream<Item = Told> + Unpin),
    wanted: impl Fn(&Told) -> bool,
) {
    while let Some(told) = told.next().await {
        if wanted(&told) {
            return;
        }
    }
    panic!("the watch has ended");
}

fn is_job(told: &Told, name: &str) -> bool {
    matches!(told, Told::Job(_, job) if &*job.name == name)
}

#[tokio::test]
async fn jobs_are_told_as_they_are_there_come_and_go() {
    let scene = Scene::open();
    scene.make("loader-1");
    let mut told = pin!(watch(scene.client.clone(), NAMESPACE));
    until(&mut told, |told| is_job(told, "loader-1")).await;
    until(&mut told, |told| matches!(told, Told::Listed)).await;
    let second = scene.make("loader-2");
    until(&mut told, |told| is_job(told, "loader-2")).await;
    let uid = second["metadata"]["uid"].as_str().unwrap().to_owned();
    let options = serde_json::json!({"propagationPolicy": "Background"});
    let control = &scene.control;
    control
        .delete(Resource::Jobs, NAMESPACE, "loader-2", &options)
        .unwrap();
    until(
        &mut told,
        |told| matches!(told, Told::Gone(gone) if gone.to_string() == uid),
    )
    .await;
}

#[tokio::test]
async fn what_happened_while_the_watch_was_too_old_is_told_after_a_new_list() {
    let scene = Scene::open();
    let first = scene.make("loader-1");
    let mut told = pin!(watch(scene.client.clone(), NAMESPACE));
    until(&mut told, |told| matches!(told, Told::Listed)).await;
    scene
        .control
        .interrupt(Resource::Jobs, Interruption::Expire);
    scene
        .control
        .delete(
            Resource::Jobs,
            NAMESPACE,
            "loader-1",
            &serde_json::json!({"propagationPolicy": "Background"}),
        )
        .unwrap();
    scene.make("loader-2");
    scene.control.compact();
    let uid = first["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut gone = false;
    let mut there = false;
    while !(gone && there) {
        match told.next().await.unwrap() {
            Told::Gone(told) => gone |= told.to_string() == uid,
            Told::Job(_, job) => there |= &*job.name == "loader-2",
            Told::Listed | Told::Nameless(_) | Told::Trouble(_) => {}
        }
    }
}
