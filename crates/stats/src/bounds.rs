//! Bounds that hold at all times at once: for a sum, and for a whole distribution.

use std::f64::consts::LN_2;

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

    /// The bound at a variance.
    pub fn bound(self, variance: f64, alpha: f64) -> f64 {
        let sum = variance + self.rho;
        (sum * ((sum / self.rho).ln() - 2.0 * alpha.ln())).sqrt()
    }
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
