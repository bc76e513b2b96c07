//! The ratio of values that are given as counts per bucket, from the middles of the buckets.

use super::Estimate;
use crate::{
    error::{Arm, Error},
    normal,
    numeric::count,
    rank::MannWhitney,
};

/// Logarithms of ratios that differ by less are one, computed from other buckets.
const SAME_RATIO: f64 = 1e-9;

/// The ratio `X/Y` with an interval of level `1 − alpha`: weighted quantiles of the ratios of all pairs of filled buckets,
/// in time proportional to their number.
///
/// `middles` has a value above 0 for each bucket, in ascending order; those on a logarithmic scale (geometric) fit
/// latencies. The interval holds the ratios between which the share of pairs can't be told from ½, with the variance of
/// ties; its resolution, as that of the median, is the ratio of neighbouring buckets. It collapses to the median where one
/// bucket holds nearly everything.
pub fn ratio(
    first: &[u64],
    second: &[u64],
    middles: &[f64],
    alpha: f64,
) -> Result<Estimate, Error> {
    for (arm, counts) in [(Arm::First, first), (Arm::Second, second)] {
        let mut filled = filled(counts, middles);
        if let Some((value, _)) = filled.find(|(middle, _)| middle.is_nan() || *middle <= 0.0) {
            return Err(Error::NotPositive { arm, value });
        }
    }
    let test = MannWhitney::from_counts(first, second).ok_or_else(|| too_many(first, second))?;
    let ratios = ratios(first, second, middles);
    let all: f64 = ratios.iter().map(|(_, weight)| weight).sum();
    if all <= 0.0 {
        let arm = if test.sizes().0 == 0 {
            Arm::First
        } else {
            Arm::Second
        };
        let (values, needed) = (0, 1);
        return Err(Error::TooFew {
            arm,
            values,
            needed,
        });
    }
    let reach = normal::upper_quantile(alpha / 2.0) * test.variance().sqrt();
    let (low, high) = (all / 2.0 - reach, all / 2.0 + reach);
    let interval = (low >= 1.0).then(|| (quantile(&ratios, low), quantile(&ratios, high)));
    let median = quantile(&ratios, all / 2.0);
    Ok(Estimate { median, interval })
}

fn too_many(first: &[u64], second: &[u64]) -> Error {
    let values = first.iter().chain(second).map(|n| u128::from(*n)).sum();
    let most = crate::rank::MOST_VALUES;
    Error::TooMany { values, most }
}

fn filled<'a>(counts: &'a [u64], middles: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    let buckets = middles.iter().zip(counts).filter(|(_, n)| **n > 0);
    buckets.map(|(middle, n)| (*middle, count(*n)))
}

/// Logarithms of the ratios of all pairs of buckets with the number of pairs of values in each, ascending.
fn ratios(first: &[u64], second: &[u64], middles: &[f64]) -> Vec<(f64, f64)> {
    let pairs = filled(first, middles)
        .flat_map(|(x, n)| filled(second, middles).map(move |(y, m)| (x.ln() - y.ln(), n * m)));
    let mut ratios: Vec<_> = pairs.collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    ratios.dedup_by(|later, kept| {
        let same = later.0 - kept.0 < SAME_RATIO;
        kept.1 += if same { later.1 } else { 0.0 };
        same
    });
    ratios
}

/// The ratio that `pairs` pairs do not exceed; halfway to the next, as a logarithm, where they are just so many.
fn quantile(ratios: &[(f64, f64)], pairs: f64) -> f64 {
    let mut up_to = 0.0;
    for (at, (ratio, weight)) in ratios.iter().enumerate() {
        up_to += weight;
        if up_to > pairs {
            return ratio.exp();
        }
        if up_to >= pairs {
            let next = ratios.get(at + 1).map_or(*ratio, |next| next.0);
            return f64::midpoint(*ratio, next).exp();
        }
    }
    ratios.last().map_or(1.0, |(ratio, _)| ratio.exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLES: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];

    #[test]
    fn a_shift_by_one_bucket_is_its_factor() {
        let estimate = ratio(&[0, 10, 40, 10], &[10, 40, 10], &MIDDLES, 0.05).unwrap();
        let (low, high) = estimate.interval.unwrap();
        assert!((estimate.median - 2.0).abs() < 1e-9);
        assert!(low <= 2.0 + 1e-9 && high >= 2.0 - 1e-9);
    }

    #[test]
    fn a_filled_bucket_without_a_positive_middle_or_an_empty_sample_is_refused() {
        let (arm, value) = (Arm::Second, 0.0);
        let refused = ratio(&[0, 1], &[1, 1], &[0.0, 1.0], 0.05);
        assert_eq!(refused, Err(Error::NotPositive { arm, value }));
        assert!(matches!(
            ratio(&[0], &[1], &MIDDLES, 0.05),
            Err(Error::TooFew { .. })
        ));
    }

    proptest! {
        #[test]
        fn swapping_the_samples_inverts_the_ratio(
            first in prop::collection::vec(0..100_u64, 5),
            second in prop::collection::vec(0..100_u64, 5),
        ) {
            let estimate = |x: &[u64], y: &[u64]| ratio(x, y, &MIDDLES, 0.05);
            let (Ok(one), Ok(other)) = (estimate(&first, &second), estimate(&second, &first)) else { return Ok(()) };
            prop_assert!((one.median * other.median - 1.0).abs() < 1e-9);
        }
    }
}
