//! Recordings: the windows of a trial as lines of JSON, to be judged again at any time.
//!
//! The first line is the header. Every other one tells what one arm served in one look, stratum and pod, or why a look is
//! missing; looks come in order. What is not of this form is refused with its line and column, never guessed at.
//!
//! A recording is read look by look, so that its length costs no memory, and what one look may cost is bounded.

mod line;
mod values;
mod lines;
mod zstd;
mod writer;
mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::file::NewFile;
use self::line::{Entry, Mistake, Said};
use self::lines::Lines;
pub use self::writer::{Writer, first_bounds};
use crate::window::{Missing, Window};

/// The most looks of a recording: as many as a policy may ask for.
pub const MOST_LOOKS: u32 = 100_000;

/// The most bytes that the lines of one look may have together: some 400 000 cells, which take some hundred megabytes when
/// they are read.
const MOST_BYTES_OF_A_LOOK: usize = 64 << 20;

/// What is true of a whole recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// When the first interval began.
    pub start: Timestamp,
    /// Length of an interval.
    pub step: Duration,
    /// Upper bounds in seconds of the buckets in all lines that don't state their own, ascending, without +Inf.
    pub bounds: Arc<[f64]>,
}

/// A recording that is being read: an iterator over its windows, one for each look from the first to the last that has a line.
///
/// A look without lines is a window without cells. After an error there is nothing more.
pub struct Recording {
    lines: Lines,
    header: Header,
    look: u32,
    /// The first line of a later look than the last window's.
    ahead: Option<Entry>,
    is_over: bool,
}

/// A recording that can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// There is no such file, or it may not be read.
    #[error("opening the recording {recording}")]
    Open {
        /// Path of the recording.
        recording: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// It ends amid something, or is compressed in a way that can't be understood.
    #[error("reading line {line} of the recording {recording}")]
    Read {
        /// Path of the recording.
        recording: String,
        /// Number of the line, from 1.
        line: u64,
        /// The operating system's words, or the decompressor's.
        source: io::Error,
    },
    /// A line is not of the form.
    #[error("reading the recording {recording}, line {line}, column {column}: {what}")]
    Line {
        /// Path of the recording.
        recording: String,
        /// Number of the line, from 1.
        line: u64,
        /// Number of the byte in the line, from 1.
        column: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

impl Recording {
    /// Opens a file, which may be compressed with gzip or zstd, and reads its header.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let file = File::open(path).map_err(|source| RecordingError::Open {
            recording: path.display().to_string(),
            source,
        })?;
        Self::read(&path.display().to_string(), file)
    }

    /// Reads the header of a recording that its errors are to call `name`; it may be compressed with gzip or zstd.
    pub fn read(name: &str, input: impl Read + Send + 'static) -> Result<Self, RecordingError> {
        let mut lines = Lines::of(name, input)?;
        let header = match lines.next()? {
            Some(text) => line::header(text),
            None => Err(Mistake::at(1, "the recording is empty: expected a header")),
        };
        Ok(Self {
            header: header.map_err(|mistake| lines.error(mistake))?,
            lines,
            look: 0,
            ahead: None,
            is_over: false,
        })
    }

    /// What is true of the whole recording.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The window of the next look, if there is a line of it or of a later one.
    fn window(&mut self) -> Result<Option<Window>, RecordingError> {
        let mut window = Window {
            look: self.look.saturating_add(1),
            content: Ok(BTreeMap::new()),
        };
        let (mut lines, mut bytes) = (0_usize, 0_usize);
        while let Some(entry) = self.next_entry(window.look)? {
            if entry.look > window.look {
                self.ahead = Some(entry);
                break;
            }
            lines += 1;
            bytes = bytes.saturating_add(self.lines.length());
            take(&mut window, entry.said, lines, bytes).map_err(|what| self.lines.error(what))?;
        }
        self.look = window.look;
        Ok((lines > 0 || self.ahead.is_some()).then_some(window))
    }

    /// The next line, of this look or a later one.
    fn next_entry(&mut self, look: u32) -> Result<Option<Entry>, RecordingError> {
        if let Some(entry) = self.ahead.take() {
            return Ok(Some(entry));
        }
        let Some(text) = self.lines.next()? else {
            return Ok(None);
        };
        let entry = line::entry(text, &self.header.bounds);
        let in_order = entry.and_then(|entry| {
            if (look..=MOST_LOOKS).contains(&entry.look) {
                return Ok(entry);
            }
            let got = entry.look;
            let what = format!("expected looks in order from 1 to {MOST_LOOKS}, got {got} where {look} is the lowest");
            Err(Mistake::of("look", text, what))
        });
        in_order
            .map(Some)
            .map_err(|mistake| self.lines.error(mistake))
    }
}

/// Takes in what a line says of its look, of which it is the `lines`-th.
fn take(window: &mut Window, said: Said, lines: usize, bytes: usize) -> Result<(), Mistake> {
    if bytes > MOST_BYTES_OF_A_LOOK {
        let what = format!("the lines of a look have more than {MOST_BYTES_OF_A_LOOK} bytes");
        return Err(Mistake::at(1, what));
    }
    match (said, &mut window.content) {
        (Said::Missing(why), content) if lines == 1 => *content = Err(Missing(why)),
        (Said::Cell(key, counts), Ok(cells)) => {
            if cells.insert(key, counts).is_some() {
                let what = "the look has a line for this arm, stratum and pod already";
                return Err(Mistake::at(1, what));
            }
        }
        (Said::Missing(_), _) | (Said::Cell(..), Err(_)) => {
            let what = "a look is either `missing`, in one line, or has lines with counts";
            return Err(Mistake::at(1, what));
        }
    }
    Ok(())
}

impl Iterator for Recording {
    type Item = Result<Window, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.window().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("header", &self.header)
            .field("look", &self.look)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
