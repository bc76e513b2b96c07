//! What a line of a recording says.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use temper_judge::go_duration;

use super::Header;
use super::values::{Count, Distinct, Look, Number};
use crate::window::{Arm, CellKey, Counts, Custom, Latency};

/// The form that is read and written here.
pub(super) const VERSION: &str = "temper/v1";

/// Resolutions of native histograms whose buckets follow the formula, by Prometheus' definition.
const SCHEMAS: std::ops::RangeInclusive<i8> = -4..=8;

/// A line other than the first.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) look: u32,
    pub(super) said: Said,
}

/// What a line says of its look.
#[derive(Debug)]
pub(super) enum Said {
    /// It could not be read, and why.
    Missing(String),
    /// What one cell counts.
    Cell(CellKey, Counts),
}

/// What is wrong in a line, and where.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) column: usize,
    pub(super) what: String,
}

impl Mistake {
    pub(super) fn at(column: usize, what: impl Into<String>) -> Self {
        Self {
            column,
            what: what.into(),
        }
    }

    /// A mistake in the value of a key, or at the end of the line if the key is not there.
    pub(super) fn of(key: &str, text: &[u8], what: impl Into<String>) -> Self {
        let quoted = format!("\"{key}\"");
        let is_key = |rest: &[u8]| {
            rest.strip_prefix(quoted.as_bytes())
                .is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
        };
        let place = (0..text.len()).find(|&place| text.get(place..).is_some_and(is_key));
        Self::at(place.map_or(text.len(), |place| place + 1), what)
    }
}

impl From<serde_json::Error> for Mistake {
    fn from(error: serde_json::Error) -> Self {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = error.to_string();
        let what = what.strip_suffix(&place).unwrap_or(&what);
        Self::at(error.column().max(1), what)
    }
}

/// The first line. Writers may say more in it than is known here.
#[derive(Deserialize)]
struct First {
    recording: String,
    start: String,
    step: String,
    #[serde(default)]
    le: Vec<f64>,
}

/// Any other line. All that a line need not have is optional; see [`Line::said`].
#[derive(Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    look: Option<Look>,
    missing: Option<String>,
    arm: Option<Side>,
    stratum: Option<String>,
    pod: Option<String>,
    requests: Option<Count>,
    errors: Option<Count>,
    /// Bounds of this line's buckets, where they are not those of the header.
    le: Option<Vec<f64>>,
    latency: Option<Vec<Count>>,
    native: Option<Native>,
    custom: Distinct<String, CustomCounts>,
}

/// What a custom guard looks at: a pair of counters, a histogram as in a line, or a value.
#[derive(Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CustomCounts {
    total: Option<Count>,
    errors: Option<Count>,
    le: Option<Vec<f64>>,
    latency: Option<Vec<Count>>,
    native: Option<Native>,
    value: Option<Number>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Canary,
    Stable,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Native {
    schema: i8,
    zero_threshold: f64,
    zero: Count,
    buckets: Distinct<i32, Count>,
}

/// Reads the first line.
pub(super) fn header(text: &[u8]) -> Result<Header, Mistake> {
    let First {
        recording,
        start,
        step,
        le,
    } = object(text)?;
    if recording != VERSION {
        let what = format!("expected a recording of the form {VERSION:?}, got {recording:?}");
        return Err(Mistake::of("recording", text, what));
    }
    let start: Timestamp = start.parse().map_err(|error| {
        let what = format!("expected a time such as 2026-01-01T00:00:00Z, got {start:?}: {error}");
        Mistake::of("start", text, what)
    })?;
    let step = go_duration(&step).filter(|step| !step.is_zero());
    Ok(Header {
        start,
        step: step.ok_or_else(|| {
            Mistake::of(
                "step",
                text,
                "expected a duration above 0, such as 30s or 1m30s",
            )
        })?,
        bounds: bounds(le, text)?,
    })
}

/// Reads a line other than the first, whose buckets have these bounds unless it states its own.
pub(super) fn entry(text: &[u8], of_header: &Arc<[f64]>) -> Result<Entry, Mistake> {
    let mut line: Line = object(text)?;
    let look = required("look", line.look.take(), text)?.0;
    let said = line.said(text, of_header)?;
    Ok(Entry { look, said })
}

/// Reads an object. Without this, a list of its values would do as well.
fn object<'t, T: Deserialize<'t>>(text: &'t [u8]) -> Result<T, Mistake> {
    if text.trim_ascii_start().starts_with(b"{") {
        return Ok(serde_json::from_slice(text)?);
    }
    Err(Mistake::at(
        1,
        "expected an object, such as {\"look\":1,...}",
    ))
}

