//! `temper-healer replay`: small tapes of telemetry, and what is decided about them.
//!
//! A tape has one line for each word: second, partition, who, what. `stop` and `start` are demands on `queue-control`.

use std::{io::Write, process::Command};

use serde_json::{Value, json};

const POLICY: &str = "
kinds:
  - {workers: loader-*, heal: [error, silent, interrupted, stalled], startDeadline: 5m, silentDeadline: 1m, stallDeadline: 5m}
  - {workers: arango-*, silentDeadline: 2m, upstream: loader-*}
  - {workers: watched, heal: []}
";

/// When tapes begin.
const START: u64 = 1_767_225_600_000;

/// Replays a tape; each decision as `second producer decision cause`.
fn decisions(tape: &str) -> Vec<String> {
    let lines: Vec<_> = tape
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .enumerate()
        .map(record)
        .collect();
    let (output, _, status) = run(POLICY, &lines.join("\n"));
    assert_eq!(status, Some(0));
    output.iter().map(spoken).collect()
}

fn spoken(decision: &Value) -> String {
    let at = temper_healer_core::job::timestamp(decision["at"].as_str().unwrap()).unwrap();
    let word = |key: &str| decision[key].as_str().unwrap().to_owned();
    assert!(word("why").len() > 10, "{decision}");
    assert!(decision["queueId"].is_string());
    format!(
        "{} {} {} {}",
        (at.as_unix_ms() - START) / 1000,
        word("producer"),
        word("decision"),
        word("cause")
    )
}

fn record((offset, line): (usize, &str)) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let [second, partition, who, what] = words[..4] else {
        panic!("{line}")
    };
    let ts = START + second.parse::<u64>().unwrap() * 1000;
    let (topic, payload) = match what {
        "stop" | "start" => ("queue-control", json!({"command": what, "queue_id": who})),
        _ => ("queue-events", report(who, what, words.get(4))),
    };
    let partition: i32 = partition.parse().unwrap();
    json!({"topic": topic, "partition": partition, "offset": offset, "tstype": "create", "ts": ts, "key": null, "payload": payload.to_string()}).to_string()
}

/// `queue/producer status [records or message]`
fn report(who: &str, status: &str, more: Option<&&str>) -> Value {
    let (queue, producer) = who.split_once('/').unwrap_or(("q", who));
    let records = more.and_then(|more| more.parse::<u64>().ok());
    json!({"queue_id": queue, "producer": producer, "status": status, "message": more, "records_written": records})
}

fn run(policy: &str, events: &str) -> (Vec<Value>, String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        path
    };
    let output = Command::new(env!("CARGO_BIN_EXE_temper-healer"))
        .arg("replay")
        .arg("--policy")
        .arg(write("policy.yaml", policy))
        .arg("--events")
        .arg(write("events.ndjson", events))
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let decisions = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (
        decisions,
        String::from_utf8(output.stderr).unwrap(),
        output.status.code(),
    )
}

/// So many lines, numbered from 0.
fn lines(count: u64, line: impl Fn(u64) -> String) -> String {
    (0..count).map(|n| line(n) + "\n").collect()
}

/// Somebody who speaks every ten seconds, so that silence of others means something.
fn beside(chatter: &str, seconds: u64, tape: &str) -> String {
    let words = (0..=seconds / 10).map(|n| format!("{} 0 other/{chatter} loading {n}\n", n * 10));
    words.collect::<String>() + tape
}

#[test]
fn an_error_is_healed_at_once() {
    assert_eq!(
        decisions(
            "0 0 loader-a__1 started\n 5 1 loader-a__1 loading 10\n 9 0 loader-a__1 error disk"
        ),
        ["9 loader-a__1 heal error"]
    );
}

#[test]
fn silence_is_healed_when_others_were_heard() {
    let tape = beside(
        "loader-b__2",
        100,
        "0 0 loader-a__1 started\n 5 1 loader-a__1 loading 10",
    );
    let decided = decisions(&tape);
    assert_eq!(decided.len(), 1, "{decided:?}");
    let second: u64 = decided[0].split(' ').next().unwrap().parse().unwrap();
    assert!((65..=70).contains(&second), "{decided:?}");
    assert!(decided[0].ends_with("loader-a__1 heal silent"));
}

#[test]
fn nobody_is_blamed_when_all_were_silent() {
    let tape = "0 0 loader-a__1 loading 1\n 1 0 loader-b__2 loading 1\n 700 0 loader-b__2 loading 2\n 701 1 loader-a__1 loading 2";
    assert_eq!(decisions(tape), [""; 0]);
}

#[test]
fn a_worker_that_finished_is_left_in_peace() {
    assert_eq!(
        decisions(&beside(
            "loader-b__2",
            200,
            "0 0 loader-a__1 started\n 5 1 loader-a__1 finished"
        )),
        [""; 0]
    );
}

#[test]
fn a_stop_vetoes_whatever_comes_after_it() {
    let tape = "0 0 loader-a__1 started\n 5 0 q stop\n 6 1 loader-a__1 interrupted\n 7 1 loader-c__3 error late";
    assert_eq!(
        decisions(tape),
        ["6 loader-a__1 veto interrupted", "7 loader-c__3 veto error"]
    );
}

