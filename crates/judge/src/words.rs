//! Numbers as people read them.

use std::time::Duration;

/// A count with a thin gap between groups of three digits: `45 210`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A ratio with two or three significant digits: `2.4x`, `1.04x`, `24x`.
pub(crate) fn times(ratio: f64) -> String {
    let digits = if ratio >= 10.0 {
        0
    } else if ratio < 2.0 {
        2
    } else {
        1
    };
    format!("{ratio:.digits$}x")
}

/// An effect with its interval: `2.4x stable (1.6x to 3.5x)`.
pub(crate) fn effect(effect: f64, interval: Option<(f64, f64)>) -> String {
    match interval {
        Some(interval) => format!("{} stable ({})", times(effect), range(interval)),
        None => format!("{} stable", times(effect)),
    }
}

/// An interval of ratios: `1.6x to 3.5x`, `1.6x or more`.
pub(crate) fn range((low, high): (f64, f64)) -> String {
    if high.is_finite() {
        format!("{} to {}", times(low), times(high))
    } else {
        format!("{} or more", times(low))
    }
}

/// A p-value as odds: `1:5200`.
pub(crate) fn odds(p: f64) -> String {
    let odds = 1.0 / p.max(f64::MIN_POSITIVE);
    if odds < 10.0 {
        return format!("1:{odds:.1}");
    }
    let magnitude = odds.log10().floor() - 1.0;
    let rounded = (odds / 10_f64.powf(magnitude)).round() * 10_f64.powf(magnitude);
    if rounded < 1e7 {
        format!("1:{rounded:.0}")
    } else {
        format!("1:{rounded:.0e}")
    }
}

/// A share: `0.5%`, `12%`.
pub(crate) fn share(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = if percent >= 10.0 {
        0
    } else if percent >= 0.1 {
        1
    } else {
        2
    };
    format!("{percent:.digits$}%")
}

/// A number with three significant digits, or all those before the point.
pub(crate) fn number(number: f64) -> String {
    let rounded: f64 = format!("{number:.2e}").parse().unwrap_or(number);
    if number.abs() < 1000.0 {
        rounded.to_string()
    } else {
        format!("{number:.0}")
    }
}

/// Two standard errors of a share of so many requests.
pub(crate) fn chance(share: f64, requests: f64) -> f64 {
    2.0 * (share * (1.0 - share) / requests).sqrt()
}

/// What a canary of one pod means, if its pods have names.
pub(crate) fn lone_pod<'a>(pods: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<_> = pods.collect();
    matches!(names.as_slice(), [only] if !only.is_empty())
        .then(|| "the canary is one pod, and a bad pod looks like a bad version".to_owned())
}

/// Whether a share of so many requests is above another beyond chance: by four standard errors of their difference, since the
/// worst of several pods is looked at, at the look where they were worst.
pub(crate) fn is_above((share, requests): (f64, f64), (other, others): (f64, f64)) -> bool {
    let both = share.mul_add(requests, other * others) / (requests + others);
    let error = (both * (1.0 - both) * (requests.recip() + others.recip())).sqrt();
    share - other > 4.0 * error
}

/// A bound of a bucket: `5ms`, `2.5s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds.is_finite() {
        format!("{:?}", Duration::from_micros(microseconds(seconds)))
    } else {
        "+Inf".to_owned()
    }
}

fn microseconds(seconds: f64) -> u64 {
    temper_stats::numeric::floor_count((seconds * 1e6).round())
}

/// `1 look`, `2 looks`.
pub(crate) fn looks(count: u32) -> String {
    if count == 1 {
        "1 look".to_owned()
    } else {
        format!("{count} looks")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            (grouped(45_210), grouped(7), grouped(1_000_000)),
            ("45 210".into(), "7".into(), "1 000 000".into())
        );
        assert_eq!(
            (times(2.44), times(1.044), times(24.4)),
            ("2.4x".into(), "1.04x".into(), "24x".into())
        );
        assert_eq!(
            (odds(1.0), odds(0.05), odds(0.000_192)),
            ("1:1.0".into(), "1:20".into(), "1:5200".into())
        );
        assert_eq!(
            (share(0.005), share(0.1234), share(0.0001)),
            ("0.5%".into(), "12%".into(), "0.01%".into())
        );
        assert_eq!(
            (seconds(0.005), seconds(2.5), seconds(f64::INFINITY)),
            ("5ms".into(), "2.5s".into(), "+Inf".into())
        );
        assert_eq!((looks(1), looks(2)), ("1 look".into(), "2 looks".into()));
    }
}
