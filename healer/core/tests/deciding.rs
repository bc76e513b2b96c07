//! What is decided about single workers, in a world where nothing goes wrong but them.
#![expect(clippy::unwrap_used, reason = "all of it is a test")]

use std::time::Duration;

use serde_json::{Value, json};
use temper_healer_core::{
    Action, Decision, Event, Healer, Job, Moment, Name, Place, Policy, Topic, Verdict,
    job::Refusal,
    policy::{Cause, Fencing},
    replace::{self, End, Passed, Phase, Pod, Replacement, Seen, Step, Veto},
    telemetry::{Command, Report},
};

const POLICY: &str = "
kinds:
  - {workers: loader-*, startDeadline: 30s, silentDeadline: 20s}
  - {workers: slow-*, heal: [error], errorGrace: 10s, silentDeadline: 1m}
  - {workers: arango-*, silentDeadline: 20s, upstream: loader-*}
guards: {maxUnhealthy: 100%}
";

/// A healer that acts, sees everything, and has one partition of each topic.
struct Bench {
    healer: Healer,
    now: Moment,
    said: i64,
    actions: Vec<Action>,
}

impl Bench {
    fn new() -> Self {
        let now = Moment::from_unix_ms(1_800_000_000_000);
        let mut bench = Self {
            healer: Healer::new(Policy::parse(POLICY).unwrap(), now),
            now,
            said: 0,
            actions: Vec::new(),
        };
        for topic in [Topic::Events, Topic::Control] {
            bench.step(Event::Partitions { topic, count: 1 });
        }
        bench.step(Event::JobsListed);
        bench.step(Event::Lead);
        bench.wait(1);
        assert!(bench.healer.is_armed());
        bench.actions.clear();
        bench
    }

    fn step(&mut self, event: Event<'_>) {
        self.healer.step(event, self.now, &mut self.actions);
    }

    /// Lets seconds pass in which everything is heard and everybody can speak.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now = self.now.plus(Duration::from_millis(500));
            let (asked, since) = (self.now, self.now);
            self.step(Event::Written {
                partition: 0,
                since,
            });
            for topic in [Topic::Events, Topic::Control] {
                self.step(Event::Barrier {
                    topic,
                    partition: 0,
                    asked,
                    end: 0,
                });
            }
        }
    }

    fn job(&mut self, producer: &str, change: impl FnOnce(&mut Value)) {
        let mut job = json!({
            "metadata": {"name": format!("job-{}", producer.replace('_', "-")), "uid": producer, "labels": {"queue_id": "q"},
                "creationTimestamp": self.now.to_string(), "annotations": {"healer.temper.dev/producer": producer}},
            "spec": {"template": {}},
        });
        change(&mut job);
        let (name, job) = Job::read(&job).unwrap();
        self.step(Event::Job { name, job });
    }

    fn says(&mut self, producer: &str, status: &str) {
        let text = json!({"queue_id": "q", "producer": producer, "status": status, "message": "disk full"}).to_string();
        let report = Report::parse(text.as_bytes()).unwrap();
        self.said += 1;
        let place = Place {
            partition: 0,
            offset: self.said,
        };
        self.step(Event::Said {
            report,
            place,
            appended: None,
        });
    }

    fn stop(&mut self) {
        let command = Command::parse(br#"{"command":"stop","queue_id":"q"}"#).unwrap();
        self.step(Event::Demanded(command));
    }

    /// What was decided since it was asked last.
    fn decided(&mut self) -> Vec<(Verdict, Cause)> {
        let decisions = self.actions.drain(..).filter_map(|action| match action {
            Action::Decide(decision) => Some(*decision),
            _ => None,
        });
        decisions
            .map(
                |Decision {
                     decision, cause, ..
                 }| (decision, cause),
            )
            .collect()
    }
}

#[test]
fn silence_is_healed_after_its_deadline_and_not_before() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    bench.wait(19);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn whoever_was_suspended_for_long_has_all_of_his_time_when_he_is_resumed() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |job| job["spec"]["suspend"] = json!(true));
    bench.wait(300);
    bench.job("loader-a__1", |_| {});
    bench.wait(29);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn whoever_was_silent_without_a_job_has_all_of_his_time_when_he_has_one() {
    let mut bench = Bench::new();
    bench.says("loader-a__1", "started");
    bench.wait(300);
    bench.job("loader-a__1", |_| {});
    bench.wait(19);
    assert_eq!(bench.decided(), []);
}

#[test]
fn an_error_waits_until_it_is_known_that_nobody_stopped_the_queue() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.wait(1);
    bench.says("loader-a__1", "started");
    bench.says("loader-a__1", "error");
    assert!(bench.actions.contains(&Action::Look), "it asks at once");
    assert_eq!(bench.decided(), []);
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);

    bench.job("loader-b__2", |_| {});
    bench.wait(1);
    bench.says("loader-b__2", "started");
    bench.says("loader-b__2", "error");
    bench.stop();
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Veto, Cause::Error)]);
}

#[test]
fn who_goes_on_within_the_grace_is_forgiven_his_error() {
    let mut bench = Bench::new();
    bench.job("slow-a__1", |_| {});
    bench.wait(1);
    bench.says("slow-a__1", "started");
    bench.says("slow-a__1", "error");
    bench.wait(8);
    bench.says("slow-a__1", "loading");
    bench.wait(20);
    assert_eq!(bench.decided(), []);
    bench.says("slow-a__1", "error");
    bench.wait(12);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn two_jobs_that_claim_to_be_one_worker_are_only_watched() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.job("loader-a__1", |job| {
        job["metadata"]["name"] = json!("twin");
        job["metadata"]["uid"] = json!("twin");
    });
    bench.wait(120);
    assert_eq!(bench.decided(), []);
}

