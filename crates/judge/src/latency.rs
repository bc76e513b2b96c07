//! The guard of latency.
//!
//! Harm is decided by the score-tilt e-process, a sequential Mann-Whitney test that also bets on the tails; with `test: fixed`
//! by the stratified Mann-Whitney test. Null hypothesis: the canary's requests, made faster by the tolerated slowdown, tend to
//! take no longer than the stable ones, except for the tolerated share of them. The ratio that is reported is that of
//! Hodges and Lehmann over pairs of requests from one look, at the resolution of the buckets.

use std::collections::BTreeMap;

use temper_stats::{
    mixture::{Anytime, Mixture},
    numeric::count,
    rank::{Alternative, MannWhitney, Stratified},
    score::{BETS, Past},
    tilt::{Interval, ratio_interval},
};

use crate::{
    errors::{INTERVAL_LEVEL, SAFETY_LEVEL},
    layout::{Arms, Layout, Strata, shifted},
    policy::{LatencyGuard, Test},
    ratio::LatencyRatio,
    verdict::{Decision, GuardReport, Totals},
    window::{Arm, CellKey, Counts, Latency},
    words,
};

/// Share of all requests in one bucket beyond which a histogram shows no difference that matters.
const DEGENERATE: f64 = 0.95;

/// State of the guard between looks.
#[derive(Debug, Clone)]
pub(crate) struct LatencyState {
    guard: LatencyGuard,
    alpha: f64,
    layout: Option<Layout>,
    /// What was seen before the current look, per stratum, the canary made faster by the tolerated slowdown.
    past: BTreeMap<String, Past>,
    harm: Mixture,
    anytime: Anytime,
    /// Evidence per bucket's bound that the canary stays within the tolerated exceedance.
    safety: Vec<Mixture>,
    safety_anytime: Vec<Anytime>,
    /// Counts per look and stratum: what the report is made from.
    history: Vec<Arms>,
    /// Counts over all looks.
    sums: Arms,
    /// What they say of the ratio of latencies; nothing before the first.
    ratio: Option<LatencyRatio>,
    harm_at: Option<u32>,
    refused: Option<String>,
}

impl LatencyState {
    /// `alpha` is this guard's part of the false-rollback rate.
    pub(crate) fn new(guard: &LatencyGuard, alpha: f64) -> Self {
        Self {
            guard: guard.clone(),
            alpha,
            layout: None,
            past: BTreeMap::new(),
            harm: Mixture::new(BETS),
            anytime: Anytime::default(),
            safety: Vec::new(),
            safety_anytime: Vec::new(),
            history: Vec::new(),
            sums: Arms::default(),
            ratio: None,
            harm_at: None,
            refused: None,
        }
    }

    /// Takes in a look.
    pub(crate) fn observe(&mut self, cells: &BTreeMap<CellKey, Counts>, look: u32, test: Test) {
        let Some(layout) = self.meet(cells) else {
            return;
        };
        let margin = self.guard.max_exceedance.unwrap_or(0.0);
        let shift = layout.shift(self.guard.max_slowdown.unwrap_or(0.0));
        let mut factors = [0.0; BETS];
        for (stratum, [canary, stable]) in strata(cells, &layout) {
            let faster = shifted(&canary, shift);
            let past = self.past.entry(stratum).or_default();
            for (sum, factor) in factors
                .iter_mut()
                .zip(past.ln_factors(&faster, &stable, margin))
            {
                *sum += factor;
            }
            if margin > 0.0 {
                for (bound, mixture) in self.safety.iter_mut().enumerate() {
                    mixture.multiply(past.ln_safety_factors(&canary, &stable, bound, margin));
                }
            }
            past.absorb(&faster);
            past.absorb(&stable);
            let arms = [canary, stable];
            add(&mut self.sums, &arms);
            let ratio = self
                .ratio
                .get_or_insert_with(|| LatencyRatio::new(layout.clone()));
            ratio.add(&arms);
            self.history.push(arms);
        }
        self.harm.multiply(factors);
        self.anytime.record(self.harm.ln_evidence());
        for (anytime, mixture) in self.safety_anytime.iter_mut().zip(&self.safety) {
            anytime.record(mixture.ln_evidence());
        }
        if test == Test::Sequential && self.anytime.rejects(self.alpha) {
            self.harm_at = self.harm_at.or(Some(look));
        }
    }

