//! What Kayenta calls one metric.

use crate::{
    descriptive::{count, mean},
    effect::Measure,
    mann_whitney::{self, Interval, NoVariance, normal_quantile},
};

/// Standard deviation of what is added to the values of two constant arms, relative to the value.
const NOISE: f64 = 1e-5;

/// What a metric is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// No difference that counts.
    Pass,
    /// The experiment is higher than it may be.
    High,
    /// The experiment is lower than it may be.
    Low,
    /// An arm has no points.
    Nodata,
    /// An arm has no points, and must have some.
    NodataFailMetric,
    /// It could not be computed. Counts for nothing.
    Error,
}

/// Which difference counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Only an increase.
    Increase,
    /// Only a decrease.
    Decrease,
    /// Either.
    Either,
}

/// What becomes of points that are no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanStrategy {
    /// They are left out.
    Remove,
    /// They are taken for 0.
    Replace,
}

/// How a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Which difference counts.
    pub direction: Direction,
    /// What became of points that are no numbers; decides on arms without points.
    pub nan_strategy: NanStrategy,
    /// Whether a difference fails the whole judgement.
    pub critical: bool,
    /// Whether a metric without points fails.
    pub must_have_data: bool,
}

/// A metric's label, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// What it is called.
    pub label: Label,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// The effect; 1 where none was computed, NaN where it can't be.
    pub deviation: f64,
    /// Whether it fails the whole judgement.
    pub critical: bool,
}

/// Compares by the interval of the difference in location.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// Share of the estimated difference by which the interval must be away from 0. The judge has 0.25.
    pub tolerance: f64,
    /// Level of the interval. The judge has 0.98.
    pub level: f64,
    /// How the size of a difference is measured.
    pub measure: Measure,
    /// Sizes of a decrease and an increase from which on they count.
    pub allowed: (f64, f64),
    /// Sizes from which on they are critical.
    pub critical: (f64, f64),
}

impl MannWhitney {
    /// As the judge has it, which reads neither level nor tolerance from its configuration.
    pub const fn of_judge(measure: Measure) -> Self {
        let neutral = measure.neutral();
        Self {
            tolerance: 0.25,
            level: 0.98,
            measure,
            allowed: (neutral, neutral),
            critical: (neutral, neutral),
        }
    }

    /// Classifies a metric. Points that are no numbers are out of the arms already.
    pub fn classify(&self, experiment: &[f64], control: &[f64], rules: Rules) -> Classification {
        if let Some(decided) = without_comparison(experiment, control, rules) {
            return decided;
        }
        let (experiment, control) = with_variance(experiment, control);
        self.compare(&experiment, &control, rules)
            .unwrap_or_else(|error| Classification {
                label: Label::Error,
                reason: Some(error.to_string()),
                deviation: 1.0,
                critical: false,
            })
    }

    fn compare(
        &self,
        experiment: &[f64],
        control: &[f64],
        rules: Rules,
    ) -> Result<Classification, NoVariance> {
        let interval = mann_whitney::interval(experiment, control, self.level)?;
        let effect = self.measure.of(experiment, control);
        let label = self.label(interval, effect, rules.direction);
        let beyond = match label {
            Label::High => reaches(effect, self.critical.1),
            Label::Low => falls_to(effect, self.critical.0),
            _ => false,
        };
        Ok(Classification {
            label,
            reason: reason(label, interval),
            deviation: effect,
            critical: rules.critical && beyond,
        })
    }

    fn label(&self, interval: Interval, effect: f64, direction: Direction) -> Label {
        let bound = self.tolerance * interval.estimate.abs();
        let (decrease, increase) = self.allowed;
        if direction != Direction::Decrease && interval.low > bound && reaches(effect, increase) {
            Label::High
        } else if direction != Direction::Increase
            && interval.high < -bound
            && falls_to(effect, decrease)
        {
            Label::Low
        } else {
            Label::Pass
        }
    }
}

/// Compares the means: any difference counts.
pub fn mean_inequality(experiment: &[f64], control: &[f64], rules: Rules) -> Classification {
    if let Some(decided) = without_data(experiment, control, rules) {
        return decided;
    }
    let (ours, theirs) = (mean(experiment), mean(control));
    let label = if ours > theirs && rules.direction != Direction::Decrease {
        Label::High
    } else if ours < theirs && rules.direction != Direction::Increase {
        Label::Low
    } else {
        Label::Pass
    };
    Classification {
        label,
        reason: (label != Label::Pass)
            .then(|| format!("the mean is {ours}, that of the control {theirs}")),
        deviation: Measure::MeanRatio.of(experiment, control),
        critical: false,
    }
}

/// An effect that can't be told counts.
fn reaches(effect: f64, threshold: f64) -> bool {
    effect.is_nan() || effect >= threshold
}

fn falls_to(effect: f64, threshold: f64) -> bool {
    effect.is_nan() || effect <= threshold
}

fn reason(label: Label, interval: Interval) -> Option<String> {
    let word = match label {
        Label::High => "higher",
        Label::Low => "lower",
        _ => return None,
    };
    let Interval {
        low,
        high,
        estimate,
    } = interval;
    Some(format!("{word} by {estimate} ({low} to {high})"))
}

/// What needs no test: arms without points, arms that are the same.
fn without_comparison(experiment: &[f64], control: &[f64], rules: Rules) -> Option<Classification> {
    without_data(experiment, control, rules).or_else(|| {
        let same = sorted(experiment) == sorted(control);
        let first = experiment.first()?;
        let one_value = experiment.iter().chain(control).all(|value| value == first);
        (same || one_value).then(pass)
    })
}

fn without_data(experiment: &[f64], control: &[f64], rules: Rules) -> Option<Classification> {
    let arm = match (experiment.is_empty(), control.is_empty()) {
        (false, false) => return None,
        (true, false) => "the experiment has",
        (false, true) => "the control has",
        (true, true) => "both arms have",
    };
    if rules.nan_strategy == NanStrategy::Replace {
        return Some(pass());
    }
    let fails = rules.must_have_data && !rules.critical;
    Some(Classification {
        label: if fails {
            Label::NodataFailMetric
        } else {
            Label::Nodata
        },
        reason: Some(format!("{arm} no points")),
        deviation: 1.0,
        critical: rules.critical,
    })
}

const fn pass() -> Classification {
    Classification {
        label: Label::Pass,
        reason: None,
        deviation: 1.0,
        critical: false,
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Two constant arms have no variance: each is spread a little, as a normal sample of its size would be on the average.
fn with_variance(experiment: &[f64], control: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let constant = |values: &[f64]| {
        values
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a == b))
    };
    if constant(experiment) && constant(control) {
        (spread(experiment), spread(control))
    } else {
        (experiment.to_vec(), control.to_vec())
    }
}

fn spread(values: &[f64]) -> Vec<f64> {
    let n = count(values.len());
    let mut place = 0.5;
    let away = |value: &f64| {
        let moved = value * (1.0 + NOISE * normal_quantile(place / n));
        place += 1.0;
        moved
    };
    values.iter().map(away).collect()
}
