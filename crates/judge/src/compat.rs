//! What Kayenta would say of the same rollout, for people who come from there.
//!
//! Kayenta compares points of time series. A point is what a guard's metric was in a look: the share of requests that fail, the
//! median and the 99th percentile of a histogram. Each guard is a group, only increases count, and all else is Kayenta's default. It is
//! said beside our own verdict and never decides.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_kayenta::{
    Direction, Label, Measure, Metric, NanStrategy, ScoreClass, classifier::Rules, judge,
};
use temper_stats::numeric::count;

use crate::{
    latency::add_counts,
    layout::{Layout, sum},
    signal::Signal,
    verdict::State,
    window::{Arm, CellKey, Counts},
    words,
};

/// Scores from which on Kayenta's examples pass, and are marginal.
const SCORES: (f64, f64) = (95.0, 75.0);

/// Quantiles of a histogram that are points.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// What Kayenta's `NetflixACAJudge` would say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kayenta {
    /// `pass`, `marginal` or `fail`.
    pub verdict: String,
    /// The score in [0, 100].
    pub score: f64,
    /// The metrics it compares, and what it calls them: `Pass`, `High`, `Low`, `Nodata` or `Error`.
    pub metrics: BTreeMap<String, String>,
    /// Why its verdict is another than ours; None where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
}

/// The points of a guard, a series for each metric.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    signal: Signal,
    series: BTreeMap<String, [Vec<f64>; 2]>,
}

impl Points {
    pub(crate) const fn new(signal: Signal) -> Self {
        Self {
            signal,
            series: BTreeMap::new(),
        }
    }

    /// Takes in a look.
    pub(crate) fn observe(&mut self, cells: &BTreeMap<CellKey, Counts>) {
        for (at, arm) in [Arm::Canary, Arm::Stable].into_iter().enumerate() {
            let counts: Vec<_> = cells
                .iter()
                .filter(|(key, _)| key.arm == arm)
                .map(|(_, counts)| counts)
                .collect();
            for (name, point) in self.points(&counts) {
                let series = self.series.entry(name).or_default();
                if let Some(series) = series.get_mut(at) {
                    series.push(point);
                }
            }
        }
    }

    /// A version's points in a look; NaN where it had no request.
    fn points(&self, counts: &[&Counts]) -> Vec<(String, f64)> {
        let name = self.signal.name();
        let shares: Vec<_> = counts
            .iter()
            .filter_map(|one| self.signal.events(one))
            .collect();
        if !shares.is_empty() {
            let (all, events) = shares.iter().fold((0.0, 0.0), |(all, events), one| {
                (all + count(one.0), events + count(one.1))
            });
            return vec![(name.to_owned(), events / all)];
        }
        let histograms: Vec<_> = counts
            .iter()
            .filter_map(|one| self.signal.histogram(one))
            .collect();
        let mut layouts = histograms.iter().map(|one| Layout::of(one));
        let Some(first) = layouts.next() else {
            return Vec::new();
        };
        let Some(layout) = layouts.try_fold(first, |met, own| met.common(&own)) else {
            return Vec::new();
        };
        let mut sums = vec![0; layout.buckets()];
        for histogram in histograms {
            add_counts(&mut sums, &layout.count(histogram));
        }
        let quantile =
            |(label, share)| (format!("{name} {label}"), quantile(&layout, &sums, share));
        QUANTILES.map(quantile).into()
    }
}

/// A quantile by linear interpolation within its bucket, as Prometheus has it. NaN without requests.
fn quantile(layout: &Layout, counts: &[u64], share: f64) -> f64 {
    let wanted = share * count(sum(counts));
    let mut below = 0.0;
    for (bucket, n) in counts.iter().enumerate() {
        let here = count(*n);
        if here > 0.0 && below + here >= wanted {
            let low = bucket
                .checked_sub(1)
                .map_or(0.0, |below| layout.upper(below));
            let high = layout.upper(bucket);
            let high = if high.is_finite() { high } else { low };
            return low + (high - low) * (wanted - below) / here;
        }
        below += here;
    }
    f64::NAN
}

