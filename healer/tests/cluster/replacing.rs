//! Every change of a replacement fails in every way that there is, and the Job is replaced once.

use serde_json::Value;
use temper_fake_kube::{Fault, Happening, Matcher, Refusal, Resource, Times, Verb};
use temper_healer::cluster::Jobs;
use temper_healer_core::{
    Job, Moment,
    job::{self, State, timestamp},
    policy::{Cause, Fencing},
    replace::{self, Cluster as _, End, Passed, Replacement, Trouble},
};

use super::{NAMESPACE, Scene};

/// What a healer decides about a Job.
pub(crate) fn decided(old: &Value) -> Replacement {
    let (worker, job) = Job::read(old).unwrap();
    Replacement {
        worker,
        old_name: job.name.clone(),
        old_uid: job.uid.to_string().into(),
        line: job.uid.to_string().into(),
        old_failures: Some(job.failures),
        old_ran: true,
        base: job.name,
        attempt: 1,
        cause: Cause::Silent,
        why: "it says nothing".into(),
        decided: now(),
        heals: Vec::new(),
        fencing: Fencing::Strict,
        parallel_jobs: false,
    }
}

pub(crate) fn now() -> Moment {
    timestamp("2026-01-01T00:00:00Z").unwrap()
}

/// Makes pass after pass until it is over.
async fn carry_through(scene: &Scene, replacement: &Replacement) -> (End, Vec<Trouble>) {
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    let mut troubles = Vec::new();
    for _ in 0..200 {
        match replace::pass(&jobs, replacement, None, now()).await {
            Passed::Over(end) => return (end, troubles),
            Passed::Troubled(trouble) => troubles.push(trouble),
            Passed::Created | Passed::Deleted | Passed::Reprieved | Passed::Waits(_) => {}
        }
        tokio::task::yield_now().await;
    }
    panic!("it never ends: {troubles:?}");
}

fn only_the_successor_runs(scene: &Scene) {
    let jobs = scene.control.list(Resource::Jobs);
    let names: Vec<_> = jobs
        .iter()
        .map(|job| (job["metadata"]["name"].as_str().unwrap(), job::state(job)))
        .collect();
    assert_eq!(names, [("loader-1-r1", State::Active)]);
}

/// At no time two Jobs that might both run.
fn never_two_at_once(scene: &Scene) {
    let mut running = std::collections::BTreeMap::new();
    for change in scene.control.history() {
        if change.key.resource != Resource::Pods {
            continue;
        }
        let owner = change.object["metadata"]["labels"]["controller-uid"].to_string();
        if change.happening == Happening::Deleted {
            running.remove(&change.key.name);
        } else {
            running.insert(change.key.name.clone(), owner);
        }
        let owners: std::collections::BTreeSet<_> = running.values().collect();
        assert!(owners.len() <= 1, "pods of two Jobs at once: {running:?}");
    }
}

#[tokio::test]
async fn whatever_fails_before_or_after_it_was_done_the_job_is_replaced_once() {
    let refusals = [
        Refusal::Conflict,
        Refusal::Internal,
        Refusal::Unavailable,
        Refusal::Timeout,
        Refusal::TooManyRequests { retry_after: 1 },
    ];
    let faults = refusals
        .map(Fault::refuse)
        .into_iter()
        .chain([Fault::cut()]);
    let faults: Vec<_> = faults
        .flat_map(|fault| [fault.clone(), fault.after_commit()])
        .collect();
    for fault in &faults {
        for nth in 1..=3 {
            let scene = Scene::open();
            let old = scene.make("loader-1");
            scene.control.order(
                Matcher::changes().resource(Resource::Jobs),
                Times::Nth(nth),
                fault.clone(),
            );
            let (end, troubles) = carry_through(&scene, &decided(&old)).await;
            assert!(
                matches!(end, End::Released | End::FoundReleased),
                "{fault:?} at change {nth}: {end:?}"
            );
            assert_eq!(troubles.len(), 1, "{fault:?} at change {nth}");
            only_the_successor_runs(&scene);
            never_two_at_once(&scene);
        }
    }
}

#[tokio::test]
async fn a_successor_that_was_asked_for_long_ago_and_comes_late_never_runs() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    let first = decided(&old);
    // A healer asks for the successor and dies; what it asked for is still on its way.
    let late = replace::successor(&old, &first, &[]).unwrap();
    let (end, _) = carry_through(&scene, &first).await;
    assert_eq!(end, End::Released);
    let successor = scene.control.job(NAMESPACE, "loader-1-r1").get().unwrap();
    let (worker, job) = Job::read(&successor).unwrap();
    let replaces = job.replaces().unwrap().clone();
    let second = Replacement {
        worker,
        old_name: job.name.clone(),
        old_uid: job.uid.to_string().into(),
        base: replaces.base,
        line: replaces.line,
        attempt: 2,
        ..first.clone()
    };
    assert_eq!(carry_through(&scene, &second).await.0, End::Released);

    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    jobs.create(late).await.unwrap();
    let (end, _) = carry_through(&scene, &first).await;
    assert_eq!(end, End::Overtaken);
    let names: Vec<_> = scene.control.list(Resource::Jobs);
    let names: Vec<_> = names.iter().map(|job| &job["metadata"]["name"]).collect();
    assert_eq!(names, ["loader-1-r2"]);
    never_two_at_once(&scene);
}

#[tokio::test]
async fn refusals_that_will_come_again_are_told_from_those_that_pass() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    let creates = Matcher::any().verb(Verb::Create).resource(Resource::Jobs);
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    let mut asked = 0;
    for (refusal, is_right) in [
        (Refusal::ExceededQuota, denied as fn(&Trouble) -> bool),
        (Refusal::Forbidden, denied),
        (Refusal::Denied, denied),
        (
            Refusal::TooManyRequests { retry_after: 7 },
            |trouble| matches!(trouble, Trouble::Busy { after: Some(after), .. } if after.as_secs() == 7),
        ),
        (Refusal::Conflict, |trouble| {
            matches!(trouble, Trouble::Conflict(_))
        }),
    ] {
        asked += 1;
        scene.control.clear_faults();
        scene
            .control
            .order(creates.clone(), Times::All, Fault::refuse(refusal));
        let passed = replace::pass(&jobs, &decided(&old), None, now()).await;
        let Passed::Troubled(trouble) = passed else {
            panic!("{refusal:?}: {passed:?}")
        };
        assert!(is_right(&trouble), "{refusal:?}: {trouble:?}");
        assert!(
            trouble
                .to_string()
                .starts_with("creating Job loader-1-r1: "),
            "{trouble}"
        );
    }
    assert_eq!(asked, 5);
}

fn denied(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Denied(_))
}

#[tokio::test]
async fn nothing_is_changed_in_a_dry_run() {
    let scene = Scene::open();
    let old = scene.make("loader-1");
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE).that_changes_nothing(true);
    let before = scene.control.list(Resource::Jobs);
    for _ in 0..3 {
        assert_eq!(
            replace::pass(&jobs, &decided(&old), None, now()).await,
            Passed::Created
        );
    }
    assert_eq!(scene.control.list(Resource::Jobs), before);
}
