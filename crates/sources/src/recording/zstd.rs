//! Zstandard as files have it: frame after frame, with frames to skip among them.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Bytes of a frame before it is compressed: enough for its tables to cost little.
const FRAME_BYTES: usize = 4 << 20;

/// Reads what was compressed. It holds no more than a frame's window, which may have 128 MiB.
pub(super) struct Decoder<R> {
    source: R,
    frame: FrameDecoder,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            frame: FrameDecoder::new(),
        }
    }

    /// Goes on to the next frame, if there is one.
    fn next_frame(&mut self) -> io::Result<bool> {
        self.check_sum()?;
        while !self.source.fill_buf()?.is_empty() {
            match self.frame.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => skip(&mut self.source, length.into())?,
                Err(error) => return Err(invalid(error)),
            }
        }
        Ok(false)
    }

    /// Compares the last frame with its sum, where it has one.
    fn check_sum(&self) -> io::Result<()> {
        let stated = self.frame.get_checksum_from_data();
        if stated.is_some() && stated != self.frame.get_calculated_checksum() {
            return Err(invalid(
                "the content of a zstd frame differs from its checksum",
            ));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.frame.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            if !self.frame.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.frame.decode_blocks(&mut self.source, one);
                decoded.map_err(invalid)?;
            } else if !self.next_frame()? {
                return Ok(0);
            }
        }
    }
}

fn skip(source: &mut impl BufRead, length: u64) -> io::Result<()> {
    if io::copy(&mut source.take(length), &mut io::sink())? < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// Compresses what is written.
pub(super) struct Encoder<W> {
    out: W,
    frame: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            frame: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_frame()?;
        Ok(self.out)
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let compressed = compress_to_vec(self.frame.as_slice(), CompressionLevel::Fastest);
        self.frame.clear();
        self.out.write_all(&compressed)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        if self.frame.len() >= FRAME_BYTES {
            self.write_frame()?;
        }
        Ok(bytes.len())
    }

    /// Does nothing: a frame that is ended before it is full costs more than it is worth.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decoder::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    fn encoded(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        for part in parts {
            encoder.write_all(part).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn a_frame_that_differs_from_its_checksum_is_refused() {
        let mut bytes = encoded(&[b"abcdefgh".to_vec()]);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(
            decoded(&bytes)
                .unwrap_err()
                .to_string()
                .contains("checksum")
        );
    }

    #[test]
    fn frames_to_skip_are_skipped_whole() {
        let skipped = [0x5e, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, b'x', b'y'];
        let content = encoded(&[b"abc".to_vec()]);
        assert_eq!(
            decoded(&[&skipped, &*content, &skipped].concat()).unwrap(),
            b"abc"
        );
        assert!(decoded(&[&content, &skipped[..9]].concat()).is_err());
    }

    #[test]
    fn much_is_compressed_in_several_frames() {
        let parts = vec![b"0123456789abcdef".repeat(1 << 14); 40];
        let bytes = encoded(&parts);
        assert!(bytes.len() < FRAME_BYTES / 100, "{}", bytes.len());
        assert!(decoded(&bytes).unwrap() == parts.concat());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5)) {
            prop_assert_eq!(decoded(&encoded(&parts)).unwrap(), parts.concat());
        }
    }
}
