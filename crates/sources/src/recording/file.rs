//! Files that are seen whole or not at all.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::zstd;

/// A file that is written beside its place and put there by [`NewFile::finish`]; without that, nothing is left of it. A name that ends
/// in `.gz` or `.zst` has it compressed.
pub struct NewFile {
    path: PathBuf,
    beside: Beside,
    sink: Sink,
}

/// What is removed when nobody needs it any more; once it is put in its place, it is not here.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<BufWriter<File>>),
}

impl NewFile {
    /// Begins to write beside the path, in `<path>.writing`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut beside = OsString::from(path);
        beside.push(".writing");
        let beside = PathBuf::from(beside);
        let file = BufWriter::new(File::create(&beside)?);
        let beside = Beside(beside);
        let sink = match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Sink::Gzip(GzEncoder::new(file, Compression::default())),
            Some("zst") => Sink::Zstd(zstd::Encoder::new(file)),
            Some(_) | None => Sink::Plain(file),
        };
        Ok(Self {
            path: path.to_owned(),
            beside,
            sink,
        })
    }

    /// Puts the file in its place, once all of it is on disk.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.sink {
            Sink::Plain(file) => file,
            Sink::Gzip(encoder) => encoder.finish()?,
            Sink::Zstd(encoder) => encoder.finish()?,
        };
        file.into_inner()?.sync_all()?;
        fs::rename(&self.beside.0, &self.path)
    }

    fn sink(&mut self) -> &mut dyn Write {
        match &mut self.sink {
            Sink::Plain(file) => file,
            Sink::Gzip(encoder) => encoder,
            Sink::Zstd(encoder) => encoder,
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink().flush()
    }
}

impl fmt::Debug for NewFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewFile").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recording;

    const HEADER: &[u8] =
        br#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s"}"#;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_in_its_place_once_it_is_finished_compressed_as_its_name_says() {
        for (name, magic) in [
            ("r.ndjson", &b"{"[..]),
            ("r.gz", b"\x1f\x8b"),
            ("r.zst", b"\x28\xb5"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            let mut file = NewFile::create(&path).unwrap();
            file.write_all(HEADER).unwrap();
            assert!(!path.exists());
            file.finish().unwrap();
            assert_eq!(names(folder.path()), [name]);
            assert!(fs::read(&path).unwrap().starts_with(magic));
            assert_eq!(Recording::open(&path).unwrap().count(), 0);
        }
    }

    #[test]
    fn of_a_file_that_is_given_up_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        drop(NewFile::create(&folder.path().join("r.ndjson")).unwrap());
        assert!(names(folder.path()).is_empty());
    }
}
