//! Whatever a provider does, the controller gets what it relies on.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use temper_gob::{Decoder, Encoder, Time};
use temper_rollouts::{
    AnalysisRun, Argument, Call, Conclusion, Continuation, Done, Measurement, Metric,
    MetricProvider, Outcome, Phase, Reply, Report, Running, SecretKeyRef, Subject, Terms,
    ValueFrom, answer,
};

const SECRET: &str = "correct-horse";
const NOW: &str = "2026-01-01T00:00:10.5Z";

/// What a provider can do when it is asked.
#[derive(Clone, Debug)]
enum Act {
    Say(Outcome),
    Panic,
    Hang,
}

impl Act {
    async fn perform(&self) -> Outcome {
        match self {
            Self::Say(outcome) => outcome.clone(),
            Self::Panic => panic!("as told"),
            Self::Hang => std::future::pending().await,
        }
    }
}

impl MetricProvider for Act {
    async fn init(&self) -> Result<(), String> {
        self.perform().await;
        Ok(())
    }

    async fn run(&self, _: &Subject) -> Outcome {
        self.perform().await
    }

    async fn resume(&self, _: &Subject, _: &Measurement) -> Outcome {
        self.perform().await
    }

    async fn terminate(&self, _: &Subject, _: &Measurement) -> Done {
        match self.perform().await {
            Outcome::Done(done) => done,
            Outcome::Running(Running { report, .. }) => Done {
                conclusion: Conclusion::Successful,
                report,
            },
        }
    }

    async fn garbage_collect(&self, _: &Subject, _: i64) {
        self.perform().await;
    }

