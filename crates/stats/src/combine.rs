//! One answer from several metrics, whatever their dependence on each other.
//!
//! Evidence is given as logarithms of e-values, at the same look, each for "this metric is healthy".

use crate::numeric::{count, length, ln_sum_exp};

/// Evidence against "all metrics are healthy": the average of theirs by weights above 0. An average of e-processes is an
/// e-process. Minus infinity without metrics. Source: Vovk & Wang (2021).
pub fn ln_average(evidence: &[(f64, f64)]) -> f64 {
    let weights: f64 = evidence.iter().map(|(weight, _)| weight).sum();
    if weights <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let terms = evidence.iter().map(|(weight, ln)| weight.ln() + ln);
    ln_sum_exp(terms) - weights.ln()
}

/// Which metrics are shown not to be healthy such that any false one among them has probability `alpha` at most, at all
/// looks at once: those whose evidence reaches the number of metrics over `alpha`. Source: Wang & Ramdas (2022),
/// e-Bonferroni.
pub fn familywise(ln_evidence: &[f64], alpha: f64) -> Vec<bool> {
    let threshold = length(ln_evidence.len()).ln() - alpha.ln();
    ln_evidence.iter().map(|ln| *ln >= threshold).collect()
}

/// Which metrics are shown not to be healthy such that the expected share of false ones among them is `alpha` at most: the
/// k metrics of largest evidence, for the largest k at which each of them reaches `m/(kα)`. Source: Wang & Ramdas (2022),
/// e-BH.
pub fn false_discovery(ln_evidence: &[f64], alpha: f64) -> Vec<bool> {
    let mut descending = ln_evidence.to_vec();
    descending.sort_by(|a, b| b.total_cmp(a));
    let all = length(descending.len()).ln() - alpha.ln();
    let ranked = (1..).zip(&descending);
    let reaching = ranked.filter(|(rank, ln)| **ln >= all - count(*rank).ln());
    let threshold = reaching.last().map(|(_, ln)| *ln);
    let reaches = |ln: &f64| threshold.is_some_and(|threshold| *ln >= threshold);
    ln_evidence.iter().map(reaches).collect()
}

/// p-values adjusted such that those at most `alpha` are false with probability `alpha` at most, any of them, at one look.
/// Source: Holm (1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = p.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, (index, p)) in order.into_iter().enumerate() {
        largest = largest.max(p * length(adjusted.len() - rank)).min(1.0);
        if let Some(place) = adjusted.get_mut(index) {
            *place = largest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_strong_metric_is_weakened_by_its_weight_alone() {
        let combined = ln_average(&[(1.0, 1000.0), (3.0, -50.0)]);
        assert!((combined - (1000.0 - 4_f64.ln())).abs() < 1e-12);
        assert!(ln_average(&[]).is_infinite());
    }

    #[test]
    fn adjusted_p_values_are_those_of_the_step_down() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (got, expected) in adjusted.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - expected).abs() < 1e-15, "{got} is not {expected}");
        }
    }

    #[test]
    fn many_moderate_metrics_are_found_together() {
        let evidence = [30_f64, 35.0, 40.0, 1.0].map(f64::ln);
        assert_eq!(familywise(&evidence, 0.05), [false; 4]);
        assert_eq!(false_discovery(&evidence, 0.05), [true, true, true, false]);
    }

    proptest! {
        #[test]
        fn whatever_holds_for_the_family_holds_for_discoveries(evidence in prop::collection::vec(-5.0..12.0_f64, 0..9)) {
            let (strict, loose) = (familywise(&evidence, 0.05), false_discovery(&evidence, 0.05));
            prop_assert!(strict.iter().zip(&loose).all(|(strict, loose)| !strict || *loose));
        }

        /// Over independent null e-values of a fair coin, by enumeration: 0 or 2 to some power.
        #[test]
        fn an_average_of_fair_bets_is_fair(weights in prop::collection::vec(0.1..5.0_f64, 1..8)) {
            let all = 1_u32 << weights.len();
            let outcomes = (0..all).map(|outcome| {
                let bets: Vec<_> = weights.iter().enumerate().map(|(metric, weight)| {
                    let wins = outcome >> metric & 1 == 1;
                    (*weight, if wins { 1.9_f64.ln() } else { 0.1_f64.ln() })
                }).collect();
                ln_average(&bets).exp() / f64::from(all)
            });
            prop_assert!((outcomes.sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}
