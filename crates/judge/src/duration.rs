//! Durations as Go writes them.

use std::time::Duration;

/// Units with their nanoseconds, longer names before those that they begin with.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// A hundred years in nanoseconds: what is longer was not meant.
const HUNDRED_YEARS: f64 = 3.2e18;

/// Reads a duration such as `30s`, `1h30m` or `1.5m`. None where it is none, negative, or longer than a hundred years.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(temper_judge::go_duration("1h30m"), Some(Duration::from_secs(5400)));
/// assert_eq!(temper_judge::go_duration("30"), None);
/// ```
pub fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanoseconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (name, factor) = UNITS.into_iter().find(|(name, _)| unit.starts_with(name))?;
        nanoseconds += number * factor;
        rest = unit.strip_prefix(name)?;
    }
    (nanoseconds <= HUNDRED_YEARS).then(|| Duration::from_secs_f64(nanoseconds / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("30s", 30_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("1h30m", 5_400_000),
            ("2m0.5s", 120_500),
        ] {
            assert_eq!(
                go_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in [
            "",
            "30",
            "s",
            "-5s",
            "1d",
            "1h 30m",
            "1..5s",
            "9999999999h",
            "+",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
