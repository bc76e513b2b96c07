//! How much slower the canary is: the ratio of latencies from pairs of buckets.
//!
//! The ratio is the median of the ratios of all pairs of a canary's and a stable request of one look and stratum (Hodges &
//! Lehmann 1963, on the log scale), from the middles of their buckets, with van Elteren's weights. The interval are the
//! quantiles of those ratios between which the canary's superiority can't be told from ½, at any look: a normal mixture
//! boundary (Robbins 1970), asymptotic, tuned to the looks so far. Its resolution is that of the buckets.

use temper_stats::{numeric::count, rank::MannWhitney};

use crate::{
    errors::INTERVAL_LEVEL,
    layout::{Arms, Layout, sum},
};

/// Logarithms of ratios that differ by less are one, computed from other buckets.
const SAME_RATIO: f64 = 1e-9;

/// Weights of the ratios of all pairs so far. A look costs the pairs of its filled buckets, an estimate nothing per look.
#[derive(Debug, Clone)]
pub(crate) struct LatencyRatio {
    layout: Layout,
    /// By [`LatencyRatio::slot`].
    weights: Vec<f64>,
    weight: f64,
    variance: f64,
}

/// A ratio with its interval.
pub(crate) type Estimate = (f64, (f64, f64));

impl LatencyRatio {
    /// No pairs yet.
    pub(crate) fn new(layout: Layout) -> Self {
        let buckets = layout.buckets();
        let slots = match layout {
            Layout::Classic(_) => buckets * buckets,
            // Buckets of equal width: pairs as far apart have the same ratio.
            Layout::Native(_) => 2 * buckets - 1,
        };
        Self {
            layout,
            weights: vec![0.0; slots],
            weight: 0.0,
            variance: 0.0,
        }
    }

    /// Adds the pairs of a look and stratum.
    pub(crate) fn add(&mut self, [canary, stable]: &Arms) {
        let Some(test) = MannWhitney::from_counts(canary, stable) else {
            return;
        };
        let each = 1.0 / (count(sum(canary.iter().chain(stable))) + 1.0);
        self.variance += each * each * test.variance();
        let stable = filled(stable);
        let all: f64 = stable.iter().map(|(_, m)| m).sum();
        for (one, n) in filled(canary) {
            let weight = each * n;
            self.weight += weight * all;
            for (other, m) in &stable {
                let slot = self.slot(one, *other);
                if let Some(total) = self.weights.get_mut(slot) {
                    *total += weight * m;
                }
            }
        }
    }

    /// The same pairs in a coarser layout.
    pub(crate) fn coarsened(&self, coarser: &Layout) -> Self {
        let mut coarse = Self {
            weight: self.weight,
            variance: self.variance,
            ..Self::new(coarser.clone())
        };
        for (slot, weight) in self.weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            let (canary, stable) = self.pair(slot);
            let place = |bucket| self.layout.bucket_in(bucket, coarser);
            let slot = coarse.slot(place(canary), place(stable));
            if let Some(total) = coarse.weights.get_mut(slot) {
                *total += weight;
            }
        }
        coarse
    }

    /// The ratio so far. None without requests in both arms of a look.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        if self.weight <= 0.0 {
            return None;
        }
        let ratios = self.ratios();
        let reach = boundary() * self.variance.sqrt() / self.weight;
        let at = |share: f64| quantile(&ratios, self.weight, share);
        Some((at(0.5), (at(0.5 - reach), at(0.5 + reach))))
    }

    fn slot(&self, canary: usize, stable: usize) -> usize {
        let buckets = self.layout.buckets();
        match self.layout {
            Layout::Classic(_) => canary * buckets + stable,
            Layout::Native(_) => canary + buckets - 1 - stable,
        }
    }

    /// Logarithms of ratios with their weights, ascending.
    fn ratios(&self) -> Vec<(f64, f64)> {
        let weighted = self
            .weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0);
        let mut ratios: Vec<_> = weighted
            .map(|(slot, weight)| (self.ln_ratio(slot), *weight))
            .collect();
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The same ratio of other buckets: as neighbours they would leave each other no room.
        ratios.dedup_by(|later, kept| {
            let same = later.0 - kept.0 < SAME_RATIO;
            kept.1 += if same { later.1 } else { 0.0 };
            same
        });
        ratios
    }

    /// A pair of buckets whose slot it is.
    fn pair(&self, slot: usize) -> (usize, usize) {
        let buckets = self.layout.buckets();
        match self.layout {
            Layout::Classic(_) => (slot / buckets, slot % buckets),
            // Any pair as far apart, away from the lowest bucket, which is wider.
            Layout::Native(_) if slot >= buckets => (slot + 2 - buckets, 1),
            Layout::Native(_) => (1, buckets - slot),
        }
    }

    fn ln_ratio(&self, slot: usize) -> f64 {
        let (canary, stable) = self.pair(slot);
        (self.layout.middle(canary) / self.layout.middle(stable)).ln()
    }
}

