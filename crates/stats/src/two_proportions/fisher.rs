//! Fisher's exact test: two proportions compared exactly, given how many events there were in both arms together.
//!
//! When events are as likely in both arms, those of the first are a draw without replacement: hypergeometric, whatever the
//! probability is. Source: Fisher (1935). Exact for independent Bernoulli trials of one probability in each arm, and
//! conservative, since few outcomes are possible. Degenerate case: without events, or with nothing else, only one outcome
//! is possible, of p-value 1.
//!
//! With an odds ratio other than 1 the law is Fisher's non-central one, from which the conditional estimate and its
//! interval follow, at a cost in proportion to the number of possible outcomes.

use super::TwoProportions;
use crate::{
    hypergeometric::Hypergeometric,
    numeric::{count, ln_sum_exp, root},
    rank::Alternative,
};

/// Outcomes whose probabilities differ by less, relatively, are equally likely: those of a table and its mirror image
/// differ by rounding.
const TIE: f64 = 1e-9;

/// Most outcomes that a non-central law is taken over: a second or two.
const MOST_OUTCOMES: u64 = 1 << 20;

impl TwoProportions {
    /// Probability under the null hypothesis of as many events of the first arm or more; or as few; or, with two sides, of
    /// any outcome no more likely than the one observed.
    pub fn fisher_p(&self, alternative: Alternative) -> f64 {
        let (law, observed) = (self.law(), self.first.events());
        let p = match alternative {
            Alternative::Greater => law.upper_tail(observed),
            Alternative::Less => law.lower_tail(observed),
            Alternative::TwoSided => both_tails(&law, observed),
        };
        p.min(1.0)
    }

    /// Odds of an event in the first arm over those in the second. Infinite where the second has none, or the first nothing
    /// else; None where that leaves 0 over 0.
    pub fn odds_ratio(&self) -> Option<f64> {
        let (first, second) = (self.first, self.second);
        let more = count(first.events()) * count(second.others());
        let less = count(first.others()) * count(second.events());
        (more + less > 0.0).then(|| more / less)
    }

    /// The odds ratio under which the observed events of the first arm are what is expected, given the events of both: a
    /// little closer to 1 than [`odds_ratio`](Self::odds_ratio). 0 or infinite at the ends of what is possible. None where
    /// only one outcome is, and where more than a million are: it is as good as the other then.
    pub fn conditional_odds_ratio(&self) -> Option<f64> {
        let odds = Odds::new(&self.law())?;
        match self.ends() {
            (true, true) => None,
            (true, false) => Some(0.0),
            (false, true) => Some(f64::INFINITY),
            (false, false) => Some(where_zero(|ln| odds.mean(ln) - count(self.first.events()))),
        }
    }

    /// Interval of level `1 − alpha` for the conditional odds ratio: those that neither side rejects at `alpha/2`. From 0
    /// or to infinity at the ends of what is possible. None where more than a million outcomes are.
    pub fn conditional_odds_ratio_interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let odds = Odds::new(&self.law())?;
        let (observed, ln_half) = (self.first.events(), (alpha / 2.0).ln());
        let (lowest, highest) = self.ends();
        let low = || where_zero(|ln| odds.ln_sum(ln, |k| k >= observed) - ln_half);
        let high = || where_zero(|ln| ln_half - odds.ln_sum(ln, |k| k <= observed));
        Some((
            if lowest { 0.0 } else { low() },
            if highest { f64::INFINITY } else { high() },
        ))
    }

    fn law(&self) -> Hypergeometric {
        Hypergeometric {
            first: self.first.trials(),
            second: self.second.trials(),
            drawn: self.first.events() + self.second.events(),
        }
    }

    /// Whether fewer, and whether more events of the first arm would be impossible.
    fn ends(&self) -> (bool, bool) {
        let (support, observed) = (self.law().support(), self.first.events());
        (observed == *support.start(), observed == *support.end())
    }
}

