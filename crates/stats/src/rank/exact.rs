//! The exact law of the Mann-Whitney statistic, with and without ties.
//!
//! When both samples come from one distribution, every choice of which values are the first sample's is equally likely,
//! given the values. The law of `2U` over all choices is built up one group of tied values after the other: of a group of
//! t, a are the first sample's with a hypergeometric probability. All terms are positive probabilities, so that neither
//! cancellation nor overflow can happen and the smallest tail keeps its digits. Source: Mann & Whitney (1947) for the
//! recursion; Klotz (1966) and Streitberg & Röhmel (1986) for ties.

use super::{Alternative, MannWhitney, Tail, groups_of};
use crate::{
    error::{Arm, Error},
    hypergeometric::Hypergeometric,
    samples::Samples,
};

/// Most steps that an exact law may take: about half a second, 64 MiB. 150 values against 150 are below it, 10 against
/// 3000, and 1 against 20 000.
pub const MOST_STEPS: u128 = 1 << 31;

/// The exact law of `2U`, with the value that was observed.
///
/// Assumes that values are independent and, under the null hypothesis, of one distribution, which need not be continuous.
/// Where all values are tied, there is one outcome, of p-value 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Exact {
    /// Probability of each value from 0 on of `U` where nothing is tied, of `2U` otherwise.
    law: Vec<f64>,
    observed: usize,
}

impl Exact {
    /// From counts per bucket, as for [`MannWhitney::from_counts`].
    pub fn from_counts(first: &[u64], second: &[u64]) -> Result<Self, Error> {
        Self::from_groups(groups_of(first, second))
    }

    /// From samples of single values.
    pub fn from_samples(samples: &Samples) -> Result<Self, Error> {
        Self::from_groups(samples.groups())
    }

    fn from_groups(groups: impl Iterator<Item = (u64, u64)> + Clone) -> Result<Self, Error> {
        let test = MannWhitney::from_groups(groups.clone())?;
        for (arm, values) in [(Arm::First, test.first), (Arm::Second, test.second)] {
            if values == 0 {
                let needed = 1;
                return Err(Error::TooFew {
                    arm,
                    values,
                    needed,
                });
            }
        }
        let most = MOST_STEPS;
        let steps = steps(&test);
        if steps > most {
            return Err(Error::TooLarge { steps, most });
        }
        // The smaller sample spans fewer rows. The law of U is symmetric under a swap of the samples, up to its direction.
        let (smaller, turned) = (test.first.min(test.second), test.first > test.second);
        let unit = if test.tie_term > 0 { 1 } else { 2 };
        let mut builder = Builder::new(test.first + test.second, smaller, unit);
        let sizes = groups.map(|(x, y)| small(u128::from(x) + u128::from(y)));
        sizes
            .filter(|size| *size > 0)
            .for_each(|size| builder.add(size));
        let mut law = builder.finish();
        if turned {
            law.reverse();
        }
        let observed = small(test.doubled_u) / unit;
        Ok(Self { law, observed })
    }

    /// Probability under the null hypothesis of a statistic as extreme as the one observed, or more. With two sides it is
    /// twice the smaller tail, at most 1.
    pub fn tail(&self, alternative: Alternative) -> Tail {
        let (below, above) = (self.sum(..=self.observed), self.sum(self.observed..));
        Tail::new(match alternative {
            Alternative::Greater => above,
            Alternative::Less => below,
            Alternative::TwoSided => (2.0 * below.min(above)).min(1.0),
        })
    }

    /// The other form of two sides, which differs where ties make the law lopsided: probability of a statistic as far from
    /// its mean, on either side.
    pub fn tail_by_distance(&self) -> Tail {
        let largest = self.law.len() - 1;
        let mirrored = largest - self.observed.min(largest);
        let (low, high) = (mirrored.min(self.observed), mirrored.max(self.observed));
        if low == high {
            return Tail::new(1.0);
        }
        Tail::new(self.sum(..=low) + self.sum(high..))
    }

    fn sum(&self, range: impl std::slice::SliceIndex<[f64], Output = [f64]>) -> f64 {
        let part = self.law.get(range).unwrap_or_default();
        part.iter().sum::<f64>().min(1.0)
    }
}

/// Rows times columns times values: an upper limit on the additions, and on the floats kept, times the number of values.
fn steps(test: &MannWhitney) -> u128 {
    let all = test.first + test.second;
    let rows = test.first.min(test.second) + 1;
    let columns = (test.first * test.second)
        .saturating_mul(2)
        .saturating_add(1);
    rows.saturating_mul(columns).saturating_mul(all)
}

/// The law of the smaller sample's statistic given the groups so far.
struct Builder {
    /// By the number of the smaller sample's values among those of the groups so far.
    rows: Vec<Vec<f64>>,
    /// Values of the smaller sample.
    first: usize,
    all: usize,
    below: usize,
    /// What an entry of a row counts of `2U`.
    unit: usize,
}

impl Builder {
    fn new(all: u128, smaller: u128, unit: usize) -> Self {
        let first = small(smaller);
        let mut rows = vec![Vec::new(); first + 1];
        if let Some(row) = rows.first_mut() {
            row.push(1.0);
        }
        Self {
            rows,
            first,
            all: small(all),
            below: 0,
            unit,
        }
    }

