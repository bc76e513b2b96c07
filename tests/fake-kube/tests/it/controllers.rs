//! Controllers do what the real ones do, in steps that the test may count.

use std::time::Duration;

use serde_json::{Value, json};
use temper_fake_kube::{Cause, Control, Happening, Job, Resource};

use super::Scene;

fn conditions(job: &Value) -> Vec<String> {
    let conditions = job["status"]["conditions"].as_array();
    let told = |condition: &Value| {
        let word = |field: &str| condition[field].as_str().unwrap().to_owned();
        format!("{}={} {}", word("type"), word("status"), word("reason"))
    };
    conditions.into_iter().flatten().map(told).collect()
}

fn delete(control: &Control, name: &str, propagation: &str) {
    let options = json!({ "propagationPolicy": propagation });
    control
        .delete(Resource::Jobs, "stf", name, &options)
        .unwrap();
}

fn only_pod(job: &Job) -> Value {
    let [pod] = job.pods().try_into().unwrap();
    pod
}

#[test]
fn between_two_steps_the_test_sees_every_state() {
    let scene = Scene::open();
    scene.control.automatic(false);
    let job = scene.make("a", &json!({}));
    assert!(job.pods().is_empty());
    let steps = std::iter::from_fn(|| scene.control.step().then_some(())).count();
    let told: Vec<_> = scene
        .control
        .history()
        .iter()
        .filter(|change| change.cause == Cause::Controllers)
        .map(|change| format!("{:?} {}", change.happening, change.key.resource.kind()))
        .collect();
    // It starts, gets its pod, and counts it.
    assert_eq!(told, ["Modified Job", "Added Pod", "Modified Job"]);
    assert_eq!(steps, told.len());
    assert!(!scene.control.step());
    assert_eq!(job.get().unwrap()["status"]["active"], 1);
}

#[test]
fn a_pod_that_does_not_end_keeps_its_job_in_a_foreground_deletion() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({}));
    scene.control.hold_pods();
    delete(&scene.control, "a", "Foreground");
    let pod = only_pod(&job);
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
    assert_eq!(job.get().unwrap()["status"]["terminating"], 1);
    scene.control.settle();
    assert!(scene.exists("a"));

    scene.control.let_pods_go();
    assert!(!scene.exists("a"));
    let gone: Vec<_> = scene
        .control
        .history()
        .iter()
        .filter(|change| change.happening == Happening::Deleted)
        .map(|change| change.key.resource)
        .collect();
    assert_eq!(gone, [Resource::Pods, Resource::Jobs]);
}

#[test]
fn in_a_background_deletion_the_pod_outlives_its_job() {
    let scene = Scene::open();
    scene.make("a", &json!({}));
    scene.control.hold_pods();
    delete(&scene.control, "a", "Background");
    assert!(!scene.exists("a"));
    let [pod] = scene.control.list(Resource::Pods).try_into().unwrap();
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
    scene.control.let_pods_go();
    assert!(scene.control.list(Resource::Pods).is_empty());
}

#[test]
fn an_orphan_stays_and_belongs_to_nobody() {
    let scene = Scene::open();
    scene.make("a", &json!({}));
    scene
        .control
        .delete(Resource::Jobs, "stf", "a", &json!({}))
        .unwrap();
    assert!(!scene.exists("a"));
    let [pod] = scene.control.list(Resource::Pods).try_into().unwrap();
    assert_eq!(pod["metadata"].get("ownerReferences"), None);
    assert_eq!(pod["metadata"].get("deletionTimestamp"), None);
}

#[test]
fn a_job_is_complete_when_its_pods_have_ended_well() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({}));
    job.finish();
    let done = job.get().unwrap();
    assert_eq!(
        conditions(&done),
        [
            "SuccessCriteriaMet=True CompletionsReached",
            "Complete=True CompletionsReached"
        ]
    );
    assert_eq!(
        (&done["status"]["succeeded"], &done["status"]["ready"]),
        (&json!(1), &json!(0))
    );
    assert!(done["status"]["completionTime"].is_string());
    assert_eq!(only_pod(&job)["status"]["phase"], "Succeeded");
}

#[test]
fn a_pod_that_dies_is_replaced_until_the_limit_is_reached() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({ "backoffLimit": 1 }));
    job.kill_pod();
    assert_eq!(job.pods().len(), 2);
    assert_eq!(job.get().unwrap()["status"]["failed"], 1);
    job.kill_pod();
    let failed = job.get().unwrap();
    assert_eq!(
        conditions(&failed),
        [
            "FailureTarget=True BackoffLimitExceeded",
            "Failed=True BackoffLimitExceeded"
        ]
    );
    assert_eq!(
        (job.pods().len(), &failed["status"]["failed"]),
        (2, &json!(2))
    );
}