/// The tail that holds the observed outcome, and of the other what is no more likely. Each falls off from the mode, so that
/// its first outcome is found by bisection.
fn both_tails(law: &Hypergeometric, observed: u64) -> f64 {
    let limit = law.ln_probability(observed) + TIE;
    let unlikely = |k| law.ln_probability(k) <= limit;
    let (start, end) = law.support().into_inner();
    if count(observed) > law.mean() {
        let near = law.upper_tail(observed);
        let beyond = first_where(start, observed, |k| !unlikely(k));
        near + beyond.checked_sub(1).map_or(0.0, |k| law.lower_tail(k))
    } else {
        let near = law.lower_tail(observed);
        let beyond = first_where(observed + 1, end + 1, unlikely);
        near + if beyond > end {
            0.0
        } else {
            law.upper_tail(beyond)
        }
    }
}

/// The first of `low..high` from which on a condition holds, or `high`.
fn first_where(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// Fisher's non-central hypergeometric law: probabilities in proportion to those of the central one times `ωᵏ`.
struct Odds {
    from: u64,
    ln_probabilities: Vec<f64>,
}

impl Odds {
    /// None where there are more than [`MOST_OUTCOMES`].
    fn new(law: &Hypergeometric) -> Option<Self> {
        let (start, end) = law.support().into_inner();
        (end - start < MOST_OUTCOMES).then(|| Self {
            from: start,
            ln_probabilities: (start..=end).map(|k| law.ln_probability(k)).collect(),
        })
    }

    fn ln_weights(&self, ln_odds: f64) -> impl Iterator<Item = (u64, f64)> + Clone + '_ {
        let terms = (self.from..).zip(&self.ln_probabilities);
        terms.map(move |(k, ln)| (k, ln + count(k) * ln_odds))
    }

    /// Logarithm of the probability of the outcomes that `of` chooses.
    fn ln_sum(&self, ln_odds: f64, of: impl Fn(u64) -> bool + Clone) -> f64 {
        let weights = self.ln_weights(ln_odds);
        let chosen = weights.clone().filter(move |(k, _)| of(*k));
        ln_sum_exp(chosen.map(|(_, ln)| ln)) - ln_sum_exp(weights.map(|(_, ln)| ln))
    }

    fn mean(&self, ln_odds: f64) -> f64 {
        let weights = self.ln_weights(ln_odds);
        let all = ln_sum_exp(weights.clone().map(|(_, ln)| ln));
        weights.map(|(k, ln)| count(k) * (ln - all).exp()).sum()
    }
}

/// The odds ratio at which a function of its logarithm, which rises, is 0.
fn where_zero(rising: impl Fn(f64) -> f64) -> f64 {
    /// Odds ratios searched, as a logarithm: all that floats hold.
    const WIDEST: f64 = 700.0;
    root(-WIDEST, WIDEST, rising).exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{swapped, two_proportions},
        *,
    };
    use crate::proportion::Proportion;

    proptest! {
        #[test]
        fn two_sides_are_all_outcomes_no_more_likely(arms in two_proportions()) {
            let law = arms.law();
            let observed = law.ln_probability(arms.first.events());
            let no_more_likely = law.support().map(|k| law.ln_probability(k)).filter(|ln| *ln <= observed + TIE);
            let expected: f64 = no_more_likely.map(f64::exp).sum();
            let got = arms.fisher_p(Alternative::TwoSided);
            prop_assert!((got - expected.min(1.0)).abs() <= 1e-9 * expected, "{got} {expected}");
        }

        #[test]
        fn another_event_of_the_first_arm_is_more_evidence(arms in two_proportions()) {
            let more = Proportion::new(arms.first.events() + 1, arms.first.trials());
            let Some(first) = more else { return Ok(()) };
            let (before, after) = (arms.fisher_p(Alternative::Greater), TwoProportions { first, ..arms }.fisher_p(Alternative::Greater));
            prop_assert!(after <= before * (1.0 + 1e-12), "{before} {after}");
        }

        #[test]
        fn swapping_the_arms_swaps_tails_and_inverts_the_odds(arms in two_proportions()) {
            let other = swapped(arms);
            let (greater, less) = (arms.fisher_p(Alternative::Greater), other.fisher_p(Alternative::Less));
            prop_assert!((greater - less).abs() <= 1e-9 * greater);
            let (low, high) = arms.conditional_odds_ratio_interval(0.05).unwrap();
            let (other_low, other_high) = other.conditional_odds_ratio_interval(0.05).unwrap();
            prop_assert!(low <= 0.0 || (low * other_high - 1.0).abs() < 1e-9);
            prop_assert!(high.is_infinite() || (high * other_low - 1.0).abs() < 1e-9);
        }
    }
}
