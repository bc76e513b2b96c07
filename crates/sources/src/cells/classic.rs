//! Classic histograms: bucket series that belong together.

use std::collections::BTreeMap;
use std::sync::Arc as Shared;

use super::track::{Shape, Track, histogram_error, track, whole};
use crate::increase::Sample;
use crate::reply::{Series, milliseconds};
use crate::{Query, SourceError};

/// Joins the bucket series of each classic histogram, by time. `le` is compared as a number: "1.0" is "1".
pub(super) fn classics(query: &Query, series: &[Series]) -> Result<Vec<Track>, SourceError> {
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<(f64, &Series)>> = BTreeMap::new();
    for bucket in series.iter().filter(|s| !s.values.is_empty()) {
        let le: f64 = bucket
            .label("le")
            .parse()
            .ok()
            .filter(|le: &f64| !le.is_nan())
            .ok_or_else(|| {
                histogram_error(
                    bucket,
                    "its `le` is no number; name a histogram, not a counter",
                )
            })?;
        let mut labels = bucket.metric.clone();
        labels.remove("le");
        groups.entry(labels).or_default().push((le, bucket));
    }
    groups
        .into_values()
        .map(|buckets| classic(query, buckets))
        .collect()
}

fn classic(query: &Query, mut buckets: Vec<(f64, &Series)>) -> Result<Track, SourceError> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(((last_le, last), lower)) = buckets.split_last() else {
        return Ok(track(query, &Series::default(), Shape::Counter, Vec::new()));
    };
    if *last_le != f64::INFINITY {
        return Err(histogram_error(
            last,
            "its +Inf bucket is missing; select every `le`",
        ));
    }
    let bounds: Shared<[f64]> = lower.iter().map(|b| b.0).collect();
    let mut by_time: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
    for (_, bucket) in &buckets {
        for (t, v) in &bucket.values {
            by_time
                .entry(milliseconds(*t))
                .or_default()
                .push(whole(bucket, v)?);
        }
    }
    let samples = by_time.into_iter().map(|(time_ms, cumulative)| {
        if cumulative.len() != buckets.len() || !cumulative.is_sorted() {
            return Err(histogram_error(
                last,
                format!("at {time_ms} ms its buckets are incomplete or fall with rising `le`"),
            ));
        }
        let lower = std::iter::once(&0).chain(&cumulative);
        Ok(Sample {
            time_ms,
            counts: cumulative
                .iter()
                .zip(lower)
                .map(|(n, below)| n - below)
                .collect(),
        })
    });
    let samples = samples.collect::<Result<_, _>>()?;
    Ok(track(query, last, Shape::Classic(bounds), samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::testing::{grown, query, replies};
    use crate::cells::track::counter;

    #[test]
    fn classic_buckets_of_both_versions_add_up_to_their_inf_bucket() {
        for series in replies!("range_selector_classic_hist_10s.json") {
            for track in classics(&query(), &series).unwrap() {
                let inf = series
                    .iter()
                    .find(|s| s.label("le") == "+Inf" && s.shown() == track.shown)
                    .unwrap();
                let inf = grown(&counter(&query(), inf).unwrap());
                assert_eq!(grown(&track).iter().sum::<u64>(), inf[0]);
                assert!(matches!(&track.shape, Shape::Classic(bounds) if bounds.contains(&1.0)));
            }
        }
    }
}
