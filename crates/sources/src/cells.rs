//! From series of both arms to the cells of one window.

use std::collections::BTreeMap;
use std::sync::Arc as Shared;

use crate::increase::{Increase, LOOKBACK_MS, Sample, Span, count, increase};
use crate::reply::{Histogram, Series, milliseconds};
use crate::window::{Arm, CellKey, Counts, Latency, Missing, Window};
use crate::{Query, SourceError};

/// A target that is first seen failing this soon after the lookback begins was failing before: an old pod, not a new
/// one that starts. One minute is the longest scrape interval in wide use.
const EDGE_MS: i64 = 60_000;

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
    fn within(&self, span: Span) -> Self {
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
                })
                .collect()
        };
        Self {
            total: cut(&self.total),
            errors: cut(&self.errors),
            latency: cut(&self.latency),
            up: cut(&self.up),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Series> {
        self.total
            .iter()
            .chain(&self.errors)
            .chain(&self.latency)
            .chain(&self.up)
    }

    fn counted(&self) -> impl Iterator<Item = &Series> {
        self.total.iter().chain(&self.latency)
    }
}

/// A series ready for the arithmetic.
struct Track {
    stratum: String,
    pod: String,
    shown: String,
    shape: Shape,
    samples: Vec<Sample>,
}

#[derive(Clone)]
enum Shape {
    Counter,
    Classic(Shared<[f64]>),
    Native {
        schema: i8,
        zero_threshold: f64,
        indices: Vec<i32>,
    },
}

/// The window over `span`; an interval that cannot be counted exactly is missing, with the reason.
pub(crate) fn window(
    look: u32,
    span: Span,
    query: &Query,
    canary: &Observed,
    stable: &Observed,
) -> Result<Window, SourceError> {
    let (canary, stable) = (&canary.within(span), &stable.within(span));
    disjoint(canary, stable)?;
    let mut cells = BTreeMap::new();
    let native = [canary, stable]
        .iter()
        .all(|o| o.latency.iter().any(|s| !s.histograms.is_empty()));
    for (arm, observed) in [(Arm::Canary, canary), (Arm::Stable, stable)] {
        let sight = Sight::new(span, query, observed, [canary, stable]);
        let counted = seen(arm, span, observed).map(|()| tracks(query, observed, native));
        match counted {
            Ok(tracks) => {
                if let Err(missing) = count_arm(arm, span, &sight, &tracks?, &mut cells) {
                    return Ok(Window {
                        look,
                        content: Err(missing),
                    });
                }
            }
            Err(missing) => {
                return Ok(Window {
                    look,
                    content: Err(missing),
                });
            }
        }
    }
    Ok(Window {
        look,
        content: consistent(cells),
    })
}

fn disjoint(canary: &Observed, stable: &Observed) -> Result<(), SourceError> {
    let labels: std::collections::BTreeSet<_> = canary.counted().map(|s| &s.metric).collect();
    match stable.counted().find(|s| labels.contains(&s.metric)) {
        Some(both) => Err(SourceError::ArmsOverlap {
            series: both.shown(),
        }),
        None => Ok(()),
    }
}

/// An arm without any sample is no arm with zero requests.
fn seen(arm: Arm, span: Span, observed: &Observed) -> Result<(), Missing> {
    for (what, wanted) in [
        ("request counter", &observed.total),
        ("latency histogram", &observed.latency),
    ] {
        let times = || wanted.iter().flat_map(times);
        if !wanted.is_empty() && !times().any(|t| span.holds(t)) {
            return Err(Missing(format!(
                "the {what} of {arm} has no sample in the interval: not scraped, or the pods are gone"
            )));
        }
    }
    Ok(())
}

struct Tracks {
    total: Vec<Track>,
    errors: Vec<Track>,
    latency: Vec<Track>,
}

