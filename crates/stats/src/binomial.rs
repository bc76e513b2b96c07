//! The binomial distribution: probabilities around its mean, and tails to 1e-300.

use std::f64::consts::TAU;

use crate::numeric::{count, floor_count, sum_outwards};

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

/// `ln P(X = k)` for X binomial with `n` trials and success probability `p`, in [0, 1].
///
/// By the deviance from the mean, whose terms do not cancel as those of `ln n! − ln k! − ln (n − k)!` do: at a million
/// trials the latter have lost nine digits. Source: Loader (2000), *Fast and accurate computation of binomial
/// probabilities*. Minus infinity for what cannot be: k above n, a success at p = 0, a failure at p = 1.
pub fn ln_probability(k: u64, n: u64, p: f64) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    let (successes, failures, trials) = (count(k), count(n - k), count(n));
    let q = 1.0 - p;
    if k == 0 {
        return certain(failures, (-p).ln_1p());
    }
    if k == n {
        return certain(successes, p.ln());
    }
    stirling_error(n)
        - stirling_error(k)
        - stirling_error(n - k)
        - deviance(successes, trials * p)
        - deviance(failures, trials * q)
        - 0.5 * (TAU * successes * (failures / trials)).ln()
}

/// `times · ln_p`, which is 0 for no times even where `ln_p` is minus infinity.
fn certain(times: f64, ln_p: f64) -> f64 {
    if times > 0.0 { times * ln_p } else { 0.0 }
}

/// What Stirling's formula `½ ln 2πn + n ln n − n` lacks to `ln n!`: from the factorial itself where it is exact as a float,
/// else by the series, whose first term left out is below 1e-15 there.
fn stirling_error(n: u64) -> f64 {
    let x = count(n);
    if n <= 15 {
        let factorial = count((1..=n).product());
        return factorial.ln() - (0.5 * (TAU * x).ln() + x * x.ln() - x);
    }
    let square = x * x;
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
    ];
    series
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum / square + term)
        / x
}

/// `x ln(x/m) + m − x`, at least 0: by the series of the logarithm where `x` is close to the mean `m`.
fn deviance(x: f64, m: f64) -> f64 {
    let difference = x - m;
    let relative = difference / (x + m);
    if relative.abs() >= 0.1 {
        return x * (x / m).ln() + m - x;
    }
    // |relative| is below 0.1, so each term is below a hundredth of the one before: ten reach the last place of the sum.
    let square = relative * relative;
    let odds = [3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0, 21.0];
    let series = odds
        .iter()
        .rev()
        .fold(0.0, |sum, odd| (sum + 1.0 / odd) * square);
    difference * relative + 2.0 * x * relative * series
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
    if k > n {
        return 0.0;
    }
    match k.checked_sub(1) {
        None => 1.0,
        Some(_) if count(k) > count(n) * p => outer_upper_tail(k, n, p),
        Some(below) => 1.0 - outer_lower_tail(below, n, p),
    }
}

/// `P(X ≤ k)`, as exact as [`upper_tail`].
pub fn lower_tail(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        1.0
    } else if count(k) < count(n) * p {
        outer_lower_tail(k, n, p)
    } else {
        1.0 - outer_upper_tail(k + 1, n, p)
    }
}

fn outer_upper_tail(k: u64, n: u64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    let ratios = (k..n).map(|k| count(n - k) * odds / count(k + 1));
    sum_outwards(ln_probability(k, n, p), ratios)
}

fn outer_lower_tail(k: u64, n: u64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    let ratios = (1..=k).rev().map(|k| count(k) / (count(n - k + 1) * odds));
    sum_outwards(ln_probability(k, n, p), ratios)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_tails_agree_with_sums_of_fifty_digits() {
        for (k, n, p, expected) in [
            (30, 100, 0.25, 0.149_541_046_566_573),
            (5_200, 50_000, 0.1, 0.001_544_902_710_980_45),
            (101_000, 1_000_000, 0.1, 0.000_438_619_976_295_037),
            (10_020_000, 100_000_000, 0.1, 1.327_198_478_369e-11),
            (9_000, 100_000_000, 8.5e-5, 3.979_479_953_236_3e-8),
        ] {
            let got = upper_tail(k, n, p);
            assert!(
                (got / expected - 1.0).abs() < 1e-11,
                "{got:e} for {k} of {n}"
            );
        }
    }

    #[test]
    fn the_law_of_a_hundred_million_trials_sums_to_one() {
        let sum: f64 = law(100_000_000, 0.1).probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-11, "{:e}", sum - 1.0);
    }

    #[test]
    fn a_sure_outcome_is_sure_and_an_impossible_one_is_not_possible() {
        for (k, n, p, expected) in [(0, 0, 0.0, 1.0), (0, 9, 0.0, 1.0), (9, 9, 1.0, 1.0)] {
            assert!((ln_probability(k, n, p).exp() - expected).abs() < f64::EPSILON);
        }
        for (k, n, p) in [(1, 9, 0.0), (8, 9, 1.0), (10, 9, 0.5)] {
            assert!(ln_probability(k, n, p).exp() < f64::MIN_POSITIVE);
        }
        assert!((upper_tail(0, 9, 0.0) - 1.0).abs() < f64::EPSILON);
        assert!(upper_tail(1, 9, 0.0) < f64::MIN_POSITIVE);
    }

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
            let mirrored = lower_tail(n - k, n, 1.0 - p);
            prop_assert!((mirrored - sum).abs() <= 1e-10 * sum + 1e-13);
        }
    }
}
