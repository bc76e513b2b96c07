//! Whether two failures are the same failure.

use std::{fmt, num::NonZeroU64};

/// What an error message looks like when everything that differs from run to run is left out.
///
/// Digits, and words that hold any, stand for themselves only as "something with digits": addresses, offsets, ids and times
/// differ while the failure is the same. Two different failures that read the same are one to us, which errs towards stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(NonZeroU64);

/// Only the beginning of a message counts: stack traces differ in their tails.
const CHARACTERS: usize = 200;

/// FNV-1a, 64 bits: fixed for ever, because it is stored in annotations.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Fingerprint {
    /// The fingerprint of a message.
    pub fn of(message: &str) -> Self {
        let beginning: String = message.chars().take(CHARACTERS).collect();
        let words = beginning.split(|c: char| c.is_whitespace() || "/:=,;()[]{}'\"".contains(c));
        let mut hash = OFFSET;
        for word in words.filter(|word| !word.is_empty()) {
            let word = if word.contains(|c: char| c.is_ascii_digit()) {
                "#"
            } else {
                word
            };
            for byte in word.bytes().chain([b' ']) {
                hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME);
            }
        }
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = u64::from_str_radix(text, 16).ok()?;
        NonZeroU64::new(hash).map(Self)
    }
}

/// Six characters that tell one name from another.
pub(crate) fn mark(name: &str) -> String {
    let all = format!("{:016x}", hash(name.bytes()));
    all.chars().take(6).collect()
}

pub(crate) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME)
    })
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_at_another_place_and_time_is_the_same() {
        let one = Fingerprint::of("connect to 10.0.0.7:9093 failed: timed out after 3012 ms");
        let two = Fingerprint::of("Connect to 10.3.1.9:9093 failed: timed out after 7 ms");
        assert_eq!(one, two);
        assert_ne!(
            one,
            Fingerprint::of("connect to 10.0.0.7:9093 failed: connection refused")
        );
        assert_eq!(Fingerprint::parse(&one.to_string()), Some(one));
    }

    #[test]
    fn it_never_changes_because_it_is_stored() {
        assert_eq!(Fingerprint::of("").to_string(), "cbf29ce484222325");
        assert_eq!(Fingerprint::of("disk full").to_string(), "bc8abca4502d8f43");
    }
}
