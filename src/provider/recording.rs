//! Windows that were recorded: to try a template, and what a controller makes of its verdicts, on what has happened
//! before.
//!
//! A recording is NDJSON: a header, then a line per look, arm, stratum and pod. Its looks stand for the intervals
//! of the trial, whenever that runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Deserialize;
use temper_judge::window::{Arm, CellKey, Counts, Latency, Missing, Window};
use thiserror::Error;

/// The form that is read here.
const VERSION: &str = "temper/v1";

/// A recording in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(Vec<Window>);

/// A recording that can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RecordingError {
    #[error("reading the recording {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("reading line {line} of the recording {}", path.display())]
    Json {
        path: PathBuf,
        line: usize,
        source: serde_json::Error,
    },
    #[error("reading line {line} of the recording {}: {what}", path.display())]
    Line {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

/// The first line.
#[derive(Deserialize)]
struct Header {
    recording: String,
    #[serde(default)]
    le: Vec<f64>,
}

/// Any other line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    look: u32,
    missing: Option<String>,
    arm: Option<Side>,
    #[serde(default)]
    stratum: String,
    #[serde(default)]
    pod: String,
    #[serde(default)]
    requests: u64,
    #[serde(default)]
    errors: u64,
    latency: Option<Vec<u64>>,
    native: Option<Native>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Canary,
    Stable,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Native {
    schema: i8,
    zero_threshold: f64,
    zero: u64,
    buckets: BTreeMap<i32, u64>,
}

impl Recording {
    /// Reads the whole file.
    pub(crate) fn read(path: &Path) -> Result<Self, RecordingError> {
        let text = fs::read_to_string(path).map_err(|source| RecordingError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, RecordingError> {
        let mut lines = text.lines().zip(1..);
        let bounds = bounds(path, lines.next().unwrap_or(("", 1)))?;
        let mut recording = Self::default();
        for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
            let line = json(path, line, number)?;
            let refused = |what| RecordingError::Line {
                path: path.to_owned(),
                line: number,
                what,
            };
            recording.add(line, &bounds).map_err(refused)?;
        }
        Ok(recording)
    }

    /// The window of a look; after the last one none is known.
    pub(crate) fn window(&self, look: u32) -> Window {
        let after_the_end = || Window {
            look,
            content: Err(Missing("the recording has ended".to_owned())),
        };
        let index = usize::try_from(look)
            .ok()
            .and_then(|look| look.checked_sub(1));
        index
            .and_then(|index| self.0.get(index).cloned())
            .unwrap_or_else(after_the_end)
    }

    fn add(&mut self, line: Line, bounds: &Arc<[f64]>) -> Result<(), String> {
        let window = self.at(line.look)?;
        match (line.missing, line.arm, &mut window.content) {
            (Some(why), None, content) => *content = Err(Missing(why)),
            (None, Some(arm), Ok(cells)) => {
                let latency = latency(line.latency, line.native, bounds)?;
                let key = CellKey {
                    arm: arm.into(),
                    stratum: line.stratum,
                    pod: line.pod,
                };
                let counts = Counts {
                    requests: line.requests,
                    errors: line.errors,
                    latency,
                    ..Counts::default()
                };
                if cells.insert(key, counts).is_some() {
                    return Err(
                        "the look has a line for this arm, stratum and pod already".to_owned()
                    );
                }
            }
            _ => {
                return Err(
                    "expected either `arm` with counts, or `missing` for the whole look".to_owned(),
                );
            }
        }
        Ok(())
    }

    /// The window of a look: that of the last line or a later one. Looks without a line had no traffic.
    fn at(&mut self, look: u32) -> Result<&mut Window, String> {
        /// A look a second for a day, so that a typing error does not fill the memory.
        const MOST_LOOKS: u32 = 86_400;
        let known = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if look == 0 || look < known || look > MOST_LOOKS {
            return Err(format!(
                "expected looks in order from 1 to {MOST_LOOKS}, got {look} after {known}"
            ));
        }
        self.0.extend((known..look).map(|before| Window {
            look: before + 1,
            content: Ok(BTreeMap::new()),
        }));
        self.0.last_mut().ok_or_else(|| "no look".to_owned())
    }
}

impl From<Side> for Arm {
    fn from(side: Side) -> Self {
        match side {
            Side::Canary => Self::Canary,
            Side::Stable => Self::Stable,
        }
    }
}

fn bounds(path: &Path, (line, number): (&str, usize)) -> Result<Arc<[f64]>, RecordingError> {
    let header: Header = json(path, line, number)?;
    if header.recording == VERSION {
        return Ok(header.le.into());
    }
    let what = format!(
        "expected a recording of the form {VERSION:?}, got {:?}",
        header.recording
    );
    Err(RecordingError::Line {
        path: path.to_owned(),
        line: number,
        what,
    })
}

fn json<'t, T: Deserialize<'t>>(
    path: &Path,
    text: &'t str,
    line: usize,
) -> Result<T, RecordingError> {
    serde_json::from_str(text).map_err(|source| RecordingError::Json {
        path: path.to_owned(),
        line,
        source,
    })
}

fn latency(
    classic: Option<Vec<u64>>,
    native: Option<Native>,
    bounds: &Arc<[f64]>,
) -> Result<Option<Latency>, String> {
    match (classic, native) {
        (None, None) => Ok(None),
        (Some(counts), None) if counts.len() == bounds.len() + 1 => Ok(Some(Latency::Classic {
            bounds: Arc::clone(bounds),
            counts,
        })),
        (Some(counts), None) => Err(format!(
            "expected {} counts in `latency`, got {}",
            bounds.len() + 1,
            counts.len()
        )),
        (
            None,
            Some(Native {
                schema,
                zero_threshold,
                zero,
                buckets,
            }),
        ) => Ok(Some(Latency::Native {
            schema,
            zero_threshold,
            zero,
            buckets,
        })),
        (Some(_), Some(_)) => Err("expected `latency` or `native`, got both".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#"{"recording":"temper/v1","start":"2026-01-01T00:00:00Z","step":"30s","le":[0.1,1]}"#;

    fn parse(lines: &[&str]) -> Result<Recording, String> {
        let text = [&[HEADER], lines].concat().join("\n");
        Recording::parse(Path::new("r"), &text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_look_has_its_cells_and_one_without_lines_no_traffic() {
        let recording = parse(&[
            r#"{"look":2,"arm":"canary","stratum":"GET /","pod":"a","requests":6,"errors":1,"latency":[3,2,1]}"#,
            r#"{"look":2,"arm":"stable","requests":9,"errors":0,"native":{"schema":3,"zeroThreshold":1e-128,"zero":4,"buckets":{"-12":5}}}"#,
            r#"{"look":3,"missing":"prometheus was down"}"#,
        ])
        .unwrap();
        assert_eq!(recording.window(1).content, Ok(BTreeMap::new()));
        let cells = recording.window(2).content.unwrap();
        let counts: Vec<_> = cells
            .values()
            .map(|counts| (counts.requests, counts.errors))
            .collect();
        assert_eq!(counts, [(6, 1), (9, 0)]);
        assert_eq!(
            recording.window(3).content,
            Err(Missing("prometheus was down".to_owned()))
        );
        assert!(recording.window(4).content.is_err());
    }

    #[test]
    fn other_lines_are_refused_by_their_number() {
        let cases = [
            (r#"{"look":0,"arm":"canary"}"#, "in order"),
            (r#"{"look":4000000000,"arm":"canary"}"#, "in order"),
            (r#"{"look":1}"#, "either `arm`"),
            (r#"{"look":1,"arm":"canary","latency":[1]}"#, "3 counts"),
            (r#"{"look":1,"arm":"canary","lateness":[1]}"#, "line 2"),
            (r#"{"look":1,"arm":"baseline"}"#, "line 2"),
        ];
        for (line, words) in cases {
            let refusal = parse(&[line]).unwrap_err();
            assert!(
                refusal.contains("line 2") && refusal.contains(words),
                "{refusal}"
            );
        }
        let twice = r#"{"look":1,"arm":"canary","requests":1}"#;
        assert!(parse(&[twice, twice]).unwrap_err().contains("already"));
    }

    #[test]
    fn a_file_without_the_header_is_no_recording() {
        assert!(Recording::parse(Path::new("r"), "").is_err());
        assert!(Recording::parse(Path::new("r"), r#"{"recording":"temper/v9"}"#).is_err());
    }
}
