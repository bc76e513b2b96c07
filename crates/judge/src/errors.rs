//! The guard of a share of requests: of those that fail, or of what else a pair of counters counts.
//!
//! Harm is decided by the exact conditional test with a spending schedule; with an absolute margin by the tilt e-process,
//! which is exact for it. The e-process also gives the anytime p-value and the interval that are reported, and another one
//! proves safety. Null hypothesis: the canary's share is at most `maxRatio` times the stable one plus `maxIncrease`.
//!
//! Conditional on requests that are independent given their pod and interval. Where stable pods show that they are not, the
//! evidence is divided by how bursty events are, and the margin is raised by what pods differ by: see [`crate::pods`].

mod report;

use std::collections::{BTreeMap, BTreeSet};

use temper_stats::{
    conditional::Events,
    mixture::{Anytime, Mixture},
    numeric::{count, floor_count},
    spending::{Schedule, Spending},
    tilt::{Interval, Margin, WITHIN, WORSE, ratio_interval},
};

use crate::{
    budget::{Budget, Harm},
    pods::{Deviation, Pods},
    policy::{ErrorGuard, Test},
    signal::Signal,
    verdict::{Decision, Totals},
    window::{Arm, CellKey, Counts},
};

/// Level at which safety is proven, outside the false-rollback rate: a guard that says safe and is wrong lets a bad version
/// through early, which the horizon might have done as well.
pub(crate) const SAFETY_LEVEL: f64 = 0.05;

/// Level of the reported intervals.
pub(crate) const INTERVAL_LEVEL: f64 = 0.05;

/// Events of a look and stratum beyond which they are counted in larger units: the exact law of more costs time, and their
/// ratio is known to a per cent anyway.
const MOST_EVENTS: f64 = 10_000.0;

/// Share of its budget that the exact test spends. The rest is kept for what is not exact: events counted in larger units, bursts
/// that are estimated.
const SPENT: f64 = 0.92;

/// Traffic ratios that differ by less, relatively, are one in the reported interval.
const SAME_TRAFFIC: f64 = 1e-3;

const NO_TRAFFIC: Interval = Interval {
    canary: 0,
    canary_exposure: 0,
    stable: 0,
    stable_exposure: 0,
};

/// State of the guard between looks.
#[derive(Debug, Clone)]
pub(crate) struct ErrorsState {
    signal: Signal,
    guard: ErrorGuard,
    looks: u32,
    budget: Budget,
    together: Evidence,
    single: BTreeMap<String, Stratum>,
    within: Mixture,
    pods: Pods,
    canary_pods: BTreeMap<String, Totals>,
    summary: Summary,
    totals: [Totals; 2],
    harm: Option<Harm>,
}

/// A stratum by itself.
#[derive(Debug, Clone, Default)]
struct Stratum {
    evidence: Evidence,
    units: Units,
    totals: [Totals; 2],
}

/// Evidence for harm, of a stratum or of all of them.
#[derive(Debug, Clone)]
struct Evidence {
    spending: Spending,
    tilt: Mixture,
    anytime: Anytime,
    /// Events since the last decision.
    events: u64,
}

/// What a look is judged by, none of it from the canary's counts.
#[derive(Debug, Clone, Copy)]
struct Terms {
    margin: Margin,
    /// The margin for safety: smaller by what pods may differ by.
    safe_margin: Margin,
    bursts: f64,
}

/// What was left over when events were counted in larger units: rounded down for the canary and up for the stable version,
/// over all looks together.
#[derive(Debug, Clone, Copy, Default)]
struct Units {
    canary: f64,
    stable: f64,
}

/// What the reported effect and its interval are made from. Bounded in the number of looks.
#[derive(Debug, Clone, Default)]
struct Summary {
    /// Sums over intervals with the same traffic ratio, by its logarithm.
    by_traffic: BTreeMap<i64, Interval>,
    /// Mantel and Haenszel's sums.
    weighted: [f64; 2],
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            spending: Spending::default(),
            tilt: Mixture::new(WORSE.len()),
            anytime: Anytime::default(),
            events: 0,
        }
    }
}

impl ErrorsState {
    /// `alpha` is this guard's part of the false-rollback rate; `looks` how often it is looked at.
    pub(crate) fn new(signal: Signal, guard: &ErrorGuard, alpha: f64, looks: u32) -> Self {
        Self {
            signal,
            guard: guard.clone(),
            looks,
            budget: Budget::new(alpha),
            together: Evidence::default(),
            single: BTreeMap::new(),
            within: Mixture::new(WITHIN.len()),
            pods: Pods::default(),
            canary_pods: BTreeMap::new(),
            summary: Summary::default(),
            totals: [NONE; 2],
            harm: None,
        }
    }