    /// Decides at the horizon, for the test that looks once.
    pub(crate) fn observe_end(&mut self, look: u32) {
        let Some(layout) = &self.layout else { return };
        let shift = layout.shift(self.guard.max_slowdown.unwrap_or(0.0));
        let mut test = Stratified::default();
        for [canary, stable] in &self.history {
            if let Some(stratum) = MannWhitney::from_counts(&shifted(canary, shift), stable) {
                test.add(&stratum);
            }
        }
        if test.tail(Alternative::Greater).p <= self.alpha {
            self.harm_at = Some(look);
        }
    }

    /// Finds the layout in which this look and all before it can be counted.
    fn meet(&mut self, cells: &BTreeMap<CellKey, Counts>) -> Option<Layout> {
        let mut common = self.layout.clone();
        for latency in cells.values().filter_map(|counts| counts.latency.as_ref()) {
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
        self.coarsen(&common);
        self.layout = Some(common.clone());
        Some(common)
    }

    /// Brings what was seen so far into a coarser layout. Wealth won with the finer one is kept: it was won fairly.
    fn coarsen(&mut self, common: &Layout) {
        let Some(layout) = self.layout.as_ref().filter(|layout| *layout != common) else {
            if self.layout.is_none() && self.guard.max_exceedance.is_some() {
                self.safety = vec![Mixture::new(6); common.buckets() - 1];
                self.safety_anytime = vec![Anytime::default(); common.buckets() - 1];
            }
            return;
        };
        for arms in self.history.iter_mut().chain([&mut self.sums]) {
            for counts in arms {
                *counts = layout.coarsen(counts, common);
            }
        }
        let mut ratio = LatencyRatio::new(common.clone());
        self.history.iter().for_each(|arms| ratio.add(arms));
        self.ratio = Some(ratio);
        for past in self.past.values_mut() {
            *past = past.coarsened(|counts| layout.coarsen(counts, common));
        }
        // Which bound a mixture was for is lost: safety starts again.
        self.safety = vec![Mixture::new(6); self.safety.len().min(common.buckets() - 1)];
        self.safety_anytime = vec![Anytime::default(); self.safety.len()];
    }

    pub(crate) fn decision(&self) -> Decision {
        if self.harm_at.is_some() {
            Decision::Harm
        } else if self.why().is_some() {
            Decision::Refused
        } else if !self.safety_anytime.is_empty()
            && self
                .safety_anytime
                .iter()
                .all(|bound| bound.rejects(SAFETY_LEVEL))
        {
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
        let layout = self.layout.as_ref()?;
        let sums = &self.sums;
        let all: u64 = sums.iter().flatten().sum();
        let both = |bucket: usize| -> u64 { sums.iter().filter_map(|arm| arm.get(bucket)).sum() };
        let fullest = (0..layout.buckets()).max_by_key(|bucket| both(*bucket))?;
        let share = count(both(fullest)) / count(all);
        (share > DEGENERATE).then(|| too_coarse(layout, fullest, share))
    }

    fn totals(&self) -> [Totals; 2] {
        self.sums.clone().map(|counts| Totals {
            requests: counts.iter().sum(),
            errors: None,
        })
    }

    pub(crate) fn report(&self, looks: u32) -> GuardReport {
        let (effect, interval) = self.ratio.as_ref().and_then(LatencyRatio::estimate).unzip();
        let [canary, stable] = self.totals();
        GuardReport {
            guard: "latency".to_owned(),
            decision: self.decision(),
            look: self.harm_at,
            why: self.why(),
            anytime_p: Some(self.anytime.p()),
            effect,
            interval,
            canary,
            stable,
            needed: None,
            sentence: self.sentence(effect, interval, looks),
        }
    }

    fn sentence(&self, effect: Option<f64>, interval: Option<(f64, f64)>, looks: u32) -> String {
        if self.harm_at.is_none()
            && let Some(why) = self.why()
        {
            return format!("latency: {why}");
        }
        let Some(effect) = effect else {
            return "latency: no requests in both arms yet".to_owned();
        };
        let [canary, stable] = self.totals().map(|arm| words::grouped(arm.requests));
        let mut sentence = format!(
            "latency: canary {}, {canary} vs {stable} requests, evidence {} after {}; {}",
            words::effect(effect, interval),
            words::odds(self.anytime.p()),
            words::looks(looks),
            self.limit()
        );
        if self.harm_at.is_some()
            && let Some(tail) = self.tail()
        {
            sentence = format!("{sentence}; {tail}");
        }
        sentence
    }

    /// What the canary does above the bound where it differs most, for a slowdown that is not one of the median.
    fn tail(&self) -> Option<String> {
        let layout = self.layout.as_ref()?;
        let sums = &self.sums;
        let above = |bucket: usize| {
            let over = |counts: &Vec<u64>| counts.iter().skip(bucket + 1).sum::<u64>();
            sums.each_ref().map(over)
        };
        let [n_canary, n_stable] = sums.each_ref().map(|counts| total(counts));
        let difference = |bucket: &usize| {
            let [canary, stable] = above(*bucket).map(count);
            canary / n_canary - stable / n_stable
        };
        let bucket = (0..layout.buckets().saturating_sub(1))
            .max_by(|a, b| difference(a).total_cmp(&difference(b)))?;
        let [canary, stable] = above(bucket);
        let intervals: Vec<_> = self
            .history
            .iter()
            .map(|arms| exceedance(arms, bucket))
            .collect();
        let interval = ratio_interval(&intervals, INTERVAL_LEVEL)
            .map_or_else(String::new, |interval| {
                format!(" ({})", words::range(interval))
            });
        Some(format!(
            "above {}: {} of canary requests, {} of stable{interval}",
            words::seconds(layout.upper(bucket)),
            words::share(count(canary) / n_canary),
            words::share(count(stable) / n_stable),
        ))
    }

    fn limit(&self) -> String {
        let layout = self.layout.as_ref();
        let slowdown = self
            .guard
            .max_slowdown
            .filter(|slowdown| *slowdown > 0.0)
            .map(|slowdown| {
                let shift = layout.map_or(0, |layout| layout.shift(slowdown));
                match layout.and_then(|layout| layout.factor(shift)) {
                    Some(factor) => format!("slowdown up to {} tolerated", words::times(factor)),
                    None => "slowdown by one bucket tolerated, classic buckets can't tell less"
                        .to_owned(),
                }
            });
        let exceedance = self
            .guard
            .max_exceedance
            .filter(|share| *share > 0.0)
            .map(|share| {
                format!(
                    "up to {} more requests above any bound tolerated",
                    words::share(share)
                )
            });
        match (slowdown, exceedance) {
            (None, None) => "no slowdown tolerated".to_owned(),
            (Some(one), None) | (None, Some(one)) => one,
            (Some(one), Some(other)) => format!("{one}, {other}"),
        }
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
}

fn add(sums: &mut Arms, more: &Arms) {
    for (sums, more) in sums.iter_mut().zip(more) {
        sums.resize(more.len(), 0);
        for (sum, count) in sums.iter_mut().zip(more) {
            *sum = sum.saturating_add(*count);
        }
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
fn strata(cells: &BTreeMap<CellKey, Counts>, layout: &Layout) -> Strata {
    let mut strata = Strata::new();
    for (key, counts) in cells {
        let Some(latency) = &counts.latency else {
            continue;
        };
        let empty = || [vec![0; layout.buckets()], vec![0; layout.buckets()]];
        let [canary, stable] = strata.entry(key.stratum.clone()).or_insert_with(empty);
        let sums = match key.arm {
            Arm::Canary => canary,
            Arm::Stable => stable,
        };
        for (sum, count) in sums.iter_mut().zip(layout.count(latency)) {
            *sum = sum.saturating_add(count);
        }
    }
    strata
}

/// Number of requests in a histogram.
pub(crate) fn requests(latency: &Latency) -> u64 {
    match latency {
        Latency::Classic { counts, .. } => counts.iter().sum(),
        Latency::Native { zero, buckets, .. } => zero + buckets.values().sum::<u64>(),
    }
}

fn exceedance([canary, stable]: &Arms, bucket: usize) -> Interval {
    let above = |counts: &[u64]| counts.iter().skip(bucket + 1).sum();
    Interval {
        canary: above(canary),
        canary_exposure: canary.iter().sum(),
        stable: above(stable),
        stable_exposure: stable.iter().sum(),
    }
}

fn total(counts: &[u64]) -> f64 {
    count(counts.iter().sum())
}
