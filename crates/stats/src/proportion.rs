//! Intervals for one proportion.
//!
//! For display take Wilson's, which has about its level on average; for a bound that is never too low or high take Clopper
//! and Pearson's, which for no event in n has the upper end `1 − (α/2)^(1/n)`. All assume independent trials of one
//! probability.

use crate::{
    normal::upper_quantile,
    numeric::{count, root},
    special::{ln_beta_lower, ln_beta_upper},
};

/// Events among trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    events: u64,
    trials: u64,
}

impl Proportion {
    /// None where there are more events than trials, no trials, or more than 2^53 of them, which a float can't tell apart.
    pub const fn new(events: u64, trials: u64) -> Option<Self> {
        const MOST_TRIALS: u64 = 1 << 53;
        if events <= trials && trials > 0 && trials <= MOST_TRIALS {
            Some(Self { events, trials })
        } else {
            None
        }
    }

    /// Events.
    pub const fn events(self) -> u64 {
        self.events
    }

    /// Trials, at least 1.
    pub const fn trials(self) -> u64 {
        self.trials
    }

    /// Trials without an event.
    pub const fn others(self) -> u64 {
        self.trials - self.events
    }

    /// Events over trials.
    pub fn estimate(self) -> f64 {
        count(self.events) / count(self.trials)
    }

    /// Proportions p with `|p̂ − p| ≤ z √(p(1 − p)/n)`: 0 is one where there are no events, and 1 where there is nothing
    /// else. Source: Wilson (1927).
    pub fn wilson(self, alpha: f64) -> (f64, f64) {
        let (n, p) = (count(self.trials), self.estimate());
        let square = upper_quantile(alpha / 2.0).powi(2);
        let spread = (square * (p * (1.0 - p) / n + square / (4.0 * n * n))).sqrt();
        let high = (p + square / (2.0 * n) + spread) / (1.0 + square / n);
        // The ends are the roots of a quadratic equation: by their product, since their difference from the middle would
        // cancel.
        let low = p * p / (1.0 + square / n) / high;
        (low, high.min(1.0))
    }

    /// Proportions that neither side of the exact binomial test rejects at `alpha/2`. Its level is kept in every case.
    /// Source: Clopper & Pearson (1934).
    pub fn clopper_pearson(self, alpha: f64) -> (f64, f64) {
        let (k, others) = (count(self.events), count(self.others()));
        let low = || quantile(k, others + 1.0, alpha / 2.0);
        let high = || upper_quantile_of_beta(k + 1.0, others, alpha / 2.0);
        (
            if self.events == 0 { 0.0 } else { low() },
            if self.others() == 0 { 1.0 } else { high() },
        )
    }

    /// Between the quantiles of the posterior after Jeffreys' prior, Beta(½, ½): about its level on average, and never with
    /// an end at 0 or 1. Source: Brown, Cai & `DasGupta` (2001).
    pub fn jeffreys(self, alpha: f64) -> (f64, f64) {
        let (a, b) = (count(self.events) + 0.5, count(self.others()) + 0.5);
        (
            quantile(a, b, alpha / 2.0),
            upper_quantile_of_beta(a, b, alpha / 2.0),
        )
    }

    /// Wald's interval after adding `z²/2` events and as many other trials, within [0, 1]. Source: Agresti & Coull (1998).
    pub fn agresti_coull(self, alpha: f64) -> (f64, f64) {
        let square = upper_quantile(alpha / 2.0).powi(2);
        let trials = count(self.trials) + square;
        around((count(self.events) + square / 2.0) / trials, trials, alpha)
    }

    /// `p̂ ± z √(p̂(1 − p̂)/n)`, within [0, 1]: far below its level for rare events, and of no width without any. For
    /// comparison only.
    pub fn wald(self, alpha: f64) -> (f64, f64) {
        around(self.estimate(), count(self.trials), alpha)
    }
}

fn around(p: f64, trials: f64, alpha: f64) -> (f64, f64) {
    let reach = upper_quantile(alpha / 2.0) * (p * (1.0 - p) / trials).sqrt();
    ((p - reach).max(0.0), (p + reach).min(1.0))
}

/// The x with `P(X ≤ x) = p`, for X of the Beta distribution with parameters `a` and `b`.
fn quantile(a: f64, b: f64, p: f64) -> f64 {
    root(0.0, 1.0, |x| ln_beta_lower(a, b, x) - p.ln())
}

/// The x with `P(X > x) = p`.
fn upper_quantile_of_beta(a: f64, b: f64, p: f64) -> f64 {
    root(0.0, 1.0, |x| p.ln() - ln_beta_upper(a, b, x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::binomial::{lower_tail, upper_tail};

    type Method = fn(Proportion, f64) -> (f64, f64);

    fn proportion() -> impl Strategy<Value = Proportion> {
        (1..2000_u64)
            .prop_flat_map(|trials| (0..=trials, Just(trials)))
            .prop_map(|(events, trials)| Proportion::new(events, trials).unwrap())
    }

    #[test]
    fn what_is_no_proportion_is_refused() {
        assert_eq!(Proportion::new(0, 0), None);
        assert_eq!(Proportion::new(3, 2), None);
        assert_eq!(Proportion::new(3, u64::MAX), None);
    }

    #[test]
    fn without_events_the_upper_end_is_known() {
        let (low, high) = Proportion::new(0, 1000).unwrap().clopper_pearson(0.1);
        assert!(low.abs() < f64::MIN_POSITIVE);
        assert!((high - (1.0 - 0.05_f64.powf(0.001))).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn the_exact_ends_have_exact_tails(proportion in proportion()) {
            let (low, high) = proportion.clopper_pearson(0.05);
            let (k, n) = (proportion.events(), proportion.trials());
            prop_assert!(k == 0 || (upper_tail(k, n, low) - 0.025).abs() < 1e-9);
            prop_assert!(k == n || (lower_tail(k, n, high) - 0.025).abs() < 1e-9);
        }

        #[test]
        fn intervals_turn_round_with_their_events(proportion in proportion()) {
            let turned = Proportion::new(proportion.others(), proportion.trials()).unwrap();
            let methods: [Method; 4] = [Proportion::wilson, Proportion::clopper_pearson, Proportion::jeffreys, Proportion::agresti_coull];
            for method in methods {
                let ((low, high), (turned_low, turned_high)) = (method(proportion, 0.05), method(turned, 0.05));
                prop_assert!((low + turned_high - 1.0).abs() < 1e-9 && (high + turned_low - 1.0).abs() < 1e-9);
                prop_assert!(low <= proportion.estimate() + 1e-3 && proportion.estimate() <= high + 1e-3);
            }
        }
    }
}
