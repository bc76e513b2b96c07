//! Native histograms, in the widest schema of their samples.

use std::collections::{BTreeMap, BTreeSet};

use super::track::{Shape, Track, histogram_error, track, whole};
use crate::increase::Sample;
use crate::reply::{Histogram, Series, milliseconds};
use crate::{Query, SourceError};

/// One native histogram at one moment, with what its bounds tell of its resolution.
struct Native {
    time_ms: i64,
    schema: Option<i8>,
    zero_threshold: f64,
    zero: u64,
    /// Upper bounds and counts.
    buckets: Vec<(f64, u64)>,
}

pub(super) fn natives(query: &Query, series: &[Series]) -> Result<Vec<Track>, SourceError> {
    series
        .iter()
        .filter(|s| !s.histograms.is_empty())
        .map(|s| native_track(query, s))
        .collect()
}

/// Brings every sample to the coarsest resolution among them: a bucket of a finer schema lies whole in one of a
/// coarser one, so nothing is lost but resolution.
fn native_track(query: &Query, series: &Series) -> Result<Track, SourceError> {
    let moments = series
        .histograms
        .iter()
        .map(|(t, h)| native(series, milliseconds(*t), h))
        .collect::<Result<Vec<_>, _>>()?;
    let schema = moments.iter().filter_map(|m| m.schema).min().unwrap_or(8);
    let zero_threshold = moments.iter().map(|m| m.zero_threshold).fold(0.0, f64::max);
    let indexed: Vec<BTreeMap<i32, u64>> = moments.iter().map(|m| by_index(m, schema)).collect();
    let indices: BTreeSet<i32> = indexed.iter().flat_map(|m| m.keys().copied()).collect();
    let indices: Vec<i32> = indices.into_iter().collect();
    let samples = moments.iter().zip(&indexed).map(|(m, counts)| Sample {
        time_ms: m.time_ms,
        counts: std::iter::once(m.zero)
            .chain(indices.iter().map(|i| counts.get(i).copied().unwrap_or(0)))
            .collect(),
    });
    let samples = samples.collect();
    Ok(track(
        query,
        series,
        Shape::Native {
            schema,
            zero_threshold,
            indices,
        },
        samples,
    ))
}

fn by_index(moment: &Native, schema: i8) -> BTreeMap<i32, u64> {
    let mut counts = BTreeMap::new();
    for (upper, n) in &moment.buckets {
        // The upper bound is 2^(index * 2^-schema); rounding before the ceiling absorbs the float's last digits.
        let exact = upper.log2() * f64::from(schema).exp2();
        let near = exact.round();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an f64's exponent times 2^8 fits an i32"
        )]
        let index = if (exact - near).abs() < 1e-6 {
            near
        } else {
            exact.ceil()
        } as i32;
        *counts.entry(index).or_default() += n;
    }
    counts
}

fn native(series: &Series, time_ms: i64, histogram: &Histogram) -> Result<Native, SourceError> {
    let mut moment = Native {
        time_ms,
        schema: None,
        zero_threshold: 0.0,
        zero: 0,
        buckets: Vec::new(),
    };
    let bound = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|b| !b.is_nan())
            .ok_or_else(|| histogram_error(series, format!("its bound {text:?} is no number")))
    };
    for (rule, lower, upper, n) in &histogram.buckets {
        let (lower, upper, n) = (bound(lower)?, bound(upper)?, whole(series, n)?);
        if *rule == 3 {
            (moment.zero, moment.zero_threshold) = (n, upper);
        } else if lower < 0.0 || !upper.is_finite() {
            return Err(histogram_error(
                series,
                "it has buckets below zero or without end; a latency has neither",
            ));
        } else {
            let schema = schema(lower, upper).ok_or_else(|| {
                histogram_error(
                    series,
                    format!("its bucket ({lower}, {upper}] is of no standard exponential schema"),
                )
            })?;
            moment.schema = Some(moment.schema.map_or(schema, |s| s.min(schema)));
            moment.buckets.push((upper, n));
        }
    }
    let all = whole(series, &histogram.count)?;
    let inside = moment
        .buckets
        .iter()
        .map(|b| b.1)
        .sum::<u64>()
        .saturating_add(moment.zero);
    if inside != all {
        return Err(histogram_error(
            series,
            format!("its buckets hold {inside} of {all} observations; NaN was observed"),
        ));
    }
    Ok(moment)
}

/// The schema of a bucket: bounds grow by 2^(2^-schema), -4 to 8 (Prometheus, native histogram specification).
fn schema(lower: f64, upper: f64) -> Option<i8> {
    let exact = -(upper / lower).log2().log2();
    let near = exact.round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie in -4..=8")]
    ((-4.0..=8.0).contains(&near) && (exact - near).abs() < 1e-6).then_some(near as i8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::testing::{grown, query, replies};

    #[test]
    fn native_buckets_of_both_versions_keep_every_observation() {
        for series in replies!("range_selector_native_hist_10s.json") {
            let tracks = natives(&query(), &series).unwrap();
            assert!(!tracks.is_empty());
            for (track, series) in tracks.iter().zip(&series) {
                let count =
                    |h: Option<&(f64, Histogram)>| h.unwrap().1.count.parse::<u64>().unwrap();
                let all = count(series.histograms.last()) - count(series.histograms.first());
                assert_eq!(grown(track).iter().sum::<u64>(), all);
                assert!(matches!(track.shape, Shape::Native { schema: 3, .. }));
            }
        }
    }
}
