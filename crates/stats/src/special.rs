//! The Beta function, complete and incomplete, as logarithms: exact in relative terms where the functions themselves underflow.

use std::f64::consts::{LN_2, TAU};

use statrs::function::gamma::ln_gamma;

/// From here on the series of [`stirling_error`] is exact to the last place.
const LARGE: f64 = 16.0;

/// `ln B(a, b)` for a and b above 0.
///
/// A difference of `ln Γ` loses as many digits as they have before the point, so that large parameters take Stirling's
/// formula, in which what cancels is left out. Source: Abramowitz & Stegun 6.1.40 and 6.2.2.
pub(crate) fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = (a.min(b), a.max(b));
    if large < LARGE {
        return ln_gamma(small) + ln_gamma(large) - ln_gamma(small + large);
    }
    let all = small + large;
    // ln Γ(large) − ln Γ(all) + small · ln(all), less what its own logarithm adds.
    let upper =
        (large - 0.5) * (-small / all).ln_1p() + stirling_error(large) - stirling_error(all);
    if small < LARGE {
        return ln_gamma(small) + small - small * all.ln() + upper;
    }
    (small - 0.5) * (small / all).ln() + stirling_error(small) + upper + 0.5 * (TAU / all).ln()
}

/// What Stirling's formula `(x − ½) ln x − x + ½ ln 2π` lacks to `ln Γ(x)`, by its series.
fn stirling_error(x: f64) -> f64 {
    let square = x * x;
    let series = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
    ];
    let terms = series.iter().rev();
    terms.fold(0.0, |sum, term| sum / square + term) / x
}

/// `ln P(X > x)` for X of the Beta distribution with parameters `a` and `b` above 0, x strictly between 0 and 1.
pub(crate) fn ln_beta_upper(a: f64, b: f64, x: f64) -> f64 {
    // The continued fraction converges fast on its own side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        ln_beta_fraction(b, a, 1.0 - x)
    } else {
        (-ln_beta_fraction(a, b, x).exp()).ln_1p()
    }
}

/// `ln P(X ≤ x)`, as [`ln_beta_upper`].
pub(crate) fn ln_beta_lower(a: f64, b: f64, x: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        (-ln_beta_fraction(b, a, 1.0 - x).exp()).ln_1p()
    } else {
        ln_beta_fraction(a, b, x)
    }
}

/// `P(T > t)` and its logarithm, for T of Student's distribution with `freedom` degrees of freedom, above 0.
pub(crate) fn student_upper_tail(t: f64, freedom: f64) -> (f64, f64) {
    let square = t * t;
    // P(|T| > t) is P(B > t²/(ν + t²)) for B of the Beta distribution with parameters ½ and ν/2.
    let share = square / (freedom + square);
    let ln_both = if share <= 0.0 {
        0.0
    } else if share > 1.5 / (0.5 * freedom + 2.5) {
        // By what is left of the share, which keeps its digits where the share is close to 1.
        ln_beta_fraction(0.5 * freedom, 0.5, freedom / (freedom + square))
    } else {
        ln_beta_upper(0.5, 0.5 * freedom, share)
    };
    let ln_far = ln_both - LN_2;
    if t < 0.0 {
        (1.0 - ln_far.exp(), (-ln_far.exp()).ln_1p())
    } else {
        (ln_far.exp(), ln_far)
    }
}

/// `ln I_x(a, b)` for x up to about the mean: Abramowitz & Stegun 26.5.8, evaluated by the method of Lentz.
fn ln_beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    /// Stands in for a denominator of 0.
    const TINY: f64 = 1e-300;
    /// Terms needed grow with the square root of the larger parameter: enough for 1e10.
    const MOST_TERMS: u32 = 1_000_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut denominator = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut numerator = 1.0;
    let mut fraction = denominator;
    for term in 1..MOST_TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for coefficient in [even, odd] {
            denominator = 1.0 / away_from_zero(1.0 + coefficient * denominator);
            numerator = away_from_zero(1.0 + coefficient / numerator);
            change = denominator * numerator;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b) - a.ln() + fraction.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{binomial::lower_tail, numeric::count};

    #[test]
    fn the_beta_function_keeps_its_digits_where_gamma_functions_cancel() {
        // By mpmath to 30 digits.
        for (a, b, expected) in [
            (0.5, 0.5, 1.144_729_885_849_400_2),
            (3.0, 15.0, -7.620_705_086_838_262),
            (0.5, 6e8, -9.533_855_163_457_177),
            (17.0, 1e6, -204.191_955_378_564),
            (5e5, 5e5, -693_152.476_229_260_5),
        ] {
            let got = ln_beta(a, b);
            assert!(
                (got / expected - 1.0).abs() < 1e-13,
                "{got} is not {expected}"
            );
        }
    }

    proptest! {
        /// P(Beta(k + 1, n − k) > x) is the probability of at most k successes in n trials.
        #[test]
        fn the_tail_of_a_beta_is_that_of_a_binomial(n in 1..2000_u64, share in 0.0..1.0_f64, x in 0.001..0.999_f64) {
            let k = crate::numeric::floor_count(count(n) * share).min(n - 1);
            let got = ln_beta_upper(count(k + 1), count(n - k), x).exp();
            let expected = lower_tail(k, n, x);
            prop_assert!((got - expected).abs() <= 1e-10 * expected + 1e-300, "{got:e} {expected:e}");
        }
    }
}
