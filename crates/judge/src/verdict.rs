//! What the judge says.

use serde::Serialize;

use crate::compat::Kayenta;

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is decided yet.
    Watching,
    /// The new version may go on.
    Pass,
    /// The new version is worse.
    Fail,
    /// The data do not allow a verdict: a person has to decide.
    Inconclusive,
}

/// What a guard found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The new version is worse than allowed.
    Harm,
    /// It is proven to be within what is allowed.
    Safe,
    /// Neither is proven.
    #[default]
    Undecided,
    /// The data can't show it: see [`GuardReport::why`].
    Refused,
}

/// Counts of an arm since the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests; for the latency guard those in the histogram.
    pub requests: u64,
    /// Those that failed; absent for the latency guard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
}

/// What a guard found, with the evidence for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardReport {
    /// `errors`, `latency` or the name of a custom guard.
    pub guard: String,
    /// What it found.
    pub decision: Decision,
    /// The look at which it found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<u32>,
    /// Why it refused, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Evidence for harm as a p-value that is valid at any look, in (0, 1].
    pub anytime_p: Option<f64>,
    /// Canary over stable: ratio of the error ratios, or of latencies (Hodges-Lehmann). None where it can't be told.
    pub effect: Option<f64>,
    /// 95 % interval of the effect.
    pub interval: Option<(f64, f64)>,
    /// What the canary served.
    pub canary: Totals,
    /// What the stable version served.
    pub stable: Totals,
    /// Requests of the canary that would show harm twice as large as allowed, at the rates seen so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// The stratum whose evidence it was, when it was not that of all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
    /// The canary pod without which the others are within the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// How bursty the stable pods' counts are, in units of chance, where it is more than 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bursts: Option<f64>,
    /// Standard deviation of lasting differences between stable pods, where there are any: of shares relatively, of ranks in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_spread: Option<f64>,
    /// The finding in words.
    pub sentence: String,
}

/// The verdict after the windows so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// How things stand.
    #[serde(rename = "verdict")]
    pub state: State,
    /// The look at which it was reached, or the last one.
    pub look: u32,
    /// Looks until the horizon.
    pub looks: u32,
    /// Why, in one sentence.
    pub reason: String,
    /// A report of each guard.
    pub guards: Vec<GuardReport>,
    /// What Kayenta would say, if the policy asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kayenta: Option<Kayenta>,
}
