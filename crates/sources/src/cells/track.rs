//! A series ready for the arithmetic.

use std::sync::Arc as Shared;

use crate::increase::{Sample, count};
use crate::reply::{Series, milliseconds};
use crate::{Query, SourceError};

/// A series ready for the arithmetic.
pub(super) struct Track {
    pub(super) stratum: String,
    pub(super) pod: String,
    pub(super) shown: String,
    pub(super) shape: Shape,
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone)]
pub(super) enum Shape {
    Counter,
    Classic(Shared<[f64]>),
    Native {
        schema: i8,
        zero_threshold: f64,
        indices: Vec<i32>,
    },
}

pub(super) fn track(query: &Query, series: &Series, shape: Shape, samples: Vec<Sample>) -> Track {
    Track {
        stratum: stratum(query, series),
        pod: series.label(&query.pod).to_owned(),
        shown: series.shown(),
        shape,
        samples,
    }
}

/// One label's value as it is; several as `a="x",b="y"`, quoted, so that no two combinations are written alike.
fn stratum(query: &Query, series: &Series) -> String {
    if let [label] = query.strata.as_slice() {
        return series.label(label).to_owned();
    }
    let pairs: Vec<_> = query
        .strata
        .iter()
        .map(|label| format!("{label}={:?}", series.label(label)))
        .collect();
    pairs.join(",")
}

pub(super) fn counter(query: &Query, series: &Series) -> Result<Track, SourceError> {
    let sample = |(t, v): &(f64, String)| {
        Ok(Sample {
            time_ms: milliseconds(*t),
            counts: vec![whole(series, v)?],
        })
    };
    let samples = series.values.iter().map(sample).collect::<Result<_, _>>()?;
    Ok(track(query, series, Shape::Counter, samples))
}

pub(super) fn whole(series: &Series, text: &str) -> Result<u64, SourceError> {
    count(text).ok_or_else(|| SourceError::NotACount {
        series: series.shown(),
        value: text.to_owned(),
    })
}

pub(super) fn histogram_error(series: &Series, why: impl Into<String>) -> SourceError {
    SourceError::Histogram {
        series: series.shown(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::testing::{grown, query, replies, series};

    #[test]
    fn a_recorded_reset_counts_what_the_new_process_showed() {
        let [_, series] = replies!("reset_counter_range.json");
        assert_eq!(
            grown(&counter(&query(), &series[0]).unwrap()),
            [(3335 - 2987) + 304]
        );
    }

    #[test]
    fn a_recorded_gap_is_bridged() {
        for series in replies!("stale_back_range.json") {
            for series in &series {
                let count =
                    |value: Option<&(f64, String)>| value.unwrap().1.parse::<u64>().unwrap();
                let all = count(series.values.last()) - count(series.values.first());
                assert_eq!(grown(&counter(&query(), series).unwrap()), [all]);
            }
        }
    }

    #[test]
    fn strata_of_several_labels_are_never_mixed_up() {
        let mut query = query();
        query.strata = vec!["a".into(), "b".into()];
        let joined = |a, b| stratum(&query, &series(&[("a", a), ("b", b)], &[]));
        assert_ne!(joined("x y", ""), joined("x", "y"));
        assert_ne!(joined("x\",b=\"y", "z"), joined("x", "y\",b=\"z"));
        assert_eq!(joined("x", "y"), "a=\"x\",b=\"y\"");
    }
}
