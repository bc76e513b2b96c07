//! Descriptive statistics, zeros where there are no data.

/// What is reported of an arm.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample (n − 1); 0 for a single value.
    pub std: f64,
    /// Number of values.
    pub count: usize,
}

/// Describes values. All 0 for none.
pub fn summary(values: &[f64]) -> Summary {
    if values.is_empty() {
        return Summary::default();
    }
    Summary {
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        mean: mean(values),
        std: variance(values).sqrt(),
        count: values.len(),
    }
}

/// The mean. 0 for no values.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / count(values.len())
    }
}

/// The variance of the sample, `Σ(x − x̄)²/(n − 1)`. 0 for less than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares = values.iter().map(|value| (value - mean) * (value - mean));
    squares.sum::<f64>() / count(values.len() - 1)
}

/// The percentile `percent` in [0, 100], by linear interpolation at `(n − 1)·p` (type 7 of Hyndman & Fan 1996). 0 for no values.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some((last, _)) = sorted.split_last() else {
        return 0.0;
    };
    let place = percent.clamp(0.0, 100.0) / 100.0 * count(sorted.len() - 1);
    let whole = place.floor();
    let mut above = sorted.iter().skip_while({
        let mut at = -1.0;
        move |_| {
            at += 1.0;
            at < whole
        }
    });
    let low = above.next().unwrap_or(last);
    let high = above.next().unwrap_or(low);
    low + (place - whole) * (high - low)
}

/// A number of values as a float: exact for any number that fits in memory.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are fewer values than 2^53"
)]
pub(crate) const fn count(count: usize) -> f64 {
    count as f64
}
