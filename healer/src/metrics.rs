//! What the healer counts.

use crate::{
    board::Standing,
    kafka::{self, Position},
};
use temper_healer_core::{
    Decision, Outcome, Topic,
    healer::{Census, Tally},
    replace::{End, Trouble},
};
use temper_ops::metrics::{Buckets, Counter, Counters, Gauge, Gauges, Histogram, Metrics};

/// From a decision to the successor's release, which waits for old pods to end.
const REPLACEMENT: Buckets = Buckets(&[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
]);

/// All metrics of the healer.
#[derive(Debug)]
pub struct Meters {
    /// Words of workers, by status.
    pub reports: Counters<1>,
    /// Messages that say nothing to us, by topic and why.
    pub unreadable: Counters<2>,
    /// Words that may have been another incarnation's.
    pub stale: Counter,
    /// Reports whose time was in milliseconds where seconds belong.
    pub millisecond_stamps: Counter,
    /// Jobs that show no telemetry id, and so are none of ours.
    pub nameless_jobs: Gauge,
    /// Decisions, by what was decided and for what cause.
    pub decisions: Counters<2>,
    /// Replacements that ended, by how.
    pub replacements: Counters<1>,
    /// Seconds from a decision to the release of the successor.
    pub replacement_seconds: Histogram,
    /// Workers, by how they are.
    pub workers: Gauges<1>,
    /// Whether this healer acts.
    pub armed: Gauge,
    /// Whether it holds the Lease.
    pub leader: Gauge,
    /// Whether it can't tell silence from deafness.
    pub blind: Gauge,
    /// Whether so many workers are in trouble that nothing is replaced.
    pub storm: Gauge,
    /// Seconds since the moment up to which everything was heard.
    pub sight_age: Gauge,
    /// Records that are still to be read, by topic and partition.
    pub lag: Gauges<2>,
    /// Calls of the API server that did not do as asked, by what can be done about it.
    pub api_trouble: Counters<1>,
    /// Troubles of Kafka, by kind.
    pub kafka_trouble: Counters<1>,
}

impl Meters {
    /// Declares them.
    pub fn declare(metrics: &mut Metrics) -> Self {
        Self {
            reports: metrics.counters(
                "healer_reports",
                "Reports of workers on queue-events",
                ["status"],
            ),
            unreadable: metrics.counters(
                "healer_unreadable",
                "Messages that could not be read and were passed over",
                ["topic", "why"],
            ),
            stale: metrics.counter(
                "healer_stale_reports",
                "Reports that may have been those of a worker that was replaced",
            ),
            millisecond_stamps: metrics.counter(
                "healer_millisecond_stamps",
                "Reports whose timestamp was in milliseconds where seconds belong",
            ),
            nameless_jobs: metrics.gauge(
                "healer_nameless_jobs",
                "Jobs of the namespace that show no telemetry id, and so are none of ours",
            ),
            decisions: metrics.counters(
                "healer_decisions",
                "Decisions about workers",
                ["decision", "cause"],
            ),
            replacements: metrics.counters(
                "healer_replacements",
                "Replacements that ended",
                ["outcome"],
            ),
            replacement_seconds: metrics.histogram(
                "healer_replacement_seconds",
                "Time from a decision to the release of the successor",
                REPLACEMENT,
            ),
            workers: metrics.gauges("healer_workers", "Workers by how they are", ["state"]),
            armed: metrics.gauge(
                "healer_armed",
                "1 while this healer has heard all it needs, and acts",
            ),
            leader: metrics.gauge("healer_leader", "1 while this healer holds the Lease"),
            blind: metrics.gauge(
                "healer_blind",
                "1 while nothing proves that workers could be heard: no silence is judged",
            ),
            storm: metrics.gauge(
                "healer_storm",
                "1 while too many workers are in trouble, and nothing is replaced",
            ),
            sight_age: metrics.gauge(
                "healer_sight_age_seconds",
                "Time since the moment up to which everything said was heard",
            ),
            lag: metrics.gauges(
                "healer_lag_records",
                "Records still to be read",
                ["topic", "partition"],
            ),
            api_trouble: metrics.counters(
                "healer_api_trouble",
                "Calls of the API server that did not do as asked",
                ["kind"],
            ),
            kafka_trouble: metrics.counters(
                "healer_kafka_trouble",
                "What Kafka could not do",
                ["what"],
            ),
        }
    }

