//! The guard of how long requests take, or of another histogram.
//!
//! Harm is decided by the score-tilt e-process, a sequential Mann-Whitney test that also bets on the tails; with `test: fixed`
//! by the stratified Mann-Whitney test beside it. Null hypothesis: the canary's requests, made faster by the tolerated slowdown, tend to
//! take no longer than the stable ones, except for the tolerated share of them. The ratio that is reported is that of
//! Hodges and Lehmann over pairs of requests from one look, at the resolution of the buckets.
//!
//! Conditional on requests that are independent given their pod and interval. Where stable pods show that they are not, the
//! evidence is divided by how bursty slow requests are, and each score has a margin for what pods differ by: see
//! [`crate::pods`].

mod report;

use std::collections::BTreeMap;

use temper_stats::{
    mixture::{Anytime, Mixture},
    numeric::count,
    rank::{Alternative, MOST_VALUES, MannWhitney, Stratified},
    score::{BETS, Past, SAFETY_BETS, SCORES, Scores, Stratum, ln_safety_factors},
};

use crate::{
    budget::{Budget, Harm},
    errors::SAFETY_LEVEL,
    layout::{Arms, Layout, Strata, moved, sum},
    pods::{Deviation, Pods},
    policy::{LatencyGuard, Test},
    ratio::LatencyRatio,
    signal::Signal,
    verdict::{Decision, Totals},
    window::{Arm, CellKey, Counts, Latency},
    words,
};

/// Share of all requests in one bucket beyond which a histogram shows no difference that matters.
const DEGENERATE: f64 = 0.95;

/// Share of the budget of one look for the Mann-Whitney test. The rest is for the scores, since ranks are blind to tails.
const RANKS: f64 = 0.75;

/// State of the guard between looks.
#[derive(Debug, Clone)]
pub(crate) struct LatencyState {
    signal: Signal,
    guard: LatencyGuard,
    budget: Budget,
    layout: Option<Layout>,
    /// Where the canary's buckets go when it is made faster by the tolerated slowdown.
    faster: Vec<usize>,
    together: Evidence,
    single: BTreeMap<String, Single>,
    /// Evidence per bucket's bound that the canary stays within the tolerated exceedance.
    within: Vec<Mixture>,
    /// How stable pods differ, by score.
    pods: [Pods; SCORES],
    canary_pods: BTreeMap<String, Vec<u64>>,
    sums: Arms,
    /// Requests that could be compared.
    compared: [u64; 2],
    /// Requests in cells without a histogram.
    unmeasured: u64,
    /// What they say of the ratio of latencies; nothing before the first.
    ratio: Option<LatencyRatio>,
    harm: Option<Harm>,
    refused: Option<String>,
}

/// A stratum by itself.
#[derive(Debug, Clone, Default)]
struct Single {
    /// What was seen before the current look, the canary made faster by the tolerated slowdown.
    past: Past,
    evidence: Evidence,
    totals: [u64; 2],
}

/// What a look is judged by, none of it from the canary's counts.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// Tolerated difference of the means, by score.
    margins: [f64; SCORES],
    /// The margin for safety: smaller by what pods may differ by.
    safe_margin: f64,
    bursts: f64,
}

/// Evidence for harm, of a stratum or of all of them.
#[derive(Debug, Clone)]
struct Evidence {
    scores: Mixture,
    anytime: Anytime,
    fixed: Stratified,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            scores: Mixture::new(BETS),
            anytime: Anytime::default(),
            fixed: Stratified::default(),
        }
    }
}

impl LatencyState {
    /// `alpha` is this guard's part of the false-rollback rate.
    pub(crate) fn new(signal: Signal, guard: &LatencyGuard, alpha: f64) -> Self {
        Self {
            signal,
            guard: guard.clone(),
            budget: Budget::new(alpha),
            layout: None,
            faster: Vec::new(),
            together: Evidence::default(),
            single: BTreeMap::new(),
            within: Vec::new(),
            pods: Default::default(),
            canary_pods: BTreeMap::new(),
            sums: Arms::default(),
            compared: [0; 2],
            unmeasured: 0,
            ratio: None,
            harm: None,
            refused: None,
        }
    }

