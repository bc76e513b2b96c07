//! Windows that were recorded: to try a template, and what a controller makes of its verdicts, on what has happened
//! before. The looks of the recording stand for the intervals of the trial, whenever that runs.

use std::path::Path;

use temper_judge::window::{Missing, Window};
use temper_sources::{Recording, RecordingError};

/// A recording in memory: the looks of a trial are asked for again and again.
#[derive(Clone, Debug)]
pub(crate) struct Recorded(Vec<Window>);

impl Recorded {
    /// Reads the whole file.
    pub(crate) fn read(path: &Path) -> Result<Self, RecordingError> {
        Recording::open(path)?.collect::<Result<_, _>>().map(Self)
    }

    /// The window of a look; after the last one none is known.
    pub(crate) fn window(&self, look: u32) -> Window {
        let index = usize::try_from(look)
            .ok()
            .and_then(|look| look.checked_sub(1));
        let known = index.and_then(|index| self.0.get(index));
        known.cloned().unwrap_or_else(|| Window {
            look,
            content: Err(Missing("the recording has ended".to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_their_looks_and_missing_after_the_end() {
        let lines = [
            r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s"}"#,
            r#"{"look":2,"arm":"canary","requests":6,"errors":1}"#,
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let recorded = Recorded::read(file.path()).unwrap();
        let cells = |look| recorded.window(look).content.map(|cells| cells.len());
        assert_eq!((cells(1), cells(2)), (Ok(0), Ok(1)));
        for look in [0, 3, u32::MAX] {
            assert!(cells(look).is_err());
        }
    }
}
