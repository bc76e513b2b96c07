//! Bringing the histograms of many pods and looks into common buckets.
//!
//! Pods of two versions may have different bounds, and a version may change them. What they have in common is what can be
//! compared: the bounds that all of them have, or the coarsest of their schemas. The common layout only ever gets coarser,
//! so that a verdict never depends on windows that come later.

use std::{collections::BTreeMap, f64::consts::LN_2};

use crate::window::Latency;

/// Bounds closer than this are one: they were printed by different programs.
const SAME_BOUND: f64 = 1e-9;

/// Finest schema that is kept of a native histogram: buckets of 2.2 %. Finer ones cost time and tell no more.
const FINEST: i8 = 5;

/// Coarsest schema there is: a bucket spans a factor of 65 536.
const COARSEST: i8 = -4;

/// What native buckets are kept for: from a microsecond to a day and a half, as powers of two. What lies outside is counted
/// in the bucket at the end.
const POWERS: (i32, i32) = (-20, 17);

/// The buckets in which all histograms so far can be counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layout {
    /// Upper bounds in seconds, without the last one, which is infinite.
    Classic(Vec<f64>),
    /// Bounds at powers of 2^(2^-schema).
    Native(i8),
}

impl Layout {
    /// The layout of a histogram.
    pub(crate) fn of(latency: &Latency) -> Self {
        match latency {
            Latency::Classic { bounds, .. } => Self::Classic(bounds.to_vec()),
            Latency::Native { schema, .. } => Self::Native((*schema).clamp(COARSEST, FINEST)),
        }
    }

    /// The finest layout that both can be counted in. None where there is none: classic with native, or no bound in common.
    pub(crate) fn common(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Classic(one), Self::Classic(other)) => {
                let shared: Vec<_> = one
                    .iter()
                    .copied()
                    .filter(|bound| has(other, *bound))
                    .collect();
                (!shared.is_empty() || one.is_empty()).then_some(Self::Classic(shared))
            }
            (Self::Native(one), Self::Native(other)) => Some(Self::Native(*one.min(other))),
            (Self::Classic(_), Self::Native(_)) | (Self::Native(_), Self::Classic(_)) => None,
        }
    }

    /// Number of buckets.
    pub(crate) fn buckets(&self) -> usize {
        match self {
            Self::Classic(bounds) => bounds.len() + 1,
            Self::Native(schema) => {
                let (low, high) = POWERS;
                usize::try_from(scale(high, *schema) - scale(low, *schema)).unwrap_or(1)
            }
        }
    }

    /// Counts of a histogram in these buckets, which are no finer than its own.
    pub(crate) fn count(&self, latency: &Latency) -> Vec<u64> {
        let mut counts = vec![0_u64; self.buckets()];
        let mut add = |bucket: usize, count: u64| {
            let last = counts.len() - 1;
            if let Some(sum) = counts.get_mut(bucket.min(last)) {
                *sum = sum.saturating_add(count);
            }
        };
        match (self, latency) {
            (Self::Classic(shared), Latency::Classic { bounds, counts }) => {
                for (at, count) in counts.iter().enumerate() {
                    let bound = bounds.get(at).copied().unwrap_or(f64::INFINITY);
                    add(
                        shared.partition_point(|shared| *shared < bound * (1.0 - SAME_BOUND)),
                        *count,
                    );
                }
            }
            (
                Self::Native(schema),
                Latency::Native {
                    schema: own,
                    zero,
                    buckets,
                    ..
                },
            ) => {
                add(0, *zero);
                for (index, count) in buckets {
                    add(native_bucket(*index, *own, *schema), *count);
                }
            }
            (Self::Classic(_), Latency::Native { .. })
            | (Self::Native(_), Latency::Classic { .. }) => {}
        }
        counts
    }

    /// Counts in a coarser layout.
    pub(crate) fn coarsen(&self, counts: &[u64], coarser: &Self) -> Vec<u64> {
        let mut coarse = vec![0_u64; coarser.buckets()];
        for (bucket, count) in counts.iter().enumerate() {
            let last = coarse.len() - 1;
            if let Some(sum) = coarse.get_mut(self.bucket_in(bucket, coarser).min(last)) {
                *sum = sum.saturating_add(*count);
            }
        }
        coarse
    }

    /// The bucket of a coarser layout that holds a bucket.
    pub(crate) fn bucket_in(&self, bucket: usize, coarser: &Self) -> usize {
        match (self, coarser) {
            (Self::Native(fine), Self::Native(coarse)) => {
                bucket >> u32::try_from(fine - coarse).unwrap_or(0).min(31)
            }
            (_, Self::Classic(shared)) => {
                let bound = self.upper(bucket);
                shared.partition_point(|shared| *shared < bound * (1.0 - SAME_BOUND))
            }
            (Self::Classic(_), Self::Native(_)) => bucket,
        }
    }

    /// Upper bound of a bucket in seconds; infinite for the last.
    pub(crate) fn upper(&self, bucket: usize) -> f64 {
        match self {
            Self::Classic(bounds) => bounds.get(bucket).copied().unwrap_or(f64::INFINITY),
            Self::Native(schema) => {
                let index = i32::try_from(bucket).unwrap_or(i32::MAX).saturating_add(1);
                (f64::from(scale(POWERS.0, *schema).saturating_add(index)) * width(*schema)).exp2()
            }
        }
    }

    /// Where the values of a bucket lie on the average, in seconds, on the logarithmic scale.
    pub(crate) fn middle(&self, bucket: usize) -> f64 {
        let upper = self.upper(bucket);
        let lower = bucket.checked_sub(1).map_or(0.0, |below| self.upper(below));
        if upper.is_infinite() {
            // Nothing is known of it but that it is above: as wide as the one before.
            return lower.max(f64::MIN_POSITIVE) * std::f64::consts::SQRT_2;
        }
        if lower > 0.0 {
            (lower * upper).sqrt()
        } else {
            upper / 2.0
        }
    }

    /// Where the requests of each bucket would be counted at the latest if they were faster by a slowdown: in the bucket that holds
    /// the fastest of them, made faster.
    ///
    /// So a canary that is slower by no more never has more above any bound than the stable version. What is tolerated is
    /// rounded up to whole buckets: by 9 % at schema 3, and by a factor of 2 or so between classic bounds, which can't tell
    /// less. Anything in between would have to guess how requests lie within a bucket.
    pub(crate) fn faster(&self, slowdown: f64) -> Vec<usize> {
        let buckets = self.buckets();
        let mut place = 0;
        (0..buckets)
            .map(|bucket| {
                let lowest = bucket.checked_sub(1).map_or(0.0, |below| self.upper(below));
                let lowest = lowest / (1.0 + slowdown);
                while place < bucket && self.upper(place) <= lowest * (1.0 + SAME_BOUND) {
                    place += 1;
                }
                place
            })
            .collect()
    }

    /// The factor by which latency may grow at [`faster`](Self::faster); None where buckets differ in width.
    pub(crate) fn tolerated(&self, slowdown: f64) -> Option<f64> {
        match self {
            Self::Classic(_) => None,
            Self::Native(schema) => {
                let buckets = (slowdown.ln_1p() / LN_2 / width(*schema) - 1e-6).ceil();
                Some((buckets.max(0.0) * width(*schema)).exp2())
            }
        }
    }
}

