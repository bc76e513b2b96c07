//! The guard of a query whose value must stay within limits.
//!
//! No statistics: a value is believed. So it is not part of the false-rollback rate, and by default it takes three looks
//! in a row to fail a version.

use std::collections::BTreeMap;

use crate::{
    policy::ThresholdGuard,
    signal::Signal,
    verdict::{Decision, GuardReport},
    window::{CellKey, Counts},
    words,
};

/// State of the guard between looks.
#[derive(Debug, Clone)]
pub(crate) struct ThresholdState {
    signal: Signal,
    guard: ThresholdGuard,
    last: Option<f64>,
    /// Looks in a row whose value was outside.
    outside: u32,
    unknown: u32,
    harm_at: Option<u32>,
}

impl ThresholdState {
    pub(crate) const fn new(signal: Signal, guard: ThresholdGuard) -> Self {
        Self {
            signal,
            guard,
            last: None,
            outside: 0,
            unknown: 0,
            harm_at: None,
        }
    }

    /// Takes in a look. One without a value, or with one that is no number, neither adds to the row nor ends it.
    pub(crate) fn observe(&mut self, cells: &BTreeMap<CellKey, Counts>, look: u32) {
        let mut values = cells
            .values()
            .filter_map(|counts| self.signal.value(counts));
        let Some(value) = values.next().filter(|value| !value.is_nan()) else {
            self.unknown = self.unknown.saturating_add(1);
            return;
        };
        self.last = Some(value);
        self.outside = if self.guard.allows(value) {
            0
        } else {
            self.outside + 1
        };
        if self.outside >= self.guard.consecutive {
            self.harm_at = self.harm_at.or(Some(look));
        }
    }

    pub(crate) fn decision(&self) -> Decision {
        if self.harm_at.is_some() {
            Decision::Harm
        } else if self.why().is_some() {
            Decision::Refused
        } else if self.last.is_some() && self.outside == 0 {
            Decision::Safe
        } else {
            Decision::Undecided
        }
    }

    fn why(&self) -> Option<String> {
        (self.last.is_none() && self.unknown > 0).then(|| {
            let looks = words::looks(self.unknown);
            format!("the query gave no value in {looks}; check it, and that its series are there")
        })
    }

    pub(crate) fn report(&self) -> GuardReport {
        GuardReport {
            guard: self.signal.name().to_owned(),
            decision: self.decision(),
            look: self.harm_at,
            why: self.why(),
            sentence: self.sentence(),
            ..GuardReport::default()
        }
    }

    fn sentence(&self) -> String {
        let name = self.signal.name();
        match (self.last, self.why()) {
            (_, Some(why)) => format!("{name}: {why}"),
            (None, None) => format!("{name}: no value yet"),
            (Some(value), None) => {
                let value = words::number(value);
                let limits = self.guard.limits();
                match self.outside {
                    0 => format!("{name}: {value}, within {limits}"),
                    outside => {
                        let looks = words::looks(outside);
                        format!("{name}: {value}, outside {limits} for {looks} in a row")
                    }
                }
            }
        }
    }
}

impl ThresholdGuard {
    fn allows(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn limits(&self) -> String {
        let number = |limit: Option<f64>| limit.map(words::number);
        match (number(self.min), number(self.max)) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("{min} or more"),
            (None, Some(max)) => format!("at most {max}"),
            (None, None) => "any value".to_owned(),
        }
    }
}
