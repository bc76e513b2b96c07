//! Spans of time and shares, as people write them.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A span of time, written `90s`, `5m` or `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// That many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// That many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(60 * minutes))
    }

    /// From what the standard library has.
    pub const fn from_duration(duration: Duration) -> Self {
        Self(duration)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let signed = text.trim().parse::<jiff::SignedDuration>().ok();
        let span = signed.and_then(|signed| Duration::try_from(signed).ok());
        span.map(Self)
            .ok_or_else(|| format!("`{text}` is no span of time; write it like 90s, 5m or 1h30m"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = jiff::SignedDuration::try_from(self.0).unwrap_or(jiff::SignedDuration::MAX);
        write!(f, "{signed:#}")
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// A share of a whole, written `40%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    percent: u8,
}

impl Share {
    /// That many of a hundred; a hundred at most.
    pub const fn percent(percent: u8) -> Self {
        Self {
            percent: if percent > 100 { 100 } else { percent },
        }
    }

    /// Whether `part` is more than this share of `whole`.
    pub const fn is_exceeded(self, part: usize, whole: usize) -> bool {
        part.saturating_mul(100) > whole.saturating_mul(self.percent as usize)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent)
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let percent = text
            .strip_suffix('%')
            .and_then(|digits| digits.trim().parse::<u8>().ok());
        percent
            .filter(|percent| *percent <= 100)
            .map(Self::percent)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is no share; write it like 40%")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(Span::parse("1h30m").unwrap(), Span::minutes(90));
        assert_eq!(Span::parse("90s").unwrap().to_string(), "1m 30s");
        assert_eq!(Span::parse("1m 30s").unwrap(), Span::seconds(90));
        assert!(Span::parse("-5s").unwrap_err().contains("-5s"));
        assert!(Span::parse("5").is_err());
    }

    #[test]
    fn a_share_is_exceeded_only_by_more() {
        assert!(!Share::percent(40).is_exceeded(4, 10));
        assert!(Share::percent(40).is_exceeded(5, 10));
        assert!(Share::percent(0).is_exceeded(1, 10));
    }
}
