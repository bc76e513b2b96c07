//! Score intervals: what a score test does not reject, whose variance is that under the hypothesis tested.
//!
//! Source: Miettinen & Nurminen (1985), with their factor `N/(N − 1)`; the ratio without it is Koopman's (1984).

use super::{Adjusted, TwoProportions};
use crate::{normal::upper_quantile, numeric::root};

/// Ratios searched, as a logarithm: those whose squares floats hold.
const WIDEST: f64 = 300.0;

impl TwoProportions {
    /// Score interval for the difference.
    pub fn difference_score(&self, alpha: f64) -> (f64, f64) {
        let arms = self.adjusted(0.0, 0.0);
        not_rejected(-1.0, 1.0, alpha, |difference| {
            z_of_difference(arms, difference)
        })
    }

    /// Score interval for the ratio: from 0 where the first arm has no event, to infinity where the second has none.
    pub fn ratio_score(&self, alpha: f64) -> (f64, f64) {
        let arms = self.adjusted(0.0, 0.0);
        let ends = not_rejected(-WIDEST, WIDEST, alpha, |ln| z_of_ratio(arms, ln.exp()));
        let open = (self.first.events() == 0, self.second.events() == 0);
        opened(ends, open)
    }

    /// Score interval for the odds ratio: from 0 where the first arm has no event or the second nothing else, to infinity the other way
    /// round.
    pub fn odds_ratio_score(&self, alpha: f64) -> (f64, f64) {
        let arms = self.adjusted(0.0, 0.0);
        let ends = not_rejected(-WIDEST, WIDEST, alpha, |ln| z_of_odds_ratio(arms, ln.exp()));
        let (first, second) = (self.first, self.second);
        let open = (
            first.events() == 0 || second.others() == 0,
            first.others() == 0 || second.events() == 0,
        );
        opened(ends, open)
    }
}

/// Between where a statistic, which falls with the parameter, is z and where it is −z.
fn not_rejected(low: f64, high: f64, alpha: f64, falling: impl Fn(f64) -> f64) -> (f64, f64) {
    let z = upper_quantile(alpha / 2.0);
    (
        root(low, high, |parameter| z - falling(parameter)),
        root(low, high, |parameter| -z - falling(parameter)),
    )
}

/// Ends as ratios, but 0 and infinity where they are open.
fn opened((low, high): (f64, f64), (open_below, open_above): (bool, bool)) -> (f64, f64) {
    (
        if open_below { 0.0 } else { low.exp() },
        if open_above {
            f64::INFINITY
        } else {
            high.exp()
        },
    )
}

/// The score test of "the difference is `difference`".
fn z_of_difference(arms: [Adjusted; 2], difference: f64) -> f64 {
    let [first, second] = arms;
    let q = likeliest(arms, difference);
    let p = (q + difference).clamp(0.0, 1.0);
    let variance = p * (1.0 - p) / first.trials + q * (1.0 - q) / second.trials;
    standardised(first.share() - second.share() - difference, variance, arms)
}