#[test]
fn a_job_that_is_failed_loses_its_pods() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({}));
    job.fail("DeadlineExceeded");
    assert_eq!(
        conditions(&job.get().unwrap())[1],
        "Failed=True DeadlineExceeded"
    );
    assert!(job.pods().is_empty());
}

#[test]
fn a_pod_that_is_evicted_says_so_and_is_replaced() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({}));
    let first = only_pod(&job);
    scene.control.hold_pods();
    job.evict_pod();
    let pods = job.pods();
    let going = pods
        .iter()
        .find(|pod| pod["metadata"]["uid"] == first["metadata"]["uid"])
        .unwrap();
    assert_eq!(going["status"]["conditions"][0]["type"], "DisruptionTarget");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    // The platform itself lets two run side by side for a while.
    assert_eq!(pods.len(), 2);
    scene.control.let_pods_go();
    assert_ne!(only_pod(&job)["metadata"]["uid"], first["metadata"]["uid"]);
}

#[test]
fn a_job_starts_anew_when_it_is_resumed() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({}));
    let started = job.get().unwrap()["status"]["startTime"].clone();
    let suspend = |suspend: bool| {
        scene.control.advance(Duration::from_mins(1));
        let patch = json!({ "spec": { "suspend": suspend } });
        scene
            .control
            .patch(Resource::Jobs, "stf", "a", &patch)
            .unwrap();
    };
    suspend(true);
    assert_eq!(
        conditions(&job.get().unwrap()),
        ["Suspended=True JobSuspended"]
    );
    assert!(job.pods().is_empty());
    suspend(false);
    assert_eq!(
        conditions(&job.get().unwrap()),
        ["Suspended=False JobResumed"]
    );
    assert_ne!(job.get().unwrap()["status"]["startTime"], started);
    assert_eq!(job.pods().len(), 1);
}

#[test]
fn time_is_what_the_test_makes_it_and_finished_jobs_go_when_it_is_over() {
    let scene = Scene::open();
    let job = scene.make("a", &json!({ "ttlSecondsAfterFinished": 3600 }));
    scene.make("b", &json!({ "ttlSecondsAfterFinished": 3600 }));
    assert_eq!(
        job.get().unwrap()["metadata"]["creationTimestamp"],
        "2026-06-01T12:00:00Z"
    );
    job.finish();
    scene.control.advance(Duration::from_secs(3599));
    assert!(scene.exists("a"));
    scene.control.advance(Duration::from_secs(1));
    assert!(!scene.exists("a"));
    assert!(scene.exists("b"), "it runs");
    assert_eq!(scene.control.now().to_string(), "2026-06-01T13:00:00Z");
}

#[test]
fn what_is_owned_goes_after_its_owner_but_not_after_a_stranger() {
    let scene = Scene::open();
    let map = json!({ "metadata": { "name": "owner" } });
    let owner = scene
        .control
        .create(Resource::ConfigMaps, "stf", &map)
        .unwrap();
    for (name, uid) in [
        ("a", owner["metadata"]["uid"].clone()),
        ("b", json!("of-a-cron-job")),
    ] {
        let mut job = super::job(name, &json!({ "suspend": true }));
        job["metadata"]["ownerReferences"] =
            json!([{ "kind": "Any", "name": "owner", "uid": uid }]);
        scene.control.create(Resource::Jobs, "stf", &job).unwrap();
    }
    scene
        .control
        .delete(Resource::ConfigMaps, "stf", "owner", &json!({}))
        .unwrap();
    assert!(!scene.exists("a"));
    assert!(scene.exists("b"));
}

#[test]
fn the_history_is_whole_and_the_same_each_time() {
    let play = || {
        let scene = Scene::open();
        let job = scene.make("a", &json!({}));
        job.kill_pod();
        scene.make("b", &json!({ "suspend": true }));
        delete(&scene.control, "a", "Foreground");
        scene.control.history()
    };
    let history = play();
    let versions: Vec<_> = history.iter().map(|change| change.revision).collect();
    let whole: Vec<_> = (versions[0]..).take(versions.len()).collect();
    assert_eq!(versions, whole);
    for change in &history {
        let version = change.object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap();
        let kept = change.happening == Happening::Deleted && version != change.revision.to_string();
        assert!(!kept, "{change:?}");
        assert_eq!(
            change.before.is_none(),
            change.happening == Happening::Added
        );
    }
    let told = |history: &[_]| format!("{history:?}");
    assert_eq!(told(&history), told(&play()));
}