/// What Kayenta would say of these points, and why it is not what we say.
pub(crate) fn verdict(guards: &[Points], ours: State) -> Kayenta {
    let metrics: Vec<_> = guards
        .iter()
        .flat_map(|guard| {
            guard
                .series
                .iter()
                .map(move |series| metric(guard.signal.name(), series))
        })
        .collect();
    let (pass, marginal) = SCORES;
    let judgement = judge(&metrics, &BTreeMap::new(), pass, marginal);
    let labels = metrics.iter().zip(&judgement.metrics);
    let points = metrics.iter().map(|metric| metric.experiment.len()).max();
    Kayenta {
        verdict: word(judgement.class).to_owned(),
        score: judgement.score,
        metrics: labels
            .map(|(metric, one)| (metric.name.clone(), label(one.label).to_owned()))
            .collect(),
        differs: differs(judgement.class, ours, points.unwrap_or(0)),
    }
}

fn metric(group: &str, (name, [canary, stable]): (&String, &[Vec<f64>; 2])) -> Metric {
    Metric {
        name: name.clone(),
        experiment: canary.clone(),
        control: stable.clone(),
        groups: vec![group.to_owned()],
        rules: Rules {
            direction: Direction::Increase,
            nan_strategy: NanStrategy::Remove,
            critical: false,
            must_have_data: false,
        },
        measure: Measure::MeanRatio,
        outliers: None,
        muted: false,
    }
}

const fn word(class: ScoreClass) -> &'static str {
    match class {
        ScoreClass::Pass => "pass",
        ScoreClass::Marginal => "marginal",
        ScoreClass::Fail => "fail",
    }
}

const fn label(label: Label) -> &'static str {
    match label {
        Label::Pass => "Pass",
        Label::High => "High",
        Label::Low => "Low",
        Label::Nodata => "Nodata",
        Label::NodataFailMetric => "NodataFailMetric",
        Label::Error => "Error",
    }
}

fn differs(theirs: ScoreClass, ours: State, points: usize) -> Option<String> {
    let looks = words::looks(u32::try_from(points).unwrap_or(u32::MAX));
    match (theirs, ours) {
        (ScoreClass::Pass, State::Fail) => Some(format!(
            "Kayenta has one point a look, {looks} in all, and can't tell how many requests are behind it; counted by request \
             the difference is beyond chance"
        )),
        (ScoreClass::Marginal | ScoreClass::Fail, State::Pass) => Some(
            "Kayenta's tolerance is a share of the difference that it estimates, so one of any size counts; ours is within the \
             margins of the policy"
                .to_owned(),
        ),
        (ScoreClass::Marginal | ScoreClass::Fail, State::Watching) => Some(
            "Kayenta compares anew at each look and pays for none of them; we wait until a difference beyond the margins is \
             proven over all looks"
                .to_owned(),
        ),
        (ScoreClass::Pass, State::Inconclusive) => Some(
            "Kayenta passes what it has no points for, or too few; we say that nothing was shown".to_owned(),
        ),
        (ScoreClass::Pass, State::Pass | State::Watching)
        | (ScoreClass::Marginal | ScoreClass::Fail, State::Fail | State::Inconclusive) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket_as_prometheus_has_it() {
        let layout = Layout::Classic(vec![0.1, 0.2]);
        assert!((quantile(&layout, &[50, 50, 0], 0.5) - 0.1).abs() < 1e-12);
        assert!((quantile(&layout, &[50, 50, 0], 0.75) - 0.15).abs() < 1e-12);
        assert!((quantile(&layout, &[0, 1, 99], 0.99) - 0.2).abs() < 1e-12);
        assert!(quantile(&layout, &[0, 0, 0], 0.5).is_nan());
    }
}
