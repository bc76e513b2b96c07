//! A `HealingPolicy` is taken when it makes sense, and until then, and after it, the one before holds.

use std::{pin::pin, time::Duration};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use temper_fake_kube::{Fault, Interruption, Matcher, Refusal, Resource, Times, Verb};
use temper_healer::{
    board::Board,
    chronicle::Chronicle,
    cluster::{HealingPolicy, Unread},
    rules::{Audience, NEED, Rules, Source},
};
use temper_healer_core::Policy;
use temper_ops::http::Readiness;
use tokio::runtime::Handle;

use super::{NAMESPACE, Scene};

const NAME: &str = "by-night";

/// A healer that goes by the policy, and what it shows.
struct Ruled {
    scene: Scene,
    rules: Rules,
    ready: Readiness,
    board: Board,
}

impl Ruled {
    fn open() -> Self {
        let scene = Scene::open();
        let (ready, board) = (Readiness::of([NEED]), Board::default());
        let (client, runtime) = (scene.client.clone(), Handle::current());
        let audience = Audience {
            ready: ready.clone(),
            board: board.clone(),
            chronicle: Chronicle::new(client.clone(), NAMESPACE, "healer-1", runtime),
        };
        let source = Source::Resource(NAME.to_owned());
        let rules = Rules::of(&source, client, NAMESPACE, audience).unwrap();
        Self {
            scene,
            rules,
            ready,
            board,
        }
    }

    /// Lets the healer listen until there is an Event with this reason, and no other policy holds by then.
    async fn hears_without_consequence(&mut self, reason: &str) -> Value {
        let told = self.scene.control.until(|control| {
            let mut events = control.list(Resource::Events).into_iter();
            events.find(|event| event["reason"] == reason)
        });
        tokio::select! {
            policy = self.rules.next() => panic!("{policy:?} holds"),
            event = told => event,
        }
    }

    /// Which policy holds, by its own account.
    fn account(&self) -> String {
        self.board.read(|notes| notes.rules.clone())
    }

    fn reason(&self) -> String {
        let reasons = self.ready.reasons();
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }
}

impl Scene {
    fn write_policy(&self, spec: &Value) -> Value {
        let policy = json!({"metadata": {"name": NAME}, "spec": spec});
        let control = &self.control;
        let made = control.create(Resource::HealingPolicies, NAMESPACE, &policy);
        made.unwrap()
    }

    fn change_policy(&self, spec: &Value) {
        let (control, change) = (&self.control, json!({"spec": spec}));
        control
            .patch(Resource::HealingPolicies, NAMESPACE, NAME, &change)
            .unwrap();
    }

    fn delete_policy(&self) {
        self.control
            .delete(Resource::HealingPolicies, NAMESPACE, NAME, &json!({}))
            .unwrap();
    }
}

/// A policy for workers of that name.
fn spec(workers: &str) -> Value {
    json!({"kinds": [{"workers": workers, "silentDeadline": "1m"}]})
}

fn policy(workers: &str) -> Policy {
    Policy::from_spec(spec(workers)).unwrap()
}

