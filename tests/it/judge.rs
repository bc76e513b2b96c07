//! `temper judge`, as a script starts it.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str =
    "step: 30s\nerrors: { maxRatio: 1.5 }\nlatency: { maxExceedance: 1% }\nhorizon: 10m\n";
const HEADER: &str =
    r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s","le":[0.1,1]}"#;
const LOOKS: u32 = 20;

/// A folder with a policy and recordings.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.put("policy.yaml", POLICY);
        folder
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    /// Judges recordings in this folder.
    fn judge(&self, recordings: &[&str], output: &str) -> Output {
        let mut command = temper(self.0.path());
        command.args(["--policy", "policy.yaml", "--output", output, "--recording"]);
        command.args(recordings).output().unwrap()
    }

    /// The verdicts, and the exit status.
    fn verdicts(&self, recordings: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.judge(recordings, "json");
        let lines = text(&output.stdout).lines();
        let verdicts = lines.map(|line| serde_json::from_str(line).unwrap());
        (verdicts.collect(), output.status.code())
    }
}

fn temper(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temper"));
    command
        .env_remove("ARGO_ROLLOUTS_RPC_PLUGIN")
        .current_dir(folder)
        .arg("judge");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A recording's lines after the header: in each look, 1000 requests of the canary and 9000 of the stable version, one in a
/// hundred of which fails there, and in the canary with this probability.
fn lines(looks: u32, canary_error_ratio: f64, seed: u64) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let mut line = |look: u32, arm: &str, requests: u32, ratio: f64| {
        let mut failed = || (0..requests).filter(|_| rng.f64() < ratio).count();
        let (errors, slow) = (failed(), failed());
        let latency = [requests as usize / 2, requests as usize / 2 - slow, slow];
        json!({ "look": look, "arm": arm, "requests": requests, "errors": errors, "latency": latency })
            .to_string()
    };
    let look = |look| {
        [
            line(look, "canary", 1000, canary_error_ratio),
            line(look, "stable", 9000, 0.01),
        ]
    };
    (1..=looks).flat_map(look).collect()
}

fn recording(lines: &[String]) -> String {
    let header = [HEADER.to_owned()];
    [&header, lines].concat().join("\n") + "\n"
}

fn good() -> String {
    recording(&lines(LOOKS, 0.01, 1))
}

fn bad() -> String {
    recording(&lines(LOOKS, 0.05, 2))
}

#[test]
fn a_good_version_passes_and_a_bad_one_fails_with_the_documented_keys() {
    let folder = Folder::new();
    folder.put("good.ndjson", good());
    folder.put("bad.ndjson", bad());
    let (verdicts, status) = folder.verdicts(&["good.ndjson"]);
    assert_eq!((status, &verdicts[0]["verdict"]), (Some(0), &json!("pass")));
    let (verdicts, status) = folder.verdicts(&["bad.ndjson"]);
    let verdict = &verdicts[0];
    assert_eq!(status, Some(1));
    assert_eq!(verdict["recording"], "bad.ndjson");
    assert_eq!(verdict["verdict"], "fail");
    assert_eq!(verdict["looks"], LOOKS);
    assert!(verdict["look"].as_u64().unwrap() < u64::from(LOOKS));
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("errors: canary"), "{reason}");
    let [errors, latency] = verdict["guards"].as_array().unwrap().as_slice() else {
        panic!("two guards: {verdict}")
    };
    assert_eq!(
        (&errors["guard"], &latency["guard"]),
        (&json!("errors"), &json!("latency"))
    );
    assert_eq!(errors["decision"], "harm");
    assert!(errors["anytimeP"].as_f64().unwrap() < 0.025);
    let effect = errors["effect"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| errors["interval"][end].as_f64().unwrap());
    assert!(1.5 < low && low < effect && effect < high, "{errors}");
    assert!(errors["canary"]["requests"].as_u64() >= Some(1000));
    assert!(errors["stable"]["errors"].as_u64() > Some(0));
}

