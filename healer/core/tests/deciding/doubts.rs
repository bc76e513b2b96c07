//! What changes its mind: words and Jobs that come later, darkness, people.

use serde_json::json;
use temper_healer_core::{Event, Outcome, Policy, Verdict, policy::Cause};

use crate::bench::{Bench, POLICY};

const HEAL_SILENT: [(Verdict, Cause); 1] = [(Verdict::Heal, Cause::Silent)];

#[test]
fn who_is_left_alone_for_what_is_not_healed_is_healed_of_what_is() {
    let mut bench = Bench::with(
        "kinds: [{workers: loader-*, heal: [silent], silentDeadline: 20s, stallDeadline: 30s}]",
    );
    bench.job("loader-a__1", |_| {});
    for _ in 0..7 {
        bench.writes("loader-a__1", 5);
        bench.wait(5);
    }
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Stalled)]);
    bench.wait(30);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn whoever_is_barred_is_told_of_once_and_looked_after_when_nothing_bars_him_any_more() {
    let mut bench = Bench::new();
    let ignore = |job: &mut serde_json::Value| {
        job["metadata"]["annotations"]["healer.temper.dev/ignore"] = json!("true");
    };
    bench.job("loader-a__1", ignore);
    bench.says("loader-a__1", "started");
    bench.wait(60);
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Silent)]);
    bench.job("loader-a__1", ignore);
    bench.wait(60);
    assert_eq!(bench.decided(), []);
    bench.job("loader-a__1", |_| {});
    bench.wait(19);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn whose_rival_is_gone_is_looked_after_again() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    bench.job("loader-a__1", |job| job["metadata"]["uid"] = json!("rival"));
    bench.says("loader-a__1", "error");
    bench.wait(60);
    bench.decided();
    bench.step(Event::JobGone { uid: "rival" });
    bench.wait(45);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn the_last_words_of_a_rival_that_people_suspend_are_not_the_others() {
    let mut bench = Bench::new();
    let rival = |job: &mut serde_json::Value| job["metadata"]["uid"] = json!("rival");
    bench.job("loader-a__1", |_| {});
    bench.job("loader-a__1", rival);
    bench.says("loader-a__1", "started");
    bench.wait(1);
    bench.job("loader-a__1", |job| {
        rival(job);
        job["spec"]["suspend"] = json!(true);
    });
    bench.says("loader-a__1", "interrupted");
    bench.says("loader-a__1", "error");
    for _ in 0..12 {
        bench.says("loader-a__1", "loading");
        bench.wait(5);
    }
    assert_eq!(bench.decided(), []);
    bench.says("loader-a__1", "error");
    bench.wait(1);
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Error)]);
}

#[test]
fn a_queue_that_is_started_again_is_looked_after_again() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    bench.stop();
    bench.says("loader-a__1", "interrupted");
    assert_eq!(bench.decided(), [(Verdict::Veto, Cause::Interrupted)]);
    bench.wait(60);
    bench.start();
    bench.wait(19);
    assert_eq!(bench.decided(), []);
    bench.wait(3);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn the_queue_that_only_the_words_tell_is_stopped_as_well() {
    let mut bench = Bench::new();
    let without_queue =
        |job: &mut serde_json::Value| job["metadata"]["labels"] = json!({"app": "streamforge"});
    bench.job("loader-a__1", without_queue);
    bench.says("loader-a__1", "started");
    bench.stop();
    bench.says("loader-a__1", "interrupted");
    bench.wait(60);
    assert_eq!(bench.decided(), [(Verdict::Veto, Cause::Interrupted)]);
    assert!(bench.healer.knows(Some("q"), Some("loader-a__1")));
}