    pub(crate) const fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Takes in a look.
    pub(crate) fn observe(&mut self, cells: &BTreeMap<CellKey, Counts>, look: u32, test: Test) {
        let unmeasured = cells
            .values()
            .filter(|one| self.signal.histogram(one).is_none());
        let unmeasured = unmeasured.fold(0, |sum: u64, one| sum.saturating_add(one.requests));
        self.unmeasured = self.unmeasured.saturating_add(unmeasured);
        let Some(layout) = self.meet(cells) else {
            return;
        };
        let strata = strata(cells, &self.signal, &layout);
        if strata
            .values()
            .any(|arms| u128::from(sum(arms.iter().flatten())) > MOST_VALUES)
        {
            self.refused.get_or_insert_with(|| self.guard.too_many());
            return;
        }
        let compared = || strata.iter().filter(|(_, arms)| is_compared(arms));
        self.budget
            .meet(compared().map(|(stratum, _)| stratum.as_str()));
        self.learn_pods(cells, &layout, &strata);
        let terms = self.terms();
        self.prove_safety(&strata, &terms);
        for (stratum, arms) in &strata {
            self.take(stratum, arms, &layout, &terms);
        }
        self.end_look(look, test);
    }

    /// What the pods have shown. How the stable requests of this look fall to the stable pods is known already: given the stable
    /// version's counts it says nothing of the canary's.
    fn terms(&self) -> Terms {
        let exceedance = self.guard.max_exceedance.unwrap_or(0.0);
        let canary_pods = self.canary_pods.len();
        let allowances = self.pods.each_ref().map(|pods| pods.allowance(canary_pods));
        Terms {
            margins: allowances.map(|allowance| exceedance + allowance),
            // Pods may differ in the canary's favour, too.
            safe_margin: exceedance - pods_allowance(&self.pods, canary_pods),
            bursts: bursts(&self.pods),
        }
    }

    fn take(&mut self, stratum: &str, arms: &Arms, layout: &Layout, terms: &Terms) {
        let [canary, stable] = arms;
        let faster = moved(canary, &self.faster);
        let single = self.single.entry(stratum.to_owned()).or_default();
        if let Some(scores) = single.past.scores(layout.buckets()) {
            let factors = scores.ln_factors(&faster, stable, terms.margins);
            // What is at most 1 in expectation stays so when a root is taken of it.
            let factors = factors.map(|ln| ln / terms.bursts);
            self.together.scores.multiply(factors);
            single.evidence.scores.multiply(factors);
        }
        if let Some(test) = MannWhitney::from_counts(&faster, stable) {
            let margin = self.guard.max_exceedance.unwrap_or(0.0);
            self.together.fixed.add_with_margin(&test, margin);
            single.evidence.fixed.add_with_margin(&test, margin);
        }
        single.past.absorb(&faster);
        single.past.absorb(stable);
        self.summarise(stratum, arms, layout);
    }

    fn summarise(&mut self, stratum: &str, arms: &Arms, layout: &Layout) {
        add(&mut self.sums, arms);
        if is_compared(arms) {
            let single = self.single.entry(stratum.to_owned()).or_default();
            for totals in [&mut self.compared, &mut single.totals] {
                for (total, counts) in totals.iter_mut().zip(arms) {
                    *total = total.saturating_add(sum(counts));
                }
            }
        }
        let ratio = self
            .ratio
            .get_or_insert_with(|| LatencyRatio::new(layout.clone()));
        ratio.add(arms);
    }

    /// One bet for all strata alike, on every bound: what is proven is that the canary's traffic as it is stays within the margin.
    fn prove_safety(&mut self, strata: &Strata, terms: &Terms) {
        if terms.safe_margin <= 0.0 {
            return;
        }
        let nothing = Past::default();
        let known: Vec<_> = strata
            .iter()
            .map(|(name, [canary, stable])| Stratum {
                past: self
                    .single
                    .get(name)
                    .map_or(&nothing, |single| &single.past),
                canary,
                stable,
            })
            .collect();
        let factors = ln_safety_factors(&known, terms.safe_margin);
        for (mixture, factors) in self.within.iter_mut().zip(factors) {
            mixture.multiply(factors.map(|factor| factor / terms.bursts));
        }
    }

    /// Learns how pods differ, by the scores that this look is judged by.
    fn learn_pods(&mut self, cells: &BTreeMap<CellKey, Counts>, layout: &Layout, strata: &Strata) {
        let mut stable: BTreeMap<&str, Vec<(&str, Vec<u64>)>> = BTreeMap::new();
        for (key, counts) in cells {
            let Some(latency) = self.signal.histogram(counts) else {
                continue;
            };
            let counts = layout.count(latency);
            match key.arm {
                Arm::Canary => {
                    let sums = self.canary_pods.entry(key.pod.clone()).or_default();
                    add_counts(sums, &counts);
                }
                Arm::Stable => {
                    let pods = stable.entry(key.stratum.as_str()).or_default();
                    pods.push((key.pod.as_str(), counts));
                }
            }
        }
        for (stratum, pods) in stable.into_iter().filter(|(_, pods)| pods.len() > 1) {
            let past = self.single.get(stratum).map(|single| &single.past);
            let scores = past.and_then(|past| past.scores(layout.buckets()));
            if let (Some(scores), Some([_, all])) = (scores, strata.get(stratum)) {
                learn(&mut self.pods, &scores, &pods, all);
            }
        }
    }

