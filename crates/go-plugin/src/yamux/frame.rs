//! Frames: a header of twelve bytes, big-endian, and for data a payload.

use super::ProtocolError;

/// Length of a header in bytes.
pub(crate) const HEADER_BYTES: usize = 12;

/// The only version of the protocol.
const VERSION: u8 = 0;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A payload of `length` bytes follows.
    Data,
    /// `length` more bytes may be sent on the stream.
    WindowUpdate,
    /// `length` is an opaque number to send back.
    Ping,
    /// The session ends; `length` says why.
    GoAway,
}

/// Bits that open and close streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    /// Opens a stream, or asks by ping.
    pub(crate) const SYN: Self = Self(1);
    /// Accepts a stream, or answers a ping.
    pub(crate) const ACK: Self = Self(2);
    /// The sender sends no more.
    pub(crate) const FIN: Self = Self(4);
    /// The stream is gone at once.
    pub(crate) const RST: Self = Self(8);

    /// Whether all bits of `other` are set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    /// 0 for the session itself.
    pub(crate) stream: u32,
    /// A count, a credit, a number or a reason: see [`Kind`].
    pub(crate) length: u32,
}

impl Header {
    /// Reads a header.
    pub(crate) fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, ProtocolError> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != VERSION {
            return Err(ProtocolError::Version(version));
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::WindowUpdate,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            other => return Err(ProtocolError::Kind(other)),
        };
        Ok(Self {
            kind,
            flags: Flags(u16::from_be_bytes([f0, f1])),
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }

    /// The bytes of the header.
    pub(crate) fn encode(self) -> [u8; HEADER_BYTES] {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::WindowUpdate => 1,
            Kind::Ping => 2,
            Kind::GoAway => 3,
        };
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [VERSION, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_reads_as_the_bytes_of_a_real_host() {
        let opened = Header::decode([0, 1, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0]).unwrap();
        let expected = Header {
            kind: Kind::WindowUpdate,
            flags: Flags::SYN,
            stream: 7,
            length: 0,
        };
        assert_eq!(opened, expected);
    }

    #[test]
    fn unknown_versions_and_kinds_are_refused() {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = 1;
        assert_eq!(Header::decode(bytes), Err(ProtocolError::Version(1)));
        bytes[..2].copy_from_slice(&[0, 4]);
        assert_eq!(Header::decode(bytes), Err(ProtocolError::Kind(4)));
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written(bytes: [u8; HEADER_BYTES]) {
            if let Ok(header) = Header::decode(bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }
}