impl Line {
    fn said(mut self, text: &[u8], of_header: &Arc<[f64]>) -> Result<Said, Mistake> {
        match self.missing.take() {
            None => {
                let key = CellKey {
                    arm: required("arm", self.arm, text)?.into(),
                    stratum: self.stratum.take().unwrap_or_default(),
                    pod: self.pod.take().unwrap_or_default(),
                };
                Ok(Said::Cell(key, self.counts(text, of_header)?))
            }
            Some(why) if self == Self::default() => Ok(Said::Missing(why)),
            Some(_) => {
                let what = "a look that is `missing` has no counts, so expected `look` and `missing` alone";
                Err(Mistake::of("missing", text, what))
            }
        }
    }

    fn counts(self, text: &[u8], of_header: &Arc<[f64]>) -> Result<Counts, Mistake> {
        let buckets = (self.le, self.latency, self.native);
        let custom = self.custom.0.into_iter();
        let custom = custom.map(|(name, counts)| Ok((name, counts.read(text, of_header)?)));
        Ok(Counts {
            requests: required("requests", self.requests, text)?.0,
            errors: required("errors", self.errors, text)?.0,
            latency: histogram(buckets, text, of_header)?,
            custom: custom.collect::<Result<_, Mistake>>()?,
        })
    }
}

impl CustomCounts {
    fn read(self, text: &[u8], of_header: &Arc<[f64]>) -> Result<Custom, Mistake> {
        let buckets = (self.le, self.latency, self.native);
        let latency = histogram(buckets, text, of_header)?;
        match (self.total, self.errors, latency, self.value) {
            (Some(Count(total)), Some(Count(events)), None, None) => {
                Ok(Custom::Events { total, events })
            }
            (None, None, Some(latency), None) => Ok(Custom::Latency(latency)),
            (None, None, None, Some(Number(value))) => Ok(Custom::Value(value)),
            _ => {
                let what = "expected `total` and `errors`, or `latency`, `native` or `value`";
                Err(Mistake::of("custom", text, what))
            }
        }
    }
}

/// Buckets as a line states them: bounds of its own, classic counts, a native histogram.
type Stated = (Option<Vec<f64>>, Option<Vec<Count>>, Option<Native>);

fn histogram(
    (le, classic_counts, native): Stated,
    text: &[u8],
    of_header: &Arc<[f64]>,
) -> Result<Option<Latency>, Mistake> {
    let bounds = le.map(|le| bounds(le, text)).transpose()?;
    match (classic_counts, native) {
        (None, None) => Ok(None),
        (Some(counts), None) => {
            let bounds = bounds.unwrap_or_else(|| Arc::clone(of_header));
            classic(counts, bounds, text).map(Some)
        }
        (None, Some(native)) => native.latency(text).map(Some),
        (Some(_), Some(_)) => {
            let what = "expected `latency` or `native`, got both";
            Err(Mistake::of("native", text, what))
        }
    }
}

fn required<T>(key: &str, value: Option<T>, text: &[u8]) -> Result<T, Mistake> {
    value.ok_or_else(|| Mistake::at(text.len(), format!("`{key}` is missing")))
}

fn classic(counts: Vec<Count>, bounds: Arc<[f64]>, text: &[u8]) -> Result<Latency, Mistake> {
    if counts.len() != bounds.len() + 1 {
        let what = format!(
            "expected {} counts, one for each of the {} bounds in `le` and one above, got {}",
            bounds.len() + 1,
            bounds.len(),
            counts.len()
        );
        return Err(Mistake::of("latency", text, what));
    }
    Ok(Latency::Classic {
        bounds,
        counts: counts.into_iter().map(|count| count.0).collect(),
    })
}

fn bounds(le: Vec<f64>, text: &[u8]) -> Result<Arc<[f64]>, Mistake> {
    if le.iter().all(|bound| bound.is_finite()) && le.is_sorted_by(|a, b| a < b) {
        return Ok(le.into());
    }
    let what = "expected finite bounds in ascending order, each of them once";
    Err(Mistake::of("le", text, what))
}

impl Native {
    fn latency(self, text: &[u8]) -> Result<Latency, Mistake> {
        let Self {
            schema,
            zero_threshold,
            zero,
            buckets,
        } = self;
        if !SCHEMAS.contains(&schema) {
            let what = format!("expected a schema from -4 to 8, got {schema}");
            return Err(Mistake::of("schema", text, what));
        }
        if !(zero_threshold.is_finite() && zero_threshold >= 0.0) {
            let what = format!("expected seconds from 0 on, got {zero_threshold}");
            return Err(Mistake::of("zeroThreshold", text, what));
        }
        Ok(Latency::Native {
            schema,
            zero_threshold,
            zero: zero.0,
            buckets: buckets
                .0
                .into_iter()
                .map(|(at, count)| (at, count.0))
                .collect(),
        })
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
