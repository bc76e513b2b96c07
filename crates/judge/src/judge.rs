//! From windows to a verdict.

use std::collections::BTreeMap;

use crate::{
    compat::{self, Kayenta, Points},
    guard::Guard,
    latency,
    policy::{AtHorizon, Compat, Policy, Test},
    verdict::{Decision, GuardReport, State, Verdict},
    window::{Arm, CellKey, Counts, Window},
    words,
};

/// Looks before safety is believed: a first minute of luck is no proof.
const LOOKS_FOR_SAFETY: u32 = 3;

/// Looks in a row after which a canary without a request, beside a stable version that has some, is silent and not healthy.
const SILENT_LOOKS: u32 = 3;

/// The verdict after these windows, in order of their looks.
///
/// A look that is left out was one without traffic. Windows after the deciding one, or after the horizon, change nothing.
pub fn judge(policy: &Policy, windows: &[Window]) -> Verdict {
    let mut judge = Judge::new(policy.clone());
    for window in windows {
        judge.observe(window);
    }
    judge.verdict()
}

/// The verdict as a fold over windows.
#[derive(Debug, Clone)]
pub struct Judge {
    policy: Policy,
    look: u32,
    guards: Vec<Guard>,
    /// For another judge, if the policy asks for it.
    points: Vec<Points>,
    missing: u32,
    /// Why the last missing look was.
    why_missing: String,
    requests: [u64; 2],
    silent: u32,
    decided: Option<State>,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(policy: Policy) -> Self {
        let guards = Guard::all(&policy);
        let signals = guards.iter().filter_map(Guard::signal).cloned();
        Self {
            points: match policy.compat {
                Some(Compat::Kayenta) => signals.map(Points::new).collect(),
                None => Vec::new(),
            },
            guards,
            policy,
            look: 0,
            missing: 0,
            why_missing: String::new(),
            requests: [0; 2],
            silent: 0,
            decided: None,
        }
    }

    /// Takes in the next window. One that is out of order, beyond the horizon or after the verdict is ignored.
    pub fn observe(&mut self, window: &Window) {
        if self.decided.is_some() || window.look <= self.look || window.look > self.policy.looks() {
            return;
        }
        self.look = window.look;
        if window.look > self.policy.warm_up_looks() {
            match &window.content {
                Ok(cells) => self.take(cells),
                Err(missing) => {
                    self.missing += 1;
                    self.why_missing.clone_from(&missing.0);
                }
            }
        }
        self.decide();
    }

    /// How things stand, without the reasons, which take longer than the decision.
    pub fn state(&self) -> State {
        self.decided.unwrap_or(State::Watching)
    }

    /// How things stand.
    pub fn verdict(&self) -> Verdict {
        let guards = self.reports();
        let state = self.state();
        let kayenta = self
            .policy
            .compat
            .map(|_| compat::verdict(&self.points, state));
        let mut reason = self.reason(state, &guards);
        if let Some(kayenta) = &kayenta {
            let Kayenta {
                verdict,
                score,
                differs,
                ..
            } = kayenta;
            let differs = differs
                .as_ref()
                .map_or_else(String::new, |why| format!(": {why}"));
            reason = format!("{reason}. Kayenta would say {verdict} ({score}){differs}");
        }
        Verdict {
            state,
            look: self.look,
            looks: self.policy.looks(),
            reason,
            guards,
            kayenta,
        }
    }

    fn take(&mut self, cells: &BTreeMap<CellKey, Counts>) {
        let new = requests(cells);
        let [canary, stable] = new;
        self.silent = if canary == 0 && stable > 0 {
            self.silent + 1
        } else {
            0
        };
        for (sum, new) in self.requests.iter_mut().zip(new) {
            *sum = sum.saturating_add(new);
        }
        let number = self.judged_looks();
        self.points
            .iter_mut()
            .for_each(|points| points.observe(cells));
        for guard in &mut self.guards {
            guard.observe(cells, number, self.look, self.policy.test);
        }
    }

    /// Looks since the warm-up.
    fn judged_looks(&self) -> u32 {
        self.look.saturating_sub(self.policy.warm_up_looks())
    }

    fn decide(&mut self) {
        let at_horizon = self.look >= self.policy.looks();
        if at_horizon && self.policy.test == Test::Fixed {
            for guard in &mut self.guards {
                guard.observe_end(self.look);
            }
        }
        self.decided = if self.decisions().any(|decision| decision == Decision::Harm) {
            Some(State::Fail)
        } else if at_horizon {
            Some(self.at_horizon())
        } else if self.is_safe() {
            Some(State::Pass)
        } else {
            None
        };
    }