#[test]
fn a_suspicion_of_silence_falls_when_nobody_could_be_heard_in_between() {
    let paused = |bench: &mut Bench, paused: bool| {
        let policy = Policy::parse(&format!("{POLICY}paused: {paused}")).unwrap();
        bench.step(Event::Policy(Box::new(policy)));
    };
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    bench.says("loader-a__1", "started");
    paused(&mut bench, true);
    bench.wait(22);
    assert_eq!(bench.decided(), [(Verdict::Suppress, Cause::Silent)]);
    bench.darkness(30);
    bench.wait(1);
    assert_eq!(bench.ended(), [Outcome::Doubted]);
    paused(&mut bench, false);
    bench.wait(60 + 18);
    assert_eq!(
        bench.decided(),
        [],
        "sixty seconds of grace, and all of its time"
    );
    bench.wait(4);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn a_loader_without_a_job_is_nobodys_reason_to_speak() {
    let mut bench = Bench::new();
    for producer in ["loader-a__1", "arango-a__1"] {
        bench.job(producer, |_| {});
        bench.says(producer, "started");
    }
    bench.step(Event::JobGone { uid: "loader-a__1" });
    bench.wait(60);
    assert_eq!(bench.decided(), []);
    bench.job("loader-a__1", |job| {
        job["metadata"]["uid"] = json!("another");
    });
    bench.says("loader-a__1", "started");
    bench.wait(19);
    assert_eq!(bench.decided(), []);
}

#[test]
fn a_count_that_falls_is_another_runs_and_one_that_stays_is_a_stall() {
    let policy = "kinds: [{workers: loader-*, heal: [stalled], stallDeadline: 30s}]";
    let mut bench = Bench::with(policy);
    bench.job("loader-a__1", |_| {});
    bench.writes("loader-a__1", 1_000_000);
    for records in 1..20 {
        bench.writes("loader-a__1", records);
        bench.wait(5);
    }
    assert_eq!(bench.decided(), []);
    for _ in 0..7 {
        bench.writes("loader-a__1", 19);
        bench.wait(5);
    }
    assert_eq!(bench.decided(), [(Verdict::Heal, Cause::Stalled)]);
}

#[test]
fn whoever_says_what_nobody_knows_is_alive() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |_| {});
    for _ in 0..20 {
        bench.says("loader-a__1", "retrying");
        bench.wait(5);
    }
    assert_eq!(bench.decided(), []);
    bench.wait(20);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn whoever_may_have_begun_unheard_speaks_as_rarely_as_one_that_is_at_work() {
    let mut bench =
        Bench::with("kinds: [{workers: gnn-trainer, startDeadline: 10s, silentDeadline: 1m}]");
    bench.step(Event::Follow);
    bench.job("gnn-trainer__1", |_| {});
    bench.wait(5);
    bench.step(Event::Lead);
    bench.wait(55);
    assert_eq!(
        bench.decided(),
        [],
        "it may have said its last word before this healer began"
    );
    bench.wait(10);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn people_may_set_the_deadlines_of_one_job() {
    let mut bench = Bench::new();
    bench.job("loader-a__1", |job| {
        let annotations = &mut job["metadata"]["annotations"];
        annotations["healer.temper.dev/start-deadline"] = json!("50s");
        annotations["healer.temper.dev/silent-deadline"] = json!("40s");
    });
    bench.wait(48);
    assert_eq!(bench.decided(), []);
    bench.says("loader-a__1", "started");
    bench.wait(38);
    assert_eq!(bench.decided(), []);
    bench.wait(4);
    assert_eq!(bench.decided(), HEAL_SILENT);
}

#[test]
fn whose_id_is_only_guessed_and_never_heard_is_not_replaced_for_silence() {
    let mut bench = Bench::new();
    let guessed = |job: &mut serde_json::Value| {
        job["metadata"]["annotations"] = json!({});
        job["metadata"]["name"] = json!("job-loader-a-1");
        job["metadata"]["labels"] = json!({"queue_id": "q-1"});
    };
    bench.job("loader-a__1", guessed);
    bench.wait(33);
    assert_eq!(bench.decided(), [(Verdict::Observe, Cause::Silent)]);
}

#[test]
fn jobs_with_several_pods_are_replaced_only_where_the_policy_says_so() {
    for (allowed, verdict) in [(false, Verdict::Observe), (true, Verdict::Heal)] {
        let policy =
            format!("kinds: [{{workers: loader-*, silentDeadline: 20s, parallelJobs: {allowed}}}]");
        let mut bench = Bench::with(&policy);
        bench.job("loader-a__1", |job| job["spec"]["parallelism"] = json!(3));
        bench.says("loader-a__1", "started");
        bench.wait(22);
        assert_eq!(bench.decided(), [(verdict, Cause::Silent)]);
    }
}
