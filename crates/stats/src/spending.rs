//! An exact test of a rate ratio that may be looked at after every interval.
//!
//! Each look spends a part of the error probability that is fixed in advance by a [`Schedule`]; the critical value is the
//! smallest number of canary events that keeps the probability of ever rejecting within what may be spent by then. The law
//! of that number among paths not rejected yet is carried along exactly. Source: Lan and `DeMets` (1983), with the conditional
//! binomial law of [`conditional`](crate::conditional) instead of a normal approximation.
//!
//! Assumes A1 to A3 of the crate, and that the times of the looks do not depend on how events fall to the arms. Exact for
//! Poisson events; conservative in every simulation for Bernoulli ones.

use std::f64::consts::E;

use crate::{
    binomial::{self, Law},
    normal::{upper_quantile, upper_tail},
    numeric::{count, floor_count},
};

/// Looks after which an open-ended schedule has spent half of its share. Source: simulations of rollouts with 10 to 120
/// looks; smaller values spend more on the first looks.
const HALF_LIFE: f64 = 5.0;

/// How much of the error probability may be spent by each look.
///
/// A function of the look alone, which must not depend on what was seen: that is what makes the sum of all looks keep to
/// the budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    alpha: f64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    EarlyAndEven { looks: u32 },
    OpenEnded,
    Pocock { looks: u32 },
    OBrienFleming { looks: u32 },
}

impl Schedule {
    /// Spends `alpha`, in (0, 1), over `looks` looks: half of it early, by `t/(t + 5)`, and half evenly.
    ///
    /// The first half catches what is broken at once, the second what begins later or is small. Scaled so that exactly
    /// `alpha` is spent at the last look; 0 looks are taken for 1.
    pub const fn new(alpha: f64, looks: u32) -> Self {
        let shape = Shape::EarlyAndEven { looks };
        Self { alpha, shape }
    }

    /// Spends `alpha·t/(t + 5)` by look t: never all of it, so that there may be any number of looks.
    pub const fn open_ended(alpha: f64) -> Self {
        let shape = Shape::OpenEnded;
        Self { alpha, shape }
    }

    /// Spends `alpha·ln(1 + (e − 1)·t/K)` by look t of K, which makes about the same effect significant at every look. 0 looks
    /// are taken for 1. Source: Lan & `DeMets` (1983) after Pocock (1977).
    pub const fn pocock(alpha: f64, looks: u32) -> Self {
        let shape = Shape::Pocock { looks };
        Self { alpha, shape }
    }

    /// Spends `2·P(Z > z_{α/2}/√(t/K))` by look t of K: next to nothing on the first looks, so that the last is about as
    /// strong as a single one would be. 0 looks are taken for 1. Source: Lan & `DeMets` (1983) after O'Brien & Fleming
    /// (1979).
    pub const fn obrien_fleming(alpha: f64, looks: u32) -> Self {
        let shape = Shape::OBrienFleming { looks };
        Self { alpha, shape }
    }

    /// What may be spent in total by look `look`, from 1. Past the last look it stays what it was there.
    pub fn spent_by(&self, look: u32) -> f64 {
        let share = match self.shape {
            Shape::EarlyAndEven { looks } => {
                let (elapsed, last) = (elapsed(look, looks), last(looks));
                let early = saturation(look.min(looks.max(1))) * (last + HALF_LIFE) / last;
                0.5 * (early + elapsed)
            }
            Shape::OpenEnded => saturation(look),
            Shape::Pocock { looks } => ((E - 1.0) * elapsed(look, looks)).ln_1p(),
            Shape::OBrienFleming { looks } => {
                let last = upper_quantile(self.alpha / 2.0);
                2.0 * upper_tail(last / elapsed(look, looks).sqrt()) / self.alpha
            }
        };
        self.alpha * share
    }
}

fn last(looks: u32) -> f64 {
    f64::from(looks.max(1))
}

/// Share of the looks that are done.
fn elapsed(look: u32, looks: u32) -> f64 {
    (f64::from(look) / last(looks)).min(1.0)
}

