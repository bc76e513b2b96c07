//! When a trial began, where its intervals end, and from when on one can rely on them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use temper_rollouts::{Measurement, Subject, timestamp};

/// Under this key a measurement's metadata say since when it is judged.
pub(crate) const SINCE: &str = "since";

/// The intervals of a trial: `looks` of them, each a `step` long, from `anchor` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    pub(crate) anchor: Timestamp,
    pub(crate) step: Duration,
    pub(crate) looks: u32,
    /// For so long after its end, an interval may still change: a scrape may be late.
    pub(crate) settle: Duration,
}

impl Timeline {
    /// Where the intervals from `first` to `last` begin and end, one moment more than there are intervals.
    pub(crate) fn boundaries(&self, first: u32, last: u32) -> impl Iterator<Item = Timestamp> {
        (first.saturating_sub(1)..=last).map(|look| self.end(look))
    }

    /// From when on the interval does not change any more.
    pub(crate) fn due(&self, look: u32) -> Timestamp {
        later(self.end(look), self.settle)
    }

    /// How many intervals do not change any more.
    pub(crate) fn frozen(&self, now: Timestamp) -> u32 {
        let settled = now.duration_since(self.due(0)).as_nanos();
        let step = i128::try_from(self.step.as_nanos())
            .unwrap_or(i128::MAX)
            .max(1);
        u32::try_from(settled.max(0) / step)
            .unwrap_or(u32::MAX)
            .min(self.looks)
    }

    fn end(&self, look: u32) -> Timestamp {
        later(self.anchor, self.step.saturating_mul(look))
    }
}

/// When the trial of a metric began.
///
/// That is when the `AnalysisRun` was created, plus the metric's `initialDelay`. Both never change, so a plugin or a controller
/// that starts anew, and a measurement that follows one with an error, find the same trial again and not a fresh one
/// with a fresh budget. `status.startedAt` would not do: it is not set when the first measurement is asked for.
///
/// A run that was restored from a backup was created anew but has the old status. Then the measurements say since when
/// they are judged: the earlier of both holds.
pub(crate) fn anchor(
    subject: &Subject,
    in_flight: Option<&Measurement>,
    delay: Duration,
) -> Timestamp {
    let run = &subject.analysis_run;
    let started = run.status.started_at;
    let created = timestamp(run.object_meta.creation_timestamp).or_else(|| timestamp(started));
    let anchor = later(created.unwrap_or(subject.now), delay);
    let earlier = run
        .result_of(&subject.metric.name)
        .map_or(&[][..], |result| &result.measurements);
    earlier
        .iter()
        .chain(in_flight)
        .filter_map(since)
        .fold(anchor, Ord::min)
}

fn since(measurement: &Measurement) -> Option<Timestamp> {
    measurement.metadata.get(SINCE)?.parse().ok()
}

/// The time after `at`, or the last one there is.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use temper_gob::Time;
    use temper_rollouts::MetricResult;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn timeline() -> Timeline {
        let (step, settle) = (Duration::from_secs(30), Duration::from_secs(15));
        Timeline {
            anchor: at(1000),
            step,
            looks: 4,
            settle,
        }
    }

    #[test]
    fn an_interval_is_frozen_when_it_has_settled() {
        let cases = [
            (0, 0),
            (1044, 0),
            (1045, 1),
            (1074, 1),
            (1075, 2),
            (1135, 4),
            (9999, 4),
        ];
        for (second, frozen) in cases {
            assert_eq!(timeline().frozen(at(second)), frozen, "at {second}");
        }
    }

    #[test]
    fn intervals_follow_each_other_without_gaps() {
        let boundaries: Vec<_> = timeline().boundaries(1, 2).collect();
        assert_eq!(boundaries, [at(1000), at(1030), at(1060)]);
        assert!(
            timeline()
                .boundaries(2, 3)
                .eq([at(1030), at(1060), at(1090)])
        );
        assert_eq!(timeline().due(2), at(1075));
    }

    #[test]
    fn a_timeline_of_any_numbers_is_one_without_overflow() {
        let anchor = Timestamp::MAX;
        let endless = Timeline {
            anchor,
            step: Duration::MAX,
            looks: u32::MAX,
            settle: Duration::MAX,
        };
        assert_eq!(endless.frozen(Timestamp::MIN), 0);
        assert_eq!(endless.due(u32::MAX), Timestamp::MAX);
        let instant = Timeline {
            step: Duration::ZERO,
            settle: Duration::ZERO,
            ..endless
        };
        assert_eq!(instant.frozen(Timestamp::MAX), 0);
    }

    fn subject() -> Subject {
        let mut subject = Subject {
            now: at(5000),
            ..Subject::default()
        };
        subject.analysis_run.object_meta.creation_timestamp = Some(Time::utc(1000, 0));
        subject.metric.name = "errors".to_owned();
        subject
    }

    fn judged_since(second: i64) -> Measurement {
        let metadata = [(SINCE.to_owned(), at(second).to_string())].into();
        Measurement {
            metadata,
            ..Measurement::default()
        }
    }

    #[test]
    fn a_trial_begins_with_its_run_whatever_the_status_says() {
        let mut subject = subject();
        assert_eq!(anchor(&subject, None, Duration::from_secs(5)), at(1005));
        subject.analysis_run.status.started_at = Some(Time::utc(1002, 0));
        assert_eq!(anchor(&subject, None, Duration::ZERO), at(1000));
    }

    #[test]
    fn a_restored_run_goes_on_with_the_trial_that_its_measurements_tell_of() {
        let mut subject = subject();
        assert_eq!(
            anchor(&subject, Some(&judged_since(900)), Duration::ZERO),
            at(900)
        );
        assert_eq!(
            anchor(&subject, Some(&judged_since(1100)), Duration::ZERO),
            at(1000)
        );
        let measurements = vec![judged_since(800), Measurement::default()];
        let result = MetricResult {
            name: "errors".to_owned(),
            measurements,
            count: 1,
        };
        subject.analysis_run.status.metric_results.push(result);
        assert_eq!(anchor(&subject, None, Duration::ZERO), at(800));
    }

    #[test]
    fn a_run_without_any_time_begins_now() {
        let subject = Subject {
            now: at(5000),
            ..Subject::default()
        };
        assert_eq!(anchor(&subject, None, Duration::ZERO), at(5000));
    }
}
