//! Says a verdict in the words and numbers that are stored with a measurement.

use std::collections::BTreeMap;

use jiff::Timestamp;
use temper_judge::{Decision, GuardReport, State, Totals, Verdict};
use temper_rollouts::Report;

use super::settings::Settings;
use super::timeline::SINCE;

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

/// What people want to know of a verdict, guard by guard. The reason is here too, since the controller replaces the
/// message of a measurement that it terminates.
fn evidence(verdict: &Verdict) -> BTreeMap<String, String> {
    let own = [
        ("look".to_owned(), verdict.look.to_string()),
        ("looks".to_owned(), verdict.looks.to_string()),
        ("reason".to_owned(), verdict.reason.clone()),
    ];
    own.into_iter()
        .chain(verdict.guards.iter().flat_map(guard))
        .collect()
}

fn guard(report: &GuardReport) -> impl Iterator<Item = (String, String)> + '_ {
    let entries = [
        ("decision", Some(decision(report.decision).to_owned())),
        ("finding", Some(report.sentence.clone())),
        ("why", report.why.clone()),
        ("effect", report.effect.map(figure)),
        (
            "interval",
            report
                .interval
                .map(|(low, high)| format!("{} to {}", figure(low), figure(high))),
        ),
        ("anytimeP", report.anytime_p.map(figure)),
        ("canary", Some(totals(&report.canary))),
        ("stable", Some(totals(&report.stable))),
        ("stratum", report.stratum.clone()),
        ("pod", report.pod.clone()),
        ("bursts", report.bursts.map(figure)),
        ("podSpread", report.pod_spread.map(figure)),
        ("needed", report.needed.map(|requests| requests.to_string())),
    ];
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((format!("{}.{key}", report.guard), value?)))
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Harm => "harm",
        Decision::Safe => "safe",
        Decision::Undecided => "undecided",
        Decision::Refused => "refused",
    }
}

/// Totals without errors are those of latencies.
fn totals(Totals { requests, errors }: &Totals) -> String {
    errors.map_or_else(
        || format!("{requests} requests"),
        |errors| format!("{errors} errors in {requests} requests"),
    )
}

/// Three significant digits: who needs more has the source.
fn figure(number: f64) -> String {
    let rounded = format!("{number:.2e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-4..1e7).contains(&f64::abs(rounded)) {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
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

    #[test]
    fn figures_have_three_digits() {
        let cases = [
            (2.4, "2.4"),
            (1.23456, "1.23"),
            (0.000_123_4, "0.000123"),
            (0.0, "0"),
            (1.5e-9, "1.5e-9"),
            (12345.0, "12300"),
        ];
        for (number, text) in cases {
            assert_eq!(figure(number), text);
        }
    }

    #[test]
    fn matchers_are_not_shown() {
        assert_eq!(
            metric_name(r#"requests_total{token="x"}"#),
            "requests_total"
        );
    }
}