    fn decisions(&self) -> impl Iterator<Item = Decision> + '_ {
        self.guards.iter().map(Guard::decision)
    }

    fn is_safe(&self) -> bool {
        self.policy.early_pass
            && self.policy.test == Test::Sequential
            && self.judged_looks() >= LOOKS_FOR_SAFETY
            && self.decisions().all(|decision| decision == Decision::Safe)
    }

    fn at_horizon(&self) -> State {
        match self.policy.at_horizon {
            AtHorizon::Pass if self.obstacle().is_none() => State::Pass,
            AtHorizon::Pass | AtHorizon::Inconclusive => State::Inconclusive,
        }
    }

    /// Why finding no harm does not mean that there is none.
    fn obstacle(&self) -> Option<String> {
        let [canary, stable] = self.requests;
        let judged = self.judged_looks();
        if self.missing > 0 && self.missing * 2 >= judged {
            let (missing, looks) = (self.missing, words::looks(judged));
            return Some(format!(
                "{missing} of {looks} could not be read: {}",
                self.why_missing
            ));
        }
        for (arm, requests) in [("canary", canary), ("stable version", stable)] {
            if requests == 0 {
                return Some(format!(
                    "the {arm} served no request; check that the arms' matchers select its pods and that it gets traffic"
                ));
            }
        }
        if self.silent >= SILENT_LOOKS {
            let looks = words::looks(self.silent);
            return Some(format!(
                "the canary has served no request in the last {looks}: is it hanging?"
            ));
        }
        let reports = self.guards.iter().zip(self.reports());
        let mut obstacles = reports.filter_map(|(guard, report)| guard.obstacle(&report.guard));
        obstacles.next()
    }

    fn reports(&self) -> Vec<GuardReport> {
        let looks = self.judged_looks();
        self.guards
            .iter()
            .map(|guard| guard.report(looks))
            .collect()
    }

    fn reason(&self, state: State, guards: &[GuardReport]) -> String {
        let harm = |report: &&GuardReport| report.decision == Decision::Harm;
        let sentences = |reports: Vec<&GuardReport>| {
            let sentences: Vec<_> = reports
                .iter()
                .map(|report| report.sentence.as_str())
                .collect();
            sentences.join(". ")
        };
        let all = sentences(guards.iter().collect());
        let (look, looks) = (self.look, self.policy.looks());
        match state {
            State::Fail => sentences(guards.iter().filter(harm).collect()),
            State::Watching if self.look <= self.policy.warm_up_looks() => {
                format!("look {look} of {looks}: warming up")
            }
            State::Watching => match self.missing_note() {
                Some(note) => format!("look {look} of {looks}: {note}. {all}"),
                None => format!("look {look} of {looks}: {all}"),
            },
            State::Pass if self.look < looks => {
                format!(
                    "safe within what is tolerated after {}: {all}",
                    words::looks(look)
                )
            }
            State::Pass => match self.missing_note() {
                Some(note) => format!("no harm found in {} ({note}): {all}", words::looks(looks)),
                None => format!("no harm found in {}: {all}", words::looks(looks)),
            },
            State::Inconclusive => {
                let why = self
                    .obstacle()
                    .unwrap_or_else(|| "neither harm nor safety is proven".to_owned());
                format!("{why}. {all}{}", needed(guards))
            }
        }
    }

    fn missing_note(&self) -> Option<String> {
        (self.missing > 0).then(|| {
            format!(
                "{} could not be read, the last because {}",
                words::looks(self.missing),
                self.why_missing
            )
        })
    }
}

/// What it would have taken, where a guard can tell.
fn needed(guards: &[GuardReport]) -> String {
    let undecided = guards
        .iter()
        .filter(|report| report.decision == Decision::Undecided);
    undecided
        .filter_map(|report| {
            let requests = words::grouped(report.needed?);
            let what = match report.canary.errors {
                Some(_) => "a share of twice the limit",
                None => "5% more slow requests than allowed",
            };
            let name = &report.guard;
            Some(format!(
                ". {name}: some {requests} canary requests would show {what}"
            ))
        })
        .collect()
}

/// Requests of both arms, canary first; by the histogram where only that is known.
fn requests(cells: &BTreeMap<CellKey, Counts>) -> [u64; 2] {
    let mut sums = [0_u64; 2];
    for (key, counts) in cells {
        let in_histogram = counts.latency.as_ref().map_or(0, latency::requests);
        let [canary, stable] = &mut sums;
        let sum = match key.arm {
            Arm::Canary => canary,
            Arm::Stable => stable,
        };
        *sum = sum.saturating_add(counts.requests.max(in_histogram));
    }
    sums
}
