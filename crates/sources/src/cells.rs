//! From series of both arms to the cells of one window.

mod observed;
mod sight;
mod track;
mod classic;
mod native;
mod latency;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::observed::Observed;

use self::classic::classics;
use self::latency::{latency, merged, observations};
use self::native::natives;
use self::observed::times;
use self::sight::Sight;
use self::track::{Track, counter};
use crate::increase::Span;
use crate::reply::Series;
use crate::window::{Arm, CellKey, Counts, Missing, Window};
use crate::{Query, SourceError};

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
    let labels: BTreeSet<_> = canary.counted().map(|s| &s.metric).collect();
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

#[cfg(test)]
mod tests {
    use self::testing::series;
    use super::*;

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
