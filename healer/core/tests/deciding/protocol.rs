//! The next step of a replacement, from what the cluster shows.

use std::time::Duration;

use serde_json::{Value, json};
use temper_healer_core::{
    Job, Moment, Name,
    job::Refusal,
    policy::{Cause, Fencing, Span},
    replace::{self, End, Phase, Pod, Replacement, Seen, Step, Veto},
};

#[test]
fn a_verdict_on_silence_falls_with_the_pod_that_was_silent_and_one_on_an_error_does_not() {
    for (cause, falls) in [
        (Cause::Silent, true),
        (Cause::Stalled, true),
        (Cause::Error, false),
    ] {
        let replacement = replacement(cause);
        let mut old = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"template": {}}, "status": {"failed": 2}});
        let next = |old: &Value| {
            let seen = Seen {
                old: Some(old.clone()),
                pods: vec![pod(Phase::Running)],
                ..Seen::default()
            };
            replace::next(&replacement, &seen, None, Moment::default())
        };
        assert!(matches!(next(&old), Step::Create(_)), "{cause:?}");
        old["status"]["failed"] = json!(3);
        let restarted = Step::End(End::Vetoed(Veto::Restarted));
        assert_eq!(next(&old) == restarted, falls, "{cause:?}");
    }
}

#[test]
fn what_was_decided_before_a_reprieve_is_not_begun_anew() {
    let after = |seconds| Moment::default().plus(Duration::from_secs(seconds));
    let replacement = Replacement {
        decided: after(10),
        ..replacement(Cause::Error)
    };
    let next = |reprieved: Moment| {
        let annotations = json!({"healer.temper.dev/reprieved-at": reprieved.to_string()});
        let old = json!({"metadata": {"name": "a", "uid": "u", "annotations": annotations}, "spec": {"template": {}}});
        let old = Some(old);
        let seen = Seen {
            old,
            ..Seen::default()
        };
        replace::next(&replacement, &seen, None, after(20))
    };
    assert_eq!(next(after(15)), Step::End(End::Vetoed(Veto::Stale)));
    assert!(matches!(next(after(5)), Step::Create(_)));
}

#[test]
fn nobody_is_replaced_for_silence_whose_pod_has_never_run() {
    let silent = replacement(Cause::Silent);
    let next = |pods: Vec<Pod>| {
        let old = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"template": {}}});
        let old = Some(old);
        let seen = Seen {
            old,
            pods,
            ..Seen::default()
        };
        replace::next(&silent, &seen, None, Moment::default())
    };
    for (pods, why) in [
        (vec![], "it has none"),
        (vec![pod(Phase::Pending)], "ImagePullBackOff"),
    ] {
        let refusal = Refusal::NotRunning(why.to_owned());
        assert_eq!(next(pods), Step::End(End::Refused(refusal)));
    }
    assert!(matches!(next(vec![pod(Phase::Running)]), Step::Create(_)));
}

#[test]
fn whose_pod_was_not_known_to_run_when_that_was_decided_has_its_time_before_it() {
    for (cause, waits) in [(Cause::Silent, true), (Cause::Error, false)] {
        let replacement = Replacement {
            old_ran: false,
            ..replacement(cause)
        };
        let old = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"template": {}}});
        let seen = Seen {
            old: Some(old),
            pods: vec![pod(Phase::Running)],
            ..Seen::default()
        };
        let next = replace::next(&replacement, &seen, None, Moment::default());
        let restarted = Step::End(End::Vetoed(Veto::Restarted));
        assert_eq!(next == restarted, waits, "{next:?}");
    }
}

fn pod(phase: Phase) -> Pod {
    Pod {
        name: "p".into(),
        phase,
        deleting: None,
        node_ready: true,
        why: "ImagePullBackOff".into(),
    }
}

/// Of a Job of which two pods had failed.
fn replacement(cause: Cause) -> Replacement {
    let (queue, producer) = ("q".into(), "loader-a__1".into());
    Replacement {
        worker: Name { queue, producer },
        old_name: "a".into(),
        old_uid: "u".into(),
        old_failures: Some(2),
        old_ran: true,
        base: "a".into(),
        line: "u".into(),
        attempt: 1,
        cause,
        why: "".into(),
        decided: Moment::default(),
        heals: Vec::new(),
        fencing: Fencing::Strict,
        parallel_jobs: false,
    }
}

/// What people do to a Job.
type Change = fn(&mut Value);

/// The old Job, and its successor that waits.
fn half_done(replacement: &Replacement) -> Seen {
    let old = json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}, "spec": {"template": {}}, "status": {"failed": 2}});
    let successor = json!({
        "metadata": {"name": "a-r1", "uid": "s", "resourceVersion": "2",
            "annotations": {"healer.temper.dev/replaces-uid": "u", "healer.temper.dev/old-pods": "p"}},
        "spec": {"suspend": true, "template": {}},
    });
    let seen = Seen {
        old: Some(old),
        successor: Some(successor),
        pods: vec![pod(Phase::Running)],
    };
    let next = replace::next(replacement, &seen, None, Moment::default());
    assert!(matches!(next, Step::Delete { .. }), "{next:?}");
    seen
}

