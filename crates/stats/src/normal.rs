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

/// Natural logarithm of [`upper_tail`], for any z: finite where the tail itself underflows, and exact where it is close to 1.
pub fn ln_upper_tail(z: f64) -> f64 {
    upper_tail_and_ln(z).1
}

/// [`upper_tail`] and [`ln_upper_tail`] for the price of one.
pub fn upper_tail_and_ln(z: f64) -> (f64, f64) {
    let p = upper_tail(z);
    let ln_p = if z < 0.0 {
        (-upper_tail(-z)).ln_1p()
    } else if z < FAR {
        p.ln()
    } else {
        ln_far_tail(z)
    };
    (p, ln_p)
}

/// By the asymptotic series of Mills' ratio (Abramowitz & Stegun 26.2.12), whose truncation error at z ≥ [`FAR`] is below
/// 1e-15.
fn ln_far_tail(z: f64) -> f64 {
    let inverse = 1.0 / (z * z);
    let series = [-1.0, 3.0, -15.0, 105.0, -945.0];
    let correction = series
        .iter()
        .rev()
        .fold(0.0, |sum, term| (sum + term) * inverse);
    -0.5 * z * z - z.ln() - 0.5 * TAU.ln() + correction.ln_1p()
}

/// The z that is exceeded with probability `p`: the inverse of [`upper_tail`].
///
/// By Newton's method on the logarithm of the tail, which is concave, so that it converges from any start. Infinite for a
/// p of 0 or 1; NaN outside [0, 1].
pub fn upper_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -upper_quantile(1.0 - p);
    }
    if p <= 0.0 {
        return if p < 0.0 { f64::NAN } else { f64::INFINITY };
    }
    let ln_p = p.ln();
    // P(Z > z) ≤ ½ exp(−z²/2): the start is on the far side of the root.
    let mut z = (-2.0 * (ln_p + LN_2)).max(0.0).sqrt();
    for _ in 0..30 {
        let ln_tail = ln_upper_tail(z);
        let hazard = (-0.5 * (z * z + TAU.ln()) - ln_tail).exp();
        let step = (ln_tail - ln_p) / hazard;
        z += step;
        if step.abs() <= 1e-15 * z.abs() {
            break;
        }
    }
    z
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

    #[test]
    fn the_logarithm_of_a_tail_close_to_one_is_exact() {
        for (z, expected) in [
            (-8.0, -6.220_960_574_271_8e-16),
            (-5.0, -2.866_516_129_637_6e-7),
            (-1.0, -0.172_753_779_023_45),
        ] {
            assert!((ln_upper_tail(z) / expected - 1.0).abs() < 1e-13, "at {z}");
        }
    }

    #[test]
    fn the_quantile_inverts_the_tail() {
        for p in [1e-300, 1e-12, 0.001, 0.025, 0.3, 0.5, 0.7, 0.999] {
            let z = upper_quantile(p);
            assert!((upper_tail(z) / p - 1.0).abs() < 1e-11, "{z} for {p}");
        }
        assert!((upper_quantile(0.025) - 1.959_963_984_540_054).abs() < 1e-14);
        let (impossible, sure) = (upper_quantile(0.0), upper_quantile(1.0));
        assert!(impossible.is_infinite() && impossible > 0.0);
        assert!(sure.is_infinite() && sure < 0.0);
        assert!(upper_quantile(-0.1).is_nan() && upper_quantile(f64::NAN).is_nan());
    }
}