fn saturation(look: u32) -> f64 {
    f64::from(look) / (f64::from(look) + HALF_LIFE)
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The number of canary events, over all looks, from which on the test rejects. None where no number would.
    pub critical: Option<u64>,
    /// Error probability spent so far.
    pub spent: f64,
    /// Whether the test rejects at this look.
    pub rejects: bool,
}

/// The test, between looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Spending {
    /// Law of the canary's events among the paths that were not rejected. Its sum and `spent` are 1 together.
    law: Law,
    spent: f64,
    observed: u64,
}

impl Default for Spending {
    fn default() -> Self {
        Self {
            law: Law {
                from: 0,
                probabilities: vec![1.0],
            },
            spent: 0.0,
            observed: 0,
        }
    }
}

impl Spending {
    /// A look at `canary` new events of the canary among `all` new events, each of which falls to the canary with
    /// probability `share` at most under the null hypothesis. `allowed` is what may be spent in total by now.
    ///
    /// Several groups of events with different shares (strata) may be added by [`Spending::add`] first. A look without
    /// events spends nothing, and its part of the budget stays for later ones.
    pub fn look(&mut self, canary: u64, all: u64, share: f64, allowed: f64) -> Look {
        self.add(canary, all, share);
        self.decide(allowed)
    }

    /// Takes in events without deciding on them yet.
    pub fn add(&mut self, canary: u64, all: u64, share: f64) {
        self.observed = self.observed.saturating_add(canary);
        if all > 0 {
            let before: f64 = self.law.probabilities.iter().sum();
            self.law = convolve(&self.law, &binomial::law(all, share));
            let after: f64 = self.law.probabilities.iter().sum();
            // What lies outside the windows is booked as spent, so that the total stays an upper bound.
            self.spent += (before - after).max(0.0);
        }
    }

    /// Decides on the events so far.
    pub fn decide(&mut self, allowed: f64) -> Look {
        let mut tail = 0.0;
        let mut kept = self.law.probabilities.len();
        while let Some(probability) = kept
            .checked_sub(1)
            .and_then(|at| self.law.probabilities.get(at))
        {
            if self.spent + tail + probability > allowed {
                break;
            }
            tail += probability;
            kept -= 1;
        }
        let possible = kept < self.law.probabilities.len();
        self.law.probabilities.truncate(kept);
        self.spent += tail;
        let critical = self.law.from + u64::try_from(kept).unwrap_or(u64::MAX);
        Look {
            critical: possible.then_some(critical),
            spent: self.spent,
            // Also where no number within the window would: what lies beyond it was booked as spent.
            rejects: self.observed >= critical,
        }
    }
}

/// The law of the sum of two independent integers.
fn convolve(one: &Law, other: &Law) -> Law {
    let length = (one.probabilities.len() + other.probabilities.len()).saturating_sub(1);
    let mut probabilities = vec![0.0; length];
    for (shift, weight) in one.probabilities.iter().enumerate() {
        if let Some(target) = probabilities.get_mut(shift..) {
            for (sum, probability) in target.iter_mut().zip(&other.probabilities) {
                // No `mul_add`: where the processor is not known to have one, it is a call for each product.
                *sum += weight * probability;
            }
        }
    }
    trim(Law {
        from: one.from + other.from,
        probabilities,
    })
}

/// Leaves away the ends that are too small to matter: without it the window would grow with the number of looks instead
/// of its square root.
fn trim(mut law: Law) -> Law {
    const NEGLIGIBLE: f64 = 1e-18;
    let significant = |probability: &f64| *probability > NEGLIGIBLE;
    let end = law
        .probabilities
        .iter()
        .rposition(significant)
        .map_or(0, |last| last + 1);
    law.probabilities.truncate(end);
    let start = law.probabilities.iter().position(significant).unwrap_or(0);
    law.probabilities.drain(..start);
    law.from += u64::try_from(start).unwrap_or(u64::MAX);
    law
}

