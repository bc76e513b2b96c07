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

    /// Score interval for the odds ratio: from 0 where the first arm has no event or the second nothing else, to infinity
    /// the other way round.
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

/// The second arm's probability of largest likelihood among those with the given difference: where the derivative of its
/// logarithm, times what is positive, is 0. By bisection, since the formula for roots of cubic equations loses half of the
/// digits for rare events.
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
    let others = first.others() + second.others();
    // Each by its own equation, so that neither is what the other leaves of 1.
    let q = likeliest_given_odds(arms, events, ratio);
    let not_q = likeliest_given_odds(arms, others, 1.0 / ratio);
    let sum = q * ratio + not_q;
    let (p, not_p) = (q * ratio / sum, not_q / sum);
    let variance = 1.0 / (p * not_p * first.trials) + 1.0 / (q * not_q * second.trials);
    let score = (first.share() - p) / (p * not_p) - (second.share() - q) / (q * not_q);
    standardised(score, variance, arms)
}

/// The second arm's probability of largest likelihood with an odds ratio, given all events: the positive root of
/// `a·q² + b·q − events`, in the form that does not cancel.
fn likeliest_given_odds([first, second]: [Adjusted; 2], events: f64, ratio: f64) -> f64 {
    let a = second.trials * (ratio - 1.0);
    let b = first.trials * ratio + second.trials - events * (ratio - 1.0);
    let root = (b * b + 4.0 * a * events).max(0.0).sqrt();
    if b < 0.0 {
        (root - b) / (2.0 * a)
    } else {
        2.0 * events / (b + root)
    }
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

    /// Solved with mpmath to 30 digits, the restricted maximum of the likelihood by bisection.
    #[test]
    fn ends_agree_with_a_search_at_thirty_digits() {
        for (arms, difference, ratio, odds) in [
            (
                arms((3, 100), (9, 900)),
                (-0.001_573_767_594_132_023, 0.074_769_387_212_771_22),
                (0.883_498_377_645_855_7, 9.978_400_162_357_858),
                (0.882_124_253_924_396, 10.669_921_991_358_92),
            ),
            (
                arms((45, 87), (217_513, 325_892)),
                (-0.253_700_933_969_349_8, -0.048_151_951_633_218_52),
                (0.619_900_977_757_067_8, 0.927_852_838_826_426_8),
                (0.351_632_481_328_018_2, 0.810_507_935_893_780_8),
            ),
            (
                arms((7, 50), (20, 450)),
                (0.021_376_863_842_140_34, 0.218_710_890_376_662_4),
                (1.401_750_134_929_498, 6.765_441_949_144_945),
                (1.434_879_137_014_447, 8.574_086_000_309_475),
            ),
            (
                arms((1000, 100_000), (9000, 900_000)),
                (-0.000_633_642_070_796_527, 0.000_667_104_050_615_316_4),
                (0.937_058_214_151_058, 1.067_133_133_092_386),
                (0.936_458_916_981_520_7, 1.067_852_518_504_069),
            ),
        ] {
            assert_close(arms.difference_score(0.05), difference);
            assert_close(arms.ratio_score(0.05), ratio);
            assert_close(arms.odds_ratio_score(0.05), odds);
        }
    }

    #[test]
    fn a_large_second_arm_bounds_the_odds() {
        let arms = arms((438, 6575), (7299, 185_936));
        let odds = (1.581_011_735_768, 1.929_821_283_850);
        let (low, high) = arms.odds_ratio_score(0.05);
        assert!(
            (low - odds.0).abs() < 1e-9 && (high - odds.1).abs() < 1e-9,
            "{low} {high}"
        );
    }

    fn assert_close(got: (f64, f64), expected: (f64, f64)) {
        for (got, expected) in [(got.0, expected.0), (got.1, expected.1)] {
            assert!(
                (got / expected - 1.0).abs() < 1e-11,
                "{got} is not {expected}"
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
