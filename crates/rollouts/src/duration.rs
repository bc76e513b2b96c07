//! Go's durations.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// Nanoseconds of each unit that Go knows, longest names first so that `ms` is not read as `m`.
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

/// `v1alpha1.DurationString`: a duration as Go's `time.ParseDuration` reads it, such as `1h30m`; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DurationString(pub String);

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("reading {0:?} as a duration: write it as Go does, such as 30s or 1h30m")]
pub struct DurationError(String);

impl DurationString {
    /// The duration; none when empty. A negative one is an error here.
    pub fn duration(&self) -> Result<Option<Duration>, DurationError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        parse(&self.0)
            .map(Some)
            .ok_or_else(|| DurationError(self.0.clone()))
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0.0;
    loop {
        let (amount, after) = number(rest)?;
        let (unit, after) = unit(after)?;
        nanos += amount * unit;
        rest = after;
        if rest.is_empty() {
            return Duration::try_from_secs_f64(nanos / 1e9).ok();
        }
    }
}

fn number(text: &str) -> Option<(f64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

fn unit(text: &str) -> Option<(f64, &str)> {
    UNITS
        .iter()
        .find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(
            DurationString(text.to_owned()).duration().ok().flatten(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        check("30s", Some(Duration::from_secs(30)));
        check("1h30m", Some(Duration::from_mins(90)));
        check("1.5s", Some(Duration::from_millis(1500)));
        check("2m3ms", Some(Duration::from_millis(120_003)));
        check("5µs", Some(Duration::from_micros(5)));
        check("+0", Some(Duration::ZERO));
        check("", None);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "30",
            "s",
            "1d",
            "-5s",
            "1h 3m",
            ".s",
            "1e3s",
            "99999999999999999999h",
        ] {
            assert!(
                DurationString(text.to_owned()).duration().is_err(),
                "{text}"
            );
        }
    }
}
