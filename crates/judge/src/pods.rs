//! How much pods of one version differ, measured on the stable version.
//!
//! Requests of a pod come in bursts, and pods differ for as long as they live: by their node, their cache, their shard. Both
//! make a healthy canary look different more often than independent requests would. What is measured here on stable pods
//! is what a canary may differ by without being a worse version.
//!
//! A pod's *deviation* in a look is that of its sum (of events, of scores) from what the stable version as a whole had in the
//! same look and stratum, and its *information* one over the variance of the effect by chance. Their squares are parted as in an
//! analysis of variance: within pods, from look to look, are bursts (Pearson's `X²/df`); between pods are lasting differences
//! (the moment estimator of `DerSimonian` & Laird 1986). In the first looks nothing tells the two apart, and what is seen is taken for
//! both. Both count only where they are beyond chance, so that pods that are alike cost nothing.

use std::collections::BTreeMap;

use temper_stats::numeric::length;

/// How many standard deviations beyond chance are needed before a difference between pods is believed. Few, since to believe too
/// much costs a look or two, and to believe too little a good version.
const BEYOND_CHANCE: f64 = 1.64;

/// Bursts have heavier tails than their variance tells: by so much more than the excess of it are they counted. What it comes
/// to is among the scenarios of the calibration.
const HEAVY_TAILS: f64 = 1.75;

/// How many standard deviations of the lasting differences a canary is allowed on top of its margin.
const ALLOWED: f64 = 2.5;

/// Fewest pods whose lasting differences can be told.
const FEWEST_PODS: usize = 3;

/// Fewest degrees of freedom from which bursts can be told.
const FEWEST_FREEDOM: f64 = 4.0;

/// What is known of the differences between stable pods.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pods {
    by_pod: BTreeMap<String, Deviation>,
    /// Σ of squared deviations of single looks, in units of their variance by chance.
    square: f64,
    freedom: f64,
    /// Variance of `square` by chance.
    noise: f64,
}

/// The sum of a pod's deviations.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deviation {
    /// In units of the effect times the information.
    pub(crate) sum: f64,
    /// One over the variance of the effect by chance.
    pub(crate) information: f64,
    /// Variance by chance of the number that was counted: how many events all of this rests on.
    pub(crate) events: f64,
}

impl Deviation {
    fn effect(self) -> f64 {
        self.sum / self.information
    }

    fn square(self) -> f64 {
        self.sum * self.effect()
    }
}

