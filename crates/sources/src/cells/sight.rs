//! A birth or the end of a blindness: what a series that appears in an interval is.

use std::collections::BTreeMap;

use super::observed::{Observed, times};
use super::track::Track;
use crate::Query;
use crate::increase::{Increase, LOOKBACK_MS, Span, increase};
use crate::reply::milliseconds;
use crate::window::Missing;

/// A target that is first seen failing this soon after the lookback begins was failing before: an old pod, not a new
/// one that starts. One minute is the longest scrape interval in wide use.
const EDGE_MS: i64 = 60_000;

/// What we could see around an interval's start: it tells a birth from the end of a blindness.
pub(super) struct Sight {
    span: Span,
    any: bool,
    up: BTreeMap<String, Vec<(i64, bool)>>,
}

impl Sight {
    pub(super) fn new(
        span: Span,
        query: &Query,
        observed: &Observed,
        both: [&Observed; 2],
    ) -> Self {
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

    pub(super) fn grown(&self, track: &Track, span: Span) -> Result<Vec<u64>, Missing> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::testing::{query, series};
    use crate::cells::track::counter;

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
}
