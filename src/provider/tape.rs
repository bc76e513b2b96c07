//! Keeps the windows that a trial was judged on, for `temper judge` to judge them again.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use temper_judge::window::Window;
use temper_sources::recording::{Header, Writer, first_bounds};

/// A recording that grows with its trial.
///
/// A trial that is read anew, because the plugin was restarted or has forgotten it, is recorded anew: its frozen intervals
/// are the same.
#[derive(Debug, Default)]
pub(crate) enum Tape {
    /// Nothing is recorded yet.
    #[default]
    Blank,
    /// The file and the bounds in its header.
    Running(File, Arc<[f64]>),
    /// Writing failed. Nothing more is written, since a gap would pass for looks without traffic.
    Torn,
}

impl Tape {
    /// Appends windows, after a header if they are the first ones. An error is returned once.
    pub(crate) fn record(
        &mut self,
        path: &Path,
        header: impl FnOnce(Arc<[f64]>) -> Header,
        windows: &[Window],
    ) -> io::Result<()> {
        let (mut file, bounds, first) = match std::mem::replace(self, Self::Torn) {
            Self::Torn => return Ok(()),
            Self::Running(file, bounds) => (file, bounds, None),
            Self::Blank => {
                let header = header(first_bounds(windows));
                (
                    File::create(path)?,
                    Arc::clone(&header.bounds),
                    Some(header),
                )
            }
        };
        let lines = lines(first.as_ref(), &bounds, windows)?;
        append(&mut file, &lines)?;
        *self = Self::Running(file, bounds);
        Ok(())
    }
}

fn lines(header: Option<&Header>, bounds: &Arc<[f64]>, windows: &[Window]) -> io::Result<Vec<u8>> {
    let mut writer = match header {
        Some(header) => Writer::new(Vec::new(), header)?,
        None => Writer::append(Vec::new(), Arc::clone(bounds)),
    };
    windows.iter().try_for_each(|window| writer.write(window))?;
    Ok(writer.into_inner())
}

/// Writes all of the lines or none, so that what was recorded before stays readable.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(lines).inspect_err(|_| {
        // Where even this fails, the half line is refused by whoever reads it.
        file.set_len(before).ok();
    })
}

/// Where the recording of a metric in an analysis run is kept.
pub(crate) fn path(folder: &Path, namespace: &str, run: &str, metric: &str) -> PathBuf {
    let [namespace, run, metric] = [namespace, run, metric].map(file_name);
    folder.join(format!("{namespace}_{run}_{metric}.ndjson"))
}

/// A text as a part of a file's name: names of metrics are free. No two texts have the same one.
fn file_name(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let bytes = text.bytes().map(|byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::Timestamp;
    use temper_judge::window::Missing;
    use temper_sources::Recording;

    use super::*;

    fn header(bounds: Arc<[f64]>) -> Header {
        Header {
            start: Timestamp::UNIX_EPOCH,
            step: Duration::from_secs(30),
            bounds,
        }
    }

    fn missing(look: u32) -> Window {
        Window {
            look,
            content: Err(Missing("why".to_owned())),
        }
    }

    #[test]
    fn a_tape_grows_and_one_that_begins_anew_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.ndjson");
        let read = || {
            Recording::open(&path)
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>()
        };
        for _ in 0..2 {
            let mut tape = Tape::default();
            tape.record(&path, header, &[missing(1)]).unwrap();
            assert_eq!(read(), [missing(1)]);
            tape.record(&path, header, &[missing(2), missing(3)])
                .unwrap();
            assert_eq!(read(), [missing(1), missing(2), missing(3)]);
        }
    }

    #[test]
    fn a_tape_that_cannot_be_written_says_so_once() {
        let mut tape = Tape::default();
        let nowhere = Path::new("/nowhere/at/all/r.ndjson");
        assert!(tape.record(nowhere, header, &[missing(1)]).is_err());
        assert!(tape.record(nowhere, header, &[missing(2)]).is_ok());
    }

    #[test]
    fn looks_after_a_failure_are_not_recorded() {
        let mut tape = Tape::Running(File::open("/dev/null").unwrap(), [].into());
        let window = Window {
            look: 1,
            content: Ok(BTreeMap::new()),
        };
        assert!(tape.record(Path::new(""), header, &[missing(1)]).is_err());
        assert!(tape.record(Path::new(""), header, &[window]).is_ok());
        assert!(matches!(tape, Tape::Torn));
    }

    #[test]
    fn names_of_metrics_lead_nowhere_else() {
        let path = path(Path::new("/r"), "shop", "run-1", "../p99 ü");
        assert_eq!(path, Path::new("/r/shop_run-1_..%2Fp99%20%C3%BC.ndjson"));
    }
}