#[tokio::test]
async fn a_policy_holds_from_when_it_is_there_and_each_change_of_it_after_that() {
    let mut ruled = Ruled::open();
    let made = ruled.scene.write_policy(&spec("loader-*"));
    assert_eq!(ruled.rules.next().await, policy("loader-*"));
    assert!(ruled.ready.is_ready());
    assert_eq!(
        ruled.account(),
        "generation 1 of HealingPolicy stf/by-night"
    );
    let event = ruled.hears_without_consequence("PolicyAdopted").await;
    assert_eq!(event["regarding"]["uid"], made["metadata"]["uid"]);
    assert_eq!(event["note"], "generation 1 holds");

    ruled.scene.change_policy(&spec("arango-*"));
    assert_eq!(ruled.rules.next().await, policy("arango-*"));
    assert_eq!(
        ruled.account(),
        "generation 2 of HealingPolicy stf/by-night"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_object_and_the_one_before_holds() {
    let mut ruled = Ruled::open();
    ruled.scene.write_policy(&spec("loader-*"));
    ruled.rules.next().await;
    ruled.scene.change_policy(&json!({"pause": true}));
    let refusal = ruled.hears_without_consequence("PolicyRefused").await;
    let note = refusal["note"].as_str().unwrap();
    assert_eq!(refusal["type"], "Warning");
    assert!(note.starts_with("generation 2: "), "{note}");
    assert!(note.contains("`pause`"), "{note}");
    assert!(note.ends_with("the one before holds"), "{note}");
    let account = ruled.account();
    assert!(
        account
            .starts_with("generation 1 of HealingPolicy stf/by-night, although now generation 2"),
        "{account}"
    );
    assert!(ruled.ready.is_ready(), "{}", ruled.reason());

    ruled
        .scene
        .change_policy(&json!({"pause": null, "paused": true}));
    assert!(ruled.rules.next().await.paused);
}

#[tokio::test]
async fn without_a_policy_it_waits_and_is_not_ready() {
    let mut ruled = Ruled::open();
    ruled.scene.write_policy(&json!({"kinds": "all"}));
    let refusal = ruled.hears_without_consequence("PolicyRefused").await;
    let consequence = "nothing is healed until there is one that makes sense";
    assert!(refusal["note"].as_str().unwrap().ends_with(consequence));
    assert!(ruled.reason().ends_with(consequence), "{}", ruled.reason());

    ruled.scene.delete_policy();
    let (board, scene) = (ruled.board.clone(), &ruled.scene);
    // The last word on it before it is there.
    let missed = until_account(&board, "is not there");
    tokio::select! {
        policy = ruled.rules.next() => panic!("{policy:?} holds"),
        () = missed => {}
    }
    assert!(!ruled.ready.is_ready());
    scene.write_policy(&spec("loader-*"));
    assert_eq!(ruled.rules.next().await, policy("loader-*"));
    assert!(ruled.ready.is_ready());
}

async fn until_account(board: &Board, what: &str) {
    while !board.read(|notes| notes.rules.contains(what)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_policy_that_is_deleted_holds_on_and_one_that_comes_back_holds_again() {
    let mut ruled = Ruled::open();
    ruled.scene.write_policy(&spec("loader-*"));
    ruled.rules.next().await;
    ruled.scene.delete_policy();
    let board = ruled.board.clone();
    tokio::select! {
        policy = ruled.rules.next() => panic!("{policy:?} holds"),
        () = until_account(&board, "although now it is not there") => {}
    }
    assert!(ruled.ready.is_ready());
    ruled.scene.write_policy(&spec("loader-*"));
    assert_eq!(ruled.rules.next().await, policy("loader-*"));
    assert_eq!(
        ruled.account(),
        "generation 1 of HealingPolicy stf/by-night"
    );
}

#[tokio::test]
async fn a_change_that_happened_while_the_watch_was_too_old_holds_and_another_object_means_nothing()
{
    let mut ruled = Ruled::open();
    ruled.scene.write_policy(&spec("loader-*"));
    ruled.rules.next().await;
    let control = &ruled.scene.control;
    let other = json!({"metadata": {"name": "by-day"}, "spec": spec("*")});
    control
        .create(Resource::HealingPolicies, NAMESPACE, &other)
        .unwrap();
    control.interrupt(Resource::HealingPolicies, Interruption::Expire);
    ruled.scene.change_policy(&spec("arango-*"));
    control.compact();
    assert_eq!(ruled.rules.next().await, policy("arango-*"));
}

#[tokio::test]
async fn whoever_may_not_read_it_is_told_what_to_do_about_it() {
    let scene = Scene::open();
    scene.write_policy(&spec("loader-*"));
    let lists = Matcher::any()
        .verb(Verb::List)
        .resource(Resource::HealingPolicies);
    let refusal = Fault::refuse(Refusal::Forbidden);
    scene.control.order(lists, Times::Nth(1), refusal);
    let mut told = pin!(HealingPolicy::watch(scene.client.clone(), NAMESPACE, NAME));
    let error = told.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Unread::Forbidden(_)), "{error:?}");
    assert!(
        error.to_string().contains("deploy/healing-policy"),
        "{error}"
    );
    let found = told.next().await.unwrap().unwrap().unwrap();
    assert_eq!(found.policy, Ok(policy("loader-*")));
}

#[tokio::test]
async fn a_check_finds_the_one_of_that_name() {
    let scene = Scene::open();
    let find = |name| HealingPolicy::find(scene.client.clone(), NAMESPACE, name);
    assert_eq!(find(NAME).await.unwrap(), None);
    let made = scene.write_policy(&spec("loader-*"));
    let found = find(NAME).await.unwrap().unwrap();
    assert_eq!(made["metadata"]["uid"], found.uid);
    assert_eq!(found.policy, Ok(policy("loader-*")));
    assert_eq!(find("by-day").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_file_holds_as_it_was_when_it_makes_no_sense_any_more() {
    let scene = Scene::open();
    let (folder, board) = (tempfile::tempdir().unwrap(), Board::default());
    let file = folder.path().join("policy.yaml");
    let source = Source::File(file.clone());
    let open = || {
        let (client, runtime) = (scene.client.clone(), Handle::current());
        let audience = Audience {
            ready: Readiness::of([NEED]),
            board: board.clone(),
            chronicle: Chronicle::new(client.clone(), NAMESPACE, "healer-1", runtime),
        };
        Rules::of(&source, client, NAMESPACE, audience)
    };
    assert!(open().is_err(), "there is no file");
    std::fs::write(&file, spec("loader-*").to_string()).unwrap();
    let mut rules = open().unwrap();
    assert_eq!(rules.next().await, policy("loader-*"));

    std::fs::write(&file, "pause: true").unwrap();
    tokio::select! {
        policy = rules.next() => panic!("{policy:?} holds"),
        () = in_time_to_come(&board, "policy.yaml as it was, although now ") => {}
    }
    std::fs::write(&file, spec("arango-*").to_string()).unwrap();
    assert_eq!(rules.next().await, policy("arango-*"));
}

async fn in_time_to_come(board: &Board, what: &str) {
    while !board.read(|notes| notes.rules.contains(what)) {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}
