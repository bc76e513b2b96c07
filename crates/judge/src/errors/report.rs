//! What the guard says of a share of requests.

use temper_stats::{
    numeric::{count, floor_count, length},
    tilt::WORSE,
};

use super::{ErrorsState, NONE};
use crate::{
    verdict::{GuardReport, Totals},
    words,
};

impl ErrorsState {
    pub(crate) fn report(&self, looks: u32) -> GuardReport {
        let effect = self.summary.effect();
        let interval = effect.and_then(|_| self.summary.interval());
        let [canary, stable] = self.totals;
        GuardReport {
            guard: self.signal.name().to_owned(),
            decision: self.decision(),
            look: self.harm.as_ref().map(|harm| harm.look),
            why: None,
            anytime_p: Some(self.together.anytime.p()),
            effect,
            interval,
            canary,
            stable,
            needed: self.needed(),
            stratum: self.harm.as_ref().and_then(|harm| harm.stratum.clone()),
            pod: self.one_pod(),
            bursts: Some(self.pods.bursts()).filter(|bursts| *bursts > 1.0),
            pod_spread: Some(self.pods.spread()).filter(|spread| *spread > 0.0),
            sentence: self.sentence(effect, interval, looks),
        }
    }

    fn sentence(&self, effect: Option<f64>, interval: Option<(f64, f64)>, looks: u32) -> String {
        let name = self.signal.name();
        let looks = words::looks(looks);
        let limit = self.limit();
        let own = self.harm.as_ref().and_then(|harm| harm.stratum.as_ref());
        let alone = own.and_then(|name| Some((name, self.single.get(name)?)));
        let finding = if let Some((stratum, single)) = alone {
            let odds = words::odds(single.evidence.anytime.p());
            format!(
                "{stratum}, canary {}, evidence {odds}",
                versus(&single.totals)
            )
        } else {
            let effect = effect.map_or_else(
                || "canary".to_owned(),
                |effect| format!("canary {},", words::effect(effect, interval)),
            );
            let odds = words::odds(self.together.anytime.p());
            format!("{effect} {}, evidence {odds}", versus(&self.totals))
        };
        let pods = self.harm.as_ref().and_then(|_| self.pods_in_words());
        let pods = pods.map_or_else(String::new, |pods| format!("; {pods}"));
        format!("{name}: {finding} after {looks}; limit {limit}{pods}")
    }

    /// The limit, and what raised it.
    fn limit(&self) -> String {
        let ratio = words::times(self.guard.max_ratio);
        let mut limit = if self.guard.max_increase > 0.0 {
            format!("{ratio} plus {}", words::share(self.guard.max_increase))
        } else {
            ratio
        };
        let allowance = self.pods.allowance(self.canary_pods.len()).exp();
        if allowance > 1.0 {
            let raised = words::times(self.guard.max_ratio * allowance);
            let spread = words::share(self.pods.spread());
            limit = format!("{limit}, raised to {raised} since stable pods differ by {spread}");
        }
        if self.pods.bursts() > 1.0 {
            let bursts = self.pods.bursts();
            limit = format!("{limit}, events counted in bursts of {bursts:.1}");
        }
        limit
    }

    /// The canary pod but for which the canary would be within its margin, if it is worse than the others beyond chance.
    fn one_pod(&self) -> Option<String> {
        let [canary, stable] = self.totals;
        let (worst, most) = self
            .canary_pods
            .iter()
            .max_by_key(|(_, pod)| pod.events())?;
        let rest = canary
            .requests
            .checked_sub(most.requests)
            .filter(|n| *n > 0)?;
        let events = canary.events().saturating_sub(most.events());
        let allowed = self.guard.max_ratio * count(stable.events()) / count(stable.requests)
            + self.guard.max_increase;
        let share = count(events) / count(rest);
        let allowed = allowed + words::chance(allowed, count(rest));
        let own = count(most.events()) / count(most.requests);
        let apart = words::is_above((own, count(most.requests)), (share, count(rest)));
        (self.harm.is_some() && share <= allowed && apart).then(|| worst.clone())
    }

    fn pods_in_words(&self) -> Option<String> {
        if let Some(pod) = self.one_pod() {
            let of_pod = self.canary_pods.get(&pod).copied().unwrap_or(NONE);
            let events = words::grouped(of_pod.events());
            let all = words::grouped(self.totals.first()?.events());
            return Some(format!(
                "one pod, {pod}, has {events} of the {all}; the others may be within the limit"
            ));
        }
        words::lone_pod(self.canary_pods.keys())
    }

    /// Requests of the canary until the evidence for twice the tolerated share is expected to suffice: `ln(1/α)` over the
    /// growth for a request. None where no stable event shows what to expect.
    fn needed(&self) -> Option<u64> {
        let [canary, stable] = self.totals;
        let (n_canary, n_stable) = (count(canary.requests), count(stable.requests));
        let events = count(stable.events());
        if events <= 0.0 || n_canary <= 0.0 {
            return None;
        }
        let null = self.guard.max_ratio * n_canary / n_stable;
        let fewer = (1.0 + null) / 2.0f64.mul_add(null, 1.0);
        let per_request = events / n_stable;
        let harmed = 2.0 * self.guard.max_ratio * per_request * (2.0 * fewer).ln();
        let growth = (events / n_canary).mul_add(fewer.ln(), harmed);
        let needed = (length(WORSE.len()) / self.budget.together()).ln() / growth;
        (growth > 0.0).then(|| floor_count((needed * self.pods.bursts()).ceil()))
    }
}

/// `41 of 5 012 vs 155 of 45 210 requests`.
fn versus(totals: &[Totals; 2]) -> String {
    let [canary, stable] = totals.map(|arm| {
        let events = words::grouped(arm.events());
        format!("{events} of {}", words::grouped(arm.requests))
    });
    format!("{canary} vs {stable} requests")
}
