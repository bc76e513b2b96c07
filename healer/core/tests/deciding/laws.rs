//! Laws, of which the machine looks for a counter-example.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use temper_healer_core::{
    Fingerprint, Job, Moment, Name, Topic,
    job::{Heal, State},
    policy::{Cause, Fencing, Span},
    replace::{self, Replacement},
    sight::{Patience, Sight},
    telemetry::{Command, MAX_NAME_BYTES, Report},
};

use crate::bench::Bench;

/// Any JSON, of a depth and size that a message may have.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-z_]{1,8}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An object in which these keys hold anything at all.
fn object_of(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec(any_json(), keys.len()).prop_map(move |values| {
        let keys = keys.iter().map(|key| (*key).to_owned());
        Value::Object(keys.zip(values).collect::<Map<_, _>>())
    })
}

fn any_report() -> impl Strategy<Value = Value> {
    let known = object_of(&[
        "queue_id",
        "message",
        "records_written",
        "timestamp",
        "extra",
    ]);
    let word = prop_oneof![
        Just("started"),
        Just("loading"),
        Just("finished"),
        Just("error"),
        Just("interrupted"),
        Just("pong"),
        Just("retrying"),
    ];
    (known, word, any::<bool>()).prop_map(|(mut report, status, finished)| {
        report["producer"] = json!("loader-a__1");
        report["status"] = json!(status);
        report["finished"] = json!(finished);
        report
    })
}

/// A Job as it might be, with anything where something else belongs.
fn any_job() -> impl Strategy<Value = Value> {
    let metadata = object_of(&[
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "creationTimestamp",
    ]);
    let spec = object_of(&[
        "suspend",
        "parallelism",
        "completions",
        "completionMode",
        "managedBy",
        "selector",
    ]);
    let status = object_of(&["failed", "ready", "conditions", "startTime"]);
    let name = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    (metadata, spec, status, any_json(), name).prop_map(
        |(mut metadata, mut spec, status, template, name)| {
            metadata["name"] = json!(name);
            metadata["uid"] = json!("u");
            spec["template"] = template;
            json!({"metadata": metadata, "spec": spec, "status": status})
        },
    )
}

fn replacement(base: &str, attempt: u32) -> Replacement {
    Replacement {
        worker: Name {
            queue: "q".into(),
            producer: "loader-a__1".into(),
        },
        old_name: base.into(),
        old_uid: "u".into(),
        old_failures: None,
        old_ran: true,
        base: base.into(),
        line: "u".into(),
        attempt,
        cause: Cause::Silent,
        why: "it said nothing".into(),
        decided: Moment::from_unix_ms(1_800_000_000_000),
        heals: Vec::new(),
        fencing: Fencing::Strict,
        parallel_jobs: false,
    }
}

/// A proof, in the order of time.
#[derive(Clone, Copy, Debug)]
enum Proof {
    Heard { partition: usize, end: i64 },
    Written { partition: usize },
    Control,
}

fn any_proof() -> impl Strategy<Value = Proof> {
    let partition = 0..2_usize;
    prop_oneof![
        (partition.clone(), 0..20_i64).prop_map(|(partition, end)| Proof::Heard { partition, end }),
        partition.prop_map(|partition| Proof::Written { partition }),
        Just(Proof::Control),
    ]
}

const MAX_GAP: Duration = Duration::from_secs(5);

/// What is seen after these proofs, each so many milliseconds after the one before; and when everything was heard, by what was asked.
fn seen(proofs: &[(Proof, u64)]) -> (Sight, [Vec<Moment>; 3]) {
    let patience = Patience {
        max_gap: MAX_GAP,
        recovery_grace: Duration::from_secs(20),
    };
    let mut now = Moment::from_unix_ms(1_000_000);
    let mut sight = Sight::new(patience, now);
    sight.partitions(Topic::Events, 2);
    sight.partitions(Topic::Control, 1);
    let mut heard = [const { Vec::new() }; 3];
    // Ends only move on.
    let mut ends = [0; 2];
    for (proof, wait) in proofs {
        now = now.plus(Duration::from_millis(*wait));
        match *proof {
            Proof::Heard { partition, end } => {
                ends[partition] += end;
                heard[partition].push(now);
                sight.barrier(Topic::Events, partition, now, ends[partition]);
            }
            Proof::Written { partition } => sight.written(Topic::Events, partition, now),
            Proof::Control => {
                heard[2].push(now);
                sight.barrier(Topic::Control, 0, now, 0);
            }
        }
    }
    (sight, heard)
}

/// What happens to a worker: it says something, or seconds pass.
#[derive(Clone, Debug)]
enum Turn {
    Says(&'static str),
    Writes(u64),
    Passes(u64),
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        prop_oneof![
            Just("started"),
            Just("finished"),
            Just("error"),
            Just("interrupted"),
            Just("pong")
        ]
        .prop_map(Turn::Says),
        (0..9_u64).prop_map(Turn::Writes),
        (1..40_u64).prop_map(Turn::Passes),
    ]
}

