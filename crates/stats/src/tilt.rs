//! An e-process for the ratio of two event rates, with margins.
//!
//! Null hypothesis, in every interval: the canary's rate is at most `r` times the stable rate plus `δ`; the stable rate is
//! arbitrary and unknown. For an alternative factor `a`, with `θ₀ = rN_c/(rN_c + N_s)` and `θ_a` the same with `ar` for `r`,
//! the factor of an interval is `(θ_a/θ₀)^c · ((1 − θ_a)/(1 − θ₀))^s · exp(−N_c·δ·(θ_a/θ₀ − 1))`.
//!
//! Its expectation is at most 1 for Bernoulli and Poisson events of any heterogeneity, because `1 + u ≤ eᵘ` and the two tilts
//! balance at θ₀. Source: the conditional reduction of Przyborowski & Wilenski (1940), mixture of likelihood ratios of Robbins
//! (1970); see also Lindon & Malek (2022). Assumes A1 to A3 of the crate.
//!
//! Where one incident makes several events, a crash many errors, A2 does not hold for events but for incidents. With at
//! most `φ` events from each, all counts and the margin's `N_c·δ` are divided by φ, which divides the logarithm of the
//! factor: exact, because `x^(k/φ) ≤ 1 + (k/φ)(x − 1)` for k up to φ.
//!
//! Degenerate cases: an interval in which an arm has no exposure has factor 1, and so has one without events when δ is 0.

use crate::{mixture::Mixture, numeric::count};

/// Alternative factors that are bet on: a canary that is this many times worse than the margin.
pub const WORSE: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

/// Alternative factors for the other direction: a canary that is this much better than the margin.
pub const BETTER: [f64; 5] = [0.8, 0.667, 0.5, 0.333, 0.1];

/// Events and exposures of an interval, or of a stratum of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Events of the canary.
    pub canary: u64,
    /// Its exposure, such as requests.
    pub canary_exposure: u64,
    /// Events of the stable version.
    pub stable: u64,
    /// Its exposure.
    pub stable_exposure: u64,
}

/// What the canary is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// r: times the stable rate, above 0.
    pub ratio: f64,
    /// δ: events per unit of exposure on top, at least 0.
    pub increase: f64,
}

impl Interval {
    /// Logarithm of the interval's factor for the alternative that the canary's rate is `alternative` times what the margin
    /// allows. Above 1 it gathers evidence that the canary is worse than the margin, below 1 that it is better.
    ///
    /// The second null hypothesis is that the canary's rate is at *least* `r` times the stable one plus `δ`; the proof is the
    /// same, since `θ_a/θ₀ − 1` is negative then. With δ above 0 many requests without an event are evidence for it.
    pub fn ln_factor(&self, margin: Margin, alternative: f64) -> f64 {
        if self.canary_exposure == 0 || self.stable_exposure == 0 {
            return 0.0;
        }
        let (canary, stable) = (count(self.canary_exposure), count(self.stable_exposure));
        let null = margin.ratio * canary / stable;
        // θ_a/θ₀ and (1 − θ_a)/(1 − θ₀), both by the odds.
        let fewer = (1.0 + null) / alternative.mul_add(null, 1.0);
        let more = alternative * fewer;
        // ln(θ_a/θ₀) is ln a + ln((1 − θ_a)/(1 − θ₀)).
        let events = count(self.canary.saturating_add(self.stable));
        count(self.canary) * alternative.ln() + events * fewer.ln()
            - canary * margin.increase * (more - 1.0)
    }
}

/// Factors by which the canary's events are tilted down to prove that it is within its margin.
pub const WITHIN: [f64; 8] = [0.98, 0.95, 0.9, 0.8, 0.65, 0.5, 0.3, 0.1];

impl Interval {
    /// Logarithm of the interval's factor for evidence that the canary is *within* the margin, for a tilt `x` in (0, 1):
    /// `x^c · (1 + rκ(1 − x))^s · exp(N_c·δ·(1 − x))` with `κ = N_c/N_s`.
    ///
    /// With one tilt for all strata, its expectation is at most `exp{(1 − x)·Σ N_c·(r·p_s + δ − p_c)}`: what is refuted is that
    /// the canary, over the traffic that it has, has more events than the margin allows. Tilts that differ by stratum (as
    /// those of [`ln_factor`](Self::ln_factor) do where κ differs) would let a good one hide a bad one. 0 where an arm is empty.
    pub fn ln_factor_within(&self, margin: Margin, x: f64) -> f64 {
        if self.canary_exposure == 0 || self.stable_exposure == 0 {
            return 0.0;
        }
        let (canary, stable) = (count(self.canary_exposure), count(self.stable_exposure));
        let less = 1.0 - x;
        count(self.canary) * x.ln()
            + count(self.stable) * (margin.ratio * canary / stable * less).ln_1p()
            + canary * margin.increase * less
    }
}