fn tracks(query: &Query, observed: &Observed, native: bool) -> Result<Tracks, SourceError> {
    let counters = |series: &[Series]| {
        series
            .iter()
            .map(|s| counter(query, s))
            .collect::<Result<Vec<_>, _>>()
    };
    let latency = if native {
        natives(query, &observed.latency)?
    } else {
        classics(query, &observed.latency)?
    };
    Ok(Tracks {
        total: counters(&observed.total)?,
        errors: counters(&observed.errors)?,
        latency,
    })
}

fn count_arm(
    arm: Arm,
    span: Span,
    sight: &Sight,
    tracks: &Tracks,
    cells: &mut BTreeMap<CellKey, Counts>,
) -> Result<(), Missing> {
    let with_total = !tracks.total.is_empty();
    for track in &tracks.total {
        cell(cells, arm, track).requests += sight.grown(track, span)?.first().copied().unwrap_or(0);
    }
    for track in &tracks.errors {
        cell(cells, arm, track).errors += sight.grown(track, span)?.first().copied().unwrap_or(0);
    }
    for track in &tracks.latency {
        let grown = sight.grown(track, span)?;
        let counts = cell(cells, arm, track);
        let latency = latency(&track.shape, &grown);
        if !with_total {
            counts.requests += observations(latency.as_ref());
        }
        counts.latency = match (counts.latency.take(), latency) {
            (Some(a), Some(b)) => Some(merged(a, b).ok_or_else(|| {
                Missing(format!(
                    "{} has other buckets than its neighbours in the same cell",
                    track.shown
                ))
            })?),
            (a, b) => a.or(b),
        };
    }
    Ok(())
}

fn cell<'a>(cells: &'a mut BTreeMap<CellKey, Counts>, arm: Arm, track: &Track) -> &'a mut Counts {
    cells
        .entry(CellKey {
            arm,
            stratum: track.stratum.clone(),
            pod: track.pod.clone(),
        })
        .or_default()
}

fn consistent(cells: BTreeMap<CellKey, Counts>) -> Result<BTreeMap<CellKey, Counts>, Missing> {
    match cells.iter().find(|(_, c)| c.errors > c.requests) {
        Some((key, c)) => Err(Missing(format!(
            "pod `{}` counts {} errors but {} requests: the selector of errors must be a part of that of the total",
            key.pod, c.errors, c.requests
        ))),
        None => Ok(cells),
    }
}

/// What we could see around an interval's start: it tells a birth from the end of a blindness.
struct Sight {
    span: Span,
    any: bool,
    up: BTreeMap<String, Vec<(i64, bool)>>,
}

impl Sight {
    fn new(span: Span, query: &Query, observed: &Observed, both: [&Observed; 2]) -> Self {
        let any = both
            .iter()
            .flat_map(|o| o.all())
            .flat_map(times)
            .any(|t| span.before().holds(t));
        let mut up: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for series in &observed.up {
            let answered = series
                .values
                .iter()
                .map(|(t, v)| (milliseconds(*t), v == "1"));
            up.entry(series.label(&query.pod).to_owned())
                .or_default()
                .extend(answered);
        }
        Self { span, any, up }
    }

    fn grown(&self, track: &Track, span: Span) -> Result<Vec<u64>, Missing> {
        match increase(&track.samples, span) {
            Increase::Unseen => Ok(Vec::new()),
            Increase::Grown(counts) => Ok(counts),
            Increase::Appeared { first_ms, counts } if self.born(&track.pod, first_ms) => {
                Ok(counts)
            }
            Increase::Appeared { .. } => Err(Missing(format!(
                "{} has no value in the {} s before the interval and nothing shows that it is new: counting from 0 could count a whole life",
                track.shown,
                LOOKBACK_MS / 1000
            ))),
        }
    }

    /// Whether a series first seen then was not there before, rather than unseen: somebody was scraping, and the
    /// pod's target had answered without it, or is itself new.
    fn born(&self, pod: &str, first_ms: i64) -> bool {
        let horizon = self.span.before().from_ms;
        let earlier = || {
            self.up
                .get(pod)
                .into_iter()
                .flatten()
                .filter(|(t, _)| horizon < *t && *t < first_ms)
        };
        let answered = earlier().any(|(_, up)| *up);
        let failing_since = earlier().map(|(t, _)| *t).min();
        self.any && (answered || failing_since.is_none_or(|since| since > horizon + EDGE_MS))
    }
}

