//! Cases from Kayenta's own tests and its users' reports; or those of the file that `TEMPER_KAYENTA_CASES` names.

#![expect(
    clippy::panic,
    reason = "a case that is not understood fails the test with its id"
)]

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use temper_kayenta::{
    Direction, Label, Measure, NanStrategy,
    classifier::{MannWhitney, Rules, mean_inequality},
    descriptive::{percentile, summary},
    detector::Detector,
    mann_whitney::{interval, normal_quantile, possible, wilcoxon_difference},
    score::{Scored, score},
    transform::{remove_nans, remove_outliers, replace_nans},
};

/// Kayenta's tolerance where a case states none.
const TOLERANCE: f64 = 1e-6;

type Check = fn(&Case<'_>);

/// What a section holds, and what compares it.
const SECTIONS: [(&str, Check); 9] = [
    ("mann_whitney", check_mann_whitney),
    ("classifier", check_classifier),
    ("mean_inequality", check_mean_inequality),
    ("detector", check_detector),
    ("transform", check_transform),
    ("statistic", check_statistic),
    ("effect_size", check_effect_size),
    ("scorer", check_scorer),
    ("reported_issues", check_reported_issue),
];

/// Keys of the file that hold no cases.
const ABOUT: [&str; 4] = ["schema", "source", "judge_defaults", "counts"];

#[test]
fn every_case_replays() {
    let text = std::env::var_os("TEMPER_KAYENTA_CASES").map_or_else(
        || include_str!("fixtures/kayenta-cases.json").to_owned(),
        |path| {
            std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        },
    );
    let file: Map<String, Value> = serde_json::from_str(&text).expect("an object of sections");
    let sections: BTreeMap<_, _> = SECTIONS.into_iter().collect();
    let mut compared = 0;
    for (section, cases) in file
        .iter()
        .filter(|(key, _)| !ABOUT.contains(&key.as_str()))
    {
        let check = sections
            .get(section.as_str())
            .unwrap_or_else(|| panic!("unknown section {section}"));
        for (number, case) in cases
            .as_array()
            .expect("a list of cases")
            .iter()
            .enumerate()
        {
            let name = case.get("test").or_else(|| case.get("title"));
            let name = name.and_then(Value::as_str).unwrap_or_default();
            check(&Case {
                id: format!("{section}[{number}] {name}"),
                case,
            });
            compared += 1;
        }
    }
    assert!(compared > 0, "the file holds no case");
}

struct Case<'a> {
    id: String,
    case: &'a Value,
}

impl Case<'_> {
    fn at(&self, pointer: &str) -> &Value {
        self.case
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{}: no {pointer}", self.id))
    }

    fn numbers(&self, pointer: &str) -> Vec<f64> {
        self.at(pointer)
            .as_array()
            .expect("a list")
            .iter()
            .map(number)
            .collect()
    }

    fn number(&self, pointer: &str) -> f64 {
        number(self.at(pointer))
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer)
            .as_str()
            .unwrap_or_else(|| panic!("{}: {pointer} is no text", self.id))
    }

    /// Absent and null are none.
    fn stated(&self, pointer: &str) -> Option<&Value> {
        self.case.pointer(pointer).filter(|value| !value.is_null())
    }

    fn close(&self, what: &str, got: f64, expected: f64, tolerance: f64) {
        let same =
            got.is_nan() && expected.is_nan() || (got - expected).abs() <= tolerance.max(1e-12);
        assert!(
            same,
            "{}: {what} is {got}, expected {expected} within {tolerance}",
            self.id
        );
    }

    fn rules(&self, parameters: &str) -> Rules {
        let at = |key: &str| self.stated(&format!("{parameters}/{key}"));
        let switch = |key: &str| at(key).is_some_and(|value| value.as_bool() == Some(true));
        Rules {
            direction: match at("direction").and_then(Value::as_str) {
                Some("increase") => Direction::Increase,
                Some("decrease") => Direction::Decrease,
                Some("either") | None => Direction::Either,
                Some(other) => panic!("{}: unknown direction {other}", self.id),
            },
            nan_strategy: match at("nanStrategy").and_then(Value::as_str) {
                Some("replace") => NanStrategy::Replace,
                Some("remove") | None => NanStrategy::Remove,
                Some(other) => panic!("{}: unknown strategy {other}", self.id),
            },
            critical: switch("isCriticalMetric"),
            must_have_data: switch("isDataRequired"),
        }
    }

    fn classifier(&self) -> MannWhitney {
        let measure = match self
            .stated("/params/effectSizeMeasure")
            .and_then(Value::as_str)
        {
            Some("cles") => Measure::Cles,
            Some("meanRatio") | None => Measure::MeanRatio,
            Some(other) => panic!("{}: unknown measure {other}", self.id),
        };
        let pair = |key: &str| match self.numbers(&format!("/params/{key}")).as_slice() {
            [low, high] => (*low, *high),
            other => panic!("{}: {key} has {} numbers", self.id, other.len()),
        };
        MannWhitney {
            tolerance: self.number("/params/tolerance"),
            level: self.number("/params/confLevel"),
            measure,
            allowed: pair("effectSizeThresholds"),
            critical: pair("criticalThresholds"),
        }
    }

    fn arms(&self) -> (Vec<f64>, Vec<f64>) {
        let clean = |key| remove_nans(&self.numbers(key));
        (clean("/experiment"), clean("/control"))
    }
}

