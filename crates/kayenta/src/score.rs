//! From the labels of metrics to a score.

use std::collections::{BTreeMap, BTreeSet};

use crate::{classifier::Label, descriptive::count};

/// Share of metrics without data, in percent, from which on nothing is scored.
const MOST_NODATA: f64 = 50.0;

/// What a metric counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// What it is called.
    pub label: Label,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// Whether it fails the whole judgement unless it passes.
    pub critical: bool,
}

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreClass {
    /// Good enough.
    Pass,
    /// For a person to look at.
    Marginal,
    /// Not good enough.
    Fail,
}

impl ScoreClass {
    /// The class of a score.
    pub fn of(score: f64, pass: f64, marginal: f64) -> Self {
        if score >= pass {
            Self::Pass
        } else if score >= marginal {
            Self::Marginal
        } else {
            Self::Fail
        }
    }
}

/// The score of all groups in [0, 100], with two decimals.
///
/// A group's score is the share of its metrics that pass among those with a label that counts. Groups without a weight share what
/// is left of 100. A critical metric that does not pass makes it 0, and so do metrics half of which have no data; a group
/// in which nothing counts has 100.
pub fn score(metrics: &[Scored], weights: &BTreeMap<String, f64>) -> f64 {
    let without = metrics
        .iter()
        .filter(|metric| metric.label == Label::Nodata)
        .count();
    let no_data = 100.0 * count(without) >= MOST_NODATA * count(metrics.len());
    let failed = |metric: &Scored| metric.critical && metric.label != Label::Pass;
    if no_data || metrics.iter().any(failed) {
        return 0.0;
    }
    let groups: BTreeSet<_> = metrics.iter().flat_map(|metric| &metric.groups).collect();
    let unlisted = groups
        .iter()
        .filter(|group| !weights.contains_key(**group))
        .count();
    let rest = (100.0 - weights.values().sum::<f64>()) / count(unlisted.max(1));
    let weighted = groups.iter().map(|group| {
        let weight = weights.get(*group).copied().unwrap_or(rest);
        group_score(metrics, group) * weight / 100.0
    });
    two_decimals(weighted.sum())
}

fn group_score(metrics: &[Scored], group: &String) -> f64 {
    let labels = || {
        metrics
            .iter()
            .filter(|metric| metric.groups.contains(group))
            .map(|one| one.label)
    };
    let counts = |label: &Label| {
        matches!(
            label,
            Label::Pass | Label::High | Label::Low | Label::NodataFailMetric
        )
    };
    let all = labels().filter(counts).count();
    let passed = labels().filter(|label| *label == Label::Pass).count();
    if all == 0 {
        100.0
    } else {
        100.0 * count(passed) / count(all)
    }
}

fn two_decimals(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}
