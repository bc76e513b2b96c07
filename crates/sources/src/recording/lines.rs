//! The lines of a recording, whatever it is compressed with.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::RecordingError;
use super::line::Mistake;
use super::zstd;

/// The most bytes of a line. One of a native histogram with all its buckets has some ten thousand.
const MOST_BYTES: usize = 16 << 20;

/// First bytes of what gzip and zstd write.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The same after the first byte, where zstd begins with something to skip, as `pzstd` does.
const SKIPPED: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Lines with their numbers, one at a time.
pub(super) struct Lines {
    name: String,
    input: Box<dyn BufRead + Send>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn of(
        name: &str,
        input: impl Read + Send + 'static,
    ) -> Result<Self, RecordingError> {
        let input = decompressed(input).map_err(|source| RecordingError::Open {
            recording: name.to_owned(),
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            input,
            number: 0,
            line: Vec::new(),
        })
    }

    /// The next line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, RecordingError> {
        self.number += 1;
        self.line.clear();
        let mut limited = self.input.by_ref().take(MOST_BYTES as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|source| RecordingError::Read {
            recording: self.name.clone(),
            line: self.number,
            source,
        })?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if self.line.ends_with(b"\n") {
            self.line.pop();
        }
        if self.line.len() > MOST_BYTES {
            let what = format!("the line has more than {MOST_BYTES} bytes");
            return Err(self.error(Mistake::at(MOST_BYTES, what)));
        }
        Ok(Some(&self.line))
    }

    /// Bytes of the current line.
    pub(super) fn length(&self) -> usize {
        self.line.len()
    }

    /// A mistake in the current line.
    pub(super) fn error(&self, Mistake { column, what }: Mistake) -> RecordingError {
        RecordingError::Line {
            recording: self.name.clone(),
            line: self.number,
            column,
            what,
        }
    }
}

/// The first bytes tell the compression, and not the name: standard input has none, and files get renamed.
fn decompressed(mut input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut head = Vec::with_capacity(ZSTD.len());
    input
        .by_ref()
        .take(ZSTD.len() as u64)
        .read_to_end(&mut head)?;
    let is_gzip = head.starts_with(&GZIP);
    let is_zstd = head.starts_with(&ZSTD) || head.ends_with(&SKIPPED);
    let whole = BufReader::new(Cursor::new(head).chain(input));
    Ok(if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::new(zstd::Decoder::new(whole)))
    } else {
        Box::new(whole)
    })
}