/// null is NaN, and so is the text.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().expect("a number"),
        other => other.as_f64().expect("a number"),
    }
}

fn label(text: &str) -> Label {
    match text {
        "Pass" => Label::Pass,
        "High" => Label::High,
        "Low" => Label::Low,
        "Nodata" => Label::Nodata,
        "NodataFailMetric" => Label::NodataFailMetric,
        "Error" => Label::Error,
        other => panic!("unknown classification {other}"),
    }
}

fn check_mann_whitney(case: &Case<'_>) {
    match case.text("/kind") {
        "wilcoxon_diff" => {
            let (x, y) = (case.numbers("/x"), case.numbers("/y"));
            for call in case.at("/calls").as_array().expect("calls") {
                let at = |key: &str| number(&call[key]);
                let got = wilcoxon_difference(&x, &y, at("mu"), at("quantile")).expect("variance");
                case.close("W", got, at("expected"), case.number("/tolerance"));
            }
        }
        "ci_estimate" => {
            let (experiment, control) = case.arms();
            let got =
                interval(&experiment, &control, case.number("/conf_level")).expect("variance");
            for (key, got) in [
                ("ci_low", got.low),
                ("ci_high", got.high),
                ("estimate", got.estimate),
            ] {
                let expected = case.number(&format!("/expected/{key}"));
                case.close(
                    key,
                    got,
                    expected,
                    case.number(&format!("/tolerance/{key}")),
                );
            }
        }
        "z_quantile" => check_quantiles(case),
        "intermediate" => check_intermediate(case),
        other => panic!("{}: unknown kind {other}", case.id),
    }
}

/// Whatever the names of a case's levels: each expected value is a quantile of the standard normal distribution.
fn check_quantiles(case: &Case<'_>) {
    let level = case.number("/conf_level");
    let upper = normal_quantile(f64::midpoint(1.0, level));
    let expected = case.at("/expected").as_object().expect("quantiles");
    for (key, value) in expected {
        let sign = number(value).signum();
        case.close(key, sign * upper, number(value), TOLERANCE);
    }
}

fn check_intermediate(case: &Case<'_>) {
    let (x, y) = case.arms();
    let level = case.number("/conf_level");
    let z = normal_quantile(f64::midpoint(1.0, level));
    let (low, high) = possible(&x, &y);
    let found = interval(&x, &y, level).expect("variance");
    let w = |mu, quantile| wilcoxon_difference(&x, &y, mu, quantile).expect("variance");
    let values = [
        ("rMumin", low),
        ("rMumax", high),
        ("rZqLower", z),
        ("rZqUpper", -z),
        ("rFlower1", w(low, z)),
        ("rFupper1", w(high, z)),
        ("rFlower2", w(low, -z)),
        ("rFupper2", w(high, -z)),
        ("rCil", found.low),
        ("rCiu", found.high),
        ("rEst", found.estimate),
    ];
    let values: BTreeMap<_, _> = values.into_iter().collect();
    for (key, expected) in case.at("/expected").as_object().expect("values") {
        let got = values
            .get(key.as_str())
            .unwrap_or_else(|| panic!("{}: unknown value {key}", case.id));
        case.close(key, *got, number(expected), case.number("/tolerance"));
    }
}

fn check_classifier(case: &Case<'_>) {
    let rules = case.rules("/params");
    let prepare = |points: Vec<f64>| match rules.nan_strategy {
        NanStrategy::Remove => remove_nans(&points),
        NanStrategy::Replace => replace_nans(&points, 0.0),
    };
    let (experiment, control) = (case.numbers("/experiment"), case.numbers("/control"));
    let got = case
        .classifier()
        .classify(&prepare(experiment), &prepare(control), rules);
    for (key, expected) in case.at("/expected").as_object().expect("expectations") {
        match (key.as_str(), expected) {
            (_, Value::Null) => {}
            ("classification", expected) => {
                assert_eq!(
                    got.label,
                    label(expected.as_str().expect("a label")),
                    "{}",
                    case.id
                );
            }
            ("critical", expected) => {
                assert_eq!(Some(got.critical), expected.as_bool(), "{}", case.id);
            }
            ("deviation", expected) => {
                // What Kayenta spreads by noise has its deviation to within that.
                let expected = number(expected);
                case.close("deviation", got.deviation, expected, 1e-4 * expected.abs());
            }
            ("reason_non_empty", _) => assert!(
                got.reason.as_ref().is_some_and(|reason| !reason.is_empty()),
                "{}",
                case.id
            ),
            (other, _) => panic!("{}: unknown expectation {other}", case.id),
        }
    }
}

