//! Alerts and the dashboard ask for metrics that the program has, and README.md lists them all.

use std::collections::BTreeSet;

use serde_json::Value;
use temper_healer::metrics::Meters;
use temper_ops::metrics::Metrics;

use super::{document, quoted, text};

const RULES: &str = "monitoring/prometheus-rule.yaml";
const TRIALS: &str = "monitoring/prometheus-rule.test.yaml";
const DASHBOARD: &str = "monitoring/temper-healer.json";

/// A metric's name, with its labels.
type Metric = (String, BTreeSet<String>);

/// What README.md's table lists.
fn listed() -> BTreeSet<Metric> {
    let readme = text("README.md");
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `healer_"));
    rows.filter_map(|row| {
        let mut cells = row.split('|').map(str::trim);
        let name = format!("healer_{}", cells.next()?.trim_end_matches('`'));
        let labels = cells.next()?.split(", ").filter(|label| !label.is_empty());
        Some((name, labels.map(str::to_owned).collect()))
    })
    .collect()
}

/// What the program declares. A metric with labels is on the page when it has got some.
fn declared() -> BTreeSet<Metric> {
    let mut metrics = Metrics::new("temper-healer", "0");
    let meters = Meters::declare(&mut metrics);
    for counters in [
        &meters.reports,
        &meters.replacements,
        &meters.api_trouble,
        &meters.kafka_trouble,
    ] {
        counters.with(["x"]);
    }
    for counters in [&meters.unreadable, &meters.decisions] {
        counters.with(["x", "x"]);
    }
    meters.workers.with(["x"]);
    meters.lag.with(["x", "x"]);
    let page = metrics.page().expect("a text of some lines");
    page.lines().filter_map(series).collect()
}

/// The metric of a line of the page; that of a histogram by its sum.
fn series(line: &str) -> Option<Metric> {
    let (name, rest) = line.split_once([' ', '{'])?;
    let name = name.strip_suffix("_sum").unwrap_or(name);
    let is_one =
        name.starts_with("healer_") && !name.ends_with("_bucket") && !name.ends_with("_count");
    let labels = rest.rsplit_once('}').map_or("", |(labels, _)| labels);
    let names = labels
        .split(',')
        .filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    is_one.then(|| (name.to_owned(), names.collect()))
}

/// The metrics that expressions or series ask for; a histogram by its own name.
fn asked_for(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("healer_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// What is said anywhere in a document under that key.
fn all<'a>(document: &'a Value, key: &str) -> Vec<&'a str> {
    match document {
        Value::Array(items) => items.iter().flat_map(|item| all(item, key)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match field {
                Value::String(text) if name == key => vec![text.as_str()],
                other => all(other, key),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_metric_is_listed_with_its_labels() {
    assert!(declared().len() > 10);
    assert_eq!(listed(), declared());
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard = document(DASHBOARD);
    let shown = asked_for(&all(&dashboard, "expr").join("\n"));
    let listed: BTreeSet<_> = listed().into_iter().map(|(name, _)| name).collect();
    assert_eq!(shown, listed);
}

#[test]
fn alerts_and_their_trials_are_about_listed_metrics() {
    let listed: BTreeSet<_> = listed().into_iter().map(|(name, _)| name).collect();
    for (path, key) in [(RULES, "expr"), (TRIALS, "series")] {
        let asked = asked_for(&all(&document(path), key).join("\n"));
        assert!(asked.len() > 5, "{path}");
        assert!(asked.is_subset(&listed), "{path}: {:?}", &asked - &listed);
    }
}

#[test]
fn expressions_sort_by_labels_that_their_metric_has() {
    let of_every_series = ["namespace", "job", "pod", "le"];
    let known: BTreeSet<String> = listed()
        .into_iter()
        .flat_map(|(_, labels)| labels)
        .chain(of_every_series.map(str::to_owned))
        .collect();
    for path in [RULES, DASHBOARD] {
        for expression in all(&document(path), "expr") {
            let sorted = expression
                .split("by (")
                .skip(1)
                .filter_map(|rest| rest.split_once(')'));
            for label in sorted.flat_map(|(labels, _)| labels.split(", ")) {
                assert!(known.contains(label), "{label} in {expression}");
            }
        }
    }
}

#[test]
fn every_alert_is_tried() {
    let rules = document(RULES);
    let alerts: BTreeSet<_> = all(&rules, "alert").into_iter().collect();
    let trials = document(TRIALS);
    let raised: BTreeSet<_> = trials["tests"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|test| test.get("alert_rule_test")?.as_array())
        .flatten()
        .filter(|trial| trial.get("exp_alerts").is_some())
        .filter_map(|trial| trial.get("alertname")?.as_str())
        .collect();
    assert_eq!(raised, alerts);
}

#[test]
fn words_of_labels_that_are_asked_for_are_listed() {
    let readme = quoted(&text("README.md"));
    for path in [RULES, DASHBOARD] {
        for expression in all(&document(path), "expr") {
            for label in ["state", "outcome", "kind"] {
                let asked = expression
                    .split(label)
                    .skip(1)
                    .filter_map(|rest| rest.trim_start_matches(['=', '~']).strip_prefix('"'))
                    .filter_map(|rest| rest.split_once('"'));
                for word in asked.flat_map(|(words, _)| words.split('|')) {
                    assert!(readme.contains(word), "{word} in {expression}");
                }
            }
        }
    }
}
