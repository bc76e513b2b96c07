//! A policy in a file.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value};
use temper_judge::Policy;

use crate::provider::settings::keys::OWN_KEYS;
use crate::yaml;

/// The guards with the names of their metrics.
const NAMES: [(&str, &[&str]); 2] = [
    ("errors", &["total", "errors"]),
    ("latency", &["histogram"]),
];

/// A policy in a file, for recordings of any step if it states none.
#[derive(Debug)]
pub(super) struct PolicyFile {
    keys: Value,
    policy: Policy,
}

/// Reads the policy in a YAML or JSON file.
pub(super) fn read(path: &Path) -> anyhow::Result<PolicyFile> {
    let mut keys = yaml::read(path)?;
    prepare(&mut keys);
    let policy = Policy::from_json(&keys)
        .with_context(|| format!("reading the policy {}", path.display()))?;
    Ok(PolicyFile { keys, policy })
}

impl PolicyFile {
    /// The policy for a recording of this step.
    pub(super) fn for_step(&self, step: Duration) -> anyhow::Result<Policy> {
        if step == self.policy.step {
            return Ok(self.policy.clone());
        }
        let wanted = self.policy.step;
        ensure!(
            self.keys.get("step").is_none_or(Value::is_null),
            "its `step` is {step:?}, and {wanted:?} in the policy; looks are judged as they were recorded, so give the policy \
             a `step` of {step:?}, or none"
        );
        let mut keys = self.keys.clone();
        if let Value::Object(keys) = &mut keys {
            keys.insert("step".to_owned(), format!("{}s", step.as_secs_f64()).into());
        }
        Policy::from_json(&keys).with_context(|| {
            format!("judging by a policy that states no `step` what has one of {step:?}")
        })
    }
}

fn prepare(keys: &mut Value) {
    if let Value::Object(keys) = keys {
        // They say where to read and when, which a recording makes idle, so that one file does for both.
        for key in OWN_KEYS {
            keys.remove(key);
        }
        fill_names(keys);
    }
}

/// Metrics need no names here, but the judge asks for them.
fn fill_names(keys: &mut Map<String, Value>) {
    for (guard, names) in NAMES {
        let Some(value) = keys.get_mut(guard) else {
            continue;
        };
        // In YAML, a key without a value is how one says: with all defaults.
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        if let Value::Object(keys) = value {
            for name in names {
                keys.entry(*name).or_insert_with(|| "recorded".into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> anyhow::Result<Policy> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        read(file.path()).map(|file| file.policy)
    }

    fn refusal(text: &str) -> String {
        let error = format!("{:#}", parsed(text).unwrap_err());
        // The name of the file is a random one.
        let (before, after) = error.split_once('/').unwrap();
        let (_, after) = after.split_once(':').unwrap();
        format!("{before}FILE:{after}")
    }

    #[test]
    fn a_policy_needs_no_names_of_metrics() {
        let policy = parsed(
            "errors: { maxRatio: '2', maxIncrease: 0.1% }\nlatency:\nstep: 1m\nearlyPass: no",
        )
        .unwrap();
        let guard = policy.errors.unwrap();
        assert!(
            (guard.max_ratio - 2.0).abs() < 1e-12 && (guard.max_increase - 0.001).abs() < 1e-12
        );
        assert!(policy.latency.is_some() && !policy.early_pass);
        assert_eq!(policy.step, Duration::from_mins(1));
    }

    #[test]
    fn a_policy_without_a_step_has_that_of_the_recording() {
        let file = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            read(file.path()).unwrap()
        };
        let minute = Duration::from_mins(1);
        let silent = file("errors: {}");
        assert_eq!(silent.for_step(minute).unwrap().step, minute);
        let error = silent.for_step(Duration::from_secs(7)).unwrap_err();
        assert!(
            format!("{error:#}").contains("no multiple of the step, 7s"),
            "{error:#}"
        );
        let error = file("errors: {}\nstep: 30s").for_step(minute).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("its `step` is 60s, and 30s in the policy"),
            "{error}"
        );
    }

    #[test]
    fn a_guard_exists_only_if_its_key_is_there() {
        let policy = parsed("errors: {}").unwrap();
        assert!(policy.errors.is_some() && policy.latency.is_none());
    }

    #[test]
    fn what_says_where_to_read_is_passed_over() {
        let text = r#"{"errors": {"total": "t", "errors": "e"}, "source": {"prometheus": {}}, "arms": {"canary": "{{args.hash}}"},
            "strata": [], "pods": "pod", "settle": "1s", "patience": "1m", "record": "/recordings"}"#;
        assert!(parsed(text).is_ok());
    }

    #[test]
    fn a_mistake_is_told_with_file_and_key() {
        for (text, expected) in [
            (
                "errors: { maxRatio: 0.5 }",
                "reading the policy FILE: errors.maxRatio: expected a ratio from 1",
            ),
            (
                "errors: {}\ncolour: 1",
                "reading the policy FILE: colour: unknown key",
            ),
            (
                "errors: { lag: 1 }",
                "reading the policy FILE: errors.lag: unknown key",
            ),
            (
                "errors: 5",
                "reading the policy FILE: errors: expected an object",
            ),
            ("step: 30s", "reading the policy FILE: nothing to judge"),
            ("", "reading the policy FILE: expected an object"),
            (
                "errors: [",
                "reading FILE: unclosed bracket '[' at line 1, column 9",
            ),
            ("errors: {}\nerrors: {}", "reading FILE: duplicate"),
        ] {
            let error = refusal(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
