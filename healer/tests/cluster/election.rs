//! Of two candidates one holds the Lease, and hands it over.

use std::time::Duration;

use temper_fake_kube::{Fault, Matcher, Refusal, Resource, Times};
use temper_healer::cluster::{Lease, Term};

use super::{NAMESPACE, Scene};

fn candidate(scene: &Scene, identity: &str) -> Lease {
    Lease::new(scene.client.clone(), NAMESPACE, "temper-healer", identity)
}

fn by(holder: &str) -> Term {
    Term::By {
        holder: holder.to_owned(),
        pages: None,
    }
}

/// Time passes for the candidates; the API server's answers take none of it.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn whoever_has_not_been_seen_to_renew_for_its_duration_holds_it_no_more() {
    let scene = Scene::open();
    let (mut one, mut other) = (candidate(&scene, "one"), candidate(&scene, "other"));
    assert_eq!(one.campaign().await, Term::Held);
    assert_eq!(other.campaign().await, by("one"));
    pass(9).await;
    assert_eq!(one.campaign().await, Term::Held, "it is renewed");
    pass(14).await;
    assert_eq!(
        other.campaign().await,
        by("one"),
        "it has changed 14 s ago, as far as this one knows"
    );
    pass(15).await;
    assert_eq!(other.campaign().await, Term::Held);
    assert_eq!(one.campaign().await, by("other"));
}

#[tokio::test]
async fn whoever_could_not_renew_for_long_stops_well_before_another_one_begins() {
    let scene = Scene::open();
    let mut one = candidate(&scene, "one");
    assert_eq!(one.campaign().await, Term::Held);
    let leases = Matcher::any().resource(Resource::Leases);
    scene
        .control
        .order(leases, Times::All, Fault::refuse(Refusal::Unavailable));
    pass(9).await;
    assert_eq!(one.campaign().await, Term::Held);
    pass(1).await;
    assert!(matches!(one.campaign().await, Term::Unknown(_)));
}

#[tokio::test]
async fn the_holder_says_where_its_pages_are_and_whoever_follows_it_does_not_say_so_for_it() {
    let scene = Scene::open();
    let pages = "10.1.2.3:8080".parse().unwrap();
    let mut one = candidate(&scene, "one").with_pages(Some(pages));
    let mut other = candidate(&scene, "other");
    one.campaign().await;
    let told = other.campaign().await;
    assert!(matches!(told, Term::By { pages: Some(told), .. } if told == pages));
    one.resign().await;
    other.campaign().await;
    assert_eq!(one.campaign().await, by("other"));
}

#[tokio::test]
async fn one_holds_it_and_the_other_gets_it_when_it_resigns() {
    let scene = Scene::open();
    let (mut one, mut other) = (candidate(&scene, "one"), candidate(&scene, "other"));
    assert_eq!(one.campaign().await, Term::Held);
    assert_eq!(other.campaign().await, by("one"));
    assert_eq!(one.campaign().await, Term::Held, "it is renewed");
    one.resign().await;
    assert_eq!(other.campaign().await, Term::Held);
    assert_eq!(one.campaign().await, by("other"));
}

#[tokio::test]
async fn whoever_can_not_renew_for_a_moment_still_holds_it_and_a_stranger_does_not_know() {
    let scene = Scene::open();
    let (mut one, mut other) = (candidate(&scene, "one"), candidate(&scene, "other"));
    assert_eq!(one.campaign().await, Term::Held);
    let leases = Matcher::any().resource(Resource::Leases);
    scene
        .control
        .order(leases, Times::All, Fault::refuse(Refusal::Unavailable));
    assert_eq!(one.campaign().await, Term::Held);
    assert!(matches!(other.campaign().await, Term::Unknown(_)));
}

#[tokio::test]
async fn of_two_that_try_at_the_same_moment_one_gets_it() {
    let scene = Scene::open();
    let (mut one, mut other) = (candidate(&scene, "one"), candidate(&scene, "other"));
    let terms = tokio::join!(one.campaign(), other.campaign());
    let held = [&terms.0, &terms.1]
        .into_iter()
        .filter(|term| **term == Term::Held)
        .count();
    assert_eq!(held, 1, "{terms:?}");
}
