//! The standard normal distribution, exact far into its tails.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, TAU};

/// Beyond this, `erfc` underflows and the asymptotic series is exact to machine precision.
const FAR: f64 = 35.0;

/// Upper tail `P(Z > z)`.
///
/// By `½ erfc(z/√2)`, never by `1 − Φ(z)`, which is 0 from z = 8.3 on. 0 only below 1e-308.
pub fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// Natural logarithm of [`upper_tail`], for any z: finite where the tail itself underflows.
///
/// Far out by the asymptotic series of Mills' ratio (Abramowitz & Stegun 26.2.12), whose truncation error at z ≥ 35 is
/// below 1e-15.
pub fn ln_upper_tail(z: f64) -> f64 {
    if z < FAR {
        return libm::log(libm::erfc(z * FRAC_1_SQRT_2)) - LN_2;
    }
    let inverse = 1.0 / (z * z);
    let series = [-1.0, 3.0, -15.0, 105.0, -945.0];
    let correction = series
        .iter()
        .rev()
        .fold(0.0, |sum, term| (sum + term) * inverse);
    -0.5 * z * z - z.ln() - 0.5 * TAU.ln() + correction.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_branches_meet() {
        let left = ln_upper_tail(FAR - 1e-9);
        let right = ln_upper_tail(FAR);
        assert!((left - right).abs() < 1e-6, "{left} and {right}");
        assert!((ln_upper_tail(37.0) - libm::log(upper_tail(37.0))).abs() < 1e-9);
    }

    #[test]
    fn the_tail_of_an_absurd_z_is_still_a_number() {
        assert!(ln_upper_tail(1e6).is_finite());
        assert!((ln_upper_tail(-1e6)).abs() < 1e-12);
    }
}
