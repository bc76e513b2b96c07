//! Critical values of a normal statistic that is looked at several times.
//!
//! For a stratified rank statistic, or any whose increments from look to look are independent and about normal. Each look
//! spends what its [`Schedule`](crate::spending::Schedule) allows; the critical value is the one that is reached, by a path
//! that no earlier look rejected, with the probability left to spend. Source: Armitage, `McPherson` & Rowe (1969) for the
//! recursion; Lan & `DeMets` (1983) for spending. Conditional on large samples, and on information and looks that do not
//! depend on what was seen; one-sided.

use std::f64::consts::TAU;

use crate::{
    normal::upper_tail,
    numeric::{count, floor_count, root},
};

/// How far from its mean the statistic is followed, in standard deviations. Beyond lies less than 1e-15.
const REACH: f64 = 8.0;

/// Steps of the grid in the standard deviation of an increment.
const STEPS: f64 = 8.0;

/// Most points of a grid: enough for looks that add a fifty-thousandth of the information so far, coarse for less.
const MOST_POINTS: f64 = 20_000.0;

/// The law of the statistic among paths not rejected so far.
///
/// The statistic is scaled such that its variance is the information so far: a sum, of which z is the standardised value.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundary {
    information: f64,
    spent: f64,
    /// Weights of points, which sum to 1 less what was spent.
    points: Vec<(f64, f64)>,
}

impl Default for Boundary {
    fn default() -> Self {
        Self {
            information: 0.0,
            spent: 0.0,
            points: vec![(0.0, 1.0)],
        }
    }
}

impl Boundary {
    /// The critical z of the next look, at a total information (such as the variance of the score, or the share of looks
    /// done), when `allowed` may be spent by then. None where there is no new information or nothing to spend: such a look
    /// can't reject, and its part stays for later ones.
    pub fn look(&mut self, information: f64, allowed: f64) -> Option<f64> {
        let added = information - self.information;
        let left = allowed - self.spent;
        if added.is_nan() || added <= 0.0 || left.is_nan() || left <= 0.0 {
            return None;
        }
        let deviation = information.sqrt();
        let z = root(-REACH, 5.0 * REACH, |z| {
            left - self.beyond(z * deviation, added)
        });
        self.pass(information, z);
        self.spent = allowed;
        Some(z)
    }

    /// Goes on to a look with a critical value that is given; returns the probability that it is the first to reject.
    fn pass(&mut self, information: f64, z: f64) -> f64 {
        let added = information - self.information;
        let critical = z * information.sqrt();
        let rejected = self.beyond(critical, added);
        self.points = self.grid(critical, information, added);
        self.information = information;
        rejected
    }

    /// Probability that the sum exceeds a value after an increment of variance `added`.
    fn beyond(&self, value: f64, added: f64) -> f64 {
        let deviation = added.sqrt();
        let tails = self.points.iter();
        tails
            .map(|(at, weight)| weight * upper_tail((value - at) / deviation))
            .sum()
    }

    /// The points after an increment, up to the critical value, by Simpson's rule.
    fn grid(&self, critical: f64, information: f64, added: f64) -> Vec<(f64, f64)> {
        let deviation = added.sqrt();
        let low = -REACH * information.sqrt();
        let high = critical.min(REACH * information.sqrt()).max(low);
        let wished = (high - low) / deviation * STEPS;
        // Simpson's rule takes an even number of intervals.
        let halves = floor_count(wished.clamp(8.0, MOST_POINTS) / 2.0) + 1;
        let step = (high - low) / count(2 * halves);
        let point = |index: u64| {
            let at = count(index).mul_add(step, low);
            let simpson = match index {
                0 => 1.0,
                last if last == 2 * halves => 1.0,
                odd if odd % 2 == 1 => 4.0,
                _ => 2.0,
            };
            (at, simpson * step / 3.0 * self.density(at, deviation))
        };
        (0..=2 * halves).map(point).collect()
    }

    fn density(&self, at: f64, deviation: f64) -> f64 {
        let reach = REACH * deviation;
        let start = self.points.partition_point(|(from, _)| *from < at - reach);
        let near = self.points.iter().skip(start);
        let near = near.take_while(|(from, _)| *from <= at + reach);
        let terms = near.map(|(from, weight)| {
            let z = (at - from) / deviation;
            weight * (-0.5 * z * z).exp()
        });
        terms.sum::<f64>() / (deviation * TAU.sqrt())
    }
}

/// The critical z that is the same at all of `looks` looks of equal information, with error probability `alpha` in total.
/// Source: Pocock (1977).
pub fn constant(alpha: f64, looks: u32) -> f64 {
    root(-REACH, REACH, |z| {
        let mut boundary = Boundary::default();
        let rejected = (1..=looks).map(|look| boundary.pass(f64::from(look), z));
        alpha - rejected.sum::<f64>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{normal::upper_quantile, spending::Schedule};

    fn critical_values(schedule: &Schedule, looks: u32) -> Vec<f64> {
        let mut boundary = Boundary::default();
        let look = |look| {
            boundary
                .look(f64::from(look), schedule.spent_by(look))
                .unwrap()
        };
        (1..=looks).map(look).collect()
    }

    /// By a Simpson's rule on a grid ten times as fine, in another language.
    #[test]
    fn five_looks_have_the_critical_values_of_a_finer_grid() {
        for (schedule, expected) in [
            (
                Schedule::pocock(0.025, 5),
                [2.437_977, 2.426_814, 2.410_194, 2.396_649, 2.386_000],
            ),
            (
                Schedule::obrien_fleming(0.025, 5),
                [4.876_885, 3.357_012, 2.680_280, 2.289_817, 2.031_032],
            ),
        ] {
            for (got, expected) in critical_values(&schedule, 5).into_iter().zip(expected) {
                assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
            }
        }
    }

    #[test]
    fn one_look_is_the_plain_test() {
        let mut boundary = Boundary::default();
        let z = boundary.look(7.0, 0.05).unwrap();
        assert!((z - upper_quantile(0.05)).abs() < 1e-9);
        assert!((constant(0.05, 1) - z).abs() < 1e-9);
    }

    #[test]
    fn a_constant_boundary_is_pococks() {
        let z = constant(0.05, 10);
        assert!((z - 2.270_00).abs() < 1e-5, "{z}");
    }

    #[test]
    fn a_look_without_information_leaves_its_part_to_the_next() {
        let mut boundary = Boundary::default();
        assert_eq!(boundary.look(0.0, 0.02), None);
        let z = boundary.look(1.0, 0.05).unwrap();
        assert!((z - upper_quantile(0.05)).abs() < 1e-9);
        assert_eq!(boundary.look(1.0, 0.06), None);
        assert_eq!(boundary.look(2.0, 0.05), None);
        assert_eq!(boundary.look(f64::NAN, 0.9), None);
    }
}
