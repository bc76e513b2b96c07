//! The judge: metrics in, a score out.

use std::collections::BTreeMap;

use crate::{
    classifier::{Classification, MannWhitney, NanStrategy, Rules},
    detector::Detector,
    effect::Measure,
    score::{ScoreClass, Scored, score},
    transform::{remove_nans, remove_outliers, replace_nans},
};

/// A metric and how it is judged. The defaults are Kayenta's.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Points of the experiment (the canary); NaN where an interval has none.
    pub experiment: Vec<f64>,
    /// Points of the control (the baseline).
    pub control: Vec<f64>,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// How it counts.
    pub rules: Rules,
    /// How the size of a difference is measured.
    pub measure: Measure,
    /// Interquartile ranges from which on a point is an outlier and removed; None keeps all.
    pub outliers: Option<f64>,
    /// Whether it is left out of the score.
    pub muted: bool,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// In [0, 100].
    pub score: f64,
    /// What the score means.
    pub class: ScoreClass,
    /// The metrics' classifications, in the order of the metrics.
    pub metrics: Vec<Classification>,
}

/// Judges metrics. `weights` are those of groups, `pass` and `marginal` the scores from which on they are (Kayenta's examples
/// have 95 and 75).
pub fn judge(
    metrics: &[Metric],
    weights: &BTreeMap<String, f64>,
    pass: f64,
    marginal: f64,
) -> Judgement {
    let classified: Vec<_> = metrics.iter().map(classify).collect();
    let scored: Vec<_> = metrics
        .iter()
        .zip(&classified)
        .filter(|(metric, _)| !metric.muted)
        .map(|(metric, one)| Scored {
            label: one.label,
            groups: metric.groups.clone(),
            critical: one.critical,
        })
        .collect();
    let score = score(&scored, weights);
    Judgement {
        score,
        class: ScoreClass::of(score, pass, marginal),
        metrics: classified,
    }
}

fn classify(metric: &Metric) -> Classification {
    let [experiment, control] =
        [&metric.experiment, &metric.control].map(|points| prepared(points, metric));
    MannWhitney::of_judge(metric.measure).classify(&experiment, &control, metric.rules)
}

fn prepared(points: &[f64], metric: &Metric) -> Vec<f64> {
    let numbers = match metric.rules.nan_strategy {
        NanStrategy::Remove => remove_nans(points),
        NanStrategy::Replace => replace_nans(points, 0.0),
    };
    match metric.outliers {
        Some(factor) => remove_outliers(&numbers, Detector::ReducedIqr(factor)),
        None => numbers,
    }
}