/// Moves the counts of each bucket to another.
pub(crate) fn moved(counts: &[u64], places: &[usize]) -> Vec<u64> {
    let mut moved = vec![0_u64; counts.len()];
    for (count, place) in counts.iter().zip(places) {
        if let Some(sum) = moved.get_mut(*place) {
            *sum = sum.saturating_add(*count);
        }
    }
    moved
}

/// All of them, without overflow.
pub(crate) fn sum<'a>(counts: impl IntoIterator<Item = &'a u64>) -> u64 {
    counts
        .into_iter()
        .fold(0, |sum, count| sum.saturating_add(*count))
}

fn has(bounds: &[f64], bound: f64) -> bool {
    bounds
        .iter()
        .any(|other| (other - bound).abs() <= SAME_BOUND * bound.abs())
}

/// Width of a bucket, as a power of two.
fn width(schema: i8) -> f64 {
    (-f64::from(schema)).exp2()
}

/// `power · 2^schema`, the index of the bucket that ends at 2^power. A schema is at least −4 and at most [`FINEST`].
fn scale(power: i32, schema: i8) -> i32 {
    if schema >= 0 {
        power.saturating_mul(1 << schema.min(FINEST))
    } else {
        power.div_euclid(1 << schema.unsigned_abs().min(8))
    }
}

