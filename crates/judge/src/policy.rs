//! What the user wants judged, and how strictly.

use std::time::Duration;

use serde_json::Value;
use temper_stats::numeric::floor_count;

use crate::keys::{Keys, PolicyError};

/// Keys of a policy, in the order in which they are documented.
pub const KEYS: [&str; 11] = [
    "errors",
    "latency",
    "custom",
    "falseRollbackRate",
    "step",
    "horizon",
    "warmUp",
    "atHorizon",
    "test",
    "earlyPass",
    "compat",
];

/// Most looks that a policy may ask for: a horizon of a month at a step of 30 s.
const MOST_LOOKS: u128 = 100_000;

/// A policy that makes sense: every rule below holds once it is built.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The guard of the error ratio, if there is one. At least one guard is there.
    pub errors: Option<ErrorGuard>,
    /// The guard of latency, if there is one.
    pub latency: Option<LatencyGuard>,
    /// Guards of the user's own metrics, by name.
    pub custom: Vec<CustomGuard>,
    /// Probability that a version as good as the old one is rolled back, over all guards and looks, in (0, 0.5].
    pub false_rollback_rate: f64,
    /// Length of an interval.
    pub step: Duration,
    /// When to stop watching: a multiple of the step.
    pub horizon: Duration,
    /// What to leave out at the beginning: a multiple of the step, shorter than the horizon.
    pub warm_up: Duration,
    /// What to say when the horizon is reached and no harm was found.
    pub at_horizon: AtHorizon,
    /// Look often, or once.
    pub test: Test,
    /// Whether to succeed as soon as every guard is proven safe.
    pub early_pass: bool,
    /// Another judge whose verdict is said beside ours.
    pub compat: Option<Compat>,
}

/// Guards the share of requests that fail.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorGuard {
    /// Selector of the counter of all requests.
    pub total: String,
    /// Selector of the counter of failed requests.
    pub errors: String,
    /// Tolerated ratio of the error ratios, at least 1.
    pub max_ratio: f64,
    /// Tolerated increase of the error ratio on top of that, in [0, 1).
    pub max_increase: f64,
    /// Part of the false-rollback rate, in relation to the other guards'; above 0.
    pub weight: f64,
}

/// Guards how long requests take.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyGuard {
    /// Name or selector of the histogram.
    pub histogram: String,
    /// Tolerated slowdown: 0.1 is 10 % longer. In [0, 10].
    pub max_slowdown: Option<f64>,
    /// Tolerated increase of the share of requests above any bucket's bound, in [0, 1).
    pub max_exceedance: Option<f64>,
    /// Part of the false-rollback rate, in relation to the other guards'; above 0.
    pub weight: f64,
}

/// Guards a metric of the user's own.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomGuard {
    /// Its name in reports and recordings: letters, digits, `-` and `_`.
    pub name: String,
    /// What is measured, and what is tolerated.
    pub kind: CustomKind,
}

/// What a custom guard measures.
#[derive(Debug, Clone, PartialEq)]
pub enum CustomKind {
    /// A pair of counters, one of which counts some of what the other counts. Judged as errors are.
    Share(ErrorGuard),
    /// A histogram. Judged as latency is.
    Histogram(LatencyGuard),
    /// The value of a query.
    Threshold(ThresholdGuard),
}

/// Guards the value of a query: a plain limit, which knows no false-rollback rate.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdGuard {
    /// `PromQL` with one value.
    pub query: String,
    /// Smallest value that is allowed.
    pub min: Option<f64>,
    /// Largest value that is allowed.
    pub max: Option<f64>,
    /// Looks in a row with a value outside after which the version fails; at least 1.
    pub consecutive: u32,
}

/// What to say when the horizon is reached and no harm was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtHorizon {
    /// Pass.
    Pass,
    /// Leave it to a person.
    Inconclusive,
}

/// A judge that people come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compat {
    /// Kayenta's `NetflixACAJudge`.
    Kayenta,
}

/// How often the data are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// After every interval.
    Sequential,
    /// Once, at the horizon.
    Fixed,
}

