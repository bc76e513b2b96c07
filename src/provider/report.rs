//! Says a verdict in the words and numbers that are stored with a measurement.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use temper_judge::{Decision, GuardReport, State, Verdict};
use temper_rollouts::Report;

use super::settings::Settings;
use super::timeline::SINCE;

/// Room for the findings of the guards among the metadata of a measurement, of which there are 2 KiB.
const MOST_EVIDENCE: usize = 1200;

/// What is said about a measurement: the message, and beside it the evidence.
pub(crate) fn of(verdict: &Verdict, since: Timestamp, message: &str) -> Report {
    let mut metadata = evidence(verdict);
    metadata.insert(SINCE.to_owned(), since.to_string());
    let value = format!(
        "{} {}/{}",
        state(verdict.state),
        verdict.look,
        verdict.looks
    );
    Report {
        value,
        message: message.to_owned(),
        metadata,
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Watching => "watching",
        State::Pass => "pass",
        State::Fail => "fail",
        State::Inconclusive => "inconclusive",
    }
}

/// What people want to know of a verdict. The reason is here too, since the controller replaces the message of a measurement
/// that it terminates.
fn evidence(verdict: &Verdict) -> BTreeMap<String, String> {
    [
        ("look", verdict.look.to_string()),
        ("looks", verdict.looks.to_string()),
        ("reason", verdict.reason.clone()),
        ("evidence", of_guards(&verdict.guards)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The findings of the guards as JSON, those that proved harm first. Guards that find no room are left out whole, and how many:
/// half an object is none.
fn of_guards(guards: &[GuardReport]) -> String {
    let mut guards: Vec<_> = guards.iter().collect();
    guards.sort_by_key(|guard| guard.decision != Decision::Harm);
    let mut list = Vec::new();
    let mut bytes = 0;
    for guard in &guards {
        let guard = of_guard(guard);
        bytes += guard.to_string().len() + 1;
        if bytes > MOST_EVIDENCE {
            break;
        }
        list.push(guard);
    }
    let left_out = guards.len() - list.len();
    if left_out > 0 {
        list.push(json!({ "leftOut": left_out }));
    }
    Value::Array(list).to_string()
}

/// A guard as `temper judge` writes it, with three digits, and without the sentence: the reason has it.
fn of_guard(report: &GuardReport) -> Value {
    let mut guard = serde_json::to_value(report).unwrap_or_default();
    if let Value::Object(fields) = &mut guard {
        fields.remove("sentence");
        fields.values_mut().for_each(round);
    }
    guard
}

/// Three significant digits: who needs more has the source.
fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number
                .as_f64()
                .and_then(|number| format!("{number:.2e}").parse().ok());
            *value = rounded.map_or(Value::Null, |rounded: f64| json!(rounded));
        }
        Value::Array(list) => list.iter_mut().for_each(round),
        _ => {}
    }
}

/// What people should see of a configuration: names and numbers by our choice, nothing that could come from a
/// Secret, such as addresses and headers.
pub(crate) fn configured(settings: &Settings) -> BTreeMap<String, String> {
    let policy = &settings.policy;
    let entries = [
        ("temper", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("source", Some(settings.origin.kind().to_owned())),
        ("step", Some(format!("{:?}", policy.step))),
        ("horizon", Some(format!("{:?}", policy.horizon))),
        (
            "errors",
            policy
                .errors
                .as_ref()
                .map(|guard| metric_name(&guard.total)),
        ),
        (
            "latency",
            policy
                .latency
                .as_ref()
                .map(|guard| metric_name(&guard.histogram)),
        ),
    ];
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

/// The metric's name in a selector, without its matchers.
fn metric_name(selector: &str) -> String {
    selector
        .split('{')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guards: usize) -> Verdict {
        let guard = |number| GuardReport {
            guard: format!("guard-{number}"),
            decision: if number == 7 {
                Decision::Harm
            } else {
                Decision::Undecided
            },
            anytime_p: Some(0.000_123_456),
            effect: Some(2.414_213),
            interval: Some((1.0, f64::INFINITY)),
            sentence: "long".repeat(100),
            ..GuardReport::default()
        };
        Verdict {
            state: State::Fail,
            look: 4,
            looks: 20,
            reason: "because".to_owned(),
            guards: (0..guards).map(guard).collect(),
            kayenta: None,
        }
    }

    #[test]
    fn evidence_is_json_with_three_digits_and_harm_first() {
        let found: Value = serde_json::from_str(&evidence(&verdict(8))["evidence"]).unwrap();
        assert_eq!(found[0]["guard"], "guard-7");
        assert_eq!(found[0]["decision"], "harm");
        assert_eq!(found[0]["anytimeP"], json!(0.000_123));
        assert_eq!(
            (&found[0]["effect"], &found[0]["interval"]),
            (&json!(2.41), &json!([1.0, null]))
        );
        assert!(found[0].get("sentence").is_none());
    }

    #[test]
    fn evidence_of_many_guards_is_whole_json_that_says_what_it_leaves_out() {
        let text = &evidence(&verdict(100))["evidence"];
        assert!(text.len() <= MOST_EVIDENCE + 30, "{}", text.len());
        let found: Value = serde_json::from_str(text).unwrap();
        let list = found.as_array().unwrap();
        let left_out = list.last().unwrap()["leftOut"].as_u64().unwrap();
        assert_eq!(usize::try_from(left_out).unwrap() + list.len() - 1, 100);
    }

    #[test]
    fn matchers_are_not_shown() {
        assert_eq!(
            metric_name(r#"requests_total{token="x"}"#),
            "requests_total"
        );
    }
}