    pub(crate) const fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Takes in a look. `number` counts from the end of the warm-up, from 1; `look` is its name.
    pub(crate) fn observe(
        &mut self,
        cells: &BTreeMap<CellKey, Counts>,
        number: u32,
        look: u32,
        test: Test,
    ) {
        let strata = intervals(cells, &self.signal);
        let compared = || strata.iter().filter(|(_, one)| is_compared(one));
        self.budget.meet(compared().map(|(stratum, _)| *stratum));
        self.learn(cells, &strata);
        let terms = self.terms(cells);
        for (stratum, interval) in &strata {
            add(&mut self.totals, interval);
            if is_compared(interval) {
                self.take(stratum, interval, &terms);
            }
        }
        self.together.end_look();
        self.single
            .values_mut()
            .for_each(|one| one.evidence.end_look());
        if test == Test::Sequential {
            self.decide(number, look);
        }
    }

    /// Decides at the horizon, for the test that looks once.
    pub(crate) fn observe_end(&mut self, look: u32) {
        self.decide(self.looks, look);
    }

    /// What the pods have shown. How stable events fall to the stable pods of this look is known already: given their number
    /// it says nothing of how many fell to the canary.
    fn terms(&self, cells: &BTreeMap<CellKey, Counts>) -> Terms {
        let canary_pods: BTreeSet<_> = cells
            .keys()
            .filter(|key| key.arm == Arm::Canary)
            .map(|key| &key.pod)
            .collect();
        let allowance = self.pods.allowance(canary_pods.len()).exp();
        let margin = |ratio| Margin {
            ratio,
            increase: self.guard.max_increase,
        };
        Terms {
            margin: margin(self.guard.max_ratio * allowance),
            safe_margin: margin(self.guard.max_ratio / allowance),
            bursts: self.pods.bursts(),
        }
    }

    fn take(&mut self, stratum: &str, interval: &Interval, terms: &Terms) {
        let single = self.single.entry(stratum.to_owned()).or_default();
        add(&mut single.totals, interval);
        let counted = single.units.count(interval, terms.bursts);
        self.together.take(interval, &counted, terms);
        if self.budget.single(stratum) > 0.0 {
            single.evidence.take(interval, &counted, terms);
        }
        let within = WITHIN.map(|x| interval.ln_factor_within(terms.safe_margin, x) / terms.bursts);
        self.within.multiply(within);
        self.summary.add(interval);
    }

    fn decide(&mut self, number: u32, look: u32) {
        if self.harm.is_some() {
            return;
        }
        let (absolute, looks) = (self.guard.max_increase > 0.0, self.looks);
        let (together, single) = (&mut self.together, &mut self.single);
        self.harm = self.budget.spend(look, |stratum, alpha| {
            let evidence = match stratum {
                None => Some(&mut *together),
                Some(name) => single.get_mut(name).map(|single| &mut single.evidence),
            };
            evidence.is_some_and(|evidence| evidence.decide(alpha, looks, number, absolute))
        });
    }

    /// Learns how pods differ.
    fn learn(&mut self, cells: &BTreeMap<CellKey, Counts>, strata: &BTreeMap<&str, Interval>) {
        let mut stable: BTreeMap<&str, Vec<(&str, u64, u64)>> = BTreeMap::new();
        for (key, counts) in cells {
            let Some((requests, events)) = self.signal.events(counts) else {
                continue;
            };
            match key.arm {
                Arm::Canary => {
                    let sum = self.canary_pods.entry(key.pod.clone()).or_insert(NONE);
                    sum.add(requests, events);
                }
                Arm::Stable => {
                    let pods = stable.entry(key.stratum.as_str()).or_default();
                    pods.push((key.pod.as_str(), requests, events));
                }
            }
        }
        for (stratum, pods) in stable {
            let Some(interval) = strata.get(stratum) else {
                continue;
            };
            let share = count(interval.stable) / count(interval.stable_exposure.max(1));
            self.pods
                .observe(pods.into_iter().map(|(pod, requests, events)| {
                    let expected = count(requests) * share;
                    let deviation = Deviation {
                        sum: count(events) - expected,
                        information: expected,
                        events: expected,
                    };
                    (pod, deviation)
                }));
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        if self.harm.is_some() {
            Decision::Harm
        } else if self.has_margin() && self.within.ln_evidence() >= -SAFETY_LEVEL.ln() {
            Decision::Safe
        } else {
            Decision::Undecided
        }
    }

    /// Without a margin no finite number of requests shows that a canary is no worse.
    fn has_margin(&self) -> bool {
        self.guard.max_ratio > 1.0 || self.guard.max_increase > 0.0
    }

    /// Requests of the canary and of the stable version that could be compared.
    pub(crate) fn compared(&self) -> [u64; 2] {
        self.summary.exposures()
    }
}

impl Evidence {
    fn take(&mut self, interval: &Interval, counted: &Interval, terms: &Terms) {
        let share = Events {
            first: counted.canary,
            first_exposure: counted.canary_exposure,
            second: counted.stable,
            second_exposure: counted.stable_exposure,
        }
        .share(terms.margin.ratio);
        if terms.margin.increase <= 0.0 {
            let all = counted.canary.saturating_add(counted.stable);
            self.spending.add(counted.canary, all, share);
            self.events = self.events.saturating_add(all);
        }
        // What is at most 1 in expectation stays so when a root is taken of it.
        self.tilt
            .multiply(WORSE.map(|a| interval.ln_factor(terms.margin, a) / terms.bursts));
    }

