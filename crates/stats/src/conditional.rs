//! Two counts of rare events compared exactly, by conditioning on their sum.
//!
//! With `c` events in `m` units of exposure and `s` in `n`, events at equal rates (up to the factor `r`) fall to the first
//! arm with probability `θ₀ = r·m/(r·m + n)`, whatever the rate is. Exact for Poisson counts; for rare Bernoulli events
//! the binomial law is a little wider than the true one, so the test errs on the safe side.
//! Source: Przyborowski & Wilenski (1940).

use crate::{
    binomial,
    numeric::{count, root},
};

/// Events and exposure of two arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// Events of the first arm.
    pub first: u64,
    /// Exposure of the first arm, such as its requests. Not 0.
    pub first_exposure: u64,
    /// Events of the second arm.
    pub second: u64,
    /// Exposure of the second arm. Not 0.
    pub second_exposure: u64,
}

impl Events {
    /// The share of events that falls to the first arm when its rate is `ratio` times that of the second, in (0, 1).
    pub fn share(&self, ratio: f64) -> f64 {
        let first = ratio * count(self.first_exposure);
        first / (first + count(self.second_exposure))
    }

    /// Rate of the first arm over that of the second. None where the second arm has no event.
    pub fn rate_ratio(&self) -> Option<f64> {
        let rate = |events, exposure| count(events) / count(exposure);
        let second = rate(self.second, self.second_exposure);
        (second > 0.0).then(|| rate(self.first, self.first_exposure) / second)
    }

    /// Events of both arms.
    const fn all(&self) -> u64 {
        self.first.saturating_add(self.second)
    }

    /// p-value against "the first rate is at most `ratio` times the second". 1 without events.
    pub fn p_greater(&self, ratio: f64) -> f64 {
        binomial::upper_tail(self.first, self.all(), self.share(ratio))
    }

    /// The same with only half of the probability of what was observed: closer to the nominal level, which it may exceed
    /// in theory. ½ without events.
    pub fn mid_p_greater(&self, ratio: f64) -> f64 {
        let (all, share) = (self.all(), self.share(ratio));
        let more = binomial::upper_tail(self.first.saturating_add(1), all, share);
        0.5f64.mul_add(binomial::ln_probability(self.first, all, share).exp(), more)
    }

    /// Clopper and Pearson's interval for the share, as an interval for the rate ratio, with error `alpha` in total. From
    /// 0 to infinity without events.
    pub fn rate_ratio_interval(&self, alpha: f64) -> (f64, f64) {
        let all = self.all();
        let odds = count(self.second_exposure) / count(self.first_exposure);
        let tail = alpha / 2.0;
        let low = if self.first == 0 {
            0.0
        } else {
            root(0.0, 1.0, |p| {
                binomial::upper_tail(self.first, all, p) - tail
            })
        };
        let high = if self.second == 0 {
            1.0
        } else {
            root(0.0, 1.0, |p| {
                tail - binomial::lower_tail(self.first, all, p)
            })
        };
        (low / (1.0 - low) * odds, high / (1.0 - high) * odds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = Events> {
        (0..40_u64, 1..100_000_u64, 0..40_u64, 1..100_000_u64).prop_map(
            |(first, first_exposure, second, second_exposure)| Events {
                first,
                first_exposure,
                second,
                second_exposure,
            },
        )
    }

    #[test]
    fn no_events_are_no_evidence() {
        let events = Events {
            first: 0,
            first_exposure: 10,
            second: 0,
            second_exposure: 90,
        };
        assert!((events.p_greater(1.0) - 1.0).abs() < f64::EPSILON);
        assert!((events.mid_p_greater(1.0) - 0.5).abs() < f64::EPSILON);
        assert_eq!(events.rate_ratio_interval(0.05), (0.0, f64::INFINITY));
    }

    proptest! {
        #[test]
        fn another_event_of_the_first_arm_is_more_evidence(events in events(), ratio in 0.5..3.0_f64) {
            let more = Events { first: events.first + 1, ..events };
            prop_assert!(more.p_greater(ratio) <= events.p_greater(ratio) * (1.0 + 1e-12));
        }

        #[test]
        fn a_wider_margin_is_less_evidence(events in events(), ratio in 0.5..3.0_f64) {
            prop_assert!(events.p_greater(ratio) <= events.p_greater(ratio * 1.1) * (1.0 + 1e-12));
        }

        #[test]
        fn swapping_the_arms_inverts_the_interval(events in events()) {
            let swapped = Events {
                first: events.second,
                first_exposure: events.second_exposure,
                second: events.first,
                second_exposure: events.first_exposure,
            };
            let (low, high) = events.rate_ratio_interval(0.05);
            let (inverse_high, inverse_low) = swapped.rate_ratio_interval(0.05);
            prop_assert!((low * inverse_low - 1.0).abs() < 1e-9 || low <= 0.0);
            prop_assert!((high * inverse_high - 1.0).abs() < 1e-9 || high.is_infinite());
        }
    }
}
