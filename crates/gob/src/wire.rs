//! The primitives of the format: unsigned and signed integers, floats, runs of bytes.
//!
//! An unsigned integer below 128 is one byte. Any other is a byte that holds the negated count of the
//! bytes that follow, then those bytes, most significant first. A signed integer is shifted left by
//! one; where it was negative its complement is, and the lowest bit is set. A float is its IEEE 754
//! bits in reversed byte order, as an unsigned integer.

use alloc::format;
use alloc::vec::Vec;

use crate::error::Error;

/// Reads primitives from a run of bytes whose place in the stream is known.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    end: usize,
    /// Where `bytes` starts in the stream.
    origin: u64,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], origin: u64) -> Self {
        Self {
            bytes,
            position: 0,
            end: bytes.len(),
            origin,
        }
    }

    /// Where the next byte lies, from the start of the run.
    pub(crate) const fn position(&self) -> usize {
        self.position
    }

    /// Where the run starts in the stream.
    pub(crate) const fn origin(&self) -> u64 {
        self.origin
    }

    /// Where the next byte lies in the stream.
    pub(crate) fn offset(&self) -> u64 {
        self.origin.saturating_add(wide(self.position))
    }

    /// Where reading must stop for now.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// Lets the next reads go up to `end`, which lies within the run.
    pub(crate) fn set_end(&mut self, end: usize) {
        self.end = end.min(self.bytes.len());
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.position >= self.end
    }

    /// Bytes left before the end.
    pub(crate) const fn left(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Bytes `from..to` of the run.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn byte(&mut self, expected: &str) -> Result<u8, Error> {
        if self.is_at_end() {
            return Err(self.cut_short(expected));
        }
        let byte = self.bytes.get(self.position).copied();
        self.position = self.position.saturating_add(1);
        byte.ok_or_else(|| self.cut_short(expected))
    }

    #[inline]
    pub(crate) fn uint(&mut self, expected: &str) -> Result<u64, Error> {
        let first = self.byte(expected)?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.wide_uint(first, expected)
    }

    fn wide_uint(&mut self, first: u8, expected: &str) -> Result<u64, Error> {
        let count = usize::from(first.wrapping_neg());
        if count > 8 {
            let got = format!("an integer of {count} bytes");
            return Err(Error::malformed(self.offset(), expected, got));
        }
        let bytes = self.take(count, expected)?;
        Ok(bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    #[inline]
    pub(crate) fn int(&mut self, expected: &str) -> Result<i64, Error> {
        self.uint(expected).map(signed)
    }

    #[inline]
    pub(crate) fn float(&mut self) -> Result<f64, Error> {
        self.uint("a float")
            .map(|bits| f64::from_bits(bits.swap_bytes()))
    }

    /// The next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize, expected: &str) -> Result<&'a [u8], Error> {
        if count > self.left() {
            return Err(self.cut_short(expected));
        }
        let from = self.position;
        self.position = from.saturating_add(count);
        Ok(self.slice(from, self.position))
    }

    /// A count, then that many bytes.
    #[inline]
    pub(crate) fn counted(&mut self, expected: &str) -> Result<&'a [u8], Error> {
        let offset = self.offset();
        let stated = self.uint(expected)?;
        match usize::try_from(stated) {
            Ok(count) if count <= self.left() => self.take(count, expected),
            _ => {
                let expected = format!("{expected} within the {} bytes left", self.left());
                Err(Error::malformed(
                    offset,
                    &expected,
                    format_args!("{stated} bytes"),
                ))
            }
        }
    }

    fn cut_short(&self, expected: &str) -> Error {
        Error::malformed(self.offset(), expected, "the end of the message")
    }
}

/// The field numbers of a structure as they come: each is sent as its distance from the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    next: u64,
}

impl Numbers {
    /// The number of the field that follows, nothing at the end of the structure.
    #[inline]
    pub(crate) fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<u64>, Error> {
        let offset = reader.offset();
        let delta = reader.uint("a field number")?;
        let Some(distance) = delta.checked_sub(1) else {
            return Ok(None);
        };
        let number = self
            .next
            .checked_add(distance)
            .filter(|number| *number < u64::MAX);
        let number =
            number.ok_or_else(|| Error::malformed(offset, "a field number", "an overflow"))?;
        self.next = number.saturating_add(1);
        Ok(Some(number))
    }
}

/// The signed integer that was sent as `bits`.
#[inline]
pub(crate) const fn signed(bits: u64) -> i64 {
    let magnitude = (bits >> 1).cast_signed();
    if bits & 1 == 0 { magnitude } else { !magnitude }
}

/// The bits by which `value` is sent.
pub(crate) const fn unsigned(value: i64) -> u64 {
    let shifted = value << 1;
    (if value < 0 { !shifted } else { shifted }).cast_unsigned()
}

pub(crate) fn put_uint(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    let significant = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    match bytes.get(significant..).unwrap_or_default() {
        [] => out.push(0),
        [small] if *small < 0x80 => out.push(*small),
        bytes => {
            out.push(u8::try_from(bytes.len()).unwrap_or(8).wrapping_neg());
            out.extend_from_slice(bytes);
        }
    }
}

/// Inserts `value` at `at`: a count before what it counts, once that is written.
pub(crate) fn insert_uint(out: &mut Vec<u8>, at: usize, value: u64) {
    let before = out.len();
    put_uint(out, value);
    let added = out.len().saturating_sub(before);
    if let Some(counted) = out.get_mut(at..) {
        counted.rotate_right(added);
    }
}

pub(crate) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, unsigned(value));
}

pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    put_uint(out, value.to_bits().swap_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, wide(bytes.len()));
    out.extend_from_slice(bytes);
}

/// A length as the wire counts it: no platform has a wider `usize`.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_uint(&mut out, value);
        out
    }

    #[test]
    fn integers_are_written_as_the_format_documents() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(7), [7]);
        assert_eq!(encoded(127), [127]);
        assert_eq!(encoded(128), [0xff, 128]);
        assert_eq!(encoded(256), [0xfe, 1, 0]);
        assert_eq!(
            encoded(u64::MAX),
            [0xf8, 255, 255, 255, 255, 255, 255, 255, 255]
        );
        let mut out = Vec::new();
        put_int(&mut out, -129);
        assert_eq!(out, [0xfe, 1, 1]);
    }

    #[test]
    fn integers_are_read_as_they_were_written() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, !(1 << shift)] {
                let bytes = encoded(value);
                assert_eq!(Reader::new(&bytes, 0).uint("a uint"), Ok(value));
                assert_eq!(unsigned(signed(value)), value);
            }
        }
    }

    #[test]
    fn a_number_is_inserted_before_what_it_counts() {
        let mut out = alloc::vec![1, 2, 3];
        insert_uint(&mut out, 1, 300);
        assert_eq!(out, [1, 0xfe, 1, 44, 2, 3]);
    }

    #[test]
    fn an_integer_of_more_than_eight_bytes_is_refused() {
        let error = Reader::new(&[0xf7, 0, 0, 0, 0, 0, 0, 0, 0, 1], 10)
            .uint("a uint")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "reading gob at byte 11: expected a uint, got an integer of 9 bytes"
        );
    }
}
