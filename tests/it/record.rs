//! `temper record`, and that what it records is judged as the original.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A recording in which the canary has so many errors in 1000 requests, the stable version 10 in 9000.
fn original(looks: u32, step: &str, canary_errors: u32) -> String {
    let mut lines = json!({ "recording": "temper/v1", "start": "2026-01-01T00:00:00Z", "step": step, "le": [0.1, 1] })
        .to_string();
    for look in 1..=looks {
        let canary = json!({ "look": look, "arm": "canary", "stratum": "GET /", "pod": "a", "requests": 1000, "errors": canary_errors, "latency": [500, 490, 10] });
        let stable = json!({ "look": look, "arm": "stable", "stratum": "GET /", "pod": "b", "requests": 9000, "errors": 10, "latency": [4500, 4400, 100] });
        write!(lines, "\n{canary}\n{stable}").unwrap();
    }
    lines
}

/// What the plugin would be configured with, to be judged on `original.ndjson`.
fn configuration(step: &str, horizon: &str) -> Value {
    json!({
        "source": { "recording": "original.ndjson" },
        "arms": { "canary": r#"hash="new""#, "stable": r#"hash="old""# },
        "errors": { "total": "requests_total", "errors": r#"requests_total{status="error"}"# },
        "latency": { "histogram": "request_duration_seconds" },
        "step": step,
        "horizon": horizon,
        "settle": "0s",
        "earlyPass": false,
    })
}

fn folder(original: &str, configuration: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("original.ndjson"), original).unwrap();
    fs::write(folder.path().join("config.yaml"), configuration.to_string()).unwrap();
    folder
}

fn temper(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temper"));
    command
        .env_remove("ARGO_ROLLOUTS_RPC_PLUGIN")
        .current_dir(folder)
        .args(arguments.split_whitespace());
    command
}

fn run(folder: &TempDir, arguments: &str) -> Output {
    temper(folder.path(), arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What is said of a recording in this folder, less its name.
fn verdict(folder: &TempDir, recording: &str) -> String {
    let judge = format!("judge --policy config.yaml --output json --recording {recording}");
    let output = run(folder, &judge);
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout).replace(recording, "")
}

#[test]
fn what_is_recorded_is_judged_as_the_original_byte_by_byte() {
    for (errors, expected) in [(1, r#""verdict":"pass""#), (30, r#""verdict":"fail""#)] {
        let folder = folder(
            &original(45, "30s", errors),
            &configuration("30s", "22m30s"),
        );
        let expected_verdict = verdict(&folder, "original.ndjson");
        assert!(expected_verdict.contains(expected), "{expected_verdict}");
        for copy in ["copy.ndjson", "copy.ndjson.gz", "copy.ndjson.zst"] {
            let record =
                format!("record --config config.yaml --from 2026-01-01T00:00:00Z --output {copy}");
            let output = run(&folder, &record);
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert!(text(&output.stdout).ends_with("recorded 45 looks\n"));
            assert_eq!(verdict(&folder, copy), expected_verdict);
        }
        let copy = fs::read_to_string(folder.path().join("copy.ndjson")).unwrap();
        let header = r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s","le":[0.1,1.0]}"#;
        assert_eq!(copy.lines().next(), Some(header));
    }
}

#[test]
fn a_trial_is_recorded_while_it_happens() {
    let folder = folder(&original(5, "20ms", 1), &configuration("20ms", "100ms"));
    let output = run(
        &folder,
        "record --config config.yaml --output live.ndjson --for 60ms",
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let live = fs::read_to_string(folder.path().join("live.ndjson")).unwrap();
    assert_eq!(live.lines().count(), 1 + 2 * 3, "{live}");
}

#[test]
fn a_recording_that_is_ended_early_is_kept() {
    let folder = folder(&original(5, "20ms", 1), &configuration("20ms", "20m"));
    let mut child = temper(
        folder.path(),
        "record --config config.yaml --output live.ndjson",
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert_eq!(first, "recording 60000 looks in live.ndjson");
    let kill = Command::new("kill").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
    let last = said.next().unwrap().unwrap();
    assert!(last.starts_with("recorded "), "{last}");
    assert!(child.wait().unwrap().success());
    let verdict = verdict(&folder, "live.ndjson");
    assert!(verdict.contains("before a decision"), "{verdict}");
}

#[test]
fn a_source_that_is_down_for_too_long_leaves_no_file() {
    let mut configuration = configuration("30s", "10m");
    configuration["source"] = json!({ "prometheus": { "address": "http://127.0.0.1:1" } });
    configuration["patience"] = json!("0s");
    let folder = folder("", &configuration);
    let output = run(
        &folder,
        "record --config config.yaml --output r.ndjson --from 2026-01-01T00:00:00Z",
    );
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("temper: reading look 1: cannot reach http://127.0.0.1:1"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn wrong_usage_is_told_with_status_64() {
    let mut wrong = configuration("30s", "10m");
    wrong["erors"] = json!({});
    let wrong = folder("", &wrong);
    let right = folder("", &configuration("30s", "10m"));
    for (folder, arguments, expected) in [
        (
            &wrong,
            "--config config.yaml --output o",
            "temper: reading config.yaml: reading the configuration: unknown key `erors`, did you mean `errors`?",
        ),
        (
            &right,
            "--config none.yaml --output o",
            "temper: reading none.yaml: No such file",
        ),
        (
            &right,
            "--config config.yaml --output o --for 45s",
            "temper: --for 45s: give a multiple of the step, 30s",
        ),
        (
            &right,
            "--config config.yaml",
            "temper: --output FILE is missing",
        ),
    ] {
        let output = run(folder, &format!("record {arguments}"));
        assert_eq!(output.status.code(), Some(64), "{arguments}");
        let said = text(&output.stderr);
        assert!(said.starts_with(expected), "{said}");
    }
}
