//! Writes recordings.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Header;
use super::line::VERSION;
use crate::window::{Arm, CellKey, Counts, Custom, Latency, Missing, Window};

/// Writes a recording line by line, each with one call of `write_all`.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    bounds: Arc<[f64]>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self::append(out, Arc::clone(&header.bounds));
        writer.line(&First {
            recording: VERSION,
            start: header.start.to_string(),
            step: in_go(header.step),
            le: &header.bounds,
        })?;
        Ok(writer)
    }

    /// Goes on with a recording whose header has these bounds.
    pub fn append(out: W, bounds: Arc<[f64]>) -> Self {
        Self { out, bounds }
    }

    /// Writes the lines of a look, in the order of its cells. Looks are to be written in their order; one without cells has no
    /// line, which is how a recording says that there was no traffic.
    pub fn write(&mut self, window: &Window) -> io::Result<()> {
        let look = window.look;
        match &window.content {
            Err(Missing(missing)) => self.line(&MissingLine { look, missing }),
            Ok(cells) => cells.iter().try_for_each(|(key, counts)| {
                let line = CellLine::of(look, key, counts, &self.bounds);
                self.line(&line)
            }),
        }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.out.write_all(&text)
    }
}

/// Bounds for the header of a recording that begins with these windows: those of its first classic histogram.
pub fn first_bounds(windows: &[Window]) -> Arc<[f64]> {
    let cells = windows
        .iter()
        .filter_map(|window| window.content.as_ref().ok());
    let mut histograms = cells
        .flat_map(BTreeMap::values)
        .map(|counts| &counts.latency);
    let bounds = histograms.find_map(|latency| match latency {
        Some(Latency::Classic { bounds, .. }) => Some(Arc::clone(bounds)),
        Some(Latency::Native { .. }) | None => None,
    });
    bounds.unwrap_or_default()
}

#[derive(Serialize)]
struct First<'a> {
    recording: &'static str,
    start: String,
    step: String,
    le: &'a [f64],
}

#[derive(Serialize)]
struct MissingLine<'a> {
    look: u32,
    missing: &'a str,
}

#[derive(Serialize)]
struct CellLine<'a> {
    look: u32,
    arm: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stratum: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pod: &'a str,
    requests: u64,
    errors: u64,
    #[serde(flatten)]
    latency: Option<Histogram<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<&'a str, CustomCounts<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Histogram<'a> {
    Classic {
        #[serde(skip_serializing_if = "Option::is_none")]
        le: Option<&'a [f64]>,
        latency: &'a [u64],
    },
    Native {
        native: Native<'a>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Native<'a> {
    schema: i8,
    zero_threshold: f64,
    zero: u64,
    buckets: &'a BTreeMap<i32, u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CustomCounts<'a> {
    Events {
        total: u64,
        errors: u64,
    },
    Latency(Histogram<'a>),
    Value {
        value: f64,
    },
    /// A value that JSON has no number for.
    NoNumber {
        value: &'static str,
    },
}

impl<'a> CellLine<'a> {
    fn of(look: u32, key: &'a CellKey, counts: &'a Counts, of_header: &[f64]) -> Self {
        let custom = counts.custom.iter();
        Self {
            look,
            arm: match key.arm {
                Arm::Canary => "canary",
                Arm::Stable => "stable",
            },
            stratum: &key.stratum,
            pod: &key.pod,
            requests: counts.requests,
            errors: counts.errors,
            latency: counts
                .latency
                .as_ref()
                .map(|latency| Histogram::of(latency, of_header)),
            custom: custom
                .map(|(name, custom)| (name.as_str(), CustomCounts::of(custom, of_header)))
                .collect(),
        }
    }
}

impl<'a> Histogram<'a> {
    fn of(latency: &'a Latency, of_header: &[f64]) -> Self {
        match latency {
            Latency::Classic { bounds, counts } => Self::Classic {
                le: (**bounds != *of_header).then_some(bounds),
                latency: counts,
            },
            Latency::Native {
                schema,
                zero_threshold,
                zero,
                buckets,
            } => Self::Native {
                native: Native {
                    schema: *schema,
                    zero_threshold: *zero_threshold,
                    zero: *zero,
                    buckets,
                },
            },
        }
    }
}

impl<'a> CustomCounts<'a> {
    fn of(custom: &'a Custom, of_header: &[f64]) -> Self {
        match custom {
            Custom::Events { total, events } => Self::Events {
                total: *total,
                errors: *events,
            },
            Custom::Latency(latency) => Self::Latency(Histogram::of(latency, of_header)),
            Custom::Value(value) if value.is_finite() => Self::Value { value: *value },
            Custom::Value(value) if value.is_nan() => Self::NoNumber { value: "NaN" },
            Custom::Value(value) if *value > 0.0 => Self::NoNumber { value: "+Inf" },
            Custom::Value(_) => Self::NoNumber { value: "-Inf" },
        }
    }
}

/// A duration as Go reads it, in the largest unit that says it in whole numbers.
fn in_go(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000_u128)];
    let whole = units
        .iter()
        .find(|(_, unit)| nanoseconds.is_multiple_of(*unit));
    whole.map_or_else(
        || format!("{nanoseconds}ns"),
        |(name, unit)| format!("{}{name}", nanoseconds / unit),
    )
}
