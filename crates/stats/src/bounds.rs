//! Bounds that hold at all times at once: for a sum, for a whole distribution, and for a quantile of one.

use std::f64::consts::LN_2;

use crate::{beta_binomial::Prior, numeric::count};

/// The normal mixture bound: a sum of independent sub-Gaussian terms whose variances add up to `v` stays within
/// `√((v + ρ) ln((v + ρ)/(ρ α²)))` of its mean, on both sides and at all times, with probability `1 − α`.
///
/// Source: Robbins (1970); Howard, Ramdas, `McAuliffe` & Sekhon (2021), proposition 5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalMixture {
    rho: f64,
}

impl NormalMixture {
    /// The bound that is narrowest, at error probability `alpha`, about where the variance is `variance`, above 0.
    pub fn narrowest_at(variance: f64, alpha: f64) -> Self {
        let doubt = -2.0 * alpha.ln();
        Self {
            rho: variance / (doubt + doubt.ln_1p()),
        }
    }

    /// ρ, the variance that the mixture adds.
    pub const fn rho(self) -> f64 {
        self.rho
    }

    /// Half-width of the interval, at all times at once, around an estimate that is asymptotically normal, such as a
    /// superiority with the variance of [`brunner_munzel`](crate::brunner_munzel). Conditional on samples large enough for
    /// that. Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), equation 9.
    pub fn half_width(self, standard_error: f64, alpha: f64) -> f64 {
        let information = 1.0 / (standard_error * standard_error);
        self.bound(information, alpha) / information
    }

    /// The bound at a variance.
    pub fn bound(self, variance: f64, alpha: f64) -> f64 {
        let sum = variance + self.rho;
        (sum * ((sum / self.rho).ln() - 2.0 * alpha.ln())).sqrt()
    }
}

/// The buckets that a quantile lies in, at all looks at once, with probability `1 − alpha` at least: indices of the first
/// and the last. None without values.
///
/// A bound of a bucket lies above the quantile where values up to it are shown to be more than a share `share` of all, and
/// below it where those beyond are shown to be more than the rest. Each is shown by the e-process of
/// [`beta_binomial`](crate::beta_binomial) at `alpha/2`; that of the bound closest to the quantile grows most, so that any
/// number of buckets costs nothing. `prior` is that of the share of values up to a bound: one with mean `share` and a
/// weight of a tenth of the values expected is narrow for about so many. Source: Howard & Ramdas (2022). Assumes
/// independent values of one distribution.
pub fn quantile_buckets(
    counts: &[u64],
    share: f64,
    prior: Prior,
    alpha: f64,
) -> Option<(usize, usize)> {
    let threshold = -(alpha / 2.0).ln();
    let all: f64 = counts.iter().map(|n| count(*n)).sum();
    let turned = Prior {
        first: prior.second,
        second: prior.first,
    };
    let (mut low, mut up_to) = (0, 0.0);
    for (bucket, n) in counts.iter().enumerate() {
        up_to += count(*n);
        if prior.ln_evidence_greater(share, up_to, all - up_to) >= threshold {
            return Some((low, bucket));
        }
        if turned.ln_evidence_greater(1.0 - share, all - up_to, up_to) >= threshold {
            low = bucket + 1;
        }
    }
    let last = counts.len().checked_sub(1).filter(|_| all > 0.0)?;
    Some((low.min(last), last))
}

/// A band around an empirical distribution function that holds the true one everywhere and at all times from `t_min`
/// values on.
///
/// Its half-width at `t` values is `A √((ln(1 + ln(t/t_min)) + C)/t)` with A = 0.85. Values must be independent and of one
/// distribution. From buckets it holds at their bounds. Source: Howard & Ramdas (2022), theorem 2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistributionBand {
    t_min: f64,
    constant: f64,
}

/// The factor A of the band. Source: Howard & Ramdas (2022), their choice.
const FACTOR: f64 = 0.85;

impl DistributionBand {
    /// The band that misses with probability `alpha`, in (0, 1), from `t_min` values on, at least 1.
    pub fn new(alpha: f64, t_min: f64) -> Self {
        // The probability falls with the constant; that of 1000 is below 1e-500.
        let (mut low, mut high) = (1.0, 1000.0);
        while high - low > 1e-13 * high {
            let middle = f64::midpoint(low, high);
            if ln_miss(middle) > alpha.ln() {
                low = middle;
            } else {
                high = middle;
            }
        }
        let constant = high;
        Self { t_min, constant }
    }

    /// C.
    pub const fn constant(self) -> f64 {
        self.constant
    }

    /// The buckets that a quantile lies in, for all quantiles and looks at once: indices of the first and the last. None without
    /// values. For one quantile alone [`quantile_buckets`] is narrower.
    pub fn quantile_buckets(self, counts: &[u64], share: f64) -> Option<(usize, usize)> {
        let all: f64 = counts.iter().map(|n| count(*n)).sum();
        let last = counts.len().checked_sub(1).filter(|_| all > 0.0)?;
        let half_width = self.half_width(all);
        let below = |limit: f64| {
            let up_to = counts.iter().scan(0.0, |sum, n| {
                *sum += count(*n);
                Some(*sum / all)
            });
            up_to.take_while(|up_to| *up_to < limit).count().min(last)
        };
        Some((below(share - half_width), below(share + half_width)))
    }

