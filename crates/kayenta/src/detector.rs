//! Detection of outliers.

use crate::descriptive::{mean, percentile, variance};

/// How outliers are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detector {
    /// Further from the mean than so many standard deviations of the sample.
    KSigma(f64),
    /// Outside the quartiles by more than so many interquartile ranges.
    Iqr(f64),
    /// The same, and outside the first and the last percentile as well: what the judge uses.
    ReducedIqr(f64),
}

impl Detector {
    /// Tells for each value whether it is an outlier.
    pub fn detect(self, values: &[f64]) -> Vec<bool> {
        let (low, high) = self.fences(values);
        values
            .iter()
            .map(|value| *value < low || *value > high)
            .collect()
    }

    fn fences(self, values: &[f64]) -> (f64, f64) {
        match self {
            Self::KSigma(factor) => {
                let (mean, reach) = (mean(values), factor * variance(values).sqrt());
                (mean - reach, mean + reach)
            }
            Self::Iqr(factor) => quartile_fences(values, factor),
            Self::ReducedIqr(factor) => {
                let (low, high) = quartile_fences(values, factor);
                (
                    low.min(percentile(values, 1.0)),
                    high.max(percentile(values, 99.0)),
                )
            }
        }
    }
}

fn quartile_fences(values: &[f64], factor: f64) -> (f64, f64) {
    let (low, high) = (percentile(values, 25.0), percentile(values, 75.0));
    let reach = factor * (high - low);
    (low - reach, high + reach)
}
