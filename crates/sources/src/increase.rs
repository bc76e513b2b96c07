//! The exact increase of cumulative counts over an interval, from raw samples with their own times.

/// How far before an interval the last known value may lie: Prometheus's own default lookback. A shorter blindness
/// is bridged by that value, a longer one makes a window missing.
pub const LOOKBACK_MS: i64 = 300_000;

/// An interval, open at its start and closed at its end, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Start, not included.
    pub from_ms: i64,
    /// End, included.
    pub to_ms: i64,
}

impl Span {
    /// Whether a moment lies in the interval.
    pub fn holds(self, time_ms: i64) -> bool {
        self.from_ms < time_ms && time_ms <= self.to_ms
    }

    /// The time before the interval in which a value counts as the last known one.
    #[must_use]
    pub fn before(self) -> Self {
        Self {
            from_ms: self.from_ms.saturating_sub(LOOKBACK_MS),
            to_ms: self.from_ms,
        }
    }
}

/// Cumulative counts that were scraped together: one for a counter, one per bucket for a histogram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: i64,
    /// The counts; every sample of a series has equally many.
    pub counts: Vec<u64>,
}

/// What a series did in an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Increase {
    /// No sample lies in the interval.
    Unseen,
    /// Grown by this much since the last known value.
    Grown(Vec<u64>),
    /// No earlier value is known. Counted from 0, which is right only if the series was born after the start.
    Appeared {
        /// Time of its first sample.
        first_ms: i64,
        /// The increase if it was born.
        counts: Vec<u64>,
    },
}

/// The increase over `span` of samples in ascending order of time.
///
/// A reset is seen where any count falls: then every count starts again from 0, as they share a process. (A restart
/// whose new counts all exceed the old ones within one scrape interval cannot be told from growth.)
pub fn increase(samples: &[Sample], span: Span) -> Increase {
    let before = samples.iter().rfind(|s| span.before().holds(s.time_ms));
    let mut inside = samples.iter().filter(|s| span.holds(s.time_ms)).peekable();
    let Some(first) = inside.peek() else {
        return Increase::Unseen;
    };
    let first_ms = first.time_ms;
    let zero = vec![0; first.counts.len()];
    let mut last = before.map_or(&zero, |s| &s.counts);
    let mut sum = zero.clone();
    for sample in inside {
        let reset = sample.counts.iter().zip(last).any(|(now, then)| now < then);
        let base = if reset { &zero } else { last };
        for (total, (now, then)) in sum.iter_mut().zip(sample.counts.iter().zip(base)) {
            *total = total.saturating_add(now.saturating_sub(*then));
        }
        last = &sample.counts;
    }
    match before {
        Some(_) => Increase::Grown(sum),
        None => Increase::Appeared {
            first_ms,
            counts: sum,
        },
    }
}

/// Reads a count as Prometheus writes it: a whole number from 0 to 2^53, beyond which a float loses requests.
pub fn count(text: &str) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = text.parse().ok()?;
    #[expect(
        clippy::float_cmp,
        reason = "a whole number equals its truncation exactly"
    )]
    let whole = value.trunc() == value;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    (whole && (0.0..=EXACT).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples(values: &[(i64, u64)]) -> Vec<Sample> {
        values
            .iter()
            .map(|&(time_ms, v)| Sample {
                time_ms,
                counts: vec![v],
            })
            .collect()
    }

    #[test]
    fn resets_births_gaps_and_ends_are_counted_exactly() {
        let span = Span {
            from_ms: 1_000_000,
            to_ms: 1_030_000,
        };
        for (values, expected) in [
            (
                vec![(999_000, 10), (1_015_000, 12), (1_030_000, 15)],
                Increase::Grown(vec![5]),
            ),
            (
                vec![(1_000_000, 10), (1_015_000, 3), (1_030_000, 4)],
                Increase::Grown(vec![4]),
            ),
            (
                vec![(1_010_000, 3), (1_020_000, 4)],
                Increase::Appeared {
                    first_ms: 1_010_000,
                    counts: vec![4],
                },
            ),
            (
                vec![(800_000, 10), (1_010_000, 12), (1_031_000, 90)],
                Increase::Grown(vec![2]),
            ),
            (
                vec![(700_000, 10), (1_010_000, 12)],
                Increase::Appeared {
                    first_ms: 1_010_000,
                    counts: vec![12],
                },
            ),
            (vec![(999_000, 10), (1_031_000, 12)], Increase::Unseen),
        ] {
            assert_eq!(increase(&samples(&values), span), expected, "{values:?}");
        }
    }

    #[test]
    fn a_reset_seen_in_one_bucket_resets_them_all() {
        let sample = |time_ms, counts: [u64; 2]| Sample {
            time_ms,
            counts: counts.to_vec(),
        };
        let grown = increase(
            &[sample(0, [3, 100]), sample(10, [5, 50])],
            Span {
                from_ms: 5,
                to_ms: 10,
            },
        );
        assert_eq!(grown, Increase::Grown(vec![5, 50]));
    }

    #[test]
    fn only_whole_numbers_that_a_float_holds_are_counts() {
        assert_eq!(count("9007199254740992"), Some(1 << 53));
        assert_eq!(count("1e3"), Some(1000));
        for text in ["NaN", "+Inf", "-Inf", "-1", "0.5", "1e300", "", "x"] {
            assert_eq!(count(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn adjacent_intervals_add_up_to_the_whole(values in prop::collection::vec(0_u64..50, 2..40), cut in 1_i64..39) {
            let all: Vec<_> = (0_i64..).zip(&values).map(|(t, v)| (t, *v)).collect();
            let end = all.last().unwrap().0;
            let cut = cut.min(end);
            let grown = |from_ms, to_ms| match increase(&samples(&all), Span { from_ms, to_ms }) {
                Increase::Grown(counts) => counts[0],
                Increase::Unseen => 0,
                Increase::Appeared { .. } => panic!("the first sample lies before"),
            };
            prop_assert_eq!(grown(0, end), grown(0, cut) + grown(cut, end));
        }
    }
}