    fn kind(&self) -> &'static str {
        "act"
    }

    async fn metadata(&self, _: &Metric) -> BTreeMap<String, String> {
        self.perform().await;
        BTreeMap::from([("step".to_owned(), "30s".to_owned())])
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn asked(act: &Act, call: Call) -> Reply {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let terms = Terms {
        deadline: Duration::from_secs(3),
        clock: Box::new(now),
    };
    runtime.block_on(answer(act, call, &terms))
}

fn measured(act: &Act, call: Call) -> Measurement {
    match asked(act, call) {
        Reply::Measurement(measurement) => *measurement,
        other => panic!("{other:?} is no measurement"),
    }
}

fn run_with_secret() -> AnalysisRun {
    let value_from = ValueFrom {
        secret_key_ref: Some(SecretKeyRef::default()),
    };
    let token = Argument {
        name: "token".to_owned(),
        value: Some(SECRET.to_owned()),
        value_from: Some(value_from),
    };
    let mut run = AnalysisRun::default();
    run.spec.args.push(token);
    run
}

/// `Resume` and `Terminate` of this measurement, and `Run`.
fn calls(measurement: &Measurement) -> [Call; 3] {
    let continuation = Continuation {
        analysis_run: run_with_secret(),
        measurement: measurement.clone(),
        ..Continuation::default()
    };
    let subject = Subject {
        analysis_run: run_with_secret(),
        ..Subject::default()
    };
    [
        Call::Resume(Box::new(continuation.clone())),
        Call::Terminate(Box::new(continuation)),
        Call::Run(Box::new(subject)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        Just(format!("said {SECRET}.")),
        ".{2040,2060}",
        Just(format!("{:2040}{SECRET}", ""))
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let metadata = prop::collection::btree_map(text(), text(), 0..4);
    (text(), text(), metadata).prop_map(|(value, message, metadata)| Report {
        value,
        message,
        metadata,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    use Conclusion::{Error, Failed, Inconclusive, Successful};
    let conclusion = prop::sample::select(vec![Successful, Failed, Inconclusive, Error]);
    let done =
        (conclusion, report()).prop_map(|(conclusion, report)| Done { conclusion, report }.into());
    let running = (any::<i32>(), 0..1_000_000_000, report()).prop_map(|(second, nanos, report)| {
        Running {
            resume_at: Timestamp::new(second.into(), nanos).unwrap(),
            report,
        }
        .into()
    });
    prop_oneof![done, running]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![8 => outcome().prop_map(Act::Say), 1 => Just(Act::Hang)]
}

fn time() -> impl Strategy<Value = Option<Time>> {
    prop::option::of(
        (any::<i32>(), 0_u32..1_000_000_000)
            .prop_map(|(second, nanos)| Time::utc(second.into(), nanos)),
    )
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let metadata = prop::collection::btree_map("[a-z]{1,5}", ".{0,9}", 0..3);
    (time(), time(), time(), metadata).prop_map(|(started_at, finished_at, resume_at, metadata)| {
        Measurement {
            started_at,
            finished_at,
            resume_at,
            metadata,
            ..Measurement::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn every_measurement_keeps_the_rules(act in act(), before in measurement()) {
        for call in calls(&before) {
            let (is_run, is_terminate) = (matches!(call, Call::Run(_)), matches!(call, Call::Terminate(_)));
            let after = measured(&act, call);
            keeps_the_rules(&after);
            if !is_run {
                prop_assert!(before.metadata.keys().all(|key| after.metadata.contains_key(key)));
                prop_assert!(before.started_at.is_none() || before.started_at == after.started_at);
            }
            prop_assert!(!is_terminate || after.phase != Phase::Running);
            prop_assert_eq!(through_gob(&after), after);
        }
    }
}

fn keeps_the_rules(measurement: &Measurement) {
    assert!(measurement.started_at.is_some());
    match measurement.phase {
        Phase::Pending => panic!("neither running nor over"),
        Phase::Running => {
            let resume_at = measurement.resume_at.expect("somebody has to resume it");
            assert_eq!(resume_at.nanos, 0);
            assert!(resume_at.unix_seconds > now().as_second());
            assert_eq!(measurement.finished_at, None);
        }
        Phase::Successful | Phase::Failed | Phase::Inconclusive | Phase::Error => {
            assert!(measurement.finished_at.is_some());
            assert_eq!(measurement.resume_at, None);
        }
    }
    let shown = format!("{measurement:?}");
    assert!(
        !shown.contains(SECRET) && !shown.contains("correct-h"),
        "{shown}"
    );
    assert!(measurement.value.len() <= 256 && measurement.message.len() <= 2048);
}

fn through_gob(measurement: &Measurement) -> Measurement {
    let mut bytes = Vec::new();
    let reply = Reply::Measurement(Box::new(measurement.clone()));
    reply.encode(&mut Encoder::new(), &mut bytes).unwrap();
    let mut decoder = Decoder::default();
    decoder.push(&bytes).unwrap();
    decoder.next().unwrap().expect("a whole measurement")
}

#[test]
fn a_call_that_hangs_ends_with_an_error_that_can_be_tried_again() {
    for call in calls(&Measurement::default()) {
        let measurement = measured(&Act::Hang, call);
        assert_eq!(measurement.phase, Phase::Error);
        assert!(
            measurement.message.contains("no answer within 3s"),
            "{}",
            measurement.message
        );
    }
}

#[test]
fn a_call_that_panics_ends_with_an_error_too() {
    for call in calls(&Measurement::default()) {
        assert_eq!(measured(&Act::Panic, call).phase, Phase::Error);
    }
}

#[test]
fn garbage_collection_never_fails() {
    for act in [Act::Hang, Act::Panic] {
        let reply = asked(&act, Call::GarbageCollect(Box::default()));
        assert_eq!(
            reply,
            Reply::RpcError {
                error: String::new()
            }
        );
    }
}

#[test]
fn what_asks_for_no_measurement_is_answered_in_time() {
    let hang = asked(&Act::Hang, Call::Init);
    assert!(matches!(hang, Reply::RpcError { error } if error.contains("no answer")));
    assert_eq!(asked(&Act::Hang, Call::Type), Reply::Text("act".to_owned()));
    assert_eq!(
        asked(&Act::Hang, Call::GetMetadata(Box::default())),
        Reply::Map(BTreeMap::new())
    );
}

#[test]
fn replies_have_the_bytes_that_go_accepts() {
    let bytes = |reply: &Reply| {
        let mut out = Vec::new();
        reply.encode(&mut Encoder::new(), &mut out).unwrap();
        hex::encode(out)
    };
    assert_eq!(bytes(&Reply::Text("act".to_owned())), "060c0003616374");
    let empty = Reply::RpcError {
        error: String::new(),
    };
    assert_eq!(
        bytes(&empty),
        "26ff810301010852706345727 26f7201ff820001 01010b4572726f72537472696e67010c000000 03ff8200"
            .replace(' ', "")
    );
}