/// The e-process: a uniform mixture over alternatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Tilt<'a> {
    margin: Margin,
    alternatives: &'a [f64],
    /// φ, at least 1.
    events_per_incident: f64,
    mixture: Mixture,
}

impl<'a> Tilt<'a> {
    /// At wealth 1. Alternatives as for [`Interval::ln_factor`]: [`WORSE`] or [`BETTER`].
    pub fn new(margin: Margin, alternatives: &'a [f64]) -> Self {
        Self {
            margin,
            alternatives,
            events_per_incident: 1.0,
            mixture: Mixture::new(alternatives.len()),
        }
    }

    /// For events that come in incidents of up to `events`, at least 1, each: known before the first interval, such as from
    /// the dispersion of counts before the rollout.
    #[must_use]
    pub const fn with_events_per_incident(mut self, events: f64) -> Self {
        self.events_per_incident = events.max(1.0);
        self
    }

    /// Takes in an interval, or a stratum of one: factors of strata multiply.
    pub fn observe(&mut self, interval: &Interval) {
        let alternatives = self.alternatives.iter();
        let factors = alternatives.map(|factor| interval.ln_factor(self.margin, *factor));
        let share = 1.0 / self.events_per_incident;
        self.mixture.multiply(factors.map(|ln| share * ln));
    }

    /// Logarithm of the evidence against the null hypothesis.
    pub fn ln_evidence(&self) -> f64 {
        self.mixture.ln_evidence()
    }
}

/// Confidence sequence for the ratio of the rates: with probability `1 − alpha` it holds the ratio at all looks at once.
///
/// The ratios ρ that neither "the canary's rate is at most ρ times the stable one" nor its opposite is refuted for at
/// `alpha/2`: the evidence of either falls or rises with ρ, so its ends are found by bisection, and are rounded outwards. From 0
/// while the canary has too few events, to infinity while the stable version has. None where the stable arm has no events
/// yet, so that no ratio is too large.
pub fn ratio_interval(intervals: &[Interval], alpha: f64) -> Option<(f64, f64)> {
    if intervals.iter().all(|interval| interval.stable == 0) {
        return None;
    }
    let threshold = -(alpha / 2.0).ln();
    let evidence = |ln_ratio: f64, alternatives: &[f64]| {
        let margin = Margin {
            ratio: ln_ratio.exp(),
            increase: 0.0,
        };
        let mut tilt = Tilt::new(margin, alternatives);
        for interval in intervals {
            tilt.observe(interval);
        }
        tilt.ln_evidence() - threshold
    };
    let low = refuted_below(|ratio| evidence(ratio, &WORSE)).map_or(0.0, f64::exp);
    let high =
        refuted_below(|ratio| evidence(-ratio, &BETTER)).map_or(f64::INFINITY, |low| (-low).exp());
    Some((low, high))
}

/// Widest ratio that an interval is searched in, as a logarithm: one to a hundred million.
const WIDEST: f64 = 18.5;

/// Precision of the ends of an interval, as a logarithm: the third digit.
const PRECISION: f64 = 1e-3;

