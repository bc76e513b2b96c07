//! The binomial distribution: probabilities around its mean, and tails to 1e-300.

use statrs::function::gamma::ln_gamma;

use crate::numeric::{count, floor_count};

/// How far around the mean probabilities are taken, in standard deviations. What lies outside is below 1e-13.
const WIDTH: f64 = 8.0;

/// A run of probabilities of consecutive integers.
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// The integer that the first probability is for.
    pub from: u64,
    /// Probabilities of `from`, `from + 1`, …
    pub probabilities: Vec<f64>,
}

/// `ln P(X = k)` for X binomial with `n` trials and success probability `p`, which lies strictly between 0 and 1.
pub fn ln_probability(k: u64, n: u64, p: f64) -> f64 {
    let (k, n) = (count(k), count(n));
    let choose = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    choose + k * p.ln() + (n - k) * (-p).ln_1p()
}

/// The part of the binomial law within eight standard deviations (and eight integers) of its mean.
///
/// Starts at the mode and goes outwards by ratios of neighbours, so that each probability has a relative error of a few
/// units in the last place per step.
pub fn law(n: u64, p: f64) -> Law {
    let mean = count(n) * p;
    let reach = WIDTH.mul_add((mean * (1.0 - p)).sqrt(), WIDTH);
    let from = floor_count(mean - reach);
    let to = floor_count(mean + reach).saturating_add(1).min(n);
    let mode = floor_count(count(n.saturating_add(1)) * p).clamp(from, to);
    let odds = p / (1.0 - p);
    let peak = ln_probability(mode, n, p).exp();
    // P(k − 1) / P(k) = k / ((n − k + 1) · odds).
    let below = (from..mode).rev().scan(peak, |probability, k| {
        *probability *= count(k + 1) / (count(n - k) * odds);
        Some(*probability)
    });
    let mut probabilities: Vec<_> = below.collect();
    probabilities.reverse();
    probabilities.push(peak);
    probabilities.extend((mode + 1..=to).scan(peak, |probability, k| {
        *probability *= count(n - k + 1) * odds / count(k);
        Some(*probability)
    }));
    Law {
        from,
        probabilities,
    }
}

/// `P(X ≥ k)`, with a relative error of about 1e-12 however small it is.
///
/// Sums the tail that does not hold the mean, from its largest term outwards; the other is 1 less that.
pub fn upper_tail(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    if k > n {
        return 0.0;
    }
    let odds = p / (1.0 - p);
    if count(k) > count(n) * p {
        sum_outwards(
            ln_probability(k, n, p),
            k,
            |k| count(n - k) * odds / count(k + 1),
            n,
        )
    } else {
        let below = k - 1;
        let ratio = |step: u64| {
            let k = below - step;
            count(k) / (count(n - k + 1) * odds)
        };
        1.0 - sum_outwards(ln_probability(below, n, p), 0, ratio, below)
    }
}

/// Sums `first · Π ratio`, until a term no longer matters or the index reaches `last`.
fn sum_outwards(ln_first: f64, from: u64, ratio: impl Fn(u64) -> f64, last: u64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for index in from..last {
        term *= ratio(index);
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    (ln_first + f64::ln(sum)).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_window_holds_all_but_nothing_of_the_law(n in 0..5000_u64, p in 0.001..0.999_f64) {
            let law = law(n, p);
            let sum: f64 = law.probabilities.iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-10, "{sum}");
        }

        #[test]
        fn tails_are_the_sums_of_probabilities(n in 1..400_u64, share in 0.0..1.0_f64, p in 0.01..0.99_f64) {
            let k = floor_count(count(n) * share);
            let sum: f64 = (k..=n).map(|k| ln_probability(k, n, p).exp()).sum();
            prop_assert!((upper_tail(k, n, p) - sum).abs() <= 1e-10 * sum + 1e-13);
        }
    }
}