    /// Shows how things stand.
    pub fn show(&self, standing: &Standing, census: &Census, positions: &[Position]) {
        let flag = |gauge: &Gauge, is: bool| gauge.set(f64::from(u8::from(is)));
        flag(&self.armed, standing.armed);
        flag(&self.leader, standing.leads);
        flag(&self.blind, standing.blind);
        flag(&self.storm, standing.storm);
        self.sight_age.set(
            standing
                .sight_age_ms
                .map_or(f64::INFINITY, |ms| count(ms) / 1000.0),
        );
        let states = [
            ("known", census.workers),
            ("at_work", census.at_work),
            ("suspected", census.suspected),
            ("healing", census.healing),
            ("unheard_successor", census.unheard_successors),
            ("left_alone", census.left_alone),
            ("rivals", census.rivals),
            ("vacant", census.vacant),
        ];
        for (state, workers) in states {
            self.workers
                .with([state])
                .set(count(u64::try_from(workers).unwrap_or(u64::MAX)));
        }
        for position in positions {
            let topic = match position.topic {
                Topic::Events => "events",
                Topic::Control => "control",
            };
            if let Some(lag) = position.lag() {
                self.lag
                    .with([topic, &position.partition.to_string()])
                    .set(count(lag));
            }
        }
    }

    /// Shows how many Jobs show no telemetry id.
    pub fn nameless(&self, jobs: usize) {
        self.nameless_jobs
            .set(count(u64::try_from(jobs).unwrap_or(u64::MAX)));
    }

    /// Counts what has been passed over since `before`.
    pub fn tallied(&self, before: Tally, now: Tally) {
        self.stale.inc_by(now.stale.saturating_sub(before.stale));
        let stamps = now.stamps_in_ms.saturating_sub(before.stamps_in_ms);
        self.millisecond_stamps.inc_by(stamps);
    }

    /// Counts a decision.
    pub fn decided(&self, decision: &Decision) {
        self.decisions
            .with([decision.decision.word(), decision.cause.word()])
            .inc();
    }

    /// Counts the end of a replacement.
    pub fn ended(&self, outcome: &Outcome) {
        let Outcome::Replacement(end) = outcome else {
            return;
        };
        self.replacements.with([word(end)]).inc();
    }

    /// Counts a call that did not do as asked.
    pub fn troubled(&self, trouble: &Trouble) {
        let kind = match trouble {
            Trouble::Conflict(_) => "conflict",
            Trouble::Denied(_) => "denied",
            Trouble::Busy { .. } => "busy",
        };
        self.api_trouble.with([kind]).inc();
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 need not be exact"
)]
const fn count(number: u64) -> f64 {
    number as f64
}

const fn word(end: &End) -> &'static str {
    match end {
        End::Released => "released",
        End::FoundReleased => "found_released",
        End::Refused(_) => "refused",
        End::Completed => "completed",
        End::Gone => "gone",
        End::Overtaken => "overtaken",
        End::NameTaken => "name_taken",
        End::Vetoed(_) => "vetoed",
    }
}

/// The kind of Kafka's trouble.
pub(crate) const fn kind(trouble: &kafka::Trouble) -> &'static str {
    match trouble {
        kafka::Trouble::Client { .. } => "client",
        kafka::Trouble::Topic { .. } => "topic",
        kafka::Trouble::Unsound { .. } => "unsound",
        kafka::Trouble::Broker { .. } => "broker",
        kafka::Trouble::Partition { .. } => "partition",
        kafka::Trouble::Outrun { .. } => "outrun",
        kafka::Trouble::Shrunk { .. } => "shrunk",
        kafka::Trouble::Reading { .. } => "reading",
        kafka::Trouble::Canary { .. } => "canary",
    }
}
