//! Both Jobs of a replacement tell of it, whatever fails, and once.

use serde_json::Value;
use temper_fake_kube::{Fault, Matcher, Resource, Times};
use temper_healer::{chronicle::Chronicle, cluster::Jobs};
use temper_healer_core::{
    Decision, Moment, Place, Verdict,
    decision::Evidence,
    policy::Cause,
    replace::{self, End, Passed, Replacement, Veto},
};
use tokio::runtime::Handle;

use super::{
    NAMESPACE, Scene,
    replacing::{decided, now},
};

fn evidence() -> Evidence {
    Evidence {
        heard_at: Some(Moment::from_unix_ms(0)),
        last_record: Some(Place {
            partition: 2,
            offset: 1234,
        }),
        records_written: Some(500),
        ..Evidence::default()
    }
}

/// Makes pass after pass until it is over, and tells of each of them by all these healers.
async fn carry_through(scene: &Scene, replacement: &Replacement, healers: &[&str]) {
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    let chronicle = |name: &&str| {
        let client = scene.client.clone();
        Chronicle::new(client, NAMESPACE, name, Handle::current())
    };
    let chronicles: Vec<_> = healers.iter().map(chronicle).collect();
    for _ in 0..200 {
        let passed = replace::pass(&jobs, replacement, None, now()).await;
        for chronicle in &chronicles {
            let evidence = Some(evidence());
            chronicle
                .passed(&jobs, replacement, &passed, evidence)
                .await;
        }
        if matches!(passed, Passed::Over(_)) {
            return;
        }
    }
    panic!("it never ends");
}

/// The reasons and notes of all Events about a Job.
fn told(scene: &Scene, job: &Value) -> Vec<(String, String)> {
    let events = scene.control.list(Resource::Events).into_iter();
    let about = events.filter(|event| event["regarding"]["uid"] == job["metadata"]["uid"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    about
        .map(|event| (text(&event["reason"]), text(&event["note"])))
        .collect()
}

#[tokio::test]
async fn the_successor_says_whom_it_replaces_why_and_on_what_evidence() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    carry_through(&scene, &decided(&old), &["healer-1"]).await;

    let successor = scene.control.job(NAMESPACE, "loader-1-r1").get().unwrap();
    let note = "loader__loader-1: takes the place of Job loader-1, because it says nothing; \
                last heard at 1970-01-01T00:00:00.000Z, record 2@1234, 500 records written; \
                decided at 2026-01-01T00:00:00.000Z, attempt 1; it runs as soon as no pod of that Job is left";
    assert_eq!(
        told(&scene, &successor),
        [("ReplacesWorker".to_owned(), note.to_owned())]
    );
    let note = "Job loader-1-r1 takes its place, and runs as soon as no pod of this one is left";
    assert_eq!(
        told(&scene, &old),
        [("SuccessorCreated".to_owned(), note.to_owned())]
    );
    for event in scene.control.list(Resource::Events) {
        let uids = [&event["regarding"], &event["related"]].map(|job| &job["uid"]);
        assert!(uids.contains(&&old["metadata"]["uid"]), "{event:#}");
        assert!(uids.contains(&&successor["metadata"]["uid"]), "{event:#}");
    }
}

#[tokio::test]
async fn whatever_fails_and_however_many_tell_of_it_each_job_tells_once() {
    for (resource, nth) in [
        (Resource::Jobs, 1),
        (Resource::Jobs, 2),
        (Resource::Jobs, 3),
        (Resource::Events, 1),
        (Resource::Events, 2),
    ] {
        let faults = [Fault::cut(), Fault::cut().after_commit()];
        for fault in faults {
            let scene = Scene::open();
            let old = scene.make("loader-1");
            let changes = Matcher::changes().resource(resource);
            scene.control.order(changes, Times::Nth(nth), fault.clone());
            carry_through(&scene, &decided(&old), &["healer-1", "healer-2"]).await;
            let successor = scene.control.job(NAMESPACE, "loader-1-r1").get().unwrap();
            for job in [&old, &successor] {
                let told = told(&scene, job);
                assert_eq!(told.len(), 1, "{fault:?} at change {nth}: {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_job_of_the_successors_name_that_replaces_nothing_tells_nothing() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    scene.make("loader-1-r1");
    carry_through(&scene, &decided(&old), &["healer-1"]).await;
    assert_eq!(scene.control.list(Resource::Events), [] as [Value; 0]);
}

#[tokio::test]
async fn each_decision_about_a_job_is_told_and_none_twice() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    let chronicle = Chronicle::new(scene.client.clone(), NAMESPACE, "one", Handle::current());
    let replacement = decided(&old);
    for why in ["a storm", "its attempts are used up", "a storm"] {
        let decision = Decision {
            at: now(),
            worker: replacement.worker.clone(),
            producer: replacement.worker.producer.clone(),
            queue_id: replacement.worker.queue.clone(),
            decision: Verdict::Suppress,
            cause: Cause::Error,
            why: why.to_owned(),
            job: Some(replacement.old_name.clone()),
            job_uid: Some(replacement.old_uid.clone()),
            evidence: Evidence::default(),
        };
        chronicle.decided(&decision, false);
    }
    let all = |control: &temper_fake_kube::Control| {
        let asked = control.requests();
        let asked = asked
            .iter()
            .filter(|asked| asked.key.resource == Resource::Events);
        (asked.count() == 3).then_some(())
    };
    scene.control.until(all).await;
    let mut told = told(&scene, &old);
    told.sort();
    let held = |why| {
        let note = format!("loader__loader-1: {why}; never heard by this healer");
        ("WorkerReplacementHeld".to_owned(), note)
    };
    assert_eq!(told, [held("a storm"), held("its attempts are used up")]);
}

#[tokio::test]
async fn a_job_that_stays_after_all_says_why() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    let chronicle = Chronicle::new(scene.client.clone(), NAMESPACE, "one", Handle::current());
    let replacement = decided(&old);
    for _ in 0..2 {
        let passed = replace::pass(&jobs, &replacement, Some(Veto::Recovered), now()).await;
        assert_eq!(passed, Passed::Over(End::Vetoed(Veto::Recovered)));
        chronicle.passed(&jobs, &replacement, &passed, None).await;
    }
    let note = "loader__loader-1: what was decided at 2026-01-01T00:00:00.000Z is not carried out, and this Job stays: it was heard again";
    assert_eq!(
        told(&scene, &old),
        [("WorkerStays".to_owned(), note.to_owned())]
    );
}