fn times(series: &Series) -> impl Iterator<Item = i64> {
    series
        .values
        .iter()
        .map(|v| v.0)
        .chain(series.histograms.iter().map(|h| h.0))
        .map(milliseconds)
}

fn track(query: &Query, series: &Series, shape: Shape, samples: Vec<Sample>) -> Track {
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

fn counter(query: &Query, series: &Series) -> Result<Track, SourceError> {
    let sample = |(t, v): &(f64, String)| {
        Ok(Sample {
            time_ms: milliseconds(*t),
            counts: vec![whole(series, v)?],
        })
    };
    let samples = series.values.iter().map(sample).collect::<Result<_, _>>()?;
    Ok(track(query, series, Shape::Counter, samples))
}

fn whole(series: &Series, text: &str) -> Result<u64, SourceError> {
    count(text).ok_or_else(|| SourceError::NotACount {
        series: series.shown(),
        value: text.to_owned(),
    })
}

fn histogram_error(series: &Series, why: impl Into<String>) -> SourceError {
    SourceError::Histogram {
        series: series.shown(),
        why: why.into(),
    }
}

/// Joins the bucket series of each classic histogram, by time. `le` is compared as a number: "1.0" is "1".
fn classics(query: &Query, series: &[Series]) -> Result<Vec<Track>, SourceError> {
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

/// One native histogram at one moment, with what its bounds tell of its resolution.
struct Native {
    time_ms: i64,
    schema: Option<i8>,
    zero_threshold: f64,
    zero: u64,
    /// Upper bounds and counts.
    buckets: Vec<(f64, u64)>,
}

fn natives(query: &Query, series: &[Series]) -> Result<Vec<Track>, SourceError> {
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
    let indices: std::collections::BTreeSet<i32> =
        indexed.iter().flat_map(|m| m.keys().copied()).collect();
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

fn latency(shape: &Shape, grown: &[u64]) -> Option<Latency> {
    let (zero, rest) = grown.split_first()?;
    match shape {
        Shape::Counter => None,
        Shape::Classic(bounds) => Some(Latency::Classic {
            bounds: bounds.clone(),
            counts: grown.to_vec(),
        }),
        Shape::Native {
            schema,
            zero_threshold,
            indices,
        } => Some(Latency::Native {
            schema: *schema,
            zero_threshold: *zero_threshold,
            zero: *zero,
            buckets: indices
                .iter()
                .copied()
                .zip(rest.iter().copied())
                .filter(|b| b.1 > 0)
                .collect(),
        }),
    }
}

fn observations(latency: Option<&Latency>) -> u64 {
    match latency {
        None => 0,
        Some(Latency::Classic { counts, .. }) => counts.iter().sum(),
        Some(Latency::Native { zero, buckets, .. }) => zero + buckets.values().sum::<u64>(),
    }
}

/// The sum of two histograms of one cell; None when their buckets differ.
fn merged(a: Latency, b: Latency) -> Option<Latency> {
    match (a, b) {
        (
            Latency::Classic { bounds, counts },
            Latency::Classic {
                bounds: other,
                counts: more,
            },
        ) => (bounds == other).then(|| Latency::Classic {
            bounds,
            counts: counts.iter().zip(&more).map(|(x, y)| x + y).collect(),
        }),
        (
            Latency::Native {
                schema,
                zero_threshold,
                zero,
                mut buckets,
            },
            Latency::Native {
                schema: other_schema,
                zero_threshold: other_threshold,
                zero: more_zero,
                buckets: more,
            },
        ) => {
            if schema != other_schema || zero_threshold.total_cmp(&other_threshold).is_ne() {
                return None;
            }
            for (index, n) in more {
                *buckets.entry(index).or_default() += n;
            }
            Some(Latency::Native {
                schema,
                zero_threshold,
                zero: zero + more_zero,
                buckets,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Reply;

    macro_rules! replies {
        ($name:literal) => {
            [
                include_str!(concat!("../tests/fixtures/2.42/", $name)),
                include_str!(concat!("../tests/fixtures/3.16/", $name)),
            ]
            .map(|body| {
                serde_json::from_str::<Reply>(body)
                    .unwrap()
                    .data
                    .unwrap()
                    .result
            })
        };
    }

    fn query() -> Query {
        let arm = crate::Matchers::default();
        Query {
            errors: None,
            latency: None,
            canary: arm.clone(),
            stable: arm,
            strata: Vec::new(),
            pod: "instance".into(),
        }
    }

    fn grown(track: &Track) -> Vec<u64> {
        let (from, to) = (
            track.samples.first().unwrap().time_ms,
            track.samples.last().unwrap().time_ms,
        );
        match increase(
            &track.samples,
            Span {
                from_ms: from,
                to_ms: to,
            },
        ) {
            Increase::Grown(counts) => counts,
            other => panic!("{other:?}"),
        }
    }

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

    fn series(labels: &[(&str, &str)], values: &[(f64, &str)]) -> Series {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Series {
            metric: labels.iter().map(own).collect(),
            values: values.iter().map(|(t, v)| (*t, (*v).to_owned())).collect(),
            histograms: Vec::new(),
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

    /// A fresh series of 7 at 1010 s in an interval from 1000 to 1030 s, beside a neighbour who was scraped before.
    fn fresh(up: &[(f64, &str)], neighbour: &[(f64, &str)]) -> Option<Vec<u64>> {
        let span = Span {
            from_ms: 1_000_000,
            to_ms: 1_030_000,
        };
        let observed = Observed {
            total: vec![series(&[("instance", "old")], neighbour)],
            up: vec![series(&[("instance", "new")], up)],
            ..Observed::default()
        };
        let sight = Sight::new(span, &query(), &observed, [&observed, &Observed::default()]);
        let track = counter(&query(), &series(&[("instance", "new")], &[(1010.0, "7")])).unwrap();
        sight.grown(&track, span).ok()
    }

    #[test]
    fn a_birth_counts_from_zero_and_the_end_of_a_blindness_is_missing() {
        let seen: &[_] = &[(990.0, "5")];
        for (up, neighbour, born) in [
            // The target answered before without the series.
            (&[(900.0, "1")][..], seen, true),
            // The target itself is new.
            (&[], seen, true),
            (&[(900.0, "0")], seen, true),
            // It has failed since before the lookback: an old pod comes back.
            (&[(705.0, "0"), (900.0, "0")], seen, false),
            // Nobody was scraping at all.
            (&[], &[], false),
        ] {
            let expected = born.then(|| vec![7]);
            assert_eq!(fresh(up, neighbour), expected, "{up:?}");
        }
    }

    #[test]
    fn an_arm_without_a_sample_in_the_interval_is_missing() {
        let span = Span {
            from_ms: 1_000_000,
            to_ms: 1_030_000,
        };
        let gone = Observed {
            total: vec![series(&[], &[(990.0, "7")])],
            ..Observed::default()
        };
        let Missing(why) = seen(Arm::Canary, span, &gone).unwrap_err();
        assert!(
            why.starts_with("the request counter of canary has no sample"),
            "{why}"
        );
    }

    #[test]
    fn arms_that_share_a_series_are_refused() {
        let arm = || Observed {
            total: vec![series(&[("__name__", "r")], &[(1010.0, "7")])],
            ..Observed::default()
        };
        let error = disjoint(&arm(), &arm()).unwrap_err();
        assert!(matches!(error, SourceError::ArmsOverlap { .. }), "{error}");
        assert!(disjoint(&arm(), &Observed::default()).is_ok());
    }
}
