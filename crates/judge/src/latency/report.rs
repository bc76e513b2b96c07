//! What the guard says of how long requests take.

use temper_stats::{
    numeric::{count, floor_count, length},
    score::{BETS, SCORES},
};

use super::{LatencyState, bursts, pods_allowance};
use crate::{layout::sum, pods::Pods, ratio::LatencyRatio, verdict::GuardReport, words};

/// Share of requests that are slower, for which the number of requests that would show it is reported.
const WORTH_SEEING: f64 = 0.05;

impl LatencyState {
    pub(crate) fn report(&self, looks: u32) -> GuardReport {
        let (effect, interval) = self.ratio.as_ref().and_then(LatencyRatio::estimate).unzip();
        let [canary, stable] = self.totals();
        GuardReport {
            guard: self.signal.name().to_owned(),
            decision: self.decision(),
            look: self.harm.as_ref().map(|harm| harm.look),
            why: self.why(),
            anytime_p: Some(self.together.anytime.p()),
            effect,
            interval,
            canary,
            stable,
            needed: self.needed(),
            stratum: self.harm.as_ref().and_then(|harm| harm.stratum.clone()),
            pod: self.one_pod(),
            bursts: Some(bursts(&self.pods)).filter(|bursts| *bursts > 1.0),
            pod_spread: Some(spread(&self.pods)).filter(|spread| *spread > 0.0),
            sentence: self.sentence(effect, interval, looks),
        }
    }

    fn sentence(&self, effect: Option<f64>, interval: Option<(f64, f64)>, looks: u32) -> String {
        let name = self.signal.name();
        if self.harm.is_none()
            && let Some(why) = self.why()
        {
            return format!("{name}: {why}");
        }
        let Some(effect) = effect else {
            return format!("{name}: no requests in both arms yet");
        };
        let own = self.harm.as_ref().and_then(|harm| harm.stratum.as_ref());
        let (place, [canary, stable], evidence) = own
            .and_then(|name| Some((name, self.single.get(name)?)))
            .map_or_else(
                || {
                    let of_all = words::effect(effect, interval);
                    (
                        of_all,
                        self.totals().map(|arm| arm.requests),
                        &self.together,
                    )
                },
                |(stratum, single)| (stratum.clone(), single.totals, &single.evidence),
            );
        let mut sentence = format!(
            "{name}: canary {place}, {} vs {} requests, evidence {} after {}; {}",
            words::grouped(canary),
            words::grouped(stable),
            words::odds(evidence.anytime.p()),
            words::looks(looks),
            self.limit()
        );
        for more in self
            .harm
            .iter()
            .flat_map(|_| [self.tail(), self.pods_in_words()])
            .flatten()
        {
            sentence = format!("{sentence}; {more}");
        }
        sentence
    }

    /// The bucket above whose bound the canary has the most more requests.
    fn worst_bucket(&self) -> Option<usize> {
        let layout = self.layout.as_ref()?;
        let [canary, stable] = &self.sums;
        let difference = |bucket: &usize| above(canary, *bucket) - above(stable, *bucket);
        (0..layout.buckets().saturating_sub(1))
            .max_by(|a, b| difference(a).total_cmp(&difference(b)))
    }

    /// What the canary does above the bound where it differs most, for a slowdown that is not one of the median.
    fn tail(&self) -> Option<String> {
        let bucket = self.worst_bucket()?;
        let [canary, stable] = self
            .sums
            .each_ref()
            .map(|counts| words::share(above(counts, bucket)));
        let bound = words::seconds(self.layout.as_ref()?.upper(bucket));
        Some(format!(
            "above {bound}: {canary} of canary requests, {stable} of stable"
        ))
    }

    /// The canary pod but for which the canary would be no slower above the bound where it is slowest, if it is slower than the
    /// others beyond chance.
    fn one_pod(&self) -> Option<String> {
        self.harm.as_ref()?;
        let bucket = self.worst_bucket()?;
        let [canary, stable] = &self.sums;
        let over = |counts: &[u64]| above(counts, bucket) * count(sum(counts));
        let (worst, most) = self
            .canary_pods
            .iter()
            .max_by(|(_, a), (_, b)| over(a).total_cmp(&over(b)))?;
        let rest = count(sum(canary)) - count(sum(most));
        let share = (over(canary) - over(most)) / rest;
        let allowed = above(stable, bucket) + self.guard.max_exceedance.unwrap_or(0.0);
        let own = (above(most, bucket), count(sum(most)));
        let apart = rest > 0.0 && words::is_above(own, (share, rest));
        (apart && share <= allowed + words::chance(allowed, rest)).then(|| worst.clone())
    }

    fn pods_in_words(&self) -> Option<String> {
        if let Some(pod) = self.one_pod() {
            return Some(format!(
                "one pod, {pod}, is slow; the others may be within the limit"
            ));
        }
        words::lone_pod(self.canary_pods.keys())
    }

    /// Requests of the canary until the evidence for 5 % more requests above the median than tolerated is expected to suffice:
    /// `ln(1/α)` over the growth for a request, `Δ²/(2v(1 + κ))`.
    fn needed(&self) -> Option<u64> {
        const VARIANCE: f64 = 0.25;
        let [canary, stable] = self.compared.map(count);
        if canary <= 0.0 {
            return None;
        }
        let growth = WORTH_SEEING * WORTH_SEEING / (2.0 * VARIANCE * (1.0 + canary / stable));
        let needed = (length(BETS) / self.budget.together()).ln() / growth;
        Some(floor_count((needed * bursts(&self.pods)).ceil()))
    }

    fn limit(&self) -> String {
        let mut limits = Vec::new();
        if let Some(slowdown) = self.guard.max_slowdown.filter(|slowdown| *slowdown > 0.0) {
            limits.push(
                match self
                    .layout
                    .as_ref()
                    .and_then(|layout| layout.tolerated(slowdown))
                {
                    Some(factor) => format!("slowdown up to {} tolerated", words::times(factor)),
                    None => format!(
                        "slowdown of {} tolerated, rounded up to the next bucket's bound",
                        words::share(slowdown)
                    ),
                },
            );
        }
        if let Some(share) = self.guard.max_exceedance.filter(|share| *share > 0.0) {
            let share = words::share(share);
            limits.push(format!(
                "up to {share} more requests above any bound tolerated"
            ));
        }
        if limits.is_empty() {
            limits.push("no slowdown tolerated".to_owned());
        }
        let allowance = pods_allowance(&self.pods, self.canary_pods.len());
        if allowance > 0.0 {
            let points = words::share(allowance);
            limits.push(format!(
                "raised by {points} of the requests since stable pods differ"
            ));
        }
        limits.join(", ")
    }
}

fn spread(pods: &[Pods; SCORES]) -> f64 {
    pods.iter().map(Pods::spread).fold(0.0, f64::max)
}

/// Share of requests above a bucket. 0 without requests.
fn above(counts: &[u64], bucket: usize) -> f64 {
    let over = sum(counts.iter().skip(bucket.saturating_add(1)));
    count(over) / count(sum(counts).max(1))
}