fn fail(job: &mut Value) {
    job["status"]["conditions"] =
        json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]);
}

#[test]
fn a_job_that_failed_for_good_is_replaced_without_a_word() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", fail);
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn a_pod_that_takes_anothers_place_has_all_of_its_time() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    bench.wait(15);
    bench.job("loader-a__1", |job| job["status"]["failed"] = json!(1));
    // It first has to find its words, like any that begins.
    bench.wait(29);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn whose_pod_runs_late_has_all_of_his_time_from_then_on() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    let runs = |job: &mut Value| job["status"]["ready"] = json!(1);
    bench.wait(25);
    bench.job("loader-a__1", runs);
    bench.wait(25);
    // It is not ready for a while, and ready again: no other pod.
    bench.job("loader-a__1", |_| {});
    bench.job("loader-a__1", runs);
    assert_eq!(bench.decided(), []);
    bench.wait(7);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

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

#[test]
fn what_is_heard_late_of_a_job_that_failed_for_good_does_not_bring_it_back() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.wait(1);
    bench.job("loader-a__1", fail);
    bench.says("loader-a__1", "started");
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn who_was_left_alone_for_want_of_a_job_is_looked_after_when_he_has_one() {
    for failed in [true, false] {
        let mut bench = Bench::new();
        bench.says("loader-a__1", "started");
        bench.says("loader-a__1", "error");
        bench.wait(1);
        assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Error)]);
        bench.job("loader-a__1", |job| {
            if failed {
                fail(job);
            }
        });
        bench.wait(29);
        let cause = if failed { Cause::Error } else { Cause::Silent };
        let decided: &[_] = if failed {
            &[(Verdict::Heal, cause)]
        } else {
            &[]
        };
        assert_eq!(bench.decided(), decided);
        bench.wait(3);
        let decided: &[_] = if failed {
            &[]
        } else {
            &[(Verdict::Heal, cause)]
        };
        assert_eq!(bench.decided(), decided);
    }
}

#[test]
fn who_was_left_alone_while_suspended_is_looked_after_when_he_is_resumed() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.wait(1);
    bench.says("loader-a__1", "started");
    bench.job("loader-a__1", |job| job["spec"]["suspend"] = json!(true));
    bench.says("loader-a__1", "error");
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Error)]);
    bench.job("loader-a__1", |_| {});
    bench.wait(29);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn an_error_that_was_heard_is_not_forgotten_by_a_healer_that_leads_again() {
    let mut bench = Bench::new();
    let policy = Policy::parse(&format!("{POLICY}paused: true")).unwrap();
    bench.step(Event::Policy(Box::new(policy)));
    bench.job("slow-a__1", |_| {});
    bench.wait(1);
    bench.says("slow-a__1", "started");
    bench.says("slow-a__1", "error");
    bench.wait(120);
    assert_eq!(bench.decided(), [(Verdict::Suppress, Cause::Error)]);
    bench.step(Event::Follow);
    bench.step(Event::Lead);
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Suppress, Cause::Error)]);
}

#[test]
fn whoever_said_that_he_is_done_is_done_however_his_job_ended() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.wait(1);
    bench.job("loader-a__1", fail);
    bench.says("loader-a__1", "started");
    bench.says("loader-a__1", "finished");
    bench.wait(60);
    assert_eq!(bench.decided(), []);
}

#[test]
fn who_was_left_alone_has_another_chance_under_other_rules() {
    let mut bench = Bench::new();
    bench.job("unnamed-a__1", fail);
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Error)]);
    let policy = POLICY.replace("slow-*", "unnamed-*");
    bench.step(Event::Policy(Box::new(Policy::parse(&policy).unwrap())));
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn why_a_worker_stays_after_all_is_told_before_its_trouble_ends() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    bench.wait(22);
    let begun = bench.actions.drain(..).find_map(|action| match action {
        Action::Pass { worker, .. } => Some(worker),
        _ => None,
    });
    let (worker, refused) = (begun.unwrap(), End::Refused(Refusal::OptedOut));
    let passed = Passed::Over(refused);
    bench.step(Event::Passed { worker, passed });
    let [Action::Decide(decision), Action::Ended { .. }] = &*bench.actions else {
        panic!("{:?}", bench.actions);
    };
    assert_eq!(decision.decision, Verdict::Observe);
    assert!(decision.why.ends_with("says so"), "{}", decision.why);
}

#[test]
fn who_waited_for_others_has_all_of_his_time_when_they_are_back() {
    let mut bench = Bench::new();
    for producer in ["loader-a__1", "arango-a__1"] {
        bench.job(producer, |_| {});
        bench.wait(1);
        bench.says(producer, "started");
    }
    bench.says("loader-a__1", "finished");
    bench.wait(15);
    bench.says("loader-a__1", "started");
    bench.wait(15);
    bench.says("loader-a__1", "loading");
    assert_eq!(bench.decided(), []);
    bench.wait(7);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn who_waits_for_others_is_not_given_time_by_each_of_them() {
    let mut bench = Bench::new();
    for producer in ["loader-a__1", "loader-b__1", "arango-a__1"] {
        bench.job(producer, |_| {});
        bench.wait(1);
        bench.says(producer, "started");
    }
    bench.wait(10);
    bench.says("loader-a__1", "loading");
    bench.says("loader-b__1", "finished");
    bench.says("loader-b__1", "started");
    bench.wait(12);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}
