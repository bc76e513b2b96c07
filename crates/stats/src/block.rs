//! An e-process for "both arms have one distribution over the buckets", whatever that is and however it drifts.
//!
//! For each interval two distributions are guessed from the past, `q_c` and `q_s`; with their mean `q₀`, weighted by the
//! counts of the interval, its factor is `Π (q_c/q₀)^c · (q_s/q₀)^s` over the buckets. Its expectation is at most 1 when the arms are
//! alike, by the inequality of arithmetic and geometric means, provided that the guesses were made before the interval.
//! Source: Turner, Ly & Grünwald (2024), for blocks of two outcomes. Assumes A1 and A2 of the crate, and A3 for equality.
//!
//! It has two sides: it sees a canary that became faster as well as one that became slower. A slowdown alone is the matter of
//! [`score`](crate::score).

use crate::numeric::{count, length};

/// Logarithm of the factor of an interval, from counts and guessed probabilities per bucket.
///
/// 0 where an arm is empty. The guesses must be positive wherever something was counted: infinite or NaN otherwise.
pub fn ln_factor(
    canary: &[u64],
    stable: &[u64],
    canary_guess: &[f64],
    stable_guess: &[f64],
) -> f64 {
    let (n_canary, n_stable) = (total(canary), total(stable));
    if n_canary <= 0.0 || n_stable <= 0.0 {
        return 0.0;
    }
    let share = n_canary / (n_canary + n_stable);
    let counts = canary.iter().zip(stable);
    let guesses = canary_guess.iter().zip(stable_guess);
    let terms = counts.zip(guesses).map(|((c, s), (q_canary, q_stable))| {
        let mean = share * q_canary + (1.0 - share) * q_stable;
        times(*c, q_canary / mean) + times(*s, q_stable / mean)
    });
    terms.sum()
}

/// `n · ln(ratio)`, and 0 for no values, of whatever probability.
fn times(n: u64, ratio: f64) -> f64 {
    if n > 0 { count(n) * ratio.ln() } else { 0.0 }
}

fn total(counts: &[u64]) -> f64 {
    counts.iter().map(|n| count(*n)).sum()
}

/// The past of both arms, which guesses what they do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    canary: Vec<u64>,
    stable: Vec<u64>,
}

impl Past {
    /// No past, with this number of buckets: every bucket is as likely as any other.
    pub fn new(buckets: usize) -> Self {
        Self {
            canary: vec![0; buckets],
            stable: vec![0; buckets],
        }
    }

    /// Logarithm of the factor of an interval by what was seen before it; learns from the interval afterwards. Buckets past
    /// the number given to [`new`](Self::new) are left out.
    pub fn observe(&mut self, canary: &[u64], stable: &[u64]) -> f64 {
        let factor = ln_factor(canary, stable, &guess(&self.canary), &guess(&self.stable));
        absorb(&mut self.canary, canary);
        absorb(&mut self.stable, stable);
        factor
    }
}

/// Relative frequencies, with half a value more in each bucket so that none is impossible: Krichevsky & Trofimov (1981).
fn guess(past: &[u64]) -> Vec<f64> {
    let all = total(past) + 0.5 * length(past.len());
    past.iter().map(|n| (count(*n) + 0.5) / all).collect()
}

fn absorb(past: &mut [u64], counts: &[u64]) {
    for (sum, n) in past.iter_mut().zip(counts) {
        *sum = sum.saturating_add(*n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binomial::ln_probability;

    /// Expectation over all outcomes of two arms of two buckets, when both have the probability `p` of the second.
    fn expectation(past: &Past, n_canary: u64, n_stable: u64, p: f64) -> f64 {
        let mut sum = 0.0;
        for canary in 0..=n_canary {
            for stable in 0..=n_stable {
                let ln_p =
                    ln_probability(canary, n_canary, p) + ln_probability(stable, n_stable, p);
                let factor = past
                    .clone()
                    .observe(&[n_canary - canary, canary], &[n_stable - stable, stable]);
                sum += (ln_p + factor).exp();
            }
        }
        sum
    }

    #[test]
    fn nothing_is_won_from_arms_that_are_alike() {
        let mut largest = f64::NEG_INFINITY;
        for history in [[[0, 0], [0, 0]], [[9, 1], [50, 50]], [[1, 20], [90, 2]]] {
            let mut past = Past::new(2);
            past.observe(&history[0], &history[1]);
            for p in [0.0, 0.01, 0.3, 0.5, 1.0] {
                for (n_canary, n_stable) in [(1, 9), (6, 6), (8, 2)] {
                    largest = largest.max(expectation(&past, n_canary, n_stable, p).ln());
                }
            }
        }
        assert!(largest <= 1e-9, "{largest}");
    }

    #[test]
    fn a_difference_that_stays_is_found_once_it_was_seen() {
        let mut past = Past::new(3);
        let first = past.observe(&[10, 20, 70], &[500, 400, 100]);
        assert!(first.abs() < 1e-12, "nothing was known before: {first}");
        assert!(past.observe(&[10, 20, 70], &[500, 400, 100]) > 20.0);
    }

    #[test]
    fn an_arm_without_values_says_nothing() {
        assert!(Past::new(2).observe(&[0, 0], &[5, 5]).abs() < f64::EPSILON);
    }
}
