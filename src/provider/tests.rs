//! The provider on recorded windows and on a source that is down, at any time one likes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use temper_gob::Time;
use temper_rollouts::{
    Conclusion, Done, DurationString, IntOrString, Measurement, Metric, MetricProvider,
    MetricResult, Outcome, Running, Subject,
};
use tempfile::{NamedTempFile, TempDir};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Judge;

/// When the run was created.
const START: i64 = 1_000_000;

/// A recording with so many looks, in each of which the canary has so many errors in 1000 requests, the stable pods 10 in
/// 9000.
fn recording(looks: u32, canary_errors: u32) -> NamedTempFile {
    let mut lines =
        r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"10s"}"#.to_owned();
    for look in 1..=looks {
        let canary =
            json!({ "look": look, "arm": "canary", "requests": 1000, "errors": canary_errors });
        let stable = json!({ "look": look, "arm": "stable", "requests": 9000, "errors": 10 });
        write!(lines, "\n{canary}\n{stable}").unwrap();
    }
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    file
}

fn configuration(source: &Value) -> Value {
    json!({
        "source": source,
        "arms": { "canary": r#"hash="new""#, "stable": r#"hash="old""# },
        "errors": { "total": "requests_total", "errors": r#"requests_total{status="error"}"#, "maxRatio": 1.5 },
        "step": "10s",
        "horizon": "100s",
        "settle": "5s",
        "patience": "60s",
        "earlyPass": false,
    })
}

fn recorded(file: &NamedTempFile) -> Value {
    configuration(&json!({ "recording": file.path() }))
}

/// A server that refuses connections.
fn down() -> Value {
    configuration(&json!({ "prometheus": { "address": "http://127.0.0.1:1" } }))
}

fn metric(configuration: &Value) -> Metric {
    let mut metric = Metric {
        name: "canary".to_owned(),
        ..Metric::default()
    };
    metric.provider.plugin.insert(
        "temper/judge".to_owned(),
        configuration.to_string().into_bytes(),
    );
    metric
}

/// The subject, so many seconds after the run was created.
fn subject(metric: &Metric, second: i64) -> Subject {
    let now = Timestamp::from_second(START + second).unwrap();
    let mut subject = Subject {
        metric: metric.clone(),
        now,
        ..Subject::default()
    };
    subject.analysis_run.object_meta.uid = "run".to_owned();
    subject.analysis_run.object_meta.creation_timestamp = Some(Time::utc(START, 0));
    subject
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn run(judge: &Judge, subject: &Subject) -> Outcome {
    block_on(judge.run(subject))
}

fn running(outcome: Outcome) -> Running {
    match outcome {
        Outcome::Running(running) => running,
        Outcome::Done(done) => panic!("it is over: {done:?}"),
    }
}

fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Running(running) => panic!("it runs: {running:?}"),
    }
}

/// What is said of a configuration that can't be used.
fn refusal(configuration: &Value) -> String {
    let done = done(run(&Judge::default(), &subject(&metric(configuration), 20)));
    assert_eq!(done.conclusion, Conclusion::Error);
    done.report.message
}

#[test]
fn watching_goes_on_at_the_next_interval_until_harm_is_proven() {
    let (file, judge) = (recording(10, 100), Judge::default());
    let metric = metric(&recorded(&file));
    let first = running(run(&judge, &subject(&metric, 3)));
    assert_eq!(
        first.resume_at.as_second(),
        START + 15,
        "the end of the first interval, settled"
    );
    let verdict = done(run(&judge, &subject(&metric, 100)));
    assert_eq!(verdict.conclusion, Conclusion::Failed);
    assert!(
        verdict.report.message.contains("errors"),
        "{}",
        verdict.report.message
    );
    let evidence: Value = serde_json::from_str(&verdict.report.metadata["evidence"]).unwrap();
    assert_eq!(
        (&evidence[0]["guard"], &evidence[0]["decision"]),
        (&json!("errors"), &json!("harm"))
    );
}

#[test]
fn watching_a_good_version_ends_well_at_the_horizon() {
    let (file, judge) = (recording(10, 1), Judge::default());
    let metric = metric(&recorded(&file));
    running(run(&judge, &subject(&metric, 104)));
    let verdict = done(run(&judge, &subject(&metric, 105)));
    assert_eq!(verdict.conclusion, Conclusion::Successful);
}

#[test]
fn however_often_one_asks_and_whom_the_verdict_is_the_same() {
    let file = recording(10, 8);
    let metric = metric(&recorded(&file));
    let asked_often = Judge::default();
    let mut often = (1..=105).map(|second| run(&asked_often, &subject(&metric, second)));
    let often = done(
        often
            .find(|outcome| matches!(outcome, Outcome::Done(_)))
            .unwrap(),
    );
    let once = done(run(&Judge::default(), &subject(&metric, 105)));
    assert_eq!(once, often);
}

#[test]
fn a_look_succeeds_while_no_harm_is_proven_and_the_last_one_watches() {
    let (file, judge) = (recording(10, 1), Judge::default());
    let mut metric = metric(&recorded(&file));
    metric.interval = DurationString("30s".to_owned());
    metric.count = Some(IntOrString {
        int_val: 3,
        ..IntOrString::default()
    });
    running(run(&judge, &subject(&metric, 1)));
    let look = done(run(&judge, &subject(&metric, 31)));
    assert_eq!(look.conclusion, Conclusion::Successful);
    let mut last = subject(&metric, 61);
    let result = MetricResult {
        name: "canary".to_owned(),
        count: 2,
        ..MetricResult::default()
    };
    last.analysis_run.status.metric_results.push(result);
    running(run(&judge, &last));
}

#[test]
fn a_look_fails_when_harm_is_proven_on_everything_since_the_start() {
    let file = recording(10, 100);
    let mut metric = metric(&recorded(&file));
    metric.interval = DurationString("30s".to_owned());
    let look = done(run(&Judge::default(), &subject(&metric, 95)));
    assert_eq!(look.conclusion, Conclusion::Failed);
}

#[test]
fn an_interval_and_a_count_are_step_and_horizon_unless_the_configuration_has_them() {
    let file = recording(10, 1);
    let mut configuration = recorded(&file);
    for key in ["step", "horizon"] {
        configuration.as_object_mut().unwrap().remove(key);
    }
    let mut metric = metric(&configuration);
    metric.interval = DurationString("20s".to_owned());
    metric.count = Some(IntOrString {
        r#type: 1,
        str_val: "5".to_owned(),
        ..IntOrString::default()
    });
    let look = done(run(&Judge::default(), &subject(&metric, 45)));
    assert_eq!(look.report.metadata["looks"], "5");
    assert_eq!(look.report.metadata["look"], "2");
}

#[test]
fn a_source_that_is_down_delays_a_verdict_within_patience() {
    let (judge, metric) = (Judge::default(), metric(&down()));
    let waiting = running(run(&judge, &subject(&metric, 75)));
    assert!(
        waiting.report.message.contains("waiting for prometheus"),
        "{}",
        waiting.report.message
    );
    assert_eq!(waiting.resume_at.as_second(), START + 85);
    let over = done(run(&judge, &subject(&metric, 76)));
    assert_eq!(over.conclusion, Conclusion::Error);
    assert!(
        over.report.message.contains("patience"),
        "{}",
        over.report.message
    );
}

#[test]
fn nothing_is_asked_before_an_interval_is_frozen() {
    let early = running(run(&Judge::default(), &subject(&metric(&down()), 14)));
    assert!(
        !early.report.message.contains("waiting"),
        "{}",
        early.report.message
    );
}

#[test]
fn termination_is_no_verdict_unless_harm_is_proven() {
    let end = |errors, second| {
        let file = recording(10, errors);
        let subject = subject(&metric(&recorded(&file)), second);
        block_on(Judge::default().terminate(&subject, &Measurement::default())).conclusion
    };
    assert_eq!(end(1, 50), Conclusion::Successful);
    assert_eq!(end(100, 95), Conclusion::Failed);
    let subject = subject(&metric(&down()), 50);
    let blind = block_on(Judge::default().terminate(&subject, &Measurement::default()));
    assert_eq!(blind.conclusion, Conclusion::Successful);
}

#[test]
fn a_verdict_is_the_same_when_what_was_recorded_is_judged_again() {
    for errors in [1, 100] {
        let (file, folder) = (recording(10, errors), TempDir::new().unwrap());
        let mut configuration = recorded(&file);
        configuration["record"] = json!(folder.path());
        let judge = Judge::default();
        let metric = metric(&configuration);
        // In two steps: the second one goes on with the recording, or begins it anew where the first has seen enough.
        run(&judge, &subject(&metric, 15));
        let original = done(run(&judge, &subject(&metric, 105)));
        let copy = folder.path().join("__canary.ndjson");
        configuration["source"] = json!({ "recording": copy });
        configuration.as_object_mut().unwrap().remove("record");
        let replay = subject(&self::metric(&configuration), 105);
        assert_eq!(done(run(&Judge::default(), &replay)), original);
    }
}

#[test]
fn a_recording_that_cannot_be_kept_changes_no_verdict() {
    let file = recording(10, 1);
    let mut configuration = recorded(&file);
    configuration["record"] = json!("/nowhere/at/all");
    let verdict = done(run(
        &Judge::default(),
        &subject(&metric(&configuration), 105),
    ));
    assert_eq!(verdict.conclusion, Conclusion::Successful);
}

#[test]
fn what_is_configured_is_shown_without_secrets() {
    let mut configuration = down();
    configuration["source"]["prometheus"]["headers"] =
        json!({ "Authorization": "Bearer correct-horse" });
    let shown = block_on(Judge::default().metadata(&metric(&configuration)));
    assert_eq!(shown["errors"], "requests_total");
    assert_eq!(shown["source"], "prometheus");
    assert!(!format!("{shown:?}").contains("horse"));
    assert_eq!(
        block_on(Judge::default().metadata(&Metric::default())),
        BTreeMap::new()
    );
}

#[test]
fn a_template_for_another_plugin_is_told_from_one_for_temper() {
    let message = refusal(&json!({ "address": "http://prometheus:9090", "query": "up" }));
    for word in [
        "temper/judge",
        "another plugin",
        "`address`",
        "`query`",
        "`falseRollbackRate`",
    ] {
        assert!(message.contains(word), "{word} is not in: {message}");
    }
}

#[test]
fn mistakes_are_refused_with_the_key_and_what_to_do() {
    let cases: [(&str, Value, &[&str]); 12] = [
        ("/erors", json!({}), &["`erors`", "did you mean `errors`"]),
        (
            "/arms/stable",
            json!(r#" hash = "new""#),
            &["arms", "same pods"],
        ),
        ("/arms/canary", json!(""), &["arms.canary", "empty"]),
        (
            "/arms/canary",
            json!(r#"hash="""#),
            &["arms.canary", "empty"],
        ),
        (
            "/arms/canary",
            json!(r#"hash="{{args.hash}}""#),
            &["arms.canary", "placeholder"],
        ),
        ("/errors/total", json!(" "), &["errors.total", "empty"]),
        (
            "/errors/total",
            json!("rate(requests_total[1m])"),
            &["errors.total", "rate"],
        ),
        ("/settle", json!("soon"), &["soon", "30s"]),
        ("/strata", json!(["my route"]), &["strata", "my route"]),
        (
            "/custom",
            json!({ "cache": { "total": "hits + misses", "errors": "misses" } }),
            &["custom.cache.total", "hits + misses"],
        ),
        (
            "/source",
            json!({ "prometheus": { "address": "http://a", "timeout": "10s" } }),
            &["timeout", "less than 10s"],
        ),
        (
            "/source",
            json!({ "scrape": { "canary": ["http://a"], "stable": ["http://b"] } }),
            &["source", "Prometheus"],
        ),
    ];
    for (key, value, words) in cases {
        let mut configuration = down();
        let (parent, name) = key.rsplit_once('/').unwrap();
        configuration.pointer_mut(parent).unwrap()[name] = value;
        let message = refusal(&configuration);
        for word in words {
            assert!(message.contains(word), "{key}: {word} is not in: {message}");
        }
    }
}

#[test]
fn configurations_that_are_no_objects_are_refused() {
    for configuration in [
        json!(null),
        json!({}),
        json!([1]),
        json!("prometheus"),
        json!(1),
        json!(true),
    ] {
        assert!(
            refusal(&configuration).contains("expected an object"),
            "{configuration}"
        );
    }
}

#[test]
fn the_secrets_of_a_source_are_not_in_its_errors() {
    let mut configuration = down();
    configuration["source"]["prometheus"]["address"] =
        json!("http://reader:correct-horse@127.0.0.1:1");
    let Running { report, .. } = running(run(
        &Judge::default(),
        &subject(&metric(&configuration), 20),
    ));
    assert!(
        !format!("{report:?}").contains("correct-horse"),
        "{report:?}"
    );
}

/// A server on loopback that takes connections and never answers, and counts them.
async fn hanging() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let counter = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&counter);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            kept.push(connection);
        }
    });
    (address, counter)
}

