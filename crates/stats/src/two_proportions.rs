//! Two proportions compared: by their difference, ratio or odds ratio.
//!
//! For rare events and a small first arm the tests of [`conditional`](crate::conditional) are to be preferred: with one arm
//! in ten, the score methods exceed their level by half where one event is expected. The intervals here are for display and
//! for comparison with other tools. All assume independent trials of one probability in each arm, and one look. `alpha` is
//! the probability of both sides together that an interval misses.
//!
//! An interval that is not defined without events, such as one around the logarithm of a ratio, is None then.

mod fisher;
mod score;

use crate::{normal::upper_quantile, numeric::count, proportion::Proportion};

/// Two arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoProportions {
    /// The first arm.
    pub first: Proportion,
    /// The second arm.
    pub second: Proportion,
}

/// Events and trials of an arm after something was added to them.
#[derive(Debug, Clone, Copy)]
struct Adjusted {
    events: f64,
    trials: f64,
}

impl Adjusted {
    fn new(proportion: Proportion, more_events: f64, more_trials: f64) -> Self {
        Self {
            events: count(proportion.events()) + more_events,
            trials: count(proportion.trials()) + more_trials,
        }
    }

    fn share(self) -> f64 {
        self.events / self.trials
    }

    fn others(self) -> f64 {
        self.trials - self.events
    }

    fn variance(self) -> f64 {
        self.share() * (self.others() / self.trials) / self.trials
    }
}

impl TwoProportions {
    /// The difference of the proportions.
    pub fn difference(&self) -> f64 {
        self.first.estimate() - self.second.estimate()
    }

    /// The difference in standard errors of the pooled proportion: asymptotically normal when both are equal. 0 where the
    /// pooled proportion is 0 or 1.
    pub fn pooled_z(&self) -> f64 {
        let [one, other] = self.adjusted(0.0, 0.0);
        let pooled = (one.events + other.events) / (one.trials + other.trials);
        let variance = pooled * (1.0 - pooled) * (1.0 / one.trials + 1.0 / other.trials);
        if variance > 0.0 {
            self.difference() / variance.sqrt()
        } else {
            0.0
        }
    }

    /// Wald's interval for the difference, `d ± z √(p̂q̂/m + p̂q̂/n)`: misses far too often for rare events, and has no
    /// width without any.
    pub fn difference_wald(&self, alpha: f64) -> (f64, f64) {
        around_difference(self.adjusted(0.0, 0.0), alpha)
    }

    /// The same with an event and another trial added to each arm. Source: Agresti & Caffo (2000).
    pub fn difference_agresti_caffo(&self, alpha: f64) -> (f64, f64) {
        around_difference(self.adjusted(1.0, 2.0), alpha)
    }

    /// From Wilson's intervals of both arms, each end by the arms' ends that make the difference most extreme. Source:
    /// Newcombe (1998), method 10.
    pub fn difference_newcombe(&self, alpha: f64) -> (f64, f64) {
        let (first, second) = (self.first.estimate(), self.second.estimate());
        let (first_low, first_high) = self.first.wilson(alpha);
        let (second_low, second_high) = self.second.wilson(alpha);
        let difference = first - second;
        (
            difference - (first - first_low).hypot(second_high - second),
            difference + (second - second_low).hypot(first_high - first),
        )
    }

    /// Interval for the ratio around its logarithm. None where an arm has no event. Source: Katz, Baptista, Azen & Pike
    /// (1978).
    pub fn ratio_log(&self, alpha: f64) -> Option<(f64, f64)> {
        around_ratio(self.adjusted(0.0, 0.0), alpha)
    }

    /// The same with half an event and half a trial added to each arm. Source: Walter (1975).
    pub fn ratio_adjusted(&self, alpha: f64) -> Option<(f64, f64)> {
        around_ratio(self.adjusted(0.5, 0.5), alpha)
    }

    /// Interval for the odds ratio around its logarithm. None where an arm has no event or nothing else. Source: Woolf
    /// (1955).
    pub fn odds_ratio_logit(&self, alpha: f64) -> Option<(f64, f64)> {
        around_odds_ratio(self.adjusted(0.0, 0.0), alpha)
    }

    /// The same with half an event and half another trial added to each arm. Source: Gart (1966).
    pub fn odds_ratio_adjusted(&self, alpha: f64) -> Option<(f64, f64)> {
        around_odds_ratio(self.adjusted(0.5, 1.0), alpha)
    }