impl Policy {
    /// Reads a policy, whose keys are documented in the README. Keys that it does not know are refused; where a policy is
    /// part of a larger object, the caller takes its own keys out first.
    pub fn from_json(value: &Value) -> Result<Self, PolicyError> {
        let keys = Keys::open("", value, &KEYS)?;
        let policy = Self {
            errors: error_guard(&keys)?,
            latency: latency_guard(&keys)?,
            custom: custom_guards(&keys)?,
            false_rollback_rate: keys.share("falseRollbackRate")?.unwrap_or(0.05),
            step: keys.duration("step")?.unwrap_or(Duration::from_secs(30)),
            horizon: keys.duration("horizon")?.unwrap_or(Duration::from_mins(30)),
            warm_up: keys.duration("warmUp")?.unwrap_or(Duration::ZERO),
            at_horizon: keys
                .choice(
                    "atHorizon",
                    &[
                        ("pass", AtHorizon::Pass),
                        ("inconclusive", AtHorizon::Inconclusive),
                    ],
                )?
                .unwrap_or(AtHorizon::Pass),
            test: keys
                .choice(
                    "test",
                    &[("sequential", Test::Sequential), ("fixed", Test::Fixed)],
                )?
                .unwrap_or(Test::Sequential),
            early_pass: keys.switch("earlyPass")?.unwrap_or(true),
            compat: keys.choice("compat", &[("kayenta", Compat::Kayenta)])?,
        };
        policy.check(&keys)?;
        Ok(policy)
    }

    /// Number of looks until the horizon, at least 1.
    pub fn looks(&self) -> u32 {
        looks(self.horizon, self.step)
    }

    /// Number of looks that are left out at the beginning.
    pub fn warm_up_looks(&self) -> u32 {
        looks(self.warm_up, self.step)
    }

    /// Sum of the weights of the guards that share the false-rollback rate.
    pub(crate) fn weights(&self) -> f64 {
        let errors = self.errors.iter().map(|guard| guard.weight);
        let latency = self.latency.iter().map(|guard| guard.weight);
        let custom = self.custom.iter().map(|guard| match &guard.kind {
            CustomKind::Share(guard) => guard.weight,
            CustomKind::Histogram(guard) => guard.weight,
            CustomKind::Threshold(_) => 0.0,
        });
        errors.chain(latency).chain(custom).sum()
    }

    fn check(&self, keys: &Keys<'_>) -> Result<(), PolicyError> {
        if self.errors.is_none() && self.latency.is_none() && self.custom.is_empty() {
            let problem = "nothing to judge: give errors, latency or custom";
            return Err(PolicyError {
                path: String::new(),
                problem: problem.to_owned(),
            });
        }
        if !(self.false_rollback_rate > 0.0 && self.false_rollback_rate <= 0.5) {
            let rate = self.false_rollback_rate;
            let problem = format!("expected a share above 0 and up to 50%, got {rate}");
            return Err(keys.error("falseRollbackRate", problem));
        }
        self.check_times(keys)
    }

    fn check_times(&self, keys: &Keys<'_>) -> Result<(), PolicyError> {
        let Self {
            step,
            horizon,
            warm_up,
            ..
        } = *self;
        if step.is_zero() {
            return Err(keys.error("step", "expected a duration above 0"));
        }
        for (key, duration) in [("horizon", horizon), ("warmUp", warm_up)] {
            if duration.as_nanos() % step.as_nanos() != 0 {
                let problem = format!("{duration:?} is no multiple of the step, {step:?}");
                return Err(keys.error(key, problem));
            }
        }
        if horizon <= warm_up {
            let problem = format!("{horizon:?} leaves nothing after the warm-up of {warm_up:?}");
            return Err(keys.error("horizon", problem));
        }
        if horizon.as_nanos() / step.as_nanos() > MOST_LOOKS {
            let problem = format!("{horizon:?} is more than {MOST_LOOKS} steps of {step:?}");
            return Err(keys.error("horizon", problem));
        }
        Ok(())
    }
}

fn looks(duration: Duration, step: Duration) -> u32 {
    u32::try_from(duration.as_nanos() / step.as_nanos().max(1)).unwrap_or(u32::MAX)
}

/// Keys of a guard of a share.
const SHARE_KEYS: [&str; 5] = ["total", "errors", "maxRatio", "maxIncrease", "weight"];

/// Keys of a guard of a histogram.
const HISTOGRAM_KEYS: [&str; 4] = ["histogram", "maxSlowdown", "maxExceedance", "weight"];

/// Keys of a guard of a query.
const THRESHOLD_KEYS: [&str; 4] = ["query", "min", "max", "consecutive"];

fn error_guard(keys: &Keys<'_>) -> Result<Option<ErrorGuard>, PolicyError> {
    let keys = keys.object("errors", &SHARE_KEYS)?;
    keys.as_ref().map(share_guard).transpose()
}

