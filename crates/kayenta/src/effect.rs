//! How large a difference is.

use crate::{
    descriptive::{count, mean},
    mann_whitney::rank_sum,
};

/// A measure of the size of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Ratio of the means, experiment over control.
    MeanRatio,
    /// Common language effect size: the probability that a value of the experiment is larger, ties counted half.
    Cles,
}

impl Measure {
    /// The size of the difference. NaN where it can't be told: a mean of 0, an empty arm.
    pub fn of(self, experiment: &[f64], control: &[f64]) -> f64 {
        match self {
            Self::MeanRatio => mean_ratio(experiment, control),
            Self::Cles => cles(experiment, control),
        }
    }

    /// The value of this measure where nothing differs, which is Kayenta's default for all thresholds.
    pub const fn neutral(self) -> f64 {
        match self {
            Self::MeanRatio => 1.0,
            Self::Cles => 0.5,
        }
    }
}

fn mean_ratio(experiment: &[f64], control: &[f64]) -> f64 {
    let (experiment, control) = (mean(experiment), mean(control));
    if experiment == 0.0 || control == 0.0 {
        f64::NAN
    } else {
        experiment / control
    }
}

/// `(2R₁ − m(m + 1)) / 2mn` with R₁ the sum of the experiment's ranks. Source: Vargha & Delaney (2000), there A12.
fn cles(experiment: &[f64], control: &[f64]) -> f64 {
    let (m, n) = (count(experiment.len()), count(control.len()));
    (2.0 * rank_sum(experiment, control).0 - m * (m + 1.0)) / (2.0 * m * n)
}