    /// The same with two trials added in all, divided among the cells as if arms and events were independent. None without
    /// any event, or anything else. Source: Agresti (1999).
    pub fn odds_ratio_smoothed(&self, alpha: f64) -> Option<(f64, f64)> {
        let [one, other] = self.adjusted(0.0, 0.0);
        let all = one.trials + other.trials;
        let share = (one.events + other.events) / all;
        let smooth = |arm: Adjusted| Adjusted {
            events: arm.events + 2.0 * share * arm.trials / all,
            trials: arm.trials + 2.0 * arm.trials / all,
        };
        around_odds_ratio([smooth(one), smooth(other)], alpha)
    }

    fn adjusted(&self, more_events: f64, more_trials: f64) -> [Adjusted; 2] {
        [self.first, self.second].map(|arm| Adjusted::new(arm, more_events, more_trials))
    }
}

fn around_difference([one, other]: [Adjusted; 2], alpha: f64) -> (f64, f64) {
    let difference = one.share() - other.share();
    let reach = upper_quantile(alpha / 2.0) * (one.variance() + other.variance()).sqrt();
    (difference - reach, difference + reach)
}

fn around_ratio([one, other]: [Adjusted; 2], alpha: f64) -> Option<(f64, f64)> {
    let variance = |arm: Adjusted| arm.others() / arm.trials / arm.events;
    let ratio = one.share() / other.share();
    around_logarithm(ratio, variance(one) + variance(other), alpha)
}

fn around_odds_ratio([one, other]: [Adjusted; 2], alpha: f64) -> Option<(f64, f64)> {
    let cells = [one.events, one.others(), other.events, other.others()];
    let ratio = one.events / one.others() / (other.events / other.others());
    around_logarithm(ratio, cells.map(f64::recip).iter().sum(), alpha)
}

/// None where the variance is infinite or not a number.
fn around_logarithm(ratio: f64, variance: f64, alpha: f64) -> Option<(f64, f64)> {
    let factor = (upper_quantile(alpha / 2.0) * variance.sqrt()).exp();
    variance
        .is_finite()
        .then(|| (ratio / factor, ratio * factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two arms of up to a thousand trials.
    pub(super) fn two_proportions() -> impl Strategy<Value = TwoProportions> {
        let arm = || (1..1000_u64).prop_flat_map(|trials| (0..=trials.min(30), Just(trials)));
        let proportion = |(events, trials)| Proportion::new(events, trials).unwrap();
        (arm(), arm()).prop_map(move |(first, second)| TwoProportions {
            first: proportion(first),
            second: proportion(second),
        })
    }

    pub(super) fn swapped(arms: TwoProportions) -> TwoProportions {
        TwoProportions {
            first: arms.second,
            second: arms.first,
        }
    }

    #[test]
    fn what_needs_events_is_none_without() {
        let none = Proportion::new(0, 10).unwrap();
        let arms = TwoProportions {
            first: none,
            second: none,
        };
        assert_eq!(arms.ratio_log(0.05), None);
        assert_eq!(arms.odds_ratio_logit(0.05), None);
        assert_eq!(arms.odds_ratio_smoothed(0.05), None);
        assert!(arms.ratio_adjusted(0.05).is_some() && arms.pooled_z().abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn swapping_the_arms_negates_differences_and_inverts_ratios(arms in two_proportions()) {
            let other = swapped(arms);
            for difference in [TwoProportions::difference_wald, TwoProportions::difference_agresti_caffo, TwoProportions::difference_newcombe] {
                let ((low, high), (other_low, other_high)) = (difference(&arms, 0.05), difference(&other, 0.05));
                prop_assert!((low + other_high).abs() < 1e-12 && (high + other_low).abs() < 1e-12);
            }
            for ratio in [TwoProportions::ratio_adjusted, TwoProportions::odds_ratio_adjusted, TwoProportions::odds_ratio_smoothed] {
                let (Some((low, high)), Some((other_low, other_high))) = (ratio(&arms, 0.05), ratio(&other, 0.05)) else { continue };
                prop_assert!((low * other_high - 1.0).abs() < 1e-9 && (high * other_low - 1.0).abs() < 1e-9);
            }
        }
    }
}