    fn end_look(&mut self, look: u32, test: Test) {
        self.together.end_look();
        self.single
            .values_mut()
            .for_each(|single| single.evidence.end_look());
        if test == Test::Sequential {
            self.decide(look, |evidence, alpha| evidence.anytime.rejects(alpha));
        }
    }

    /// Decides at the horizon, for the test that looks once.
    pub(crate) fn observe_end(&mut self, look: u32) {
        self.decide(look, |evidence, alpha| {
            evidence.fixed.tail(Alternative::Greater).p <= RANKS * alpha
                || evidence.anytime.rejects((1.0 - RANKS) * alpha)
        });
    }

    fn decide(&mut self, look: u32, rejects: impl Fn(&Evidence, f64) -> bool) {
        if self.harm.is_some() {
            return;
        }
        self.harm = self.budget.spend(look, |stratum, alpha| {
            let evidence = match stratum {
                None => Some(&self.together),
                Some(name) => self.single.get(name).map(|single| &single.evidence),
            };
            evidence.is_some_and(|evidence| rejects(evidence, alpha))
        });
    }

    /// Finds the layout in which this look and all before it can be counted.
    fn meet(&mut self, cells: &BTreeMap<CellKey, Counts>) -> Option<Layout> {
        let mut common = self.layout.clone();
        for latency in cells
            .values()
            .filter_map(|counts| self.signal.histogram(counts))
        {
            let own = Layout::of(latency);
            let met = match &common {
                Some(layout) => layout.common(&own),
                None => Some(own),
            };
            if met.is_none() {
                self.refused.get_or_insert_with(|| self.guard.mixed());
                return None;
            }
            common = met;
        }
        let common = common?;
        if self.layout.as_ref() != Some(&common) {
            self.coarsen(&common);
            self.faster = common.faster(self.guard.max_slowdown.unwrap_or(0.0));
            self.layout = Some(common.clone());
        }
        Some(common)
    }

    /// Brings what was seen so far into another layout, coarser than any before. Wealth won with the finer one is kept: it was won fairly.
    fn coarsen(&mut self, common: &Layout) {
        // Which bound a mixture was for is lost: safety starts again.
        self.within = vec![Mixture::new(SAFETY_BETS); common.buckets().saturating_sub(1)];
        let Some(layout) = &self.layout else {
            return;
        };
        for counts in self.sums.iter_mut().chain(self.canary_pods.values_mut()) {
            *counts = layout.coarsen(counts, common);
        }
        self.ratio = self.ratio.as_ref().map(|ratio| ratio.coarsened(common));
        for single in self.single.values_mut() {
            single.past = single
                .past
                .coarsened(|counts| layout.coarsen(counts, common));
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        let safe = |bound: &Mixture| bound.ln_evidence() >= -SAFETY_LEVEL.ln();
        if self.harm.is_some() {
            Decision::Harm
        } else if self.why().is_some() {
            Decision::Refused
        } else if !self.within.is_empty() && self.within.iter().all(safe) {
            Decision::Safe
        } else {
            Decision::Undecided
        }
    }

    /// Why nothing can be found in these histograms, and what to do.
    fn why(&self) -> Option<String> {
        if self.refused.is_some() {
            return self.refused.clone();
        }
        let Some(layout) = &self.layout else {
            return (self.unmeasured > 0).then(|| self.guard.absent(self.unmeasured));
        };
        let all = self
            .sums
            .iter()
            .flatten()
            .fold(0.0, |all, n| all + count(*n));
        let both = |bucket: usize| -> f64 {
            self.sums
                .iter()
                .filter_map(|arm| arm.get(bucket))
                .map(|n| count(*n))
                .sum()
        };
        let fullest = (0..layout.buckets()).max_by(|a, b| both(*a).total_cmp(&both(*b)))?;
        let share = both(fullest) / all;
        (share > DEGENERATE).then(|| too_coarse(layout, fullest, share))
    }

    fn totals(&self) -> [Totals; 2] {
        self.sums.each_ref().map(|counts| Totals {
            requests: sum(counts),
            errors: None,
        })
    }

    /// Requests of the canary and of the stable version that could be compared.
    pub(crate) const fn compared(&self) -> [u64; 2] {
        self.compared
    }
}

impl Evidence {
    fn end_look(&mut self) {
        self.anytime.record(self.scores.ln_evidence());
    }
}

impl LatencyGuard {
    fn mixed(&self) -> String {
        format!(
            "the pods' histograms {} have no bucket bound in common, or some are native and some classic; give both \
             versions the same buckets",
            self.histogram
        )
    }

