//! Rank tests of two samples, given as single values or as counts per bucket, these in time proportional to the number of
//! buckets.
//!
//! They compare the whole distributions without assuming a form: does a value of the first sample tend to be larger?
//! Each is for one look; repeated after every interval they reject far too often.

pub mod exact;
mod merge;

use std::f64::consts::LN_2;

use merge::Pass;

use crate::{
    error::Error,
    normal,
    numeric::{wide_count, wide_difference},
    samples::Samples,
};

/// Most values in both samples together: with more, sums of cubes of counts would leave 128 bits.
pub const MOST_VALUES: u128 = 1 << 42;

/// Which difference counts as evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// Values of the first sample tend to be larger.
    Greater,
    /// Values of the first sample tend to be smaller.
    Less,
    /// Either.
    TwoSided,
}

/// Whether the normal approximation allows for the statistic being an integer or half of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Moves the statistic by one half towards its mean.
    Corrected,
    /// Leaves it.
    Uncorrected,
}

/// A tail probability and its logarithm, which stays finite where the probability underflows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail {
    /// The probability, in [0, 1].
    pub p: f64,
    /// Its natural logarithm.
    pub ln_p: f64,
}

impl Tail {
    fn new(p: f64) -> Self {
        Self { p, ln_p: p.ln() }
    }

    /// The tail of a symmetric law beyond a statistic, given its upper tail and the logarithm of that.
    pub(crate) fn of(
        statistic: f64,
        alternative: Alternative,
        upper: impl Fn(f64) -> (f64, f64),
    ) -> Self {
        let (p, ln_p) = match alternative {
            Alternative::Greater => upper(statistic),
            Alternative::Less => upper(-statistic),
            Alternative::TwoSided => {
                let (p, ln_p) = upper(statistic.abs());
                ((2.0 * p).min(1.0), (ln_p + LN_2).min(0.0))
            }
        };
        Self { p, ln_p }
    }
}

/// The Mann-Whitney statistic of two samples in common buckets.
///
/// `U` is the number of pairs in which the value of the first sample is the larger one, ties counted half. All sums are
/// integers, so nothing is lost to rounding at any size. Source: Mann & Whitney (1947); Lehmann (1975) for ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MannWhitney {
    first: u128,
    second: u128,
    doubled_u: u128,
    tie_term: u128,
}

impl MannWhitney {
    /// Counts per bucket, buckets in ascending order; missing buckets at the end are empty. None when there are more than
    /// [`MOST_VALUES`] values.
    pub fn from_counts(first: &[u64], second: &[u64]) -> Option<Self> {
        if let Some(few) = Narrow::over(first, second) {
            return Some(few);
        }
        let mut sums = Sums::default();
        let shared = first.iter().zip(second);
        shared.for_each(|(x, y)| sums.add(*x, *y));
        let shared = first.len().min(second.len());
        first.iter().skip(shared).for_each(|x| sums.add(*x, 0));
        second.iter().skip(shared).for_each(|y| sums.add(0, *y));
        sums.finish().ok()
    }

    /// From samples of single values, in one pass.
    pub fn from_samples(samples: &Samples) -> Self {
        let (first, second) = samples.keys();
        let pass = Pass::over(first, second);
        let size = |keys: &[u64]| u128::try_from(keys.len()).unwrap_or(u128::MAX);
        Self {
            first: size(first),
            second: size(second),
            doubled_u: pass.doubled_u,
            tie_term: pass.tie_term,
        }
    }

    /// From the counts of both samples in each group of tied values, in ascending order.
    pub(crate) fn from_groups(groups: impl Iterator<Item = (u64, u64)>) -> Result<Self, Error> {
        let mut sums = Sums::default();
        groups.for_each(|(x, y)| sums.add(x, y));
        sums.finish()
    }

    /// Sizes of the samples.
    pub const fn sizes(&self) -> (u128, u128) {
        (self.first, self.second)
    }

    /// `2U`, an integer.
    pub const fn doubled_u(&self) -> u128 {
        self.doubled_u
    }

    /// `Σ (t³ − t)` over the buckets' totals t.
    pub const fn tie_term(&self) -> u128 {
        self.tie_term
    }

    /// `P(X > Y) + ½ P(X = Y)`: 0.5 where neither tends to be larger. None where a sample is empty.
    /// Source: Vargha & Delaney (2000), there A12.
    pub fn superiority(&self) -> Option<f64> {
        let pairs = 2 * self.first * self.second;
        (pairs > 0).then(|| wide_count(self.doubled_u) / wide_count(pairs))
    }

