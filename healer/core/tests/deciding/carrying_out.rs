//! What becomes of a replacement, from what its passes come to.

use serde_json::{Value, json};
use temper_healer_core::{
    Event, Outcome, Verdict, WorkerId,
    job::Refusal,
    policy::Cause,
    replace::{End, Passed, Replacement, Trouble, Veto, Wait},
};

use crate::bench::Bench;

/// A worker that has failed, and whose first pass is asked for.
fn begun(bench: &mut Bench, producer: &str) -> (WorkerId, Replacement) {
    bench.job(producer, |_| {});
    bench.wait(1);
    bench.says(producer, "started");
    bench.says(producer, "error");
    bench.wait(1);
    let (worker, replacement, veto) = bench.passes().remove(0);
    assert_eq!(veto, None);
    (worker, replacement)
}

/// The Job that takes the place of the one that is replaced.
fn successor(replacement: &Replacement) -> impl Fn(&mut Value) {
    let annotations = json!({
        "healer.temper.dev/producer": &*replacement.worker.producer,
        "healer.temper.dev/replaces-uid": &*replacement.old_uid,
        "healer.temper.dev/replaces-name": &*replacement.old_name,
        "healer.temper.dev/base-name": &*replacement.base,
        "healer.temper.dev/attempt": "1",
        "healer.temper.dev/cause": replacement.cause.word(),
    });
    let name = replacement.successor_name();
    move |job: &mut Value| {
        job["metadata"]["name"] = json!(name);
        job["metadata"]["uid"] = json!("successor");
        job["metadata"]["annotations"] = annotations.clone();
    }
}

#[test]
fn what_the_cluster_refuses_is_told_once_and_then_that_it_agrees() {
    let mut bench = Bench::new();
    let (worker, _) = begun(&mut bench, "loader-a__1");
    let refused = || Trouble::Denied("exceeded quota: count/jobs.batch".into());
    bench.passed(worker, Passed::Troubled(refused()));
    assert_eq!(bench.decided(), [(Verdict::Suppress, Cause::Error)]);
    for _ in 0..3 {
        bench.wait(29);
        assert!(bench.actions.is_empty(), "{:?}", bench.actions);
        bench.wait(2);
        assert_eq!(bench.passes().len(), 1);
        bench.passed(worker, Passed::Troubled(refused()));
        assert_eq!(bench.decided(), []);
    }
    bench.wait(31);
    bench.passed(worker, Passed::Created);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn replacements_that_wait_for_long_hold_nobody_else_up() {
    let mut bench = Bench::with(
        "{kinds: [{workers: loader-*, heal: [error]}], guards: {inFlight: 1, maxUnhealthy: 100%}}",
    );
    let (stuck, _) = begun(&mut bench, "loader-a__1");
    bench.job("loader-b__1", |_| {});
    bench.wait(1);
    bench.says("loader-b__1", "started");
    bench.says("loader-b__1", "error");
    bench.wait(1);
    assert_eq!(
        bench.decided(),
        [(Verdict::Suppress, Cause::Error)],
        "one is under way"
    );
    for _ in 0..70 {
        bench.passed(stuck, Passed::Waits(Wait::OldPods(1)));
        bench.wait(1);
    }
    let told = (Verdict::Observe, Cause::Error);
    assert_eq!(bench.decided(), [told, (Verdict::Heal, Cause::Error)]);
}

#[test]
fn an_error_outlives_a_decision_that_has_grown_old() {
    let mut bench = Bench::with("kinds: [{workers: loader-*, heal: [error]}]");
    let (worker, _) = begun(&mut bench, "loader-a__1");
    bench.passed(worker, Passed::Over(End::Vetoed(Veto::Stale)));
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn who_fails_again_before_it_is_replaced_is_replaced() {
    let mut bench = Bench::with("kinds: [{workers: loader-*, heal: [error]}]");
    let (worker, _) = begun(&mut bench, "loader-a__1");
    bench.says("loader-a__1", "started");
    bench.says("loader-a__1", "error");
    bench.passed(worker, Passed::Over(End::Vetoed(Veto::Recovered)));
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn a_successor_is_healed_when_it_is_heard_and_not_when_its_pod_runs() {
    let mut bench = Bench::new();
    let (worker, replacement) = begun(&mut bench, "loader-a__1");
    let successor = successor(&replacement);
    bench.passed(worker, Passed::Over(End::Released));
    bench.job("loader-a__1", &successor);
    bench.ended();
    bench.wait(1);
    bench.job("loader-a__1", |job| {
        successor(job);
        job["status"]["ready"] = json!(1);
    });
    assert_eq!(bench.ended(), []);
    bench.says("loader-a__1", "started");
    assert_eq!(bench.ended(), [Outcome::Healed]);
}

#[test]
fn a_successor_that_never_speaks_is_found_out_though_its_pod_runs() {
    let policy = "kinds: [{workers: loader-*, silentDeadline: 20s}]";
    let mut bench = Bench::with(policy);
    let (worker, replacement) = begun(&mut bench, "loader-a__1");
    let successor = successor(&replacement);
    bench.passed(worker, Passed::Over(End::Released));
    bench.job("loader-a__1", |job| {
        successor(job);
        job["status"]["ready"] = json!(1);
    });
    bench.decided();
    bench.wait(19);
    assert_eq!(bench.decided(), []);
    bench.wait(13);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Silent)]);
}

#[test]
fn of_whom_nobody_expects_a_word_is_healed_when_its_pod_runs() {
    let mut bench = Bench::with("kinds: [{workers: loader-*, heal: [error]}]");
    let (worker, replacement) = begun(&mut bench, "loader-a__1");
    let successor = successor(&replacement);
    bench.passed(worker, Passed::Over(End::Released));
    bench.job("loader-a__1", &successor);
    bench.ended();
    bench.job("loader-a__1", |job| {
        successor(job);
        job["status"]["ready"] = json!(1);
    });
    assert_eq!(bench.ended(), [Outcome::Healed]);
}

