//! The one clock of the healer, which the caller reads.

use std::{fmt, num::NonZeroU64, time::Duration};

use serde::{Serialize, Serializer};

/// A point in time: milliseconds since the Unix epoch, on a clock that never steps back.
///
/// The shell reads the wall clock once, when it starts, and adds what a monotonic clock says has passed since. So moments can be
/// shown to people, and subtracted without a fear of clocks that somebody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(
    /// One more than the milliseconds, so that a moment that there is not takes no room of its own.
    NonZeroU64,
);

impl Moment {
    /// The moment that many milliseconds after the Unix epoch.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(ms))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_ms(self) -> u64 {
        self.0.get() - 1
    }

    /// This moment and `span` later; the end of time where that overflows.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self::from_unix_ms(self.as_unix_ms().saturating_add(millis(span)))
    }

    /// This moment less `span`; the epoch where that is earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self::from_unix_ms(self.as_unix_ms().saturating_sub(millis(span)))
    }

    /// How long `earlier` lies back; nothing where it does not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_unix_ms().saturating_sub(earlier.as_unix_ms()))
    }
}

impl Default for Moment {
    /// The Unix epoch.
    fn default() -> Self {
        Self::from_unix_ms(0)
    }
}

impl fmt::Display for Moment {
    /// As RFC 3339 in UTC, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.as_unix_ms()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{ms} ms after 1970"),
        }
    }
}

impl Serialize for Moment {
    /// As RFC 3339.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