    /// Half-width at `t` values: infinite below `t_min`. One of 1 or more says nothing.
    pub fn half_width(self, t: f64) -> f64 {
        if t < self.t_min {
            return f64::INFINITY;
        }
        FACTOR * (((t / self.t_min).ln().ln_1p() + self.constant) / t).sqrt()
    }
}

/// Half-width of the band around an empirical distribution function of `values` values that holds the true one everywhere, at one
/// look, with probability `1 − alpha`: `√(ln(2/α)/2n)`. Source: Dvoretzky, Kiefer & Wolfowitz (1956); Massart (1990).
pub fn fixed_half_width(values: f64, alpha: f64) -> f64 {
    ((2.0 / alpha).ln() / (2.0 * values)).sqrt()
}

/// Logarithm of the probability to miss with constant `c`, the smallest over the free parameter η in (1, 2A²) of
/// `4 exp(−γ²c) (1 + 1/((γ² − 1) ln η))` with `γ = √(2/η)·(A − √(2(η − 1)/c))` above 1.
fn ln_miss(c: f64) -> f64 {
    let miss = |eta: f64| {
        let gamma = (2.0 / eta).sqrt() * (FACTOR - (2.0 * (eta - 1.0) / c).sqrt());
        if gamma <= 1.0 {
            return f64::INFINITY;
        }
        let square = gamma * gamma;
        2.0 * LN_2 - square * c + (1.0 / ((square - 1.0) * eta.ln())).ln_1p()
    };
    smallest(miss, 1.0, 2.0 * FACTOR * FACTOR)
}

/// The smallest value of a function with one minimum, by golden section. Where it is infinite must be to the right of it.
fn smallest(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    for _ in 0..100 {
        let step = GOLDEN * (high - low);
        let (left, right) = (high - step, low + step);
        if f(left) <= f(right) {
            high = right;
        } else {
            low = left;
        }
    }
    f(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_narrowest_about_where_it_was_asked_to_be() {
        let relative = |mixture: NormalMixture| mixture.bound(100.0, 0.05);
        let best = relative(NormalMixture::narrowest_at(100.0, 0.05));
        for other in [10.0, 50.0, 200.0, 1000.0] {
            assert!(best < relative(NormalMixture::narrowest_at(other, 0.05)));
        }
    }

    #[test]
    fn a_quantile_is_enclosed_ever_more_closely() {
        let prior = Prior {
            first: 50.0,
            second: 50.0,
        };
        let band = DistributionBand::new(0.05, 1.0);
        let mut widest = (usize::MAX, usize::MAX);
        for times in [1, 10, 100, 10_000] {
            let counts: Vec<_> = (0..21_u64)
                .map(|bucket| times * (1 + bucket.min(20 - bucket)))
                .collect();
            let (low, high) = quantile_buckets(&counts, 0.5, prior, 0.05).unwrap();
            let (band_low, band_high) = band.quantile_buckets(&counts, 0.5).unwrap();
            assert!(band_low <= low && low <= 10 && 10 <= high && high <= band_high);
            assert!(high - low <= widest.0 && band_high - band_low <= widest.1);
            widest = (high - low, band_high - band_low);
        }
        assert_eq!(widest, (0, 0));
    }

    #[test]
    fn few_values_enclose_no_quantile_and_no_values_have_none() {
        let prior = Prior {
            first: 0.5,
            second: 0.5,
        };
        assert_eq!(quantile_buckets(&[1, 0, 1], 0.5, prior, 0.05), Some((0, 2)));
        assert_eq!(quantile_buckets(&[0, 0], 0.5, prior, 0.05), None);
        assert_eq!(
            DistributionBand::new(0.05, 1.0).quantile_buckets(&[], 0.5),
            None
        );
    }

    #[test]
    fn an_asymptotic_interval_is_the_bound_of_a_mean() {
        let mixture = NormalMixture::narrowest_at(400.0, 0.05);
        // 100 values of variance 1/4: the sum of 100 standardised ones is bounded.
        let expected = mixture.bound(400.0, 0.05) / 400.0;
        assert!((mixture.half_width(0.05, 0.05) - expected).abs() < 1e-15);
    }

    #[test]
    fn a_band_narrows_with_values_and_widens_with_certainty() {
        let (loose, strict) = (
            DistributionBand::new(0.05, 1.0),
            DistributionBand::new(0.001, 1.0),
        );
        assert!(loose.half_width(1000.0) < loose.half_width(100.0));
        assert!(loose.half_width(1000.0) < strict.half_width(1000.0));
        assert!(
            DistributionBand::new(0.05, 50.0)
                .half_width(10.0)
                .is_infinite()
        );
    }
}