#[test]
fn what_people_do_to_the_old_job_while_its_successor_waits_keeps_it() {
    let replacement = replacement(Cause::Silent);
    let next = |seen: &Seen| replace::next(&replacement, seen, None, Moment::default());
    let changes: [(Change, Refusal); 2] = [
        (
            |old| old["spec"]["suspend"] = json!(true),
            Refusal::Suspended,
        ),
        (
            |old| old["metadata"]["annotations"] = json!({"healer.temper.dev/ignore": "true"}),
            Refusal::OptedOut,
        ),
    ];
    for (change, refusal) in changes {
        let mut seen = half_done(&replacement);
        let old = seen.old.as_mut().unwrap();
        change(old);
        assert!(
            matches!(next(&seen), Step::Reprieve { .. }),
            "others must see it first"
        );
        let old = seen.old.as_mut().unwrap();
        old["metadata"]["annotations"]["healer.temper.dev/reprieved-from"] = json!("s");
        let Step::Withdraw { end, .. } = next(&seen) else {
            panic!("{:?}", next(&seen));
        };
        assert_eq!(end, End::Refused(refusal));
    }
}

#[test]
fn a_job_that_has_failed_is_replaced_however_late() {
    let replacement = replacement(Cause::Error);
    let mut seen = half_done(&replacement);
    let late = Moment::default().plus(Duration::from_hours(1));
    let next = |seen: &Seen| replace::next(&replacement, seen, None, late);
    assert!(matches!(next(&seen), Step::Reprieve { .. }));
    let failed = json!([{"type": "Failed", "status": "True"}]);
    seen.old.as_mut().unwrap()["status"]["conditions"] = failed;
    assert!(matches!(next(&seen), Step::Delete { .. }));
}

#[test]
fn a_successor_that_has_run_is_not_released_again() {
    let replacement = replacement(Cause::Silent);
    let mut seen = half_done(&replacement);
    (seen.old, seen.pods) = (None, Vec::new());
    let next = |seen: &Seen| replace::next(&replacement, seen, None, Moment::default());
    assert!(matches!(next(&seen), Step::Release { .. }));
    let successor = seen.successor.as_mut().unwrap();
    successor["metadata"]["annotations"]["healer.temper.dev/released-at"] =
        json!("2026-01-01T00:00:00Z");
    assert_eq!(next(&seen), Step::End(End::FoundReleased));
}

#[test]
fn old_pods_are_waited_for_as_long_as_the_fencing_says() {
    let minutes = |minutes| Moment::default().plus(Duration::from_mins(minutes));
    let next = |fencing, node_ready, deleting| {
        let replacement = Replacement {
            fencing,
            ..replacement(Cause::Silent)
        };
        let mut seen = half_done(&replacement);
        seen.old = None;
        seen.pods = vec![Pod {
            deleting,
            node_ready,
            ..pod(Phase::Running)
        }];
        matches!(
            replace::next(&replacement, &seen, None, minutes(11)),
            Step::Release { .. }
        )
    };
    let patient = Fencing::BestEffort(Span::minutes(10));
    let since = Some(minutes(0));
    assert!(next(patient, false, since));
    assert!(!next(patient, true, since), "its node is ready: it ends");
    assert!(!next(patient, false, Some(minutes(2))), "not for so long");
    assert!(!next(patient, false, None), "nobody has asked it to end");
    assert!(!next(Fencing::Strict, false, since));
}

#[test]
fn nobody_is_replaced_for_an_interruption_while_its_job_makes_another_pod() {
    let interrupted = replacement(Cause::Interrupted);
    let next = |pods: Vec<Pod>| {
        let old = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"template": {}}, "status": {"failed": 2}});
        let seen = Seen {
            old: Some(old),
            pods,
            ..Seen::default()
        };
        replace::next(&interrupted, &seen, None, Moment::default())
    };
    let waits = next(vec![pod(Phase::Ended), pod(Phase::Pending)]);
    let refusal = Refusal::NotRunning("ImagePullBackOff".to_owned());
    assert_eq!(waits, Step::End(End::Refused(refusal)));
    let runs = vec![pod(Phase::Ended), pod(Phase::Running)];
    assert!(matches!(next(runs), Step::Create(_)));
}

#[test]
fn the_replacement_of_a_job_that_shows_no_telemetry_id_is_the_same_worker() {
    let old = json!({
        "metadata": {"name": "job-arango-candles-btcusdt-abc123", "uid": "u",
            "labels": {"app": "streamforge", "queue_id": "wf-btcusdt-api_candles_1m-20240801-abc123"}},
        "spec": {"template": {"spec": {"containers": [{"env": [{"name": "SYMBOL", "value": "BTCUSDT"}]}]}}},
    });
    let (worker, job) = Job::read(&old).unwrap();
    let replacement = Replacement {
        worker: worker.clone(),
        base: job.name.clone(),
        old_name: job.name,
        ..replacement(Cause::Error)
    };
    let mut successor = replace::successor(&old, &replacement, &[]).unwrap();
    successor["metadata"]["uid"] = json!("s");
    let (same, read) = Job::read(&successor).unwrap();
    assert_eq!(same, worker);
    assert!(read.is_waiting_successor());
}