fn check_mean_inequality(case: &Case<'_>) {
    let (experiment, control) = case.arms();
    let got = mean_inequality(&experiment, &control, case.rules(""));
    assert_eq!(
        got.label,
        label(case.text("/expected/classification")),
        "{}",
        case.id
    );
}

fn detector(name: &str, factor: f64) -> Detector {
    match name {
        "KSigma" => Detector::KSigma(factor),
        "IQR" => Detector::Iqr(factor),
        "IQRReduced" => Detector::ReducedIqr(factor),
        other => panic!("unknown detector {other}"),
    }
}

fn check_detector(case: &Case<'_>) {
    let reduced = case
        .stated("/reduceSensitivity")
        .is_some_and(|value| value == true);
    let name = if reduced {
        "IQRReduced"
    } else {
        case.text("/detector")
    };
    let got = detector(name, case.number("/factor")).detect(&case.numbers("/data"));
    let expected: Vec<_> = case
        .at("/expected_outlier")
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| value == true)
        .collect();
    assert_eq!(got, expected, "{}", case.id);
}

fn check_transform(case: &Case<'_>) {
    let data = case.numbers("/data");
    let (name, arguments) = case
        .text("/op")
        .split_once('(')
        .unwrap_or_else(|| (case.text("/op"), ")"));
    let arguments: Vec<_> = arguments
        .trim_end_matches(')')
        .split(',')
        .map(str::trim)
        .collect();
    let number = |at: usize| arguments[at].parse().expect("a number");
    let got = match name {
        "removeNaNs" => remove_nans(&data),
        "replaceNaNs" => replace_nans(&data, number(0)),
        "removeOutliers" => remove_outliers(&data, detector(arguments[0], number(1))),
        other => panic!("{}: unknown operation {other}", case.id),
    };
    assert_eq!(got, case.numbers("/expected"), "{}", case.id);
}

fn check_statistic(case: &Case<'_>) {
    let data = case.numbers("/data");
    if let Some(checks) = case.stated("/checks") {
        for check in checks.as_array().expect("checks") {
            let at = |key: &str| number(&check[key]);
            case.close(
                "percentile",
                percentile(&data, at("p")),
                at("expected"),
                at("tolerance"),
            );
        }
        return;
    }
    let got = summary(&remove_nans(&data));
    for (key, expected) in case.at("/expected").as_object().expect("a summary") {
        let got = match key.as_str() {
            "min" => got.min,
            "max" => got.max,
            "mean" => got.mean,
            "std" => got.std,
            "count" => f64::from(u32::try_from(got.count).expect("few values")),
            other => panic!("{}: unknown figure {other}", case.id),
        };
        case.close(key, got, number(expected), TOLERANCE);
    }
}

fn check_effect_size(case: &Case<'_>) {
    let measure = match case.text("/fn") {
        "meanRatio" => Measure::MeanRatio,
        "cles" => Measure::Cles,
        other => panic!("{}: unknown measure {other}", case.id),
    };
    let (experiment, control) = case.arms();
    let got = measure.of(&experiment, &control);
    case.close(
        "effect",
        got,
        case.number("/expected"),
        case.number("/tolerance"),
    );
}

fn check_scorer(case: &Case<'_>) {
    let metric = |metric: &Value| Scored {
        label: label(metric["classification"].as_str().expect("a label")),
        groups: serde_json::from_value(metric["groups"].clone()).expect("groups"),
        critical: metric["critical"] == true,
    };
    let metrics: Vec<_> = case
        .at("/metrics")
        .as_array()
        .expect("metrics")
        .iter()
        .map(metric)
        .collect();
    let weights: BTreeMap<String, f64> =
        serde_json::from_value(case.at("/group_weights").clone()).expect("weights");
    case.close(
        "score",
        score(&metrics, &weights),
        case.number("/expected_summary_score"),
        TOLERANCE,
    );
}

fn check_reported_issue(case: &Case<'_>) {
    let (experiment, control) = case.arms();
    let got = case
        .classifier()
        .classify(&experiment, &control, case.rules("/params"));
    assert_eq!(got.label, label(case.text("/kayenta_says")), "{}", case.id);
}
