//! Of two candidates one holds the Lease, and hands it over.

use temper_fake_kube::{Fault, Matcher, Refusal, Resource, Times};
use temper_healer::cluster::{Lease, Term};

use super::{NAMESPACE, Scene};

fn candidate(scene: &Scene, identity: &str) -> Lease {
    Lease::new(scene.client.clone(), NAMESPACE, "temper-healer", identity)
}

#[tokio::test]
async fn one_holds_it_and_the_other_gets_it_when_it_resigns() {
    let scene = Scene::open();
    let (mut one, mut other) = (candidate(&scene, "one"), candidate(&scene, "other"));
    assert_eq!(one.campaign().await, Term::Held);
    assert_eq!(other.campaign().await, Term::By("one".to_owned()));
    assert_eq!(one.campaign().await, Term::Held, "it is renewed");
    one.resign().await;
    assert_eq!(other.campaign().await, Term::Held);
    assert_eq!(one.campaign().await, Term::By("other".to_owned()));
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
