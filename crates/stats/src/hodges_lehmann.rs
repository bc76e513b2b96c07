//! By how much values of the first sample are larger: the median over all pairs of a value of each.
//!
//! As a difference it is the shift, as a ratio the factor, that would make the samples most alike to a rank test; its
//! interval holds those which a rank test would not reject. Source: Hodges & Lehmann (1963); Lehmann (1975) for the
//! interval. Assumes that the samples differ by a shift (or factor) alone, for one look. Without that assumption the
//! estimate is still the median of all differences.
//!
//! The `mn` pairs are never formed: differences of sorted samples are sorted along both, so that those up to a bound are
//! counted in one pass, and the bound is found by bisection over floats, in 64 passes at most.

pub mod buckets;

use crate::{
    error::{Arm, Error},
    normal,
    numeric::{floor_count, wide_count},
    samples::{Samples, key, value},
};

/// A median over pairs with the interval of its confidence level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The interval. None where the samples are too small for its level, so that any shift might be.
    pub interval: Option<(f64, f64)>,
}

/// The shift `X − Y`, with an interval of level `1 − alpha`.
///
/// The interval reaches from the k-th smallest to the k-th largest difference, with `k = ⌊mn/2 − z·√(mn(N + 1)/12)⌋`:
/// asymptotic, and on the wide side where values are tied. Refuses infinite values and empty samples.
pub fn shift(samples: &Samples, alpha: f64) -> Result<Estimate, Error> {
    let infinite = |value: f64| value.is_infinite();
    reject(samples, infinite, |arm, value| Error::Infinite {
        arm,
        value,
    })?;
    let pairs = Pairs::new(samples, |x, y| x - y)?;
    Ok(pairs.estimate(alpha, f64::midpoint))
}

/// The ratio `X/Y`, likewise: the shift of logarithms. Refuses values that are not above 0, or infinite.
pub fn ratio(samples: &Samples, alpha: f64) -> Result<Estimate, Error> {
    let infinite = |value: f64| value.is_infinite();
    reject(samples, infinite, |arm, value| Error::Infinite {
        arm,
        value,
    })?;
    let not_positive = |value: f64| value <= 0.0;
    reject(samples, not_positive, |arm, value| Error::NotPositive {
        arm,
        value,
    })?;
    let pairs = Pairs::new(samples, |x, y| x / y)?;
    Ok(pairs.estimate(alpha, |a, b| a.sqrt() * b.sqrt()))
}

/// The first value that is to be refused, as an error. Such values are at the ends of a sorted sample.
fn reject(
    samples: &Samples,
    refused: impl Fn(f64) -> bool,
    error: impl Fn(Arm, f64) -> Error,
) -> Result<(), Error> {
    let ends = [
        (Arm::First, samples.first().next()),
        (Arm::First, samples.first().next_back()),
        (Arm::Second, samples.second().next()),
        (Arm::Second, samples.second().next_back()),
    ];
    for (arm, value) in ends {
        if let Some(value) = value.filter(|value| refused(*value)) {
            return Err(error(arm, value));
        }
    }
    Ok(())
}

/// All pairs of values, sorted along both samples by what they combine to.
struct Pairs<F> {
    first: Vec<f64>,
    second: Vec<f64>,
    /// Rises with its first argument and falls with its second.
    combine: F,
}

impl<F: Fn(f64, f64) -> f64> Pairs<F> {
    fn new(samples: &Samples, combine: F) -> Result<Self, Error> {
        let (first, second) = (samples.first(), samples.second());
        for (arm, length) in [(Arm::First, first.len()), (Arm::Second, second.len())] {
            if length == 0 {
                let (values, needed) = (0, 1);
                return Err(Error::TooFew {
                    arm,
                    values,
                    needed,
                });
            }
        }
        Ok(Self {
            first: first.collect(),
            second: second.collect(),
            combine,
        })
    }

    fn estimate(&self, alpha: f64, middle: impl Fn(f64, f64) -> f64) -> Estimate {
        let all = self.len();
        let median = middle(self.smallest(all.div_ceil(2)), self.smallest(all / 2 + 1));
        let interval = self
            .rank_of_end(alpha)
            .map(|rank| (self.smallest(rank), self.smallest(all - rank + 1)));
        Estimate { median, interval }
    }

    fn len(&self) -> u128 {
        wide(self.first.len()) * wide(self.second.len())
    }

