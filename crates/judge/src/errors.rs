//! The guard of the error ratio.
//!
//! Harm is decided by the exact conditional test with a spending schedule; with an absolute margin by the tilt e-process,
//! which is exact for it. The e-process also gives the anytime p-value and the interval that are reported, and proves
//! safety. Null hypothesis: the canary's error ratio is at most `maxRatio` times the stable one plus `maxIncrease`.

use std::collections::BTreeMap;

use temper_stats::{
    conditional::Events,
    mixture::Anytime,
    numeric::count,
    spending::{Schedule, Spending},
    tilt::{BETTER, Interval, Margin, Tilt, WORSE, ratio_interval},
};

use crate::{
    policy::{ErrorGuard, Test},
    verdict::{Decision, GuardReport, Totals},
    window::{Arm, CellKey, Counts},
    words,
};

/// Level at which safety is proven, outside the false-rollback rate: a guard that says safe and is wrong lets a bad version
/// through early, which the horizon might have done as well.
pub(crate) const SAFETY_LEVEL: f64 = 0.05;

/// Level of the reported intervals.
pub(crate) const INTERVAL_LEVEL: f64 = 0.05;

/// State of the guard between looks.
#[derive(Debug, Clone)]
pub(crate) struct ErrorsState {
    guard: ErrorGuard,
    alpha: f64,
    schedule: Schedule,
    spending: Spending,
    harm: Tilt<'static>,
    harm_anytime: Anytime,
    safety: Tilt<'static>,
    safety_anytime: Anytime,
    history: Vec<Interval>,
    totals: [Totals; 2],
    harm_at: Option<u32>,
}

impl ErrorsState {
    /// `alpha` is this guard's part of the false-rollback rate; `looks` how often it is looked at.
    pub(crate) fn new(guard: &ErrorGuard, alpha: f64, looks: u32) -> Self {
        let margin = Margin {
            ratio: guard.max_ratio,
            increase: guard.max_increase,
        };
        // Safe within the ratio alone is safe within the ratio and the increase.
        let ratio = Margin {
            ratio: guard.max_ratio,
            increase: 0.0,
        };
        Self {
            guard: guard.clone(),
            alpha,
            schedule: Schedule::new(alpha, looks),
            spending: Spending::default(),
            harm: Tilt::new(margin, &WORSE),
            harm_anytime: Anytime::default(),
            safety: Tilt::new(ratio, &BETTER),
            safety_anytime: Anytime::default(),
            history: Vec::new(),
            totals: [Totals {
                requests: 0,
                errors: Some(0),
            }; 2],
            harm_at: None,
        }
    }

    /// Takes in a look. `number` counts from the end of the warm-up, from 1; `look` is its name.
    pub(crate) fn observe(
        &mut self,
        cells: &BTreeMap<CellKey, Counts>,
        number: u32,
        look: u32,
        test: Test,
    ) {
        let mut events = 0;
        for interval in intervals(cells).into_values() {
            self.count(&interval);
            if interval.canary_exposure > 0 && interval.stable_exposure > 0 {
                events += interval.canary + interval.stable;
                self.take(interval);
            }
        }
        self.harm_anytime.record(self.harm.ln_evidence());
        self.safety_anytime.record(self.safety.ln_evidence());
        let harmful = if self.guard.max_increase > 0.0 {
            self.harm_anytime.rejects(self.alpha)
        } else {
            // A look without events spends nothing: its part of the budget stays for later ones.
            test == Test::Sequential
                && events > 0
                && self.spending.decide(self.schedule.spent_by(number)).rejects
        };
        if test == Test::Sequential && harmful {
            self.harm_at = self.harm_at.or(Some(look));
        }
    }

    /// Decides at the horizon, for the test that looks once.
    pub(crate) fn observe_end(&mut self, look: u32) {
        let harmful = if self.guard.max_increase > 0.0 {
            self.harm_anytime.rejects(self.alpha)
        } else {
            self.spending.decide(self.alpha).rejects
        };
        if harmful {
            self.harm_at = Some(look);
        }
    }

    fn count(&mut self, interval: &Interval) {
        let [canary, stable] = &mut self.totals;
        canary.requests += interval.canary_exposure;
        canary.errors = canary.errors.map(|errors| errors + interval.canary);
        stable.requests += interval.stable_exposure;
        stable.errors = stable.errors.map(|errors| errors + interval.stable);
    }

    fn take(&mut self, interval: Interval) {
        if self.guard.max_increase <= 0.0 {
            let share = events(&interval).share(self.guard.max_ratio);
            self.spending
                .add(interval.canary, interval.canary + interval.stable, share);
        }
        self.harm.observe(&interval);
        self.safety.observe(&interval);
        self.history.push(interval);
    }