    /// `P(X > Y) − P(X < Y)`, between −1 and 1. None where a sample is empty. Source: Cliff (1993).
    pub fn dominance(&self) -> Option<f64> {
        let pairs = wide_count(self.first * self.second);
        (pairs > 0.0).then(|| 2.0 * self.excess() / pairs)
    }

    /// Variance of `U` when both samples come from one distribution, given the ties:
    /// `mn/12 · (N³ − N − Σ(t³ − t)) / (N(N − 1))`, the numerator exact. 0 when all values share a bucket.
    pub fn variance(&self) -> f64 {
        let all = self.first + self.second;
        if all < 2 {
            return 0.0;
        }
        let untied = cube(all) - all - self.tie_term;
        let pairs = wide_count(self.first * self.second);
        pairs / 12.0 * (wide_count(untied) / wide_count(all * (all - 1)))
    }

    /// `U` less its mean when both samples come from one distribution.
    pub fn excess(&self) -> f64 {
        let doubled = i128::try_from(self.doubled_u).unwrap_or(i128::MAX);
        let mean = i128::try_from(self.first * self.second).unwrap_or(i128::MAX);
        wide_difference(doubled.saturating_sub(mean)) / 2.0
    }

    /// The standardised statistic, positive where the first sample tends to be larger. 0 where the variance is 0: data
    /// that could not have shown a difference show none.
    pub fn z(&self, alternative: Alternative, continuity: Continuity) -> f64 {
        standardise(self.excess(), self.variance(), alternative, continuity)
    }

    /// Asymptotic p-value. 1 where the variance is 0.
    pub fn tail(&self, alternative: Alternative, continuity: Continuity) -> Tail {
        let variance = self.variance();
        if variance <= 0.0 {
            return Tail { p: 1.0, ln_p: 0.0 };
        }
        let z = standardise(self.excess(), variance, alternative, continuity);
        Tail::of(z, alternative, normal::upper_tail_and_ln)
    }
}

/// Counts of two samples in common buckets, a pair for each; missing buckets at the end are empty.
pub(crate) fn groups_of(first: &[u64], second: &[u64]) -> impl Iterator<Item = (u64, u64)> + Clone {
    let at = |counts: &[u64], bucket| counts.get(bucket).copied().unwrap_or(0);
    let buckets = first.len().max(second.len());
    (0..buckets).map(move |bucket| (at(first, bucket), at(second, bucket)))
}

/// Most values whose sums fit into 64 bits: `t³` of all of them.
const MOST_NARROW: u64 = 1 << 21;

/// The sums of a pass over the buckets, for samples of up to two million values: a third of the time of [`Sums`].
#[derive(Default)]
struct Narrow {
    first: u64,
    second: u64,
    doubled_u: u64,
    cubes: u64,
    /// All counts or'ed: where one is too large, sums may have wrapped.
    any: u64,
}

impl Narrow {
    /// None where the samples may be too large, or differ in their number of buckets.
    fn over(first: &[u64], second: &[u64]) -> Option<MannWhitney> {
        const MOST_BUCKETS: usize = 1 << 20;
        if first.len() != second.len() || first.len() > MOST_BUCKETS {
            return None;
        }
        let mut sums = Self::default();
        first.iter().zip(second).for_each(|(x, y)| sums.add(*x, *y));
        let values = sums.first.wrapping_add(sums.second);
        (sums.any < MOST_NARROW && values <= MOST_NARROW).then(|| MannWhitney {
            first: sums.first.into(),
            second: sums.second.into(),
            doubled_u: sums.doubled_u.into(),
            tie_term: (sums.cubes - values).into(),
        })
    }

    const fn add(&mut self, x: u64, y: u64) {
        let below_and_here = self.second.wrapping_mul(2).wrapping_add(y);
        let tied = x.wrapping_add(y);
        self.doubled_u = self.doubled_u.wrapping_add(x.wrapping_mul(below_and_here));
        self.cubes = self
            .cubes
            .wrapping_add(tied.wrapping_mul(tied).wrapping_mul(tied));
        self.first = self.first.wrapping_add(x);
        self.second = self.second.wrapping_add(y);
        self.any |= x | y;
    }
}

