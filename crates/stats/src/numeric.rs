//! The few lossy conversions and sums, each in one place.

/// A count as a float: exact below 2^53, and rounded by less than one part in 10^15 beyond.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are rounded, which is far below any tolerance here"
)]
pub const fn count(count: u64) -> f64 {
    count as f64
}

/// As [`count`], for the products of counts that rank statistics are made of.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounded by less than one part in 10^15"
)]
pub const fn wide_count(count: u128) -> f64 {
    count as f64
}

/// As [`wide_count`], for a difference of two of them.
#[expect(
    clippy::cast_precision_loss,
    reason = "rounded by less than one part in 10^15"
)]
pub const fn wide_difference(difference: i128) -> f64 {
    difference as f64
}

/// Number of elements as a float.
pub fn length(length: usize) -> f64 {
    count(u64::try_from(length).unwrap_or(u64::MAX))
}

/// The largest integer not above `value`, as a count: 0 below 0 and for NaN, saturating above 2^64.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is documented"
)]
pub const fn floor_count(value: f64) -> u64 {
    value as u64
}

/// `ln Σ exp(x)`, without overflow. Minus infinity for an empty list.
pub fn ln_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// The sum of a first term, given as a logarithm, and of those that follow by their ratios, until a term no longer matters.
pub(crate) fn sum_outwards(ln_first: f64, ratios: impl Iterator<Item = f64>) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for ratio in ratios {
        term *= ratio;
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    (ln_first + f64::ln(sum)).exp()
}

/// Where a function that rises on (`low`, `high`) is 0, by bisection down to neighbouring floats.
pub(crate) fn root(mut low: f64, mut high: f64, rising: impl Fn(f64) -> f64) -> f64 {
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if rising(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_added_without_overflow() {
        let sum = ln_sum_exp([1000.0, 1000.0].into_iter());
        assert!((sum - (1000.0 + 2_f64.ln())).abs() < 1e-12);
        assert!(ln_sum_exp(std::iter::empty()).is_infinite());
    }

    #[test]
    fn floors_saturate() {
        assert_eq!(floor_count(2.9), 2);
        assert_eq!(floor_count(-1.0), 0);
        assert_eq!(floor_count(f64::NAN), 0);
    }
}