#[test]
fn interrupted_without_a_stop_is_healed_if_nobody_comes_back() {
    let gone = beside(
        "loader-b__2",
        100,
        "0 0 loader-a__1 started\n 20 1 loader-a__1 interrupted",
    );
    let decided = decisions(&gone);
    assert!(
        decided.len() == 1 && decided[0].ends_with("loader-a__1 heal interrupted"),
        "{decided:?}"
    );
    let back = beside(
        "loader-b__2",
        100,
        "0 0 loader-a__1 started\n 20 1 loader-a__1 interrupted\n 40 0 loader-a__1 started\n 60 0 loader-a__1 loading 2\n 90 0 loader-a__1 loading 3",
    );
    assert_eq!(decisions(&back), [""; 0]);
}

#[test]
fn who_speaks_and_writes_nothing_is_stalled() {
    let flat = lines(41, |n| format!("{} 1 loader-a__1 loading 7", n * 10));
    let decided = decisions(&beside("loader-b__2", 400, &flat));
    assert!(
        decided.len() == 1 && decided[0].ends_with("loader-a__1 heal stalled"),
        "{decided:?}"
    );
}

#[test]
fn unknown_kinds_and_kinds_that_are_only_watched_are_observed() {
    let tape = "0 0 mystery__1 started\n 1 0 mystery__1 error x\n 2 0 watched__1 error y";
    assert_eq!(
        decisions(tape),
        ["1 mystery__1 observe error", "2 watched__1 observe error"]
    );
}

#[test]
fn who_waits_for_a_loader_that_has_finished_is_not_silent() {
    let waits = "0 0 loader-a__1 started\n 3 0 arango-x__1 started\n 5 0 arango-x__1 loading 1\n 6 0 loader-a__1 finished";
    assert_eq!(decisions(&beside("loader-b__2", 400, waits)), [""; 0]);
}

#[test]
fn the_same_error_is_not_tried_for_ever() {
    let tape = lines(6, |n| {
        let (started, failed) = (n * 200, n * 200 + 100);
        format!("{started} 0 loader-a__1 started\n{failed} 0 loader-a__1 error disk{n}")
    });
    let decided = decisions(&tape);
    let verdicts: Vec<_> = decided
        .iter()
        .map(|line| line.split(' ').nth(2).unwrap())
        .collect();
    assert_eq!(
        verdicts,
        ["heal", "heal", "heal", "suppress", "suppress", "suppress"],
        "{decided:?}"
    );
}

#[test]
fn a_storm_is_waited_out() {
    let beginning = lines(15, |n| format!("0 0 loader-a__{n} started"));
    let storm = lines(15, |n| format!("10 0 loader-a__{n} error e"));
    let decided = decisions(&beside("loader-b__2", 300, &(beginning + &storm)));
    let count = |verdict: &str| decided.iter().filter(|line| line.contains(verdict)).count();
    assert!(count(" suppress ") >= 5, "{decided:?}");
    assert_eq!(count(" heal "), 15, "none is forgotten: {decided:?}");
}

#[test]
fn the_order_of_lines_does_not_matter() {
    let tape = beside(
        "loader-b__2",
        100,
        "0 0 loader-a__1 started\n5 1 loader-a__1 loading 10",
    );
    let lines: Vec<_> = tape.lines().enumerate().map(record).collect();
    let mut shuffled = lines.clone();
    fastrand::Rng::with_seed(3).shuffle(&mut shuffled);
    assert_eq!(
        run(POLICY, &lines.join("\n")).0,
        run(POLICY, &shuffled.join("\n")).0
    );
}

#[test]
fn poison_is_counted_and_blocks_nothing() {
    let poison = json!({"topic": "queue-events", "partition": 0, "offset": 1, "ts": START, "payload": "\u{0}{"}).to_string();
    let null =
        json!({"topic": "queue-events", "partition": 0, "offset": 2, "ts": START, "payload": null})
            .to_string();
    let error = record((3, "1 0 loader-a__1 error disk"));
    let (decisions, said, status) = run(POLICY, &[poison, null, error].join("\n"));
    assert_eq!((decisions.len(), status), (1, Some(0)));
    assert!(
        said.contains("1 unreadable (not_json)") && said.contains("1 unreadable (empty)"),
        "{said}"
    );
}

#[test]
fn wrong_input_says_what_is_wrong_with_it() {
    let (_, said, status) = run(POLICY, "\nnonsense");
    assert_eq!(status, Some(65));
    assert!(
        said.contains("line 2: ") && said.contains("kcat -J"),
        "{said}"
    );
    let (_, said, status) = run("kinds: [{workers: a, silentDeadline: soon}]", "");
    assert_eq!(status, Some(64));
    assert!(said.contains("soon"), "{said}");
    let usage = Command::new(env!("CARGO_BIN_EXE_temper-healer"))
        .arg("replay")
        .output()
        .unwrap();
    assert_eq!(usage.status.code(), Some(64));
}