/// The sums of a pass over the buckets.
///
/// They wrap, since checks of overflow cost more than all the rest of a bucket, and are thrown away when there were too many
/// values; otherwise no sum exceeds `MOST_VALUES³`, or 2^126.
#[derive(Default)]
struct Sums {
    first: u128,
    second: u128,
    second_below: u64,
    doubled_u: u128,
    cubes: u128,
}

impl Sums {
    const fn add(&mut self, x: u64, y: u64) {
        let below_and_here = self.second_below.wrapping_mul(2).wrapping_add(y);
        let tied = x.wrapping_add(y) as u128;
        self.doubled_u = self
            .doubled_u
            .wrapping_add((x as u128).wrapping_mul(below_and_here as u128));
        self.cubes = self.cubes.wrapping_add(cube(tied));
        self.first = self.first.wrapping_add(x as u128);
        self.second = self.second.wrapping_add(y as u128);
        self.second_below = self.second_below.wrapping_add(y);
    }

    fn finish(self) -> Result<MannWhitney, Error> {
        let values = self.first + self.second;
        if values > MOST_VALUES {
            let most = MOST_VALUES;
            return Err(Error::TooMany { values, most });
        }
        Ok(MannWhitney {
            first: self.first,
            second: self.second,
            doubled_u: self.doubled_u,
            tie_term: self.cubes - values,
        })
    }
}

/// `t³`, which fits where t is at most [`MOST_VALUES`] and is garbage otherwise.
const fn cube(t: u128) -> u128 {
    t.wrapping_mul(t).wrapping_mul(t)
}

/// Mann-Whitney statistics of several strata, added up with van Elteren's weights `1/(N + 1)`.
///
/// With a stratum for each interval (and route) it compares only requests that were served at the same time, so that
/// neither drift nor changing traffic weights are taken for a difference; the pooled statistic rejects up to always then.
/// Source: van Elteren (1960).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stratified {
    excess: f64,
    variance: f64,
}

impl Stratified {
    /// Adds a stratum. One in which a sample is empty adds nothing.
    pub fn add(&mut self, stratum: &MannWhitney) {
        let weight = 1.0 / wide_count(stratum.first + stratum.second + 1);
        self.excess += weight * stratum.excess();
        self.variance += weight * weight * stratum.variance();
    }

    /// Adds a stratum whose null hypothesis is that `P(X > Y) + ½P(X = Y)` is at most ½ plus `margin`. The variance stays that
    /// of samples from one distribution, which is close for small margins.
    pub fn add_with_margin(&mut self, stratum: &MannWhitney, margin: f64) {
        self.add(stratum);
        let pairs = wide_count(stratum.first * stratum.second);
        self.excess -= margin * pairs / wide_count(stratum.first + stratum.second + 1);
    }

    /// The standardised sum, without a continuity correction: it is no integer. 0 where the variance is 0.
    pub fn z(&self) -> f64 {
        standardise(
            self.excess,
            self.variance,
            Alternative::Greater,
            Continuity::Uncorrected,
        )
    }

    /// Asymptotic p-value. 1 where the variance is 0.
    pub fn tail(&self, alternative: Alternative) -> Tail {
        if self.variance <= 0.0 {
            Tail { p: 1.0, ln_p: 0.0 }
        } else {
            Tail::of(self.z(), alternative, normal::upper_tail_and_ln)
        }
    }
}