    fn too_many(&self) -> String {
        format!(
            "the histograms {} have more than {MOST_VALUES} requests in a look, which no service has; check what is counted",
            self.histogram
        )
    }

    fn absent(&self, requests: u64) -> String {
        format!(
            "{} requests and not one in a histogram {}; check its name, and that the pods expose it",
            words::grouped(requests),
            self.histogram
        )
    }
}

/// Deviations of the pods' mean scores from the mean of all.
fn learn(pods: &mut [Pods; SCORES], scores: &Scores, counts: &[(&str, Vec<u64>)], all: &[u64]) {
    for (pods, score) in pods.iter_mut().zip(scores.each()) {
        pods.observe(counts.iter().filter_map(|(pod, counts)| {
            let (effect, variance) = score.difference(counts, all)?;
            let requests = count(sum(counts));
            let information = requests / variance;
            let deviation = Deviation {
                sum: effect * information,
                information,
                events: requests * variance,
            };
            Some((*pod, deviation))
        }));
    }
}

/// The burstiest of the scores: a pause hits the tail, and hardly the ranks.
fn bursts(pods: &[Pods; SCORES]) -> f64 {
    pods.iter().map(Pods::bursts).fold(1.0, f64::max)
}

fn pods_allowance(pods: &[Pods; SCORES], canary_pods: usize) -> f64 {
    pods.iter()
        .map(|one| one.allowance(canary_pods))
        .fold(0.0, f64::max)
}

fn is_compared(arms: &Arms) -> bool {
    arms.iter()
        .all(|counts| counts.iter().any(|count| *count > 0))
}

fn add(sums: &mut Arms, more: &Arms) {
    for (sums, more) in sums.iter_mut().zip(more) {
        add_counts(sums, more);
    }
}

pub(crate) fn add_counts(sums: &mut Vec<u64>, more: &[u64]) {
    sums.resize(more.len(), 0);
    for (sum, count) in sums.iter_mut().zip(more) {
        *sum = sum.saturating_add(*count);
    }
}

fn too_coarse(layout: &Layout, bucket: usize, share: f64) -> String {
    let upper = layout.upper(bucket);
    let lower = bucket
        .checked_sub(1)
        .map_or(0.0, |below| layout.upper(below));
    let (le, range) = if upper.is_infinite() {
        (
            (2.0 * lower, 5.0 * lower),
            format!("above {}", words::seconds(lower)),
        )
    } else {
        let low = if lower > 0.0 { lower } else { upper / 10.0 };
        let third = (upper / low).cbrt();
        let range = format!(
            "from {} to {}",
            words::seconds(lower),
            words::seconds(upper)
        );
        ((low * third, low * third * third), range)
    };
    let (one, other) = le;
    format!(
        "{} of all requests are in the bucket {range}, which hides any difference; add buckets such as le {} and {}",
        words::share(share),
        rounded(one),
        rounded(other),
    )
}

/// Two significant digits.
fn rounded(bound: f64) -> f64 {
    format!("{bound:.1e}").parse().unwrap_or(bound)
}

/// Counts per stratum and arm in the common layout, summed over pods.
fn strata(cells: &BTreeMap<CellKey, Counts>, signal: &Signal, layout: &Layout) -> Strata {
    let mut strata = Strata::new();
    for (key, counts) in cells {
        let Some(latency) = signal.histogram(counts) else {
            continue;
        };
        let empty = || [vec![0; layout.buckets()], vec![0; layout.buckets()]];
        let [canary, stable] = strata.entry(key.stratum.clone()).or_insert_with(empty);
        let sums = match key.arm {
            Arm::Canary => canary,
            Arm::Stable => stable,
        };
        add_counts(sums, &layout.count(latency));
    }
    strata
}

/// Number of requests in a histogram.
pub(crate) fn requests(latency: &Latency) -> u64 {
    match latency {
        Latency::Classic { counts, .. } => sum(counts),
        Latency::Native { zero, buckets, .. } => sum(buckets.values().chain([zero])),
    }
}