proptest! {
    #[test]
    fn no_message_is_too_odd_to_be_read_or_refused(bytes in vec(any::<u8>(), 0..200), json in any_json(), report in any_report()) {
        Report::parse(&bytes).ok();
        Command::parse(&bytes).ok();
        for message in [json.to_string(), report.to_string()] {
            Command::parse(message.as_bytes()).ok();
            if let Ok(read) = Report::parse(message.as_bytes()) {
                prop_assert!(read.queue.len() <= MAX_NAME_BYTES && read.producer.len() <= MAX_NAME_BYTES);
            }
        }
    }

    #[test]
    fn what_is_no_number_hides_nothing_else(report in any_report(), word in prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity")]) {
        let marked = {
            let mut report = report;
            report["loss"] = json!("@loss@");
            report.to_string()
        };
        let (with_word, with_null) = (marked.replace("\"@loss@\"", word), marked.replace("\"@loss@\"", "null"));
        prop_assert_eq!(Report::parse(with_word.as_bytes()), Report::parse(with_null.as_bytes()));
    }

    #[test]
    fn no_job_is_too_odd_to_be_read_or_refused(job in any_job(), odd in any_json()) {
        Job::read(&odd).ok();
        let Ok((name, read)) = Job::read(&job) else { return Ok(()) };
        let replacement = Replacement { worker: name.clone(), ..replacement(&read.name, 1) };
        if let Ok(mut successor) = replace::successor(&job, &replacement, &[]) {
            successor["metadata"]["uid"] = json!("s");
            let (same, successor) = Job::read(&successor).unwrap();
            prop_assert_eq!(same, name);
            prop_assert_eq!(successor.state, State::Suspended);
            prop_assert!(successor.is_waiting_successor());
        }
    }

    #[test]
    fn successors_have_names_that_labels_can_hold_and_no_two_the_same(
        base in "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", other in "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", attempt in 1..u32::MAX,
    ) {
        let name = replacement(&base, attempt).successor_name();
        prop_assert!(name.len() <= 63, "{}", name);
        prop_assert!(name.starts_with(|c: char| c.is_ascii_alphanumeric()), "{}", name);
        prop_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{}", name);
        prop_assert_ne!(&name, &replacement(&base, attempt - 1).successor_name());
        if base != other {
            prop_assert_ne!(name, replacement(&other, attempt).successor_name());
        }
    }

    /// No silence is counted that a gap between two proofs lies in, of any partition.
    #[test]
    fn no_silence_is_counted_across_darkness(proofs in vec((any_proof(), 0..3_000_u64), 0..120)) {
        let (sight, heard) = seen(&proofs);
        let Some(through) = sight.through() else { return Ok(()) };
        for proofs in heard {
            prop_assert!(proofs.last() >= Some(&through), "it was heard to the end");
            for pair in proofs.windows(2).filter(|pair| pair[1] > sight.lit_from() && pair[0] < through) {
                prop_assert!(pair[1].since(pair[0]) <= MAX_GAP, "{:?} in {} to {}", pair, sight.lit_from(), through);
            }
        }
    }

    /// Producers write a record again that was not acknowledged.
    #[test]
    fn words_that_come_twice_decide_what_they_decide_once(turns in vec(any_turn(), 0..12)) {
        let decided = |times: usize| {
            let mut bench = Bench::new();
            bench.job("loader-a__1", |_| {});
            for turn in &turns {
                match turn {
                    Turn::Says(status) => (0..times).for_each(|_| bench.says("loader-a__1", status)),
                    Turn::Writes(records) => (0..times).for_each(|_| bench.writes("loader-a__1", *records)),
                    Turn::Passes(seconds) => bench.wait(*seconds),
                }
            }
            bench.decided()
        };
        prop_assert_eq!(decided(1), decided(2));
    }

    /// Whoever says something within its deadline is never called silent.
    #[test]
    fn who_speaks_in_time_is_never_silent(waits in vec(1..19_u64, 1..20)) {
        let mut bench = Bench::new();
        bench.job("loader-a__1", |_| {});
        bench.says("loader-a__1", "started");
        for wait in waits {
            bench.wait(wait);
            bench.says("loader-a__1", "loading");
        }
        prop_assert_eq!(bench.decided(), []);
    }

    #[test]
    fn what_is_written_down_is_read_as_it_was(seconds in vec((0..4_000_000_000_u64, proptest::option::of(".{0,20}")), 0..30), span in 0..1_000_000_u64) {
        let heals: Vec<_> = seconds.iter().map(|(second, error)| Heal {
            at: Moment::from_unix_ms(second * 1000),
            error: error.as_deref().map(Fingerprint::of),
        }).collect();
        let mut job = json!({"metadata": {"name": "a", "uid": "u", "annotations": {
            "healer.temper.dev/producer": "p__1", "healer.temper.dev/replaces-uid": "o", "healer.temper.dev/replaces-name": "o",
            "healer.temper.dev/base-name": "o", "healer.temper.dev/attempt": "1"}}, "spec": {}});
        job["metadata"]["annotations"]["healer.temper.dev/heals"] = json!(temper_healer_core::job::write_heals(&heals));
        let (_, read) = Job::read(&job).unwrap();
        prop_assert_eq!(&read.replaces().unwrap().heals, &heals);
        let span = Span::seconds(span);
        prop_assert_eq!(Span::parse(&span.to_string()), Ok(span));
    }
}