    fn end_look(&mut self) {
        self.anytime.record(self.tilt.ln_evidence());
    }

    fn decide(&mut self, alpha: f64, looks: u32, number: u32, absolute: bool) -> bool {
        // A look without events spends nothing: its part of the budget stays for later ones.
        let events = std::mem::take(&mut self.events);
        if absolute {
            self.anytime.rejects(alpha)
        } else {
            let allowed = Schedule::new(SPENT * alpha, looks).spent_by(number);
            events > 0 && self.spending.decide(allowed).rejects
        }
    }
}

impl Units {
    /// The interval with events counted in units of `bursts`, or of as many as keep their number small.
    fn count(&mut self, interval: &Interval, bursts: f64) -> Interval {
        let events = count(interval.canary) + count(interval.stable);
        let unit = bursts.max(events / MOST_EVENTS);
        if unit <= 1.0 {
            return *interval;
        }
        self.canary += count(interval.canary) / unit;
        self.stable += count(interval.stable) / unit;
        let canary = floor_count(self.canary);
        let stable = floor_count(self.stable.ceil());
        self.canary -= count(canary);
        self.stable -= count(stable);
        Interval {
            canary,
            stable,
            ..*interval
        }
    }
}

impl Summary {
    fn add(&mut self, interval: &Interval) {
        let (canary, stable) = (
            count(interval.canary_exposure),
            count(interval.stable_exposure),
        );
        let all = canary + stable;
        let [own, other] = &mut self.weighted;
        *own += count(interval.canary) * stable / all;
        *other += count(interval.stable) * canary / all;
        let bin = ((canary / stable).ln() / SAME_TRAFFIC).round();
        let sign = if bin < 0.0 { -1 } else { 1 };
        let bin = sign * i64::try_from(floor_count(bin.abs())).unwrap_or(i64::MAX);
        let sum = self.by_traffic.entry(bin).or_insert(NO_TRAFFIC);
        *sum = plus(sum, interval);
    }

    /// Ratio of the shares over all intervals, by Mantel and Haenszel: `Σ c·N_s/N / Σ s·N_c/N`. Compares only what was
    /// served in the same interval, so that drift with changing weights does not look like an effect. None without stable
    /// events.
    fn effect(&self) -> Option<f64> {
        let [canary, stable] = self.weighted;
        (stable > 0.0).then(|| canary / stable)
    }

    fn interval(&self) -> Option<(f64, f64)> {
        let intervals: Vec<_> = self.by_traffic.values().copied().collect();
        ratio_interval(&intervals, INTERVAL_LEVEL)
    }

    fn exposures(&self) -> [u64; 2] {
        let sum = self
            .by_traffic
            .values()
            .fold(NO_TRAFFIC, |sum, one| plus(&sum, one));
        [sum.canary_exposure, sum.stable_exposure]
    }
}

/// Totals before the first request.
const NONE: Totals = Totals {
    requests: 0,
    errors: Some(0),
};

impl Totals {
    const fn add(&mut self, requests: u64, events: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.errors = Some(self.events().saturating_add(events));
    }

    const fn events(&self) -> u64 {
        match self.errors {
            Some(events) => events,
            None => 0,
        }
    }
}

fn add([canary, stable]: &mut [Totals; 2], interval: &Interval) {
    canary.add(interval.canary_exposure, interval.canary);
    stable.add(interval.stable_exposure, interval.stable);
}

const fn plus(one: &Interval, other: &Interval) -> Interval {
    Interval {
        canary: one.canary.saturating_add(other.canary),
        canary_exposure: one.canary_exposure.saturating_add(other.canary_exposure),
        stable: one.stable.saturating_add(other.stable),
        stable_exposure: one.stable_exposure.saturating_add(other.stable_exposure),
    }
}

const fn is_compared(interval: &Interval) -> bool {
    interval.canary_exposure > 0 && interval.stable_exposure > 0
}

/// Requests and events of both arms, a stratum each, summed over pods.
fn intervals<'a>(
    cells: &'a BTreeMap<CellKey, Counts>,
    signal: &Signal,
) -> BTreeMap<&'a str, Interval> {
    let mut strata = BTreeMap::new();
    for (key, counts) in cells {
        let Some((requests, events)) = signal.events(counts) else {
            continue;
        };
        let sum = strata.entry(key.stratum.as_str()).or_insert(NO_TRAFFIC);
        let more = match key.arm {
            Arm::Canary => Interval {
                canary: events,
                canary_exposure: requests,
                ..NO_TRAFFIC
            },
            Arm::Stable => Interval {
                stable: events,
                stable_exposure: requests,
                ..NO_TRAFFIC
            },
        };
        *sum = plus(sum, &more);
    }
    strata
}