    /// k, or None where it is 0.
    fn rank_of_end(&self, alpha: f64) -> Option<u128> {
        let pairs = wide_count(self.len());
        let values = wide_count(wide(self.first.len()) + wide(self.second.len()));
        let reach = normal::upper_quantile(alpha / 2.0) * (pairs * (values + 1.0) / 12.0).sqrt();
        Some(u128::from(floor_count(pairs / 2.0 - reach))).filter(|rank| *rank > 0)
    }

    /// The pair of rank `rank`, from 1: the smallest float that so many pairs do not exceed.
    fn smallest(&self, rank: u128) -> f64 {
        let (mut low, mut high) = (key(f64::NEG_INFINITY), key(f64::INFINITY));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.up_to(value(middle)) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        value(high)
    }

    /// Number of pairs that do not exceed `bound`: as the first value rises, fewer of the second will do.
    fn up_to(&self, bound: f64) -> u128 {
        let mut above = self.second.iter().peekable();
        let mut too_low: u128 = 0;
        let mut pairs = 0;
        for x in &self.first {
            while above.next_if(|y| (self.combine)(*x, **y) > bound).is_some() {
                too_low += 1;
            }
            pairs += wide(self.second.len()) - too_low;
        }
        pairs
    }
}

fn wide(length: usize) -> u128 {
    u128::try_from(length).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(first: &[f64], second: &[f64]) -> Samples {
        Samples::new(first, second).unwrap()
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((1..60_u32).prop_map(|n| f64::from(n) / 8.0), 1..20)
    }

    #[test]
    fn values_without_an_order_of_pairs_are_refused() {
        let infinity = f64::INFINITY;
        let (arm, value) = (Arm::Second, infinity);
        let endless = samples(&[1.0], &[2.0, infinity]);
        assert_eq!(shift(&endless, 0.05), Err(Error::Infinite { arm, value }));
        let (arm, value) = (Arm::First, 0.0);
        let zero = samples(&[1.0, 0.0], &[2.0]);
        assert_eq!(ratio(&zero, 0.05), Err(Error::NotPositive { arm, value }));
        assert!(shift(&samples(&[], &[1.0]), 0.05).is_err());
    }

    #[test]
    fn samples_too_small_for_the_level_have_no_interval() {
        let estimate = shift(&samples(&[3.0], &[1.0, 2.0]), 0.05).unwrap();
        assert_eq!((estimate.median, estimate.interval), (1.5, None));
    }

    #[test]
    fn a_million_pairs_are_not_formed() {
        let first: Vec<_> = (0..3000).map(f64::from).collect();
        let second: Vec<_> = (0..30_000).map(|n| f64::from(n) / 10.0 - 7.25).collect();
        let estimate = shift(&samples(&first, &second), 0.05).unwrap();
        assert!((estimate.median - 6.8).abs() < 1e-9, "{estimate:?}");
    }

    proptest! {
        #[test]
        fn the_median_is_that_of_all_pairs(first in values(), second in values()) {
            let mut pairs: Vec<_> = first.iter().flat_map(|x| second.iter().map(move |y| x - y)).collect();
            pairs.sort_by(f64::total_cmp);
            let expected = f64::midpoint(pairs[(pairs.len() - 1) / 2], pairs[pairs.len() / 2]);
            let got = shift(&samples(&first, &second), 0.05).unwrap().median;
            prop_assert!((got - expected).abs() < f64::EPSILON);
        }

        #[test]
        fn swapping_the_samples_negates_the_shift_and_inverts_the_ratio(first in values(), second in values()) {
            let (one, other) = (samples(&first, &second), samples(&second, &first));
            let (moved, back) = (shift(&one, 0.1).unwrap(), shift(&other, 0.1).unwrap());
            prop_assert!((moved.median + back.median).abs() < f64::EPSILON);
            let (times, back) = (ratio(&one, 0.1).unwrap(), ratio(&other, 0.1).unwrap());
            prop_assert!((times.median * back.median - 1.0).abs() < 1e-12);
            if let (Some((low, _)), Some((_, high))) = (times.interval, back.interval) {
                prop_assert!((low * high - 1.0).abs() < 1e-12);
            }
        }

        #[test]
        fn the_shift_scales_with_the_values_and_the_ratio_does_not(first in values(), second in values()) {
            let scaled = |values: &[f64]| values.iter().map(|value| 4.0 * value).collect::<Vec<_>>();
            let (one, other) = (samples(&first, &second), samples(&scaled(&first), &scaled(&second)));
            let (small, large) = (shift(&one, 0.1).unwrap(), shift(&other, 0.1).unwrap());
            prop_assert!((4.0 * small.median - large.median).abs() < f64::EPSILON);
            prop_assert_eq!(ratio(&one, 0.1), ratio(&other, 0.1));
        }
    }
}