#[test]
fn calls_at_the_same_time_ask_a_source_once_and_share_its_failure() {
    block_on(async {
        let (address, asked) = hanging().await;
        let source = json!({ "prometheus": { "address": address, "timeout": "200ms" } });
        let (judge, metric) = (Arc::new(Judge::default()), metric(&configuration(&source)));
        let mut calls = JoinSet::new();
        for _ in 0..30 {
            let (judge, subject) = (Arc::clone(&judge), subject(&metric, 20));
            calls.spawn(async move { judge.run(&subject).await });
        }
        for outcome in calls.join_all().await {
            let message = running(outcome).report.message;
            assert!(message.contains("waiting for prometheus"), "{message}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_source_that_hangs_does_not_hold_up_a_termination() {
    let outcome = block_on(async {
        let (address, _) = hanging().await;
        let source = json!({ "prometheus": { "address": address, "timeout": "9s" } });
        let subject = subject(&metric(&configuration(&source)), 20);
        tokio::time::pause();
        let asked = Instant::now();
        let done = Judge::default()
            .terminate(&subject, &Measurement::default())
            .await;
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{:?}",
            asked.elapsed()
        );
        done
    });
    assert_eq!(outcome.conclusion, Conclusion::Successful);
}

#[test]
fn tests_of_different_runs_do_not_wait_for_each_other() {
    block_on(async {
        let (address, _) = hanging().await;
        let source = json!({ "prometheus": { "address": address, "timeout": "9s" } });
        let (file, judge) = (recording(10, 1), Judge::default());
        let slow = subject(&metric(&configuration(&source)), 20);
        let mut quick = subject(&metric(&recorded(&file)), 105);
        quick.analysis_run.object_meta.uid = "another".to_owned();
        tokio::select! {
            biased;
            outcome = judge.run(&slow) => panic!("the source hangs: {outcome:?}"),
            outcome = judge.run(&quick) => assert_eq!(done(outcome).conclusion, Conclusion::Successful),
        }
    });
}