fn latency_guard(keys: &Keys<'_>) -> Result<Option<LatencyGuard>, PolicyError> {
    let keys = keys.object("latency", &HISTOGRAM_KEYS)?;
    keys.as_ref().map(histogram_guard).transpose()
}

fn share_guard(keys: &Keys<'_>) -> Result<ErrorGuard, PolicyError> {
    let max_ratio = keys.number("maxRatio")?.unwrap_or(1.5);
    if !(1.0..=1000.0).contains(&max_ratio) {
        let problem =
            format!("expected a ratio from 1 (not worse at all) to 1000, got {max_ratio}");
        return Err(keys.error("maxRatio", problem));
    }
    Ok(ErrorGuard {
        total: keys.text("total")?,
        errors: keys.text("errors")?,
        max_ratio,
        max_increase: tolerance(keys, "maxIncrease")?.unwrap_or(0.0),
        weight: weight(keys)?,
    })
}

fn histogram_guard(keys: &Keys<'_>) -> Result<LatencyGuard, PolicyError> {
    let max_slowdown = keys.share("maxSlowdown")?;
    if let Some(slowdown) = max_slowdown
        && !(0.0..=10.0).contains(&slowdown)
    {
        let problem = format!("expected a share from 0 to 1000%, got {slowdown}");
        return Err(keys.error("maxSlowdown", problem));
    }
    Ok(LatencyGuard {
        histogram: keys.text("histogram")?,
        max_slowdown,
        max_exceedance: tolerance(keys, "maxExceedance")?,
        weight: weight(keys)?,
    })
}

fn threshold_guard(keys: &Keys<'_>) -> Result<ThresholdGuard, PolicyError> {
    let (min, max) = (keys.number("min")?, keys.number("max")?);
    if min.is_none() && max.is_none() {
        return Err(keys.error("max", "is missing, and so is min: give one or both"));
    }
    let consecutive = keys.number("consecutive")?.unwrap_or(3.0);
    if !(1.0..=1e6).contains(&consecutive) || consecutive.fract() != 0.0 {
        let problem = format!("expected a number of looks from 1, got {consecutive}");
        return Err(keys.error("consecutive", problem));
    }
    Ok(ThresholdGuard {
        query: keys.text("query")?,
        min,
        max,
        consecutive: u32::try_from(floor_count(consecutive)).unwrap_or(u32::MAX),
    })
}

/// Guards by name, in the order of their names.
fn custom_guards(keys: &Keys<'_>) -> Result<Vec<CustomGuard>, PolicyError> {
    let Some(value) = keys.value("custom") else {
        return Ok(Vec::new());
    };
    let Some(map) = value.as_object() else {
        let problem =
            "expected an object with a guard under each name, such as cache: {total, errors}";
        return Err(keys.error("custom", problem));
    };
    let names: Vec<_> = map.keys().map(String::as_str).collect();
    let Some(guards) = keys.object("custom", &names)? else {
        return Ok(Vec::new());
    };
    let mut guards: Vec<_> = names
        .iter()
        .map(|name| custom_guard(&guards, name))
        .collect::<Result<_, _>>()?;
    guards.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guards)
}

fn custom_guard(guards: &Keys<'_>, name: &str) -> Result<CustomGuard, PolicyError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.chars().all(is_word) || ["", "errors", "latency"].contains(&name) {
        let problem = "expected a name of letters, digits, - and _, other than errors and latency";
        return Err(guards.error(name, problem));
    }
    let value = guards.value(name);
    let has = |key: &str| value.and_then(|value| value.get(key)).is_some();
    let open = |known: &[&str]| {
        let missing = || guards.error(name, "expected an object");
        guards.object(name, known)?.ok_or_else(missing)
    };
    let kind = if has("query") {
        CustomKind::Threshold(threshold_guard(&open(&THRESHOLD_KEYS)?)?)
    } else if has("histogram") {
        CustomKind::Histogram(histogram_guard(&open(&HISTOGRAM_KEYS)?)?)
    } else if has("total") {
        CustomKind::Share(share_guard(&open(&SHARE_KEYS)?)?)
    } else {
        let problem = "expected total and errors, histogram, or query with min or max";
        return Err(guards.error(name, problem));
    };
    Ok(CustomGuard {
        name: name.to_owned(),
        kind,
    })
}

