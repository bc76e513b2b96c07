//! The hypergeometric distribution: how many of the values drawn are of the first kind.

use std::ops::RangeInclusive;

use crate::{
    binomial,
    numeric::{count, sum_outwards},
};

/// Draws without putting back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hypergeometric {
    /// Values of the first kind.
    pub(crate) first: u64,
    /// Values of the second kind.
    pub(crate) second: u64,
    /// Values drawn, of both kinds: no more than there are.
    pub(crate) drawn: u64,
}

impl Hypergeometric {
    /// What is possible.
    pub(crate) fn support(&self) -> RangeInclusive<u64> {
        self.drawn.saturating_sub(self.second)..=self.drawn.min(self.first)
    }

    /// `ln P(X = k)`: two binomial probabilities over a third, which keeps the digits that factorials would lose. Any
    /// success probability gives the same; the share drawn keeps all three near their means. Source: Loader (2000).
    pub(crate) fn ln_probability(&self, k: u64) -> f64 {
        if !self.support().contains(&k) {
            return f64::NEG_INFINITY;
        }
        let all = self.first + self.second;
        let share = count(self.drawn) / count(all.max(1));
        binomial::ln_probability(k, self.first, share)
            + binomial::ln_probability(self.drawn - k, self.second, share)
            - binomial::ln_probability(self.drawn, all, share)
    }

    /// `P(X ≥ k)`, exact in relative terms however small it is.
    pub(crate) fn upper_tail(&self, k: u64) -> f64 {
        if k == 0 {
            1.0
        } else if count(k) > self.mean() {
            self.outer_upper_tail(k)
        } else {
            1.0 - self.outer_lower_tail(k - 1)
        }
    }

    /// `P(X ≤ k)`, as exact as [`upper_tail`](Self::upper_tail).
    pub(crate) fn lower_tail(&self, k: u64) -> f64 {
        if count(k) < self.mean() {
            self.outer_lower_tail(k)
        } else {
            1.0 - self.outer_upper_tail(k + 1)
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        count(self.drawn) * (count(self.first) / count((self.first + self.second).max(1)))
    }

    fn outer_upper_tail(&self, k: u64) -> f64 {
        let ratios = (k..*self.support().end()).map(|k| self.rise(k));
        sum_outwards(self.ln_probability(k), ratios)
    }

    fn outer_lower_tail(&self, k: u64) -> f64 {
        let ratios = (*self.support().start()..k).rev();
        sum_outwards(self.ln_probability(k), ratios.map(|k| self.rise(k).recip()))
    }

    /// `P(X = k + 1) / P(X = k)`, for both in the support.
    pub(crate) fn rise(&self, k: u64) -> f64 {
        let more = count(self.first - k) * count(self.drawn - k);
        more / (count(k + 1) * count((self.second + k + 1) - self.drawn))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tails_are_the_sums_of_probabilities(first in 0..60_u64, second in 0..60_u64, share in 0.0..1.0_f64) {
            let drawn = crate::numeric::floor_count(count(first + second) * share);
            let law = Hypergeometric { first, second, drawn };
            let mut sum = 0.0;
            for k in law.support() {
                sum += law.ln_probability(k).exp();
                prop_assert!((law.lower_tail(k) - sum).abs() < 1e-12);
                prop_assert!((law.upper_tail(k + 1) - (1.0 - sum)).abs() < 1e-12);
            }
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