/// Stable events to add as if seen, so that the canary may have `increase` more events per request than `ratio` times the
/// stable rate: `⌈N_s·δ/r⌉`, rounded up in the canary's favour.
pub fn allowance(stable_exposure: u64, increase: f64, ratio: f64) -> u64 {
    floor_count((count(stable_exposure) * increase / ratio).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_error_probability_is_spent_at_the_last_look_and_never_more() {
        for looks in [1, 2, 10, 1000] {
            let schedule = Schedule::new(0.05, looks);
            assert!((schedule.spent_by(looks) - 0.05).abs() < 1e-15);
            assert!((schedule.spent_by(looks + 7) - 0.05).abs() < 1e-15);
            let rises = (1..looks).all(|t| schedule.spent_by(t) < schedule.spent_by(t + 1));
            assert!(rises, "{looks} looks");
        }
    }

    #[test]
    fn every_schedule_rises_and_keeps_to_its_budget() {
        for schedule in [
            Schedule::open_ended(0.05),
            Schedule::pocock(0.05, 60),
            Schedule::new(0.05, 60),
            Schedule::obrien_fleming(0.05, 60),
        ] {
            let spent: Vec<_> = (0..=1000).map(|look| schedule.spent_by(look)).collect();
            assert!(
                spent.is_sorted()
                    && spent
                        .iter()
                        .all(|spent| (0.0..=0.05 + 1e-15).contains(spent))
            );
        }
        assert!((Schedule::open_ended(0.05).spent_by(5) - 0.025).abs() < 1e-15);
        assert!((Schedule::pocock(0.05, 10).spent_by(10) - 0.05).abs() < 1e-15);
        assert!((Schedule::new(0.05, 0).spent_by(1) - 0.05).abs() < 1e-15);
    }

    #[test]
    fn what_a_silent_look_could_have_spent_stays_for_the_next() {
        let schedule = Schedule::new(0.05, 4);
        let mut silent_first = Spending::default();
        silent_first.look(0, 0, 0.1, schedule.spent_by(1));
        let late = silent_first.look(90, 1000, 0.1, schedule.spent_by(2));
        let early = Spending::default().look(90, 1000, 0.1, schedule.spent_by(1));
        assert!(late.critical < early.critical);
    }

    #[test]
    fn a_look_without_events_spends_nothing() {
        let mut test = Spending::default();
        let look = test.look(0, 0, 0.1, 0.05);
        assert!(look.spent.abs() < f64::EPSILON && !look.rejects);
    }

    /// Probability of ever rejecting when events fall to the canary with probability `share`, by walking every path.
    fn size(test: &Spending, events: &[u64], share: f64, schedule: &Schedule, look: u32) -> f64 {
        let Some((now, later)) = events.split_first() else {
            return 0.0;
        };
        let mut sum = 0.0;
        for canary in 0..=*now {
            let probability = binomial::ln_probability(canary, *now, share).exp();
            let mut next = test.clone();
            let found = next.look(canary, *now, share, schedule.spent_by(look));
            let rejected = if found.rejects {
                1.0
            } else {
                size(&next, later, share, schedule, look + 1)
            };
            sum += probability * rejected;
        }
        sum
    }

    #[test]
    fn over_every_path_the_test_rejects_no_more_often_than_it_may() {
        for share in [0.05, 0.1, 0.5] {
            for events in [[3, 0, 7, 2, 5], [10, 10, 1, 1, 1], [1, 1, 1, 1, 12]] {
                let schedule = Schedule::new(0.05, 5);
                let size = size(&Spending::default(), &events, share, &schedule, 1);
                assert!(size <= 0.05 + 1e-12, "{size} for {events:?} at {share}");
            }
        }
    }

    #[test]
    fn the_allowance_is_rounded_in_the_canarys_favour() {
        assert_eq!(allowance(1000, 0.001, 1.0), 1);
        assert_eq!(allowance(1001, 0.001, 1.0), 2);
        assert_eq!(allowance(9000, 0.0, 1.5), 0);
    }
}
