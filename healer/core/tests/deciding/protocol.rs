//! The next step of a replacement, from what the cluster shows.

use std::time::Duration;

use serde_json::{Value, json};
use temper_healer_core::{
    Moment, Name,
    job::Refusal,
    policy::{Cause, Fencing},
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
        base: "a".into(),
        attempt: 1,
        cause,
        why: "".into(),
        decided: Moment::default(),
        heals: Vec::new(),
        fencing: Fencing::Strict,
        parallel_jobs: false,
    }
}