impl Pods {
    /// Takes in the deviations of the stable pods in a look and stratum. Nothing is learnt from a pod that is alone.
    pub(crate) fn observe<'a>(&mut self, pods: impl IntoIterator<Item = (&'a str, Deviation)>) {
        let pods: Vec<_> = pods
            .into_iter()
            .filter(|(_, one)| one.information > 0.0 && one.events > 0.0)
            .collect();
        if pods.len() < 2 {
            return;
        }
        for (_, one) in &pods {
            self.square += one.square();
            self.noise += 2.0 + one.events.recip();
        }
        self.freedom += length(pods.len() - 1);
        for (pod, one) in pods {
            let sum = self.by_pod.entry(pod.to_owned()).or_default();
            sum.sum += one.sum;
            sum.information += one.information;
        }
    }

    /// By how much requests come in bursts: the variance of sums over what it would be for independent requests; 1 where it
    /// is not more, or not known to be.
    pub(crate) fn bursts(&self) -> f64 {
        let (square, freedom) = self.within();
        let beyond = square - freedom;
        let noise = self.noise * freedom / self.freedom;
        if freedom >= FEWEST_FREEDOM && beyond > BEYOND_CHANCE * noise.sqrt() {
            1.0 + HEAVY_TAILS * beyond / freedom
        } else {
            1.0
        }
    }

    /// Standard deviation of the lasting effects of pods, in units of the effect; 0 where it is not known to be more.
    pub(crate) fn spread(&self) -> f64 {
        if self.by_pod.len() < FEWEST_PODS {
            return 0.0;
        }
        let freedom = length(self.by_pod.len() - 1);
        let chance = if self.tells_apart() {
            self.bursts()
        } else {
            1.0
        };
        let beyond = self.between() - chance * freedom;
        if beyond <= BEYOND_CHANCE * chance * (2.0 * freedom).sqrt() {
            return 0.0;
        }
        let pods = || self.by_pod.values();
        let all: f64 = pods().map(|pod| pod.information).sum();
        let squares: f64 = pods().map(|pod| pod.information * pod.information).sum();
        (beyond / (all - squares / all)).max(0.0).sqrt()
    }

    /// Whether there were looks enough to tell bursts from lasting differences.
    fn tells_apart(&self) -> bool {
        self.freedom - length(self.by_pod.len().saturating_sub(1)) >= FEWEST_FREEDOM
    }

    /// Sum of squares between pods.
    fn between(&self) -> f64 {
        self.by_pod.values().map(|pod| pod.square()).sum()
    }

    /// Sum of squares within pods, from look to look, and its degrees of freedom; of all of them while nothing tells them apart.
    fn within(&self) -> (f64, f64) {
        if self.tells_apart() {
            let pods = length(self.by_pod.len().saturating_sub(1));
            (self.square - self.between(), self.freedom - pods)
        } else {
            (self.square, self.freedom)
        }
    }

    /// What so many canary pods may differ by from the stable version without being worse, in units of the effect.
    pub(crate) fn allowance(&self, canary_pods: usize) -> f64 {
        let each = length(canary_pods.max(1)).recip() + length(self.by_pod.len().max(1)).recip();
        ALLOWED * self.spread() * each.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

    /// Looks at nine pods, each with a chance deviation of variance 1 times `bursts` and a lasting effect.
    fn pods(looks: u32, bursts: f64, spread: f64) -> Pods {
        let mut random = fastrand::Rng::with_seed(7);
        let mut normal = move || {
            let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.f64()).cos()
        };
        let effects = NAMES.map(|_| spread * normal());
        let information = 10.0;
        let mut pods = Pods::default();
        for _ in 0..looks {
            let chance = effects.map(|effect| {
                effect.mul_add(information, (bursts * information).sqrt() * normal())
            });
            let mean = chance.iter().sum::<f64>() / 9.0;
            pods.observe(NAMES.into_iter().zip(chance).map(|(name, sum)| {
                let sum = sum - mean;
                (
                    name,
                    Deviation {
                        sum,
                        information,
                        events: information,
                    },
                )
            }));
        }
        pods
    }

    #[test]
    fn pods_that_are_alike_cost_nothing() {
        let alike = pods(60, 1.0, 0.0);
        assert!((alike.bursts() - 1.0).abs() < f64::EPSILON);
        assert!(alike.allowance(1).abs() < f64::EPSILON);
    }

    #[test]
    fn bursts_are_measured_and_not_taken_for_lasting_differences() {
        let bursty = pods(60, 3.0, 0.0);
        let expected = HEAVY_TAILS.mul_add(2.0, 1.0);
        assert!(
            (bursty.bursts() - expected).abs() < 0.5,
            "{}",
            bursty.bursts()
        );
        assert!(bursty.spread().abs() < f64::EPSILON, "{}", bursty.spread());
    }

    #[test]
    fn lasting_differences_are_measured_and_not_taken_for_bursts() {
        let different = pods(60, 1.0, 0.5);
        assert!(
            (different.spread() - 0.5).abs() < 0.2,
            "{}",
            different.spread()
        );
        assert!(different.bursts() < 1.6, "{}", different.bursts());
        assert!(different.allowance(1) > different.allowance(3));
    }

    #[test]
    fn one_pod_tells_nothing() {
        let mut alone = Pods::default();
        let loud = Deviation {
            sum: 1e6,
            information: 1.0,
            events: 1.0,
        };
        (0..100).for_each(|_| alone.observe([("only", loud)]));
        assert!((alone.bursts() - 1.0).abs() < f64::EPSILON && alone.spread().abs() < f64::EPSILON);
    }
}