    pub(crate) fn decision(&self) -> Decision {
        if self.harm_at.is_some() {
            Decision::Harm
        } else if self.guard.max_ratio > 1.0 && self.safety_anytime.rejects(SAFETY_LEVEL) {
            Decision::Safe
        } else {
            Decision::Undecided
        }
    }

    pub(crate) fn report(&self, looks: u32) -> GuardReport {
        let effect = rate_ratio(&self.history);
        let interval = effect.and_then(|_| ratio_interval(&self.history, INTERVAL_LEVEL));
        let [canary, stable] = self.totals;
        GuardReport {
            guard: "errors".to_owned(),
            decision: self.decision(),
            look: self.harm_at,
            why: None,
            anytime_p: Some(self.harm_anytime.p()),
            effect,
            interval,
            canary,
            stable,
            needed: self.needed(),
            sentence: self.sentence(effect, interval, looks),
        }
    }

    fn sentence(&self, effect: Option<f64>, interval: Option<(f64, f64)>, looks: u32) -> String {
        let [canary, stable] = self.totals.map(|arm| {
            let errors = words::grouped(arm.errors.unwrap_or(0));
            format!("{errors} of {}", words::grouped(arm.requests))
        });
        let effect = effect.map_or_else(
            || "canary".to_owned(),
            |effect| format!("canary {},", words::effect(effect, interval)),
        );
        let odds = words::odds(self.harm_anytime.p());
        let looks = words::looks(looks);
        let limit = self.limit();
        format!(
            "errors: {effect} {canary} vs {stable} requests, evidence {odds} after {looks}; limit {limit}"
        )
    }

    fn limit(&self) -> String {
        let ratio = words::times(self.guard.max_ratio);
        if self.guard.max_increase > 0.0 {
            format!("{ratio} plus {}", words::share(self.guard.max_increase))
        } else {
            ratio
        }
    }

    /// Requests of the canary until the evidence for twice the tolerated error ratio is expected to suffice: `ln(1/α)` over
    /// the growth for a request. None where no stable error shows what to expect.
    fn needed(&self) -> Option<u64> {
        let [canary, stable] = self.totals;
        let (n_canary, n_stable) = (count(canary.requests), count(stable.requests));
        let errors = count(stable.errors.unwrap_or(0));
        if errors <= 0.0 || n_canary <= 0.0 {
            return None;
        }
        let null = self.guard.max_ratio * n_canary / n_stable;
        let fewer = (1.0 + null) / 2.0f64.mul_add(null, 1.0);
        let per_request = errors / n_stable;
        let harmed = 2.0 * self.guard.max_ratio * per_request * (2.0 * fewer).ln();
        let growth = (errors / n_canary).mul_add(fewer.ln(), harmed);
        let bets = count(u64::try_from(WORSE.len()).unwrap_or(1));
        let needed = (bets / self.alpha).ln() / growth;
        (growth > 0.0).then(|| temper_stats::numeric::floor_count(needed.ceil()))
    }
}

/// Requests and errors of both arms, a stratum each, summed over pods.
fn intervals(cells: &BTreeMap<CellKey, Counts>) -> BTreeMap<&str, Interval> {
    let mut strata = BTreeMap::new();
    for (key, counts) in cells {
        let sum = strata.entry(key.stratum.as_str()).or_insert(Interval {
            canary: 0,
            canary_exposure: 0,
            stable: 0,
            stable_exposure: 0,
        });
        // More errors than requests: the two counters were read at different moments. Such a request was seen to fail.
        let requests = counts.requests.max(counts.errors);
        match key.arm {
            Arm::Canary => {
                sum.canary += counts.errors;
                sum.canary_exposure += requests;
            }
            Arm::Stable => {
                sum.stable += counts.errors;
                sum.stable_exposure += requests;
            }
        }
    }
    strata
}

fn events(interval: &Interval) -> Events {
    Events {
        first: interval.canary,
        first_exposure: interval.canary_exposure,
        second: interval.stable,
        second_exposure: interval.stable_exposure,
    }
}

/// Ratio of the error ratios over all intervals, by Mantel and Haenszel: `Σ c·N_s/N / Σ s·N_c/N`. Compares only what was
/// served in the same interval, so that drift with changing weights does not look like an effect. None without stable errors.
fn rate_ratio(intervals: &[Interval]) -> Option<f64> {
    let weighted = |interval: &Interval, events: u64, exposure: u64| {
        let all = count(interval.canary_exposure) + count(interval.stable_exposure);
        count(events) * count(exposure) / all
    };
    let canary: f64 = intervals
        .iter()
        .map(|one| weighted(one, one.canary, one.stable_exposure))
        .sum();
    let stable: f64 = intervals
        .iter()
        .map(|one| weighted(one, one.stable, one.canary_exposure))
        .sum();
    (stable > 0.0).then(|| canary / stable)
}