/// The second arm's probability of largest likelihood among those with the given difference: where the derivative of its logarithm, times
/// what is positive, is 0. By bisection, since the formula for roots of cubic equations loses half of the digits for rare
/// events.
fn likeliest([first, second]: [Adjusted; 2], difference: f64) -> f64 {
    let derivative = |q: f64| {
        let p = q + difference;
        (first.events - first.trials * p) * q * (1.0 - q)
            + (second.events - second.trials * q) * p * (1.0 - p)
    };
    let (low, high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
    root(low, high, |q| -derivative(q))
}

/// The score test of "the ratio is `ratio`".
fn z_of_ratio(arms: [Adjusted; 2], ratio: f64) -> f64 {
    let [first, second] = arms;
    let a = (first.trials + second.trials) * ratio;
    let b = first.trials * ratio + first.events + second.trials + second.events * ratio;
    let events = first.events + second.events;
    // The smaller root of a·q² − b·q + events, in the form that does not cancel.
    let q = 2.0 * events / (b + (b * b - 4.0 * a * events).max(0.0).sqrt());
    let p = (q * ratio).min(1.0);
    let variance = p * (1.0 - p) / first.trials + ratio * ratio * q * (1.0 - q) / second.trials;
    standardised(first.share() - ratio * second.share(), variance, arms)
}

/// The score test of "the odds ratio is `ratio`".
fn z_of_odds_ratio(arms: [Adjusted; 2], ratio: f64) -> f64 {
    let [first, second] = arms;
    let events = first.events + second.events;
    let a = second.trials * (ratio - 1.0);
    let b = first.trials * ratio + second.trials - events * (ratio - 1.0);
    // The positive root of a·q² + b·q − events, likewise.
    let q = 2.0 * events / (b + (b * b + 4.0 * a * events).max(0.0).sqrt());
    let p = q * ratio / (1.0 + q * (ratio - 1.0));
    let (of_first, of_second) = (p * (1.0 - p), q * (1.0 - q));
    let variance = 1.0 / (of_first * first.trials) + 1.0 / (of_second * second.trials);
    let score = (first.share() - p) / of_first - (second.share() - q) / of_second;
    standardised(score, variance, arms)
}

/// 0 where both are 0; infinite where only the variance is.
fn standardised(difference: f64, variance: f64, [first, second]: [Adjusted; 2]) -> f64 {
    let all = first.trials + second.trials;
    let z = difference / (variance * (all / (all - 1.0))).sqrt();
    if z.is_nan() { 0.0 } else { z }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{swapped, two_proportions},
        *,
    };
    use crate::proportion::Proportion;

    fn arms(first: (u64, u64), second: (u64, u64)) -> TwoProportions {
        TwoProportions {
            first: Proportion::new(first.0, first.1).unwrap(),
            second: Proportion::new(second.0, second.1).unwrap(),
        }
    }

    /// With scipy's Brent for both the restricted maximum of the likelihood and the ends.
    #[test]
    fn the_difference_agrees_with_another_search_for_the_largest_likelihood() {
        for (arms, low, high) in [
            (
                arms((3, 100), (9, 900)),
                -0.001_573_767_594_132_025,
                0.074_769_387_212_771_21,
            ),
            (
                arms((25, 1000), (90, 9000)),
                0.006_669_083_510_521_434,
                0.026_789_298_660_158_035,
            ),
            (
                arms((7, 50), (20, 450)),
                0.021_376_863_842_140_346,
                0.218_710_890_376_672_36,
            ),
            (
                arms((1000, 100_000), (9000, 900_000)),
                -0.000_633_642_070_796_527,
                0.000_667_104_050_615_316_5,
            ),
        ] {
            let (got_low, got_high) = arms.difference_score(0.05);
            assert!((got_low / low - 1.0).abs() < 1e-9, "{got_low} is not {low}");
            assert!(
                (got_high / high - 1.0).abs() < 1e-9,
                "{got_high} is not {high}"
            );
        }
    }

    #[test]
    fn ratios_are_open_where_nothing_bounds_them() {
        let none = arms((0, 10), (0, 90));
        let open = (0.0, f64::INFINITY);
        assert_eq!(
            (none.ratio_score(0.05), none.odds_ratio_score(0.05)),
            (open, open)
        );
        let (low, high) = none.difference_score(0.05);
        assert!(
            -0.1 < low && low < 0.0 && 0.0 < high && high < 0.4,
            "{low} {high}"
        );
    }

    proptest! {
        #[test]
        fn swapping_the_arms_turns_intervals_round(arms in two_proportions()) {
            let other = swapped(arms);
            let ((low, high), (other_low, other_high)) = (arms.difference_score(0.05), other.difference_score(0.05));
            prop_assert!((low + other_high).abs() < 1e-9 && (high + other_low).abs() < 1e-9);
            for ratio in [TwoProportions::ratio_score, TwoProportions::odds_ratio_score] {
                let ((low, high), (other_low, other_high)) = (ratio(&arms, 0.05), ratio(&other, 0.05));
                prop_assert!(low <= 0.0 || (low * other_high - 1.0).abs() < 1e-9, "{low} {other_high}");
                prop_assert!(high.is_infinite() || (high * other_low - 1.0).abs() < 1e-9, "{high} {other_low}");
            }
        }

        #[test]
        fn intervals_hold_the_estimate(arms in two_proportions()) {
            let (low, high) = arms.difference_score(0.05);
            prop_assert!(low <= arms.difference() && arms.difference() <= high);
        }
    }
}
