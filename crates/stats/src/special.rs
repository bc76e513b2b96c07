//! The incomplete Beta function, as a logarithm: exact in relative terms where the function itself underflows.

use statrs::function::beta::ln_beta;

/// `ln P(X > x)` for X of the Beta distribution with parameters `a` and `b` above 0, x strictly between 0 and 1.
pub(crate) fn ln_beta_upper(a: f64, b: f64, x: f64) -> f64 {
    // The continued fraction converges fast on its own side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        ln_beta_fraction(b, a, 1.0 - x)
    } else {
        (-ln_beta_fraction(a, b, x).exp()).ln_1p()
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