/// Place of a native bucket of one schema among those of another that is no finer.
fn native_bucket(index: i32, own: i8, schema: i8) -> usize {
    let levels = u32::try_from(i32::from(own) - i32::from(schema))
        .unwrap_or(0)
        .min(31);
    // Bucket i ends at 2^(i · 2^-schema), so i = 1 and i = 2 become 1, and 0 stays 0: divided and rounded up.
    let merged = i64::from(index).saturating_add((1_i64 << levels) - 1) >> levels;
    let from_low = merged - i64::from(scale(POWERS.0, schema)) - 1;
    usize::try_from(from_low.max(0)).unwrap_or(usize::MAX)
}

/// Both arms' totals of some cells in the common layout.
pub(crate) type Arms = [Vec<u64>; 2];

/// Sums per stratum and arm, canary first.
pub(crate) type Strata = BTreeMap<String, Arms>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn classic(bounds: &[f64], counts: &[u64]) -> Latency {
        Latency::Classic {
            bounds: Arc::from(bounds),
            counts: counts.to_vec(),
        }
    }

    fn native(schema: i8, buckets: &[(i32, u64)]) -> Latency {
        let buckets = buckets.iter().copied().collect();
        Latency::Native {
            schema,
            zero_threshold: 1e-128,
            zero: 0,
            buckets,
        }
    }

    #[test]
    fn classic_layouts_meet_in_the_bounds_that_both_have() {
        let one = classic(&[0.1, 0.25, 0.5], &[1, 2, 3, 4]);
        let other = classic(&[0.1, 0.2, 0.5], &[1, 2, 3, 4]);
        let common = Layout::of(&one).common(&Layout::of(&other)).unwrap();
        assert_eq!(common, Layout::Classic(vec![0.1, 0.5]));
        assert_eq!(common.count(&one), [1, 5, 4]);
        assert_eq!(Layout::of(&one).coarsen(&[1, 2, 3, 4], &common), [1, 5, 4]);
    }

    #[test]
    fn layouts_without_anything_in_common_can_not_be_compared() {
        let one = Layout::Classic(vec![0.1]);
        assert_eq!(one.common(&Layout::Classic(vec![0.2])), None);
        assert_eq!(one.common(&Layout::Native(3)), None);
    }

    #[test]
    fn a_native_bucket_ends_where_prometheus_says() {
        let layout = Layout::Native(3);
        for index in [-40, -1, 0, 1, 25] {
            let counts = layout.count(&native(3, &[(index, 7)]));
            let bucket = counts.iter().position(|count| *count == 7).unwrap();
            let expected = (f64::from(index) / 8.0).exp2();
            assert!(
                (layout.upper(bucket) / expected - 1.0).abs() < 1e-12,
                "{index}"
            );
        }
    }

    #[test]
    fn native_schemas_meet_in_the_coarser_one() {
        let fine = native(3, &[(1, 1), (8, 2), (9, 4), (-7, 8), (0, 16)]);
        let layout = Layout::of(&fine);
        let coarse = layout.common(&Layout::Native(0)).unwrap();
        let counts = coarse.count(&fine);
        let at = |upper: f64| {
            (0..counts.len())
                .find(|bucket| (coarse.upper(*bucket) - upper).abs() < 1e-9)
                .unwrap()
        };
        assert_eq!(
            (counts[at(1.0)], counts[at(2.0)], counts[at(4.0)]),
            (24, 3, 4)
        );
        assert_eq!(layout.coarsen(&layout.count(&fine), &coarse), counts);
    }

    #[test]
    fn a_tolerated_slowdown_is_rounded_up_to_whole_native_buckets() {
        let layout = Layout::Native(3);
        for (slowdown, buckets) in [(0.0, 0), (0.05, 1), (0.0905, 1), (0.1, 2), (1.0, 8)] {
            let places = layout.faster(slowdown);
            assert_eq!(places[100], 100 - buckets, "{slowdown}");
            let factor = (f64::from(u8::try_from(buckets).unwrap()) / 8.0).exp2();
            assert!((layout.tolerated(slowdown).unwrap() - factor).abs() < 1e-9);
        }
    }

    #[test]
    fn between_classic_bounds_a_slowdown_spans_the_buckets_it_needs() {
        let layout = Layout::Classic(vec![0.1, 0.2, 0.4, 0.5]);
        assert_eq!(layout.faster(0.0), [0, 1, 2, 3, 4]);
        assert_eq!(layout.faster(0.1), [0, 0, 1, 2, 3]);
        assert_eq!(layout.faster(1.0), [0, 0, 1, 2, 2]);
    }

    #[test]
    fn moving_keeps_every_count() {
        assert_eq!(moved(&[1, 2, 3, 4], &[0, 0, 1, 2]), [3, 3, 4, 0]);
    }
}
