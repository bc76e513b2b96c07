//! The interval for the difference in location of two samples.
//!
//! `W(μ, q) = (S − ½·sgn S)/σ − q`, where `S` is the Mann-Whitney statistic of the experiment less μ and the control, less its mean, and σ its standard
//! deviation with the ties that there are at μ. The ends of the interval are the roots for `±z`, the estimate is that for 0
//! (Hodges & Lehmann 1963). Source: R's `wilcox.test(exact = FALSE, correct = TRUE, conf.int = TRUE)`, as Kayenta has it.

use statrs::distribution::{ContinuousCDF as _, Normal};

use crate::{descriptive::count, zero::root};

/// To within this the roots are found, absolute: too wide for metrics of this size, but verdicts depend on it.
const TOLERANCE: f64 = 1e-4;

/// An interval of the difference in location, experiment less control. Its ends may be in the wrong order, and the estimate
/// outside: see the crate's list of defects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The estimate.
    pub estimate: f64,
}

/// All values are one at some μ that was tried, so there is no variance to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("comparing two arms: all values are the same once one arm is moved onto the other")]
pub struct NoVariance;

/// The interval at a confidence level such as 0.98. Neither arm may be empty or hold NaN.
pub fn interval(experiment: &[f64], control: &[f64], level: f64) -> Result<Interval, NoVariance> {
    let z = normal_quantile(f64::midpoint(1.0, level));
    let find = |quantile| location(experiment, control, quantile);
    Ok(Interval {
        low: find(z)?,
        high: find(-z)?,
        estimate: find(0.0)?,
    })
}

/// The μ at which the statistic is at a quantile; an end of what is possible where it never is.
fn location(experiment: &[f64], control: &[f64], quantile: f64) -> Result<f64, NoVariance> {
    let (low, high) = possible(experiment, control);
    let f = |mu| wilcoxon_difference(experiment, control, mu, quantile);
    let f_low = f(low)?;
    if f_low <= 0.0 {
        return Ok(low);
    }
    let f_high = f(high)?;
    if f_high >= 0.0 {
        return Ok(high);
    }
    root((low, f_low), (high, f_high), TOLERANCE, f)
}

/// The least and the greatest difference between a value of the experiment and one of the control.
pub fn possible(experiment: &[f64], control: &[f64]) -> (f64, f64) {
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (
        least(experiment) - most(control),
        most(experiment) - least(control),
    )
}

/// `W(μ, q)`, see the module.
pub fn wilcoxon_difference(
    experiment: &[f64],
    control: &[f64],
    mu: f64,
    quantile: f64,
) -> Result<f64, NoVariance> {
    let moved: Vec<_> = experiment.iter().map(|value| value - mu).collect();
    let (m, n) = (count(moved.len()), count(control.len()));
    let (ranks, ties) = rank_sum(&moved, control);
    let statistic = ranks - m * (m + 1.0) / 2.0 - m * n / 2.0;
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return Err(NoVariance);
    }
    let correction = if statistic == 0.0 {
        0.0
    } else {
        0.5_f64.copysign(statistic)
    };
    Ok((statistic - correction) / variance.sqrt() - quantile)
}

/// The sum of the first sample's ranks among both, ties sharing the middle of theirs, and `Σ(t³ − t)` over ties.
pub(crate) fn rank_sum(first: &[f64], second: &[f64]) -> (f64, f64) {
    // Both zeros are one value.
    let first = first.iter().map(|value| (value + 0.0, true));
    let second = second.iter().map(|value| (value + 0.0, false));
    let mut all: Vec<_> = first.chain(second).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut sum, mut ties) = (0.0, 0.0, 0.0);
    for tied in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let t = count(tied.len());
        let of_first = count(tied.iter().filter(|(_, first)| *first).count());
        sum += of_first * (below + f64::midpoint(t, 1.0));
        ties += t * t * t - t;
        below += t;
    }
    (sum, ties)
}

/// The standard normal quantile.
pub fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}
