//! Samples of single values, sorted once for all statistics of ranks.
//!
//! A value is kept as an integer key of the same order, since integers sort in half the time of floats. −0 and 0 are one
//! value, infinities are values like others, and what is not a number is refused.

use std::thread;

use crate::error::{Arm, Error};

/// The sign bit of a float, which is above that of all positive ones as an integer.
const SIGN: u64 = 1 << 63;

/// Two samples in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    first: Vec<u64>,
    second: Vec<u64>,
}

impl Samples {
    /// Sorts both samples, given in any order: 8 bytes a value.
    pub fn new(first: &[f64], second: &[f64]) -> Result<Self, Error> {
        Ok(Self {
            first: sorted(first, Arm::First)?,
            second: sorted(second, Arm::Second)?,
        })
    }

    /// The values of the first sample, ascending.
    pub fn first(&self) -> impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + '_ {
        self.first.iter().map(|key| value(*key))
    }

    /// The values of the second sample, ascending.
    pub fn second(&self) -> impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + '_ {
        self.second.iter().map(|key| value(*key))
    }

    /// How often each distinct value occurs in the first and in the second sample, ascending: what makes a bucket of every
    /// value.
    pub fn counts(&self) -> (Vec<u64>, Vec<u64>) {
        self.groups().unzip()
    }

    /// As [`counts`](Self::counts), one group of equal values after the other.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        Groups {
            first: &self.first,
            second: &self.second,
        }
    }

    /// The sorted keys of both samples.
    pub(crate) fn keys(&self) -> (&[u64], &[u64]) {
        (&self.first, &self.second)
    }
}

fn sorted(sample: &[f64], arm: Arm) -> Result<Vec<u64>, Error> {
    if let Some(index) = sample.iter().position(|value| value.is_nan()) {
        return Err(Error::NotANumber { arm, index });
    }
    let mut keys: Vec<_> = sample.iter().map(|value| key(*value)).collect();
    sort(&mut keys);
    Ok(keys)
}

/// Sorts the halves below and above the median at the same time, when they are worth a thread.
fn sort(keys: &mut [u64]) {
    const WORTH_A_THREAD: usize = 1 << 17;
    if keys.len() < WORTH_A_THREAD {
        keys.sort_unstable();
        return;
    }
    let (below, _, above) = keys.select_nth_unstable(keys.len() / 2);
    let helped = thread::scope(|scope| {
        let helper = thread::Builder::new().spawn_scoped(scope, || above.sort_unstable());
        below.sort_unstable();
        helper.is_ok()
    });
    if !helped {
        above.sort_unstable();
    }
}

/// An integer that rises with the value: the bits of a float rise with its size, so those of a negative one are turned
/// round.
pub(crate) const fn key(value: f64) -> u64 {
    // Makes 0 of −0.
    let bits = (value + 0.0).to_bits();
    bits ^ if bits & SIGN == 0 { SIGN } else { u64::MAX }
}

/// The value of a key.
pub(crate) const fn value(key: u64) -> f64 {
    f64::from_bits(key ^ if key & SIGN == 0 { u64::MAX } else { SIGN })
}

#[derive(Clone)]
struct Groups<'a> {
    first: &'a [u64],
    second: &'a [u64],
}

impl Iterator for Groups<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let smallest = match (self.first.first(), self.second.first()) {
            (Some(x), Some(y)) => *x.min(y),
            (x, y) => *x.or(y)?,
        };
        Some((
            take(&mut self.first, smallest),
            take(&mut self.second, smallest),
        ))
    }
}

/// Takes what equals `key` off the front.
fn take(keys: &mut &[u64], key: u64) -> u64 {
    let mut taken = 0;
    while let Some((_, rest)) = keys.split_first().filter(|(first, _)| **first == key) {
        *keys = rest;
        taken += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_without_a_rank_is_refused_where_it_stands() {
        let refused = Samples::new(&[1.0], &[0.0, f64::NAN]);
        let expected = Error::NotANumber {
            arm: Arm::Second,
            index: 1,
        };
        assert_eq!(refused, Err(expected));
        assert_eq!(
            expected.to_string(),
            "rank a sample: value 1 of the second one is not a number; leave it out"
        );
    }

    #[test]
    fn equal_values_are_one_group_and_zero_has_no_sign() {
        let infinity = f64::INFINITY;
        let samples = Samples::new(&[0.0, infinity, -1.0], &[-0.0, 0.0, infinity, -infinity]);
        let (first, second) = samples.unwrap().counts();
        assert_eq!((first, second), (vec![0, 1, 1, 1], vec![1, 0, 2, 1]));
    }

    #[test]
    fn a_large_sample_is_sorted_as_a_small_one() {
        let values: Vec<_> = (0..300_000_u32)
            .map(|n| f64::from(n.wrapping_mul(2_654_435_761) >> 12))
            .collect();
        let samples = Samples::new(&values, &[]).unwrap();
        assert!(samples.first().is_sorted() && samples.first().len() == values.len());
    }

    proptest! {
        #[test]
        fn keys_keep_values_and_their_order(a in prop::num::f64::ANY, b in prop::num::f64::ANY) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(value(key(a)).partial_cmp(&a), Some(std::cmp::Ordering::Equal));
            prop_assert_eq!(Some(key(a).cmp(&key(b))), a.partial_cmp(&b));
        }
    }
}