fn standardise(
    excess: f64,
    variance: f64,
    alternative: Alternative,
    continuity: Continuity,
) -> f64 {
    let half = match continuity {
        Continuity::Corrected => 0.5,
        Continuity::Uncorrected => 0.0,
    };
    let corrected = match alternative {
        Alternative::Greater => excess - half,
        Alternative::Less => excess + half,
        Alternative::TwoSided => excess - half.copysign(excess),
    };
    if variance > 0.0 {
        corrected / variance.sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0..1000_u64, 5)
    }

    fn mann_whitney(first: &[u64], second: &[u64]) -> MannWhitney {
        MannWhitney::from_counts(first, second).unwrap()
    }

    proptest! {
        #[test]
        fn small_and_large_samples_are_summed_alike(first in counts(), second in counts()) {
            let pairs = first.iter().copied().zip(second.iter().copied());
            let wide = MannWhitney::from_groups(pairs).unwrap();
            prop_assert_eq!(mann_whitney(&first, &second), wide);
        }
    }

    #[test]
    fn samples_around_the_narrow_limit_are_summed_without_overflow() {
        for values in [MOST_NARROW - 1, MOST_NARROW, MOST_NARROW + 1, u64::MAX / 2] {
            for (first, second) in [
                ([values, 0], [0, 0]),
                ([values - 1, 0], [0, 1]),
                ([1, 0], [0, values - 1]),
            ] {
                let pairs = first.into_iter().zip(second);
                assert_eq!(
                    MannWhitney::from_counts(&first, &second),
                    MannWhitney::from_groups(pairs).ok()
                );
            }
        }
    }

    #[test]
    fn values_that_all_share_a_bucket_show_nothing() {
        let tied = mann_whitney(&[0, 7], &[0, 9]);
        assert!(tied.variance().abs() < f64::EPSILON);
        let Tail { p, ln_p } = tied.tail(Alternative::Greater, Continuity::Corrected);
        assert_eq!((p, ln_p), (1.0, 0.0));
    }

    #[test]
    fn an_empty_sample_has_no_superiority() {
        assert_eq!(mann_whitney(&[], &[1, 2]).superiority(), None);
        assert_eq!(mann_whitney(&[], &[]).superiority(), None);
    }

    #[test]
    fn more_values_than_the_sums_hold_are_refused() {
        assert_eq!(MannWhitney::from_counts(&[u64::MAX], &[1]), None);
    }

    #[test]
    fn strata_are_weighted_by_van_elteren() {
        let mut stratified = Stratified::default();
        stratified.add(&mann_whitney(&[1, 2, 0], &[3, 1, 0]));
        stratified.add(&mann_whitney(&[10, 5, 9], &[20, 30, 1]));
        stratified.add(&mann_whitney(&[], &[7, 7, 7]));
        // By counting all pairs of values.
        assert!((stratified.z() - 1.689_188_414_833_251).abs() < 1e-12);
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((-20..20_i32).prop_map(f64::from), 0..40)
    }

    proptest! {
        #[test]
        fn samples_and_their_counts_have_one_statistic(first in values(), second in values()) {
            let samples = Samples::new(&first, &second).unwrap();
            let (x, y) = samples.counts();
            prop_assert_eq!(MannWhitney::from_samples(&samples), mann_whitney(&x, &y));
        }

        #[test]
        fn ranks_keep_no_unit(first in values(), second in values(), scale in 1e-300..1e300_f64) {
            let scaled = |values: &[f64]| values.iter().map(|value| value * scale).collect::<Vec<_>>();
            let test = |x: &[f64], y: &[f64]| MannWhitney::from_samples(&Samples::new(x, y).unwrap());
            prop_assert_eq!(test(&first, &second), test(&scaled(&first), &scaled(&second)));
        }

        #[test]
        fn a_larger_value_never_lowers_the_statistic(first in counts(), second in counts(), at in 0..4_usize) {
            let mut larger = first.clone();
            let moved = larger[at];
            larger[at] = 0;
            larger[at + 1] += moved;
            let (before, after) = (mann_whitney(&first, &second), mann_whitney(&larger, &second));
            prop_assert!(before.doubled_u() <= after.doubled_u());
        }

        #[test]
        fn swapping_the_samples_turns_the_statistic_round(first in counts(), second in counts()) {
            let (one, other) = (mann_whitney(&first, &second), mann_whitney(&second, &first));
            prop_assert!((one.excess() + other.excess()).abs() < 1e-9);
            prop_assert!((one.variance() - other.variance()).abs() <= 1e-9 * one.variance());
        }

        #[test]
        fn merging_two_buckets_never_adds_variance(first in counts(), second in counts()) {
            let merge = |counts: &[u64]| {
                let mut merged = counts.to_vec();
                let last = merged.pop().unwrap();
                *merged.last_mut().unwrap() += last;
                merged
            };
            let fine = mann_whitney(&first, &second);
            let coarse = mann_whitney(&merge(&first), &merge(&second));
            prop_assert!(coarse.variance() <= fine.variance() * (1.0 + 1e-12));
        }

        #[test]
        fn one_stratum_is_the_plain_test(first in counts(), second in counts()) {
            let plain = mann_whitney(&first, &second);
            let mut stratified = Stratified::default();
            stratified.add(&plain);
            let z = plain.z(Alternative::Greater, Continuity::Uncorrected);
            prop_assert!((stratified.z() - z).abs() < 1e-9 * (1.0 + z.abs()));
        }
    }
}
