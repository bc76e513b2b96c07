//! The guards of a policy, each with what it has seen.

use std::collections::BTreeMap;

use crate::{
    errors::ErrorsState,
    latency::LatencyState,
    policy::{CustomKind, Policy, Test},
    signal::Signal,
    threshold::ThresholdState,
    verdict::{Decision, GuardReport},
    window::{CellKey, Counts},
    words,
};

/// Requests that each arm must have served beside the other for a pass at the horizon: with fewer, finding no harm says nothing.
const ENOUGH_REQUESTS: u64 = 50;

/// A guard between looks.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    Share(Box<ErrorsState>),
    Histogram(Box<LatencyState>),
    Threshold(Box<ThresholdState>),
}

impl Guard {
    /// The guards of a policy: errors, latency, then custom ones by name. The false-rollback rate is split by their weights.
    pub(crate) fn all(policy: &Policy) -> Vec<Self> {
        let looks = policy.looks() - policy.warm_up_looks();
        let alpha = |weight: f64| policy.false_rollback_rate * weight / policy.weights();
        let share = |signal, guard: &_, weight| {
            let state = ErrorsState::new(signal, guard, alpha(weight), looks);
            Self::Share(Box::new(state))
        };
        let histogram = |signal, guard: &_, weight| {
            Self::Histogram(Box::new(LatencyState::new(signal, guard, alpha(weight))))
        };
        let errors = policy
            .errors
            .iter()
            .map(|guard| share(Signal::Errors, guard, guard.weight));
        let latency = policy.latency.iter();
        let latency = latency.map(|guard| histogram(Signal::Latency, guard, guard.weight));
        let custom = policy.custom.iter().map(|guard| {
            let signal = Signal::Custom(guard.name.clone());
            match &guard.kind {
                CustomKind::Share(kind) => share(signal, kind, kind.weight),
                CustomKind::Histogram(kind) => histogram(signal, kind, kind.weight),
                CustomKind::Threshold(kind) => {
                    Self::Threshold(Box::new(ThresholdState::new(signal, kind.clone())))
                }
            }
        });
        errors.chain(latency).chain(custom).collect()
    }

    /// What the guard looks at, where that can be compared.
    pub(crate) fn signal(&self) -> Option<&Signal> {
        match self {
            Self::Share(guard) => Some(guard.signal()),
            Self::Histogram(guard) => Some(guard.signal()),
            Self::Threshold(_) => None,
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
        match self {
            Self::Share(guard) => guard.observe(cells, number, look, test),
            Self::Histogram(guard) => guard.observe(cells, look, test),
            Self::Threshold(guard) => guard.observe(cells, look),
        }
    }

    /// Decides at the horizon, for the test that looks once.
    pub(crate) fn observe_end(&mut self, look: u32) {
        match self {
            Self::Share(guard) => guard.observe_end(look),
            Self::Histogram(guard) => guard.observe_end(look),
            Self::Threshold(_) => {}
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        match self {
            Self::Share(guard) => guard.decision(),
            Self::Histogram(guard) => guard.decision(),
            Self::Threshold(guard) => guard.decision(),
        }
    }

    pub(crate) fn report(&self, looks: u32) -> GuardReport {
        match self {
            Self::Share(guard) => guard.report(looks),
            Self::Histogram(guard) => guard.report(looks),
            Self::Threshold(guard) => guard.report(),
        }
    }

    /// Why finding no harm does not mean that there is none.
    pub(crate) fn obstacle(&self, name: &str) -> Option<String> {
        if self.decision() == Decision::Refused {
            return Some("no harm can be found in these data".to_owned());
        }
        let [canary, stable] = match self {
            Self::Share(guard) => guard.compared(),
            Self::Histogram(guard) => guard.compared(),
            Self::Threshold(_) => return None,
        };
        let fewest = canary.min(stable);
        (fewest < ENOUGH_REQUESTS).then(|| {
            format!(
                "{name}: {} canary requests could be compared with {} of the stable version, too few to judge by: at least \
                 {ENOUGH_REQUESTS} of either are needed in the same looks; give it more traffic or a longer horizon",
                words::grouped(canary),
                words::grouped(stable)
            )
        })
    }
}