    /// Adds a group of `tied` values above the ones so far. Rows are gone through from the last, since values are added to
    /// later ones only.
    fn add(&mut self, tied: usize) {
        for chosen in (0..=self.first.min(self.below)).rev() {
            let mut row = self
                .rows
                .get_mut(chosen)
                .map_or_else(Vec::new, std::mem::take);
            let draws = self.draws(chosen, tied);
            let probability = |first| draws.ln_probability(wide(first)).exp();
            let second_below = self.below - chosen;
            for more in 1..=tied.min(self.first - chosen) {
                let shift = more * (2 * second_below + tied - more) / self.unit;
                if let Some(target) = self.rows.get_mut(chosen + more) {
                    add_scaled(target, shift, &row, probability(more));
                }
            }
            let none = probability(0);
            for entry in &mut row {
                *entry *= none;
            }
            if let Some(place) = self.rows.get_mut(chosen) {
                *place = row;
            }
        }
        self.below += tied;
    }

    /// How many of the group are the smaller sample's, when `chosen` of those below are.
    fn draws(&self, chosen: usize, tied: usize) -> Hypergeometric {
        let left = self.first - chosen;
        Hypergeometric {
            first: wide(left),
            second: wide((self.all - self.below).saturating_sub(left)),
            drawn: wide(tied),
        }
    }

    /// The law of all values, as long as it would be without ties.
    fn finish(mut self) -> Vec<f64> {
        let mut law = self.rows.pop().unwrap_or_default();
        let largest = 2 * self.first * (self.all - self.first) / self.unit;
        law.resize(largest + 1, 0.0);
        law
    }
}

/// Adds `weight · row`, moved up by `shift`, to `target`, which grows as needed.
fn add_scaled(target: &mut Vec<f64>, shift: usize, row: &[f64], weight: f64) {
    if weight <= 0.0 || row.is_empty() {
        return;
    }
    target.resize(target.len().max(shift + row.len()), 0.0);
    if let Some(part) = target.get_mut(shift..) {
        for (sum, probability) in part.iter_mut().zip(row) {
            *sum += weight * probability;
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// For numbers that [`MOST_STEPS`] bounds.
fn small(count: u128) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rank::Continuity;

    fn exact(first: &[u64], second: &[u64]) -> Exact {
        Exact::from_counts(first, second).unwrap()
    }

    #[test]
    fn an_empty_sample_has_no_law_and_a_large_one_is_refused() {
        let needed = Error::TooFew {
            arm: Arm::First,
            values: 0,
            needed: 1,
        };
        assert_eq!(Exact::from_counts(&[], &[3]), Err(needed));
        let refused = Exact::from_counts(&[400, 0, 1], &[1, 400]);
        assert!(
            matches!(refused, Err(Error::TooLarge { .. })),
            "{refused:?}"
        );
        assert!(Exact::from_counts(&[u64::MAX], &[u64::MAX]).is_err());
    }

    #[test]
    fn the_smallest_tail_keeps_its_digits() {
        // One of C(240, 120) choices.
        let samples = |low: u64| {
            (0..120)
                .flat_map(move |_| [low, 1 - low])
                .collect::<Vec<_>>()
        };
        let (first, second) = (
            [vec![1; 120], vec![0; 120]].concat(),
            [vec![0; 120], vec![1; 120]].concat(),
        );
        let ln_choices: f64 = (1..=120_u32)
            .map(|k| (f64::from(120 + k) / f64::from(k)).ln())
            .sum();
        let tail = exact(&first, &second).tail(Alternative::Less);
        assert!((tail.ln_p + ln_choices).abs() < 1e-11, "{}", tail.ln_p);
        let alternating = exact(&samples(0), &samples(1)).tail(Alternative::Greater);
        assert!(alternating.p > 0.4 && alternating.p < 0.6);
    }

    proptest! {
        #[test]
        fn the_law_sums_to_one_and_has_the_variance_of_the_test(
            first in prop::collection::vec(0..4_u64, 1..8),
            second in prop::collection::vec(0..4_u64, 1..8),
        ) {
            let (Ok(exact), Some(test)) =
                (Exact::from_counts(&first, &second), MannWhitney::from_counts(&first, &second)) else { return Ok(()) };
            let unit = if test.tie_term() > 0 { 2.0 } else { 1.0 };
            let law = || exact.law.iter().enumerate().map(|(at, p)| (crate::numeric::length(at) / unit, *p));
            let sum: f64 = law().map(|(_, p)| p).sum();
            let mean: f64 = law().map(|(u, p)| u * p).sum();
            let variance: f64 = law().map(|(u, p)| (u - mean).powi(2) * p).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
            prop_assert!((variance - test.variance()).abs() < 1e-9 * (1.0 + variance));
        }

        #[test]
        fn swapping_the_samples_swaps_the_tails(
            first in prop::collection::vec(0..4_u64, 1..8),
            second in prop::collection::vec(0..4_u64, 1..8),
        ) {
            let (Ok(one), Ok(other)) =
                (Exact::from_counts(&first, &second), Exact::from_counts(&second, &first)) else { return Ok(()) };
            let (greater, less) = (one.tail(Alternative::Greater).p, other.tail(Alternative::Less).p);
            prop_assert!((greater - less).abs() <= 1e-12 * greater);
        }
    }

    #[test]
    fn the_asymptotic_tail_is_close() {
        let (first, second) = ([3, 9, 14, 20, 11], [6, 12, 15, 15, 6]);
        let exact = exact(&first, &second).tail(Alternative::Greater);
        let test = MannWhitney::from_counts(&first, &second).unwrap();
        let asymptotic = test.tail(Alternative::Greater, Continuity::Corrected);
        assert!(
            (exact.p / asymptotic.p - 1.0).abs() < 0.05,
            "{exact:?} {asymptotic:?}"
        );
    }
}