#[test]
fn a_recording_that_ends_early_is_inconclusive_at_its_last_look() {
    let folder = Folder::new();
    folder.put("short.ndjson", recording(&lines(2, 0.01, 3)));
    folder.put("empty.ndjson", HEADER);
    let (verdicts, status) = folder.verdicts(&["short.ndjson", "empty.ndjson"]);
    assert_eq!(status, Some(2));
    for (verdict, look) in verdicts.iter().zip([2, 0]) {
        assert_eq!(
            (&verdict["verdict"], &verdict["look"]),
            (&json!("inconclusive"), &json!(look))
        );
        let expected = format!("the recording ended at look {look} of 20 before a decision: ");
        let reason = verdict["reason"].as_str().unwrap();
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

#[test]
fn verdicts_come_in_the_order_of_the_recordings_and_a_fail_outweighs_an_inconclusive_one() {
    let folder = Folder::new();
    let names: Vec<_> = (0..40).map(|number| format!("{number}.ndjson")).collect();
    for (name, number) in names.iter().zip(0_u32..) {
        // The first takes longest.
        let looks = if number == 0 { 200 } else { number % 3 };
        folder.put(name, recording(&lines(looks, 0.01, u64::from(number))));
    }
    folder.put("bad.ndjson", bad());
    let mut names: Vec<_> = names.iter().map(String::as_str).collect();
    names.push("bad.ndjson");
    let (verdicts, status) = folder.verdicts(&names);
    assert_eq!(status, Some(1));
    let judged: Vec<_> = verdicts
        .iter()
        .map(|verdict| &verdict["recording"])
        .collect();
    assert_eq!(judged, names);
    assert_eq!(folder.verdicts(&names[..40]).1, Some(2));
}

#[test]
fn a_bad_recording_is_named_with_line_and_column_and_the_others_are_judged() {
    let folder = Folder::new();
    folder.put("bad.ndjson", bad());
    folder.put("good.ndjson", good());
    // Even after the deciding look.
    folder.put(
        "odd.ndjson",
        bad() + r#"{"look":21,"arm":"canary","requests":1.5,"errors":0}"#,
    );
    folder.put("slow.ndjson", good().replace("30s", "1m"));
    folder.put("cut.ndjson.gz", &gzip(good().as_bytes())[..200]);
    let names = [
        "odd.ndjson",
        "bad.ndjson",
        "none",
        "slow.ndjson",
        "cut.ndjson.gz",
        "good.ndjson",
    ];
    let output = folder.judge(&names, "json");
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(text(&output.stdout).lines().count(), 2);
    let errors: Vec<_> = text(&output.stderr).lines().collect();
    for (error, expected) in errors.iter().zip([
        "temper: reading the recording odd.ndjson, line 42, column 40: invalid type: floating point",
        "temper: opening the recording none: No such file",
        "temper: reading the recording slow.ndjson, line 1: its `step` is 60s, and 30s in the policy",
        "temper: reading line ",
    ]) {
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
}

#[test]
fn wrong_usage_and_bad_policies_are_told_with_status_64() {
    let folder = Folder::new();
    folder.put("good.ndjson", good());
    folder.put("wrong.yaml", "errors: { maxRatios: 2 }");
    for (arguments, expected) in [
        (
            &["--policy", "wrong.yaml", "--recording", "good.ndjson"][..],
            "temper: reading the policy wrong.yaml: errors.maxRatios: unknown key, did you mean maxRatio?",
        ),
        (
            &["--policy", "none.yaml", "--recording", "good.ndjson"],
            "temper: reading none.yaml: No such file",
        ),
        (
            &["--policy", "policy.yaml"],
            "temper: --recording FILE is missing; see temper judge --help",
        ),
        (
            &[
                "--policy",
                "policy.yaml",
                "--recording",
                "a",
                "--output",
                "xml",
            ],
            "temper: --output xml: not known",
        ),
    ] {
        let output = temper(folder.0.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(
            said.starts_with(expected) && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn help_lists_the_exit_statuses() {
    let output = temper(Path::new(".")).arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("65  a recording is not understood"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The verdict on a recording, as bytes, whatever the name of the file.
fn verdict(folder: &Folder, content: impl AsRef<[u8]>) -> Vec<u8> {
    folder.put("same.ndjson", content);
    folder.judge(&["same.ndjson"], "json").stdout
}

#[test]
fn compression_the_order_of_lines_and_what_follows_the_decision_change_no_byte() {
    let folder = Folder::new();
    let lines = lines(LOOKS, 0.03, 4);
    let plain = verdict(&folder, recording(&lines));
    assert!(
        text(&plain).contains(r#""verdict":"fail""#),
        "{}",
        text(&plain)
    );
    let deciding = serde_json::from_slice::<Value>(&plain).unwrap()["look"]
        .as_u64()
        .unwrap();
    assert_eq!(verdict(&folder, gzip(recording(&lines).as_bytes())), plain);
    let zstd = compress_to_vec(recording(&lines).as_bytes(), CompressionLevel::Fastest);
    assert_eq!(verdict(&folder, zstd), plain);
    let swapped: Vec<_> = lines
        .chunks(2)
        .flat_map(|look| look.iter().rev().cloned())
        .collect();
    assert_eq!(verdict(&folder, recording(&swapped)), plain);
    let until_decided = usize::try_from(2 * deciding).unwrap();
    assert_eq!(verdict(&folder, recording(&lines[..until_decided])), plain);
    let later = self::lines(1000, 0.3, 5).split_off(until_decided);
    let other_end = [&lines[..until_decided], &later].concat();
    assert_eq!(verdict(&folder, recording(&other_end)), plain);
}

#[test]
fn standard_input_is_a_recording_too() {
    let folder = Folder::new();
    let mut child = temper(folder.0.path())
        .args(["--policy", "policy.yaml", "--recording", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&gzip(bad().as_bytes()))
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.starts_with("-: FAIL at look "), "{said}");
    assert!(said.contains("\n  errors (harm): canary "), "{said}");
    assert!(said.contains("\n  latency ("), "{said}");
}

#[test]
fn who_reads_no_further_breaks_nothing() {
    let folder = Folder::new();
    folder.put("bad.ndjson", bad());
    // More than a pipe holds.
    let names = vec![OsString::from("bad.ndjson"); 300];
    let mut child = temper(folder.0.path())
        .args(["--policy", "policy.yaml", "--output", "json", "--recording"])
        .args(names)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""));
}

#[test]
fn texts_of_a_recording_do_not_steer_a_terminal() {
    let folder = Folder::new();
    folder.put(
        "odd.ndjson",
        format!("{HEADER}\n{}", r#"{"look":1,"missing":"\u001b[2J"}"#),
    );
    let said = folder.judge(&["odd.ndjson"], "text").stdout;
    assert!(text(&said).contains("[2J") && !text(&said).contains('\u{1b}'));
}
