//! A healer on a bench: whatever happens to it, a test makes happen.

use std::time::Duration;

use serde_json::{Value, json};
use temper_healer_core::{
    Action, Decision, Event, Healer, Job, Moment, Outcome, Place, Policy, Topic, Verdict, WorkerId,
    policy::Cause,
    replace::{Passed, Replacement, Veto},
    telemetry::{Command, Report},
};

pub(crate) const POLICY: &str = "
kinds:
  - {workers: loader-*, startDeadline: 30s, silentDeadline: 20s}
  - {workers: slow-*, heal: [error], errorGrace: 10s, silentDeadline: 1m}
  - {workers: arango-*, silentDeadline: 20s, upstream: loader-*}
guards: {maxUnhealthy: 100%}
";

/// A healer that acts, sees everything, and has one partition of each topic.
pub(crate) struct Bench {
    pub(crate) healer: Healer,
    pub(crate) now: Moment,
    said: i64,
    pub(crate) actions: Vec<Action>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(POLICY)
    }

    /// With another policy.
    pub(crate) fn with(policy: &str) -> Self {
        let now = Moment::from_unix_ms(1_800_000_000_000);
        let mut bench = Self {
            healer: Healer::new(Policy::parse(policy).unwrap(), now),
            now,
            said: 0,
            actions: Vec::new(),
        };
        for topic in [Topic::Events, Topic::Control] {
            bench.step(Event::Partitions { topic, count: 1 });
        }
        bench.step(Event::JobsListed);
        bench.step(Event::Lead);
        bench.wait(1);
        assert!(bench.healer.is_armed());
        bench.actions.clear();
        bench
    }

    pub(crate) fn step(&mut self, event: Event<'_>) {
        self.healer.step(event, self.now, &mut self.actions);
    }

    /// Lets seconds pass in which everything is heard and everybody can speak.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now = self.now.plus(Duration::from_millis(500));
            let (asked, since) = (self.now, self.now);
            self.step(Event::Written {
                partition: 0,
                since,
            });
            for topic in [Topic::Events, Topic::Control] {
                self.step(Event::Barrier {
                    topic,
                    partition: 0,
                    asked,
                    end: 0,
                });
            }
        }
    }

    pub(crate) fn job(&mut self, producer: &str, change: impl FnOnce(&mut Value)) {
        let mut job = json!({
            "metadata": {"name": format!("job-{}", producer.replace('_', "-")), "uid": producer, "labels": {"queue_id": "q"},
                "creationTimestamp": self.now.to_string(), "annotations": {"healer.temper.dev/producer": producer}},
            "spec": {"template": {}},
        });
        change(&mut job);
        let (name, job) = Job::read(&job).unwrap();
        self.step(Event::Job { name, job });
    }

    pub(crate) fn says(&mut self, producer: &str, status: &str) {
        let text = json!({"queue_id": "q", "producer": producer, "status": status, "message": "disk full"}).to_string();
        self.hears(&text);
    }

    /// Lets seconds pass in which nothing is proven.
    pub(crate) fn darkness(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.step(Event::Tick);
    }

    /// It says how many records it has written.
    pub(crate) fn writes(&mut self, producer: &str, records: u64) {
        let text = json!({"queue_id": "q", "producer": producer, "status": "loading", "records_written": records}).to_string();
        self.hears(&text);
    }

    /// A message comes.
    pub(crate) fn hears(&mut self, text: &str) {
        let report = Report::parse(text.as_bytes()).unwrap();
        self.said += 1;
        let place = Place {
            partition: 0,
            offset: self.said,
        };
        self.step(Event::Said {
            report,
            place,
            appended: None,
        });
    }

    /// The passes that were asked for since this was asked last, with what speaks against each.
    pub(crate) fn passes(&mut self) -> Vec<(WorkerId, Replacement, Option<Veto>)> {
        let passes = self.actions.drain(..).filter_map(|action| match action {
            Action::Pass {
                worker,
                replacement,
                veto,
            } => Some((worker, *replacement, veto)),
            _ => None,
        });
        passes.collect()
    }

    /// How workers' troubles ended since this was asked last.
    pub(crate) fn ended(&mut self) -> Vec<Outcome> {
        let ended = self.actions.drain(..).filter_map(|action| match action {
            Action::Ended { outcome, .. } => Some(outcome),
            _ => None,
        });
        ended.collect()
    }

    pub(crate) fn passed(&mut self, worker: WorkerId, passed: Passed) {
        self.step(Event::Passed { worker, passed });
    }

    pub(crate) fn start(&mut self) {
        let command = Command::parse(br#"{"command":"start","queue_id":"q"}"#).unwrap();
        self.step(Event::Demanded(command));
    }

    pub(crate) fn stop(&mut self) {
        let command = Command::parse(br#"{"command":"stop","queue_id":"q"}"#).unwrap();
        self.step(Event::Demanded(command));
    }

    /// What was decided since it was asked last.
    pub(crate) fn decided(&mut self) -> Vec<(Verdict, Cause)> {
        let decisions = self.actions.drain(..).filter_map(|action| match action {
            Action::Decide(decision) => Some(*decision),
            _ => None,
        });
        decisions
            .map(
                |Decision {
                     decision, cause, ..
                 }| (decision, cause),
            )
            .collect()
    }
}
