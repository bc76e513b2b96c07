//! A policy tried on yesterday's telemetry, before anybody trusts it.
//!
//! The records of `queue-events` and `queue-control`, as `kcat -J` writes them, go through the same core that runs in the cluster. Time is
//! theirs. Jobs are imagined: every worker is taken to have one that may be replaced, and what its successor would have said is unknown, so a
//! worker that was replaced here is not judged again until it is heard.
//!
//! A file holds nothing of the live healer's own proofs that writes went through. Instead any record proves it for the time before it, if that is
//! not longer than `max_gap`: when everybody was silent nobody is to blame.

mod kcat;

use std::{collections::BTreeMap, time::Duration};

use temper_healer_core::{
    Action, Decision, Event, Healer, Moment, Place, Policy, Topic,
    policy::Span,
    replace::{End, Passed},
    telemetry::{Command, Report, Unreadable},
};

pub use self::kcat::{BadLine, Record, Records, read};

/// How long nobody may say anything before that counts as an outage, unless told otherwise.
pub const MAX_GAP: Span = Span::seconds(60);

/// Deadlines are looked at this often.
const STEP: Duration = Duration::from_millis(500);

/// A longer time without any record is skipped: nothing can be decided in it.
const LONGEST_SILENCE: Duration = Duration::from_hours(1);

/// Which topics hold what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// What workers say.
    pub events: String,
    /// What is demanded of them.
    pub control: String,
}

/// What was in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records of either topic.
    pub records: usize,
    /// Records of other topics.
    pub foreign: usize,
    /// Those that could not be read, by why.
    pub unreadable: BTreeMap<&'static str, usize>,
    /// Decisions.
    pub decisions: usize,
}

/// Replays `records`, in any order, and hands over each decision as it is made.
pub fn replay(
    mut policy: Policy,
    max_gap: Duration,
    topics: &Topics,
    Records {
        all: mut records,
        too_long,
    }: Records,
    decided: &mut dyn FnMut(&Decision),
) -> Summary {
    policy.sight.max_gap = policy.sight.max_gap.max(Span::from_duration(max_gap));
    // Time orders them, and within a partition the offset does.
    records.sort_by_key(|record| (record.at, record.partition, record.offset));
    let mut replay = Replay::new(policy, topics, &records, decided);
    for record in &records {
        replay.advance(record.at);
        replay.take(record);
    }
    if too_long > 0 {
        let unreadable = &mut replay.summary.unreadable;
        *unreadable.entry("too_large").or_default() += too_long;
    }
    replay.summary
}

struct Replay<'a> {
    healer: Healer,
    topics: &'a Topics,
    now: Moment,
    /// The offset after the last record of every partition of `queue-events`.
    ends: Vec<i64>,
    summary: Summary,
    decided: &'a mut dyn FnMut(&Decision),
}

impl<'a> Replay<'a> {
    fn new(
        policy: Policy,
        topics: &'a Topics,
        records: &[Record],
        decided: &'a mut dyn FnMut(&Decision),
    ) -> Self {
        let start = records
            .first()
            .map_or_else(Moment::default, |record| record.at);
        let events = records
            .iter()
            .filter(|record| record.topic == topics.events);
        let partitions = events
            .map(|record| index_of(record.partition) + 1)
            .max()
            .unwrap_or(1);
        let mut replay = Self {
            healer: Healer::new(policy, start).that_imagines_jobs(),
            topics,
            now: start,
            ends: vec![0; partitions],
            summary: Summary::default(),
            decided,
        };
        replay.step(Event::Partitions {
            topic: Topic::Events,
            count: partitions,
        });
        replay.step(Event::Partitions {
            topic: Topic::Control,
            count: 1,
        });
        replay.step(Event::Lead);
        replay.prove();
        replay
    }

    /// Lets time pass until `then`. All that was said by then is in the file.
    fn advance(&mut self, then: Moment) {
        if then.since(self.now) > LONGEST_SILENCE {
            self.now = then;
        }
        while self.now.plus(STEP) < then {
            self.now = self.now.plus(STEP);
            self.hear_to_the_end();
        }
        self.now = self.now.max(then);
        self.prove();
    }

    /// Somebody wrote a record: then anybody could.
    fn prove(&mut self) {
        for partition in 0..self.ends.len() {
            self.step(Event::Written {
                partition,
                since: self.now,
            });
        }
        self.hear_to_the_end();
    }

    fn hear_to_the_end(&mut self) {
        let asked = self.now;
        for (partition, end) in self.ends.clone().into_iter().enumerate() {
            self.step(Event::Barrier {
                topic: Topic::Events,
                partition,
                asked,
                end,
            });
        }
        self.step(Event::Barrier {
            topic: Topic::Control,
            partition: 0,
            asked,
            end: 0,
        });
    }

    fn take(&mut self, record: &Record) {
        let payload = record.payload.as_bytes();
        let taken = if record.topic == self.topics.events {
            Report::parse(payload).map(|report| self.report(record, report))
        } else if record.topic == self.topics.control {
            Command::parse(payload).map(|command| self.step(Event::Demanded(command)))
        } else {
            self.summary.foreign += 1;
            return;
        };
        self.summary.records += 1;
        if let Err(unreadable) = taken {
            self.count(&unreadable);
        }
        self.hear_to_the_end();
    }

    fn report(&mut self, record: &Record, report: Report<'_>) {
        if let Some(end) = self.ends.get_mut(index_of(record.partition)) {
            *end = record.offset.saturating_add(1);
        }
        let place = Place {
            partition: record.partition,
            offset: record.offset,
        };
        let appended = record.appended.then_some(record.at);
        self.step(Event::Said {
            report,
            place,
            appended,
        });
    }

    fn count(&mut self, unreadable: &Unreadable) {
        *self
            .summary
            .unreadable
            .entry(unreadable.label())
            .or_default() += 1;
    }

    fn step(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.healer.step(event, self.now, &mut actions);
        while !actions.is_empty() {
            self.carry_out(std::mem::take(&mut actions), &mut actions);
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>, follow: &mut Vec<Action>) {
        for action in actions {
            match action {
                Action::Decide(decision) => {
                    self.summary.decisions += 1;
                    (self.decided)(&decision);
                }
                Action::Pass { worker, .. } => {
                    let passed = Passed::Over(End::Released);
                    self.healer
                        .step(Event::Passed { worker, passed }, self.now, follow);
                }
                Action::Look | Action::Resume(_) | Action::Ended { .. } | Action::Armed => {}
            }
        }
    }
}

fn index_of(partition: i32) -> usize {
    usize::try_from(partition).unwrap_or_default()
}
