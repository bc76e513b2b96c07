//! What the user wants judged, and how strictly.

use std::time::Duration;

use serde_json::Value;

use crate::keys::{Keys, PolicyError};

/// Keys of a policy, in the order in which they are documented.
const KEYS: [&str; 9] = [
    "errors",
    "latency",
    "falseRollbackRate",
    "step",
    "horizon",
    "warmUp",
    "atHorizon",
    "test",
    "earlyPass",
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
}

/// What to say when the horizon is reached and no harm was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtHorizon {
    /// Pass.
    Pass,
    /// Leave it to a person.
    Inconclusive,
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

    /// How many guards share the false-rollback rate.
    pub(crate) fn guards(&self) -> u8 {
        u8::from(self.errors.is_some()) + u8::from(self.latency.is_some())
    }

    fn check(&self, keys: &Keys<'_>) -> Result<(), PolicyError> {
        if self.guards() == 0 {
            let problem = "nothing to judge: give errors, latency or both";
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

fn error_guard(keys: &Keys<'_>) -> Result<Option<ErrorGuard>, PolicyError> {
    let Some(keys) = keys.object("errors", &["total", "errors", "maxRatio", "maxIncrease"])? else {
        return Ok(None);
    };
    let max_ratio = keys.number("maxRatio")?.unwrap_or(1.5);
    if !(1.0..=1000.0).contains(&max_ratio) {
        let problem =
            format!("expected a ratio from 1 (not worse at all) to 1000, got {max_ratio}");
        return Err(keys.error("maxRatio", problem));
    }
    Ok(Some(ErrorGuard {
        total: keys.text("total")?,
        errors: keys.text("errors")?,
        max_ratio,
        max_increase: tolerance(&keys, "maxIncrease")?.unwrap_or(0.0),
    }))
}

fn latency_guard(keys: &Keys<'_>) -> Result<Option<LatencyGuard>, PolicyError> {
    let known = ["histogram", "maxSlowdown", "maxExceedance"];
    let Some(keys) = keys.object("latency", &known)? else {
        return Ok(None);
    };
    let max_slowdown = keys.share("maxSlowdown")?;
    if let Some(slowdown) = max_slowdown
        && !(0.0..=10.0).contains(&slowdown)
    {
        let problem = format!("expected a share from 0 to 1000%, got {slowdown}");
        return Err(keys.error("maxSlowdown", problem));
    }
    Ok(Some(LatencyGuard {
        histogram: keys.text("histogram")?,
        max_slowdown,
        max_exceedance: tolerance(&keys, "maxExceedance")?,
    }))
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
            (json!({}), "nothing to judge: give errors, latency or both"),
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
