//! What the real controller sends.
#![cfg(test)]

use serde::Deserialize;
use serde_json::Value;
use temper_gob::Decoder;
use temper_rollouts::{Call, Metric, Redactor, Subject, timestamp};

const REQUESTS: &[u8] = include_bytes!("fixtures/smoke.h2p.gob");

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    service_method: String,
}

fn calls() -> Vec<Call> {
    let mut decoder = Decoder::default();
    decoder.push(REQUESTS).unwrap();
    let mut calls = Vec::new();
    while let Some(request) = decoder.next::<Request>().unwrap() {
        let method = request
            .service_method
            .strip_prefix("Plugin.")
            .unwrap()
            .to_owned();
        calls.push(
            Call::decode(&method, &mut decoder)
                .unwrap()
                .expect("the body is there"),
        );
    }
    assert!(decoder.is_idle());
    calls
}

fn values() -> Value {
    serde_json::from_str(include_str!("fixtures/smoke.values.json")).unwrap()
}

fn first_run() -> Subject {
    let run = calls().into_iter().find_map(|call| match call {
        Call::Run(subject) => Some(*subject),
        _ => None,
    });
    run.expect("a run was recorded")
}

#[test]
fn all_seven_calls_are_read() {
    let kinds: Vec<_> = calls().iter().map(kind).collect();
    let expected = [
        "init",
        "type",
        "run",
        "metadata",
        "resume",
        "terminate",
        "collect",
        "run",
        "run",
    ];
    assert_eq!(kinds, expected);
}

fn kind(call: &Call) -> &'static str {
    match call {
        Call::Init => "init",
        Call::Run(_) => "run",
        Call::Resume(_) => "resume",
        Call::Terminate(_) => "terminate",
        Call::GarbageCollect(collection) => {
            assert_eq!(collection.limit, 10);
            "collect"
        }
        Call::Type => "type",
        Call::GetMetadata(_) => "metadata",
    }
}

#[test]
fn a_run_arrives_as_it_was_sent() {
    let (expected, run) = (&values()["run"], first_run().analysis_run);
    let meta = &run.object_meta;
    assert_eq!(expected["metadata"]["name"], meta.name);
    assert_eq!(expected["metadata"]["namespace"], meta.namespace);
    assert_eq!(expected["metadata"]["uid"], meta.uid);
    assert_eq!(
        expected["metadata"]["creationTimestamp"],
        second(meta.creation_timestamp)
    );
    assert_eq!(
        expected["status"]["startedAt"],
        second(run.status.started_at)
    );
    let result = run.result_of("m1").expect("it has measured before");
    assert_eq!(
        expected["status"]["metricResults"][0]["count"],
        result.count
    );
    assert_eq!(result.measurements[0].metadata["state"], "abc");
    assert_eq!(run.result_of("m2"), None);
}

/// As Kubernetes writes times: in UTC, without fractions.
fn second(time: Option<temper_gob::Time>) -> String {
    let at = timestamp(time).expect("a time that is set");
    jiff::Timestamp::from_second(at.as_second())
        .unwrap()
        .to_string()
}

#[test]
fn a_metric_arrives_as_it_was_sent() {
    let (expected, metric) = (&values()["metric"], first_run().metric);
    assert_eq!(expected["name"], metric.name);
    assert_eq!(expected["interval"], metric.interval.0);
    assert_eq!(expected["initialDelay"], metric.initial_delay.0);
    assert_eq!(
        metric
            .count
            .as_ref()
            .and_then(temper_rollouts::IntOrString::number),
        Some(5)
    );
    let configuration = metric.configuration().unwrap();
    assert_eq!(
        expected["provider"]["plugin"][&configuration.plugin],
        configuration.value
    );
}

#[test]
fn a_measurement_comes_back_as_it_was_stored() {
    let resumed = calls().into_iter().find_map(|call| match call {
        Call::Resume(continuation) => Some(continuation.measurement),
        _ => None,
    });
    let (expected, measurement) = (
        &values()["measurement_sent"],
        resumed.expect("one was resumed"),
    );
    assert_eq!(measurement.phase, temper_rollouts::Phase::Running);
    assert_eq!(expected["value"], measurement.value);
    assert_eq!(expected["startedAt"], second(measurement.started_at));
    assert_eq!(expected["resumeAt"], second(measurement.resume_at));
    assert_eq!(measurement.finished_at, None);
    assert_eq!(expected["metadata"]["left"], measurement.metadata["left"]);
}

#[test]
fn only_arguments_from_secrets_are_secret() {
    let redactor = Redactor::of(&first_run().analysis_run);
    assert_eq!(
        redactor.redact("prod: s3cr3t, guestbook"),
        "prod: *****, guestbook"
    );
}

#[test]
fn a_call_that_nobody_knows_is_refused_by_its_name() {
    let refusal = Call::decode("Judge", &mut Decoder::default()).unwrap_err();
    assert!(refusal.to_string().contains("Judge"));
}

#[test]
fn a_body_that_is_not_complete_is_waited_for() {
    let mut decoder = Decoder::default();
    decoder.push(&[3, 16]).unwrap();
    assert_eq!(Call::decode("Type", &mut decoder).unwrap(), None);
    decoder.push(&[0, 0]).unwrap();
    assert_eq!(
        Call::decode("Type", &mut decoder).unwrap(),
        Some(Call::Type)
    );
}

#[test]
fn metrics_without_a_plugin_are_said_to_have_none() {
    let refusal = Metric::default().configuration().unwrap_err();
    assert!(refusal.to_string().contains("provider.plugin"));
}