#[test]
fn what_was_left_half_done_for_silence_goes_on_though_nothing_is_seen() {
    let mut bench = Bench::new();
    let (_, replacement) = begun(&mut bench, "loader-a__1");
    let replacement = Replacement {
        cause: Cause::Silent,
        ..replacement
    };
    let successor = successor(&replacement);
    let mut bench = Bench::new();
    bench.darkness(60);
    bench.actions.clear();
    bench.job("loader-a__1", |job| {
        successor(job);
        job["spec"]["suspend"] = json!(true);
    });
    bench.step(Event::Tick);
    let passes = bench.passes();
    assert_eq!(passes.len(), 1);
    assert_eq!(
        passes[0].2,
        Some(Veto::Dark),
        "the old Job stays, if it is there"
    );
}

#[test]
fn a_job_that_is_gone_is_not_judged_by_what_a_late_watch_shows() {
    let mut bench = Bench::new();
    let (worker, _) = begun(&mut bench, "loader-a__1");
    bench.passed(worker, Passed::Over(End::Gone));
    bench.wait(60);
    assert_eq!(bench.decided(), []);
}

#[test]
fn a_job_that_fails_without_a_word_again_and_again_is_not_tried_for_ever() {
    let policy =
        "kinds: [{workers: loader-*, heal: [error], attempts: {sameError: 1, backoff: 1s}}]";
    let mut bench = Bench::with(policy);
    let failed = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "3 pods"}]);
    bench.job("loader-a__1", |job| {
        job["status"]["conditions"] = failed.clone();
    });
    bench.wait(1);
    let (worker, replacement, _) = bench.passes().remove(0);
    let written = temper_healer_core::job::write_heals(&replacement.heals);
    bench.passed(worker, Passed::Over(End::Released));
    bench.decided();
    let successor = successor(&replacement);
    bench.job("loader-a__1", |job| {
        successor(job);
        job["metadata"]["annotations"]["healer.temper.dev/heals"] = json!(written);
        job["status"]["conditions"] = failed.clone();
    });
    bench.wait(5);
    assert_eq!(bench.decided(), [(Verdict::Suppress, Cause::Error)]);
}

#[test]
fn a_job_that_vanishes_is_not_said_to_have_gone_on() {
    let policy = "{kinds: [{workers: loader-*, heal: [error]}], paused: true}";
    let mut bench = Bench::with(policy);
    bench.job("loader-a__1", |_| {});
    bench.wait(1);
    bench.says("loader-a__1", "started");
    bench.says("loader-a__1", "error");
    bench.wait(1);
    bench.ended();
    bench.step(Event::JobGone { uid: "loader-a__1" });
    assert_eq!(bench.ended(), [Outcome::Vanished]);
}

#[test]
fn what_a_pass_has_read_does_not_count_for_ever_if_it_is_so_no_more() {
    let mut bench = Bench::new();
    let (worker, _) = begun(&mut bench, "loader-a__1");
    // It was marked when the pass read it, and is not when that is known.
    bench.passed(worker, Passed::Over(End::Refused(Refusal::OptedOut)));
    assert_eq!(bench.decided(), []);
    bench.wait(29);
    assert_eq!(bench.decided(), []);
    bench.wait(2);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn whom_somebody_else_has_given_another_job_is_not_blamed_for_the_one_before() {
    let by_hand = |job: &mut Value| job["metadata"]["uid"] = json!("by hand");
    for end in [
        End::Refused(Refusal::OptedOut),
        End::Vetoed(Veto::Paused),
        End::Vetoed(Veto::Stale),
        End::Overtaken,
        End::Completed,
    ] {
        let mut bench = Bench::new();
        let (worker, _) = begun(&mut bench, "loader-a__1");
        bench.step(Event::JobGone { uid: "loader-a__1" });
        bench.job("loader-a__1", by_hand);
        bench.passed(worker, Passed::Over(end.clone()));
        bench.says("loader-a__1", "started");
        bench.wait(5);
        assert_eq!(bench.decided(), [], "{end:?}");
        bench.wait(20);
        let silent = [(Verdict::Heal, Cause::Silent)];
        assert_eq!(bench.decided(), silent, "{end:?}");
    }
}

#[test]
fn what_a_pass_has_read_counts_when_it_is_told_as_well() {
    let mut bench = Bench::new();
    let (worker, _) = begun(&mut bench, "loader-a__1");
    bench.passed(worker, Passed::Over(End::Refused(Refusal::OptedOut)));
    bench.job("loader-a__1", |job| {
        job["metadata"]["annotations"]["healer.temper.dev/ignore"] = json!("true");
    });
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Error)]);
}

#[test]
fn who_is_not_ready_is_found_out_the_second_time() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    for knows_that_it_ran in [false, true] {
        bench.wait(35);
        let (worker, replacement, _) = bench.passes().remove(0);
        assert_eq!(replacement.old_ran, knows_that_it_ran);
        bench.passed(worker, Passed::Over(End::Vetoed(Veto::Restarted)));
        bench.decided();
    }
}

#[test]
fn what_is_refused_to_one_that_has_come_back_is_asked_for_no_more() {
    let mut bench = Bench::new();
    let (worker, _) = begun(&mut bench, "loader-a__1");
    bench.says("loader-a__1", "started");
    bench.passed(
        worker,
        Passed::Troubled(Trouble::Denied("exceeded quota".into())),
    );
    for _ in 0..20 {
        bench.says("loader-a__1", "loading");
        bench.wait(5);
    }
    assert_eq!(bench.decided(), []);
}