/// The largest number found below which a falling function is above 0; None where it is nowhere.
fn refuted_below(falling: impl Fn(f64) -> f64) -> Option<f64> {
    let (mut low, mut high) = (-WIDEST, WIDEST);
    if falling(low) <= 0.0 {
        return None;
    }
    while high - low > PRECISION {
        let middle = f64::midpoint(low, high);
        if falling(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::binomial::ln_probability;

    proptest! {
        #[test]
        fn another_error_of_the_canary_is_more_evidence_and_one_of_stable_is_less(
            canary in 0..100_u64,
            stable in 0..100_u64,
            canary_exposure in 1..10_000_u64,
            stable_exposure in 1..10_000_u64,
            ratio in 0.5..3.0_f64,
            increase in 0.0..0.1_f64,
        ) {
            let margin = Margin { ratio, increase };
            let evidence = |canary, stable| {
                let mut tilt = Tilt::new(margin, &WORSE);
                tilt.observe(&Interval { canary, canary_exposure, stable, stable_exposure });
                tilt.ln_evidence()
            };
            prop_assert!(evidence(canary + 1, stable) >= evidence(canary, stable));
            prop_assert!(evidence(canary, stable + 1) <= evidence(canary, stable));
        }
    }

    /// Expectation of a factor when both arms are at the edge of the null hypothesis, by enumeration.
    fn expectation(
        canary_n: u64,
        stable_n: u64,
        stable_rate: f64,
        margin: Margin,
        ln_factor: impl Fn(&Interval) -> f64,
    ) -> f64 {
        let canary_rate = margin.ratio.mul_add(stable_rate, margin.increase);
        let mut sum = 0.0;
        for canary in 0..=canary_n {
            for stable in 0..=stable_n {
                let interval = Interval {
                    canary,
                    canary_exposure: canary_n,
                    stable,
                    stable_exposure: stable_n,
                };
                let ln_p = ln_probability(canary, canary_n, canary_rate)
                    + ln_probability(stable, stable_n, stable_rate);
                sum += (ln_p + ln_factor(&interval)).exp();
            }
        }
        sum
    }

    #[test]
    fn nothing_is_expected_to_prove_a_canary_at_its_margin_safe() {
        let mut largest = f64::NEG_INFINITY;
        for (canary, stable) in [(3, 5), (10, 10), (4, 36), (30, 2)] {
            for (rate, ratio, increase) in [(1e-4, 2.0, 0.0), (0.01, 1.5, 0.01), (0.2, 2.0, 0.1)] {
                let margin = Margin { ratio, increase };
                for x in WITHIN {
                    let within = |one: &Interval| one.ln_factor_within(margin, x);
                    let expected = expectation(canary, stable, rate, margin, within);
                    largest = largest.max(expected.ln());
                }
            }
        }
        assert!(largest <= 1e-9, "{largest}");
    }

    #[test]
    fn no_factor_is_expected_to_win_under_the_null_hypothesis() {
        let mut largest = f64::NEG_INFINITY;
        for (canary, stable) in [(3, 5), (10, 10), (4, 36), (30, 2)] {
            for rate in [1e-4, 0.01, 0.2] {
                for ratio in [1.0, 1.5, 2.0] {
                    for increase in [0.0, 0.01, 0.1] {
                        for a in WORSE.into_iter().chain(BETTER) {
                            let margin = Margin { ratio, increase };
                            largest = largest.max(
                                expectation(canary, stable, rate, margin, |one| {
                                    one.ln_factor(margin, a)
                                })
                                .ln(),
                            );
                        }
                    }
                }
            }
        }
        assert!(largest <= 1e-9, "{largest}");
    }

    #[test]
    fn silence_proves_safety_within_an_absolute_margin_only() {
        let silent = Interval {
            canary: 0,
            canary_exposure: 1000,
            stable: 0,
            stable_exposure: 9000,
        };
        let ratio = 1.0;
        assert!(
            silent.ln_factor(
                Margin {
                    ratio,
                    increase: 0.01
                },
                0.5
            ) > 1.0
        );
        assert!(
            silent
                .ln_factor(
                    Margin {
                        ratio,
                        increase: 0.0
                    },
                    0.5
                )
                .abs()
                < f64::EPSILON
        );
    }

    #[test]
    fn an_interval_is_open_where_nothing_bounds_it() {
        let few = Interval {
            canary: 0,
            canary_exposure: 10,
            stable: 3,
            stable_exposure: 100,
        };
        let (low, _) = ratio_interval(&[few], 0.05).unwrap();
        assert!(low <= 0.0);
        let broken = Interval {
            canary: 40,
            stable: 1,
            ..few
        };
        let (_, high) = ratio_interval(&[broken], 0.05).unwrap();
        assert!(high.is_infinite() || high > 100.0);
    }

    #[test]
    fn an_interval_without_exposure_of_an_arm_says_nothing() {
        let margin = Margin {
            ratio: 1.0,
            increase: 0.01,
        };
        for (canary_exposure, stable_exposure) in [(0, 10), (10, 0)] {
            let interval = Interval {
                canary: 0,
                canary_exposure,
                stable: 0,
                stable_exposure,
            };
            assert!(interval.ln_factor(margin, 2.0).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn the_interval_holds_the_ratio_and_narrows() {
        let look = Interval {
            canary: 30,
            canary_exposure: 1000,
            stable: 90,
            stable_exposure: 9000,
        };
        let (wide_low, wide_high) = ratio_interval(&[look], 0.05).unwrap();
        let (low, high) = ratio_interval(&[look; 10], 0.05).unwrap();
        assert!(wide_low < low && low < 3.0 && 3.0 < high && high < wide_high);
        assert_eq!(
            ratio_interval(&[Interval { stable: 0, ..look }], 0.05),
            None
        );
    }
}
