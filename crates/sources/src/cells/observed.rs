//! What was read of one arm.

use crate::increase::Span;
use crate::reply::{Series, milliseconds};

/// The series of one arm; those that the query does not ask for stay empty.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) total: Vec<Series>,
    pub(crate) errors: Vec<Series>,
    /// Classic buckets and native histograms.
    pub(crate) latency: Vec<Series>,
    /// Whether each pod could be scraped; may be empty where `up` has no such labels.
    pub(crate) up: Vec<Series>,
}

impl Observed {
    /// Only what lies in the interval and its lookback, so that a window never depends on what was fetched with it.
    pub(super) fn within(&self, span: Span) -> Self {
        let holds = |seconds: f64| {
            span.holds(milliseconds(seconds)) || span.before().holds(milliseconds(seconds))
        };
        let cut = |series: &[Series]| {
            series
                .iter()
                .map(|s| Series {
                    metric: s.metric.clone(),
                    values: s.values.iter().filter(|v| holds(v.0)).cloned().collect(),
                    histograms: s
                        .histograms
                        .iter()
                        .filter(|h| holds(h.0))
                        .cloned()
                        .collect(),
                    value: None,
                })
                // One that was only fetched with others would be a pod without requests here, and unknown there.
                .filter(|series| times(series).next().is_some())
                .collect()
        };
        Self {
            total: cut(&self.total),
            errors: cut(&self.errors),
            latency: cut(&self.latency),
            up: cut(&self.up),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Series> {
        self.total
            .iter()
            .chain(&self.errors)
            .chain(&self.latency)
            .chain(&self.up)
    }

    pub(super) fn counted(&self) -> impl Iterator<Item = &Series> {
        self.total.iter().chain(&self.latency)
    }
}

pub(super) fn times(series: &Series) -> impl Iterator<Item = i64> {
    series
        .values
        .iter()
        .map(|v| v.0)
        .chain(series.histograms.iter().map(|h| h.0))
        .map(milliseconds)
}