fn weight(keys: &Keys<'_>) -> Result<f64, PolicyError> {
    match keys.number("weight")? {
        Some(weight) if !(weight > 0.0 && weight <= 1e6) => {
            let problem = format!("expected a number above 0, got {weight}");
            Err(keys.error("weight", problem))
        }
        weight => Ok(weight.unwrap_or(1.0)),
    }
}

fn tolerance(keys: &Keys<'_>, key: &str) -> Result<Option<f64>, PolicyError> {
    match keys.share(key)? {
        Some(share) if !(0.0..1.0).contains(&share) => Err(keys.error(
            key,
            format!("expected a share from 0 to below 100%, got {share}"),
        )),
        share => Ok(share),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors() -> Value {
        json!({"total": "t", "errors": "e"})
    }

    #[test]
    fn a_policy_has_the_documented_defaults() {
        let policy = Policy::from_json(&json!({"errors": errors()})).unwrap();
        assert_eq!(policy.looks(), 60);
        assert_eq!(policy.warm_up_looks(), 0);
        let guard = policy.errors.unwrap();
        assert!((guard.max_ratio - 1.5).abs() < 1e-12 && guard.max_increase.abs() < 1e-12);
        assert!((policy.false_rollback_rate - 0.05).abs() < 1e-12);
        assert_eq!(
            (policy.at_horizon, policy.test),
            (AtHorizon::Pass, Test::Sequential)
        );
        assert!(policy.early_pass);
    }

    #[test]
    fn templates_make_texts_of_numbers() {
        let policy = Policy::from_json(&json!({
            "errors": {"total": "t", "errors": "e", "maxRatio": "2", "maxIncrease": "0.1%"},
            "latency": {"histogram": "h", "maxSlowdown": "10%", "maxExceedance": 0.005},
            "falseRollbackRate": "0.01", "earlyPass": "false", "step": "1m", "horizon": "1h"
        }))
        .unwrap();
        let guard = policy.errors.clone().unwrap();
        assert!(
            (guard.max_ratio - 2.0).abs() < 1e-12 && (guard.max_increase - 0.001).abs() < 1e-12
        );
        let guard = policy.latency.clone().unwrap();
        assert!((guard.max_slowdown.unwrap() - 0.1).abs() < 1e-12);
        assert!(!policy.early_pass && policy.looks() == 60);
    }

    #[test]
    fn a_mistake_is_told_with_its_key_its_value_and_what_to_do() {
        let with = |key: &str, value: Value| json!({"errors": errors(), key: value});
        let latency = json!({"histogram": "h", "maxSlowDown": "10%"});
        for (policy, expected) in [
            (
                json!({}),
                "nothing to judge: give errors, latency or custom",
            ),
            (json!(7), "expected an object with errors, latency"),
            (
                with("latency", latency),
                "latency.maxSlowDown: unknown key, did you mean maxSlowdown?",
            ),
            (
                with("colour", json!(1)),
                "colour: unknown key, known are errors, latency",
            ),
            (
                with("falseRollbackRate", json!("60%")),
                "falseRollbackRate: expected a share above 0",
            ),
            (
                with("falseRollbackRate", json!("five")),
                r#"falseRollbackRate: expected a share such as 5% or 0.05, got "five""#,
            ),
            (
                with("step", json!("0s")),
                "step: expected a duration above 0",
            ),
            (
                with("step", json!(30)),
                "step: expected a duration such as 30s or 1h30m, got 30",
            ),
            (
                with("horizon", json!("45s")),
                "horizon: 45s is no multiple of the step, 30s",
            ),
            (
                with("warmUp", json!("30m")),
                "horizon: 1800s leaves nothing after the warm-up",
            ),
            (
                with("horizon", json!("9000h")),
                "horizon: 32400000s is more than 100000 steps",
            ),
            (
                with("atHorizon", json!("fail")),
                r#"atHorizon: expected pass or inconclusive, got "fail""#,
            ),
            (
                json!({"errors": {"total": "t"}}),
                "errors.errors: is missing",
            ),
            (
                json!({"errors": {"total": "t", "errors": "e", "maxRatio": 0.5}}),
                "errors.maxRatio: expected a ratio from 1",
            ),
            (
                json!({"errors": {"total": "", "errors": "e"}}),
                r#"errors.total: expected a text, got """#,
            ),
            (
                json!({"errors": {"total": "t", "errors": "e", "maxIncrease": "nan"}}),
                "errors.maxIncrease: expected a share from 0",
            ),
        ] {
            let error = Policy::from_json(&policy).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{policy}: {error}");
        }
    }
}
