//! Go's `time.Time`, which passes through gob as what its `MarshalBinary` makes.
//!
//! ```text
//! version 1: 01 | i64 seconds since the year 1 | i32 nanoseconds | i16 minutes east of UTC, -1 for UTC
//! version 2: 02 | the same                                       | i8 seconds more, where there are some
//! ```

use alloc::vec::Vec;
use core::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bridge;
use crate::value::{Run, RunVisitor};

/// Seconds from the start of the year 1, where Go counts from, to the Unix epoch.
const YEAR_ONE_TO_UNIX: i64 = 62_135_596_800;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// An instant and the zone in which it is shown: Go's `time.Time`.
///
/// In a [`Type`](crate::Type) it is a [`Type::gob_encoder`](crate::Type::gob_encoder), as are structures that
/// embed it, such as `metav1.Time`. The [default](Time::default) is Go's zero time; a field of that
/// value is left out like any other zero, unless it is in an `Option`, which stands for a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub unix_seconds: i64,
    /// Nanoseconds after that, below 1 000 000 000.
    pub nanos: u32,
    /// The zone in which the sender shows it.
    pub zone: Zone,
}

/// The zone of a [`Time`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Go's `time.UTC`.
    #[default]
    Utc,
    /// Seconds east of UTC; zero is not the same as [`Zone::Utc`] to Go. Minus 60 to minus 119 cannot
    /// be sent.
    Offset(i32),
}

impl Time {
    /// The instant in UTC.
    pub const fn utc(unix_seconds: i64, nanos: u32) -> Self {
        Self {
            unix_seconds,
            nanos,
            zone: Zone::Utc,
        }
    }

    /// Reads what Go's `MarshalBinary` wrote, of either version.
    pub fn from_binary(bytes: &[u8]) -> Result<Self, TimeError> {
        let form = TimeError::Form {
            version: bytes.first().copied(),
            length: bytes.len(),
        };
        let (version, rest) = bytes.split_first().ok_or(form)?;
        let (seconds, rest) = rest.split_first_chunk().ok_or(form)?;
        let (nanos, rest) = rest.split_first_chunk().ok_or(form)?;
        let (minutes, rest) = rest.split_first_chunk().ok_or(form)?;
        let offset_rest = match (version, rest) {
            (1, []) => 0,
            (2, [rest]) => rest.cast_signed(),
            _ => return Err(form),
        };
        let offset = i32::from(i16::from_be_bytes(*minutes)).saturating_mul(60);
        let offset = offset.saturating_add(offset_rest.into());
        Self::assemble(
            i64::from_be_bytes(*seconds),
            u32::from_be_bytes(*nanos),
            offset,
        )
    }

    fn assemble(since_year_one: i64, nanos: u32, offset: i32) -> Result<Self, TimeError> {
        let unix_seconds = since_year_one
            .checked_sub(YEAR_ONE_TO_UNIX)
            .ok_or(TimeError::Range)?;
        if nanos >= NANOS_PER_SECOND {
            return Err(TimeError::Nanos(nanos));
        }
        let zone = if offset == -60 {
            Zone::Utc
        } else {
            Zone::Offset(offset)
        };
        Ok(Self {
            unix_seconds,
            nanos,
            zone,
        })
    }

    /// What Go's `MarshalBinary` writes: version 1, or 2 where the zone is not in whole minutes.
    pub fn to_binary(&self) -> Result<Vec<u8>, TimeError> {
        if self.nanos >= NANOS_PER_SECOND {
            return Err(TimeError::Nanos(self.nanos));
        }
        let seconds = self
            .unix_seconds
            .checked_add(YEAR_ONE_TO_UNIX)
            .ok_or(TimeError::Range)?;
        let (minutes, rest) = self.zone.split()?;
        let mut bytes = Vec::with_capacity(16);
        bytes.push(if rest == 0 { 1 } else { 2 });
        bytes.extend_from_slice(&seconds.to_be_bytes());
        bytes.extend_from_slice(&self.nanos.to_be_bytes());
        bytes.extend_from_slice(&minutes.to_be_bytes());
        if rest != 0 {
            bytes.push(rest.cast_unsigned());
        }
        Ok(bytes)
    }
}

impl Zone {
    /// The minutes, and the seconds besides, by which the zone is sent.
    fn split(self) -> Result<(i16, i8), TimeError> {
        let Self::Offset(offset) = self else {
            return Ok((-1, 0));
        };
        let minutes = i16::try_from(offset.wrapping_div(60))
            .ok()
            .filter(|minutes| *minutes != -1);
        let minutes = minutes.ok_or(TimeError::Zone(offset))?;
        Ok((minutes, i8::try_from(offset.wrapping_rem(60)).unwrap_or(0)))
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::utc(YEAR_ONE_TO_UNIX.saturating_neg(), 0)
    }
}

/// Why bytes are not a time, or a time cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeError {
    /// Neither version 1 in 15 bytes nor version 2 in 16.
    Form {
        /// The first byte, if there is one.
        version: Option<u8>,
        /// How many bytes there are.
        length: usize,
    },
    /// A second or more of nanoseconds, or less than none.
    Nanos(u32),
    /// Seconds that the other side's epoch cannot express.
    Range,
    /// A zone of this many seconds, which the format cannot express.
    Zone(i32),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form {
                version: Some(version),
                length,
            } => write!(
                f,
                "expected a time of version 1 in 15 bytes or 2 in 16, got version {version} in {length}"
            ),
            Self::Form { version: None, .. } => f.write_str("expected a time, got no bytes"),
            Self::Nanos(nanos) => {
                write!(
                    f,
                    "expected a time with less than {NANOS_PER_SECOND} nanoseconds, got {nanos}"
                )
            }
            Self::Range => f.write_str("expected a time within 292 billion years, got a later one"),
            Self::Zone(seconds) => write!(
                f,
                "expected a zone that the binary form of a time can express, got {seconds} s east of UTC"
            ),
        }
    }
}

impl core::error::Error for TimeError {}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.to_binary().map_err(S::Error::custom)?;
        let is_zero = *self == Self::default();
        let name = if is_zero {
            bridge::TIME
        } else {
            bridge::OPAQUE
        };
        serializer.serialize_newtype_struct(name, &Run(bytes.as_slice()))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Run(bytes) = deserializer.deserialize_newtype_struct(bridge::TIME, RunVisitor)?;
        Self::from_binary(&bytes).map_err(D::Error::custom)
    }
}
