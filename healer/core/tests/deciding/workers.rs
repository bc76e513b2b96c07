//! Decisions about workers, from what they say and what becomes of their Jobs.

use serde_json::{Value, json};
use temper_healer_core::{
    Action, Event, Policy, Verdict,
    job::Refusal,
    policy::Cause,
    replace::{End, Passed},
};

use crate::bench::{Bench, POLICY};

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
    let (worker, refused) = (begun.unwrap(), End::Refused(Refusal::DryRun));
    let passed = Passed::Over(refused);
    bench.step(Event::Passed { worker, passed });
    let [Action::Decide(decision), Action::Ended { .. }] = &*bench.actions else {
        panic!("{:?}", bench.actions);
    };
    assert_eq!(decision.decision, Verdict::Observe);
    assert!(
        decision.why.ends_with("what it would do"),
        "{}",
        decision.why
    );
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