fn filled(counts: &[u64]) -> Vec<(usize, f64)> {
    let filled = counts.iter().enumerate().filter(|(_, n)| **n > 0);
    filled.map(|(bucket, n)| (bucket, count(*n))).collect()
}

/// Quantile of weighted log ratios, as a ratio. The weight of a ratio is spread evenly to halfway between its neighbours, so
/// that the quantile does not jump from bucket to bucket.
fn quantile(ratios: &[(f64, f64)], all: f64, share: f64) -> f64 {
    let wanted = share.clamp(0.0, 1.0) * all;
    let mut below = 0.0;
    for (at, (ratio, weight)) in ratios.iter().enumerate() {
        if below + weight >= wanted {
            let neighbour = |at: Option<usize>| {
                at.and_then(|at| ratios.get(at))
                    .map_or(*ratio, |other| other.0)
            };
            let low = f64::midpoint(neighbour(at.checked_sub(1)), *ratio);
            let high = f64::midpoint(*ratio, neighbour(Some(at + 1)));
            return ((wanted - below) / weight).mul_add(high - low, low).exp();
        }
        below += weight;
    }
    ratios.last().map_or(1.0, |(ratio, _)| ratio.exp())
}

/// How many standard errors an interval reaches: a normal mixture boundary where the variance equals that for which it is
/// tuned, `√(2 ln(2/α²))` for two sides.
fn boundary() -> f64 {
    (2.0 * (2.0 / (INTERVAL_LEVEL * INTERVAL_LEVEL)).ln()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(buckets: usize, at: usize) -> Vec<u64> {
        let mut counts = vec![0; buckets];
        for (offset, count) in [10, 40, 100, 40, 10].into_iter().enumerate() {
            counts[at + offset] = count;
        }
        counts
    }

    #[test]
    fn a_shift_by_whole_native_buckets_is_found_exactly() {
        let layout = Layout::Native(3);
        for shift in [0_u8, 1, 5] {
            let mut ratio = LatencyRatio::new(layout.clone());
            for _ in 0..20 {
                let buckets = layout.buckets();
                ratio.add(&[
                    spread(buckets, 100 + usize::from(shift)),
                    spread(buckets, 100),
                ]);
            }
            let (found, (low, high)) = ratio.estimate().unwrap();
            let expected = (f64::from(shift) / 8.0).exp2();
            assert!(
                (found / expected - 1.0).abs() < 0.01,
                "{found} is not {expected}"
            );
            assert!(low < expected && expected < high);
        }
    }

    #[test]
    fn swapping_the_arms_inverts_the_ratio() {
        let layout = Layout::Classic(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0]);
        let (one, other) = (spread(8, 2), spread(8, 1));
        let estimate = |arms: &Arms| {
            let mut ratio = LatencyRatio::new(layout.clone());
            ratio.add(arms);
            ratio.estimate().unwrap()
        };
        let (ratio, (low, high)) = estimate(&[one.clone(), other.clone()]);
        let (inverse, (inverse_low, inverse_high)) = estimate(&[other, one]);
        for (a, b) in [(ratio, inverse), (low, inverse_high), (high, inverse_low)] {
            assert!((a - 1.0 / b).abs() < 1e-9 * a, "{a} and {b}");
        }
    }

    #[test]
    fn without_requests_in_both_arms_there_is_no_ratio() {
        let mut ratio = LatencyRatio::new(Layout::Native(0));
        assert_eq!(ratio.estimate(), None);
        let buckets = Layout::Native(0).buckets();
        ratio.add(&[vec![0; buckets], spread(buckets, 3)]);
        assert_eq!(ratio.estimate(), None);
    }
}
