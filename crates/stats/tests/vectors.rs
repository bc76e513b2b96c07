//! Compares with values that other people's implementations gave: see `fixtures/README.md`. `TEMPER_STAT_VECTORS` names
//! another file of the same schema to take the cases from.

#![expect(
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::panic,
    clippy::suboptimal_flops,
    reason = "a test reads its file, compares values with themselves and fails by panicking"
)]

use serde_json::Value;
use temper_stats::{
    binomial,
    conditional::Events,
    normal, numeric,
    rank::{Alternative, Continuity, MannWhitney},
    score,
    spending::Spending,
    tilt::{Interval, Margin, Tilt, WORSE},
};

/// Families of which nothing is implemented yet. A family that is neither here nor in [`check`] fails the test.
const LATER: [&str; 7] = [
    "fisher",
    "proportion",
    "two_proportions",
    "beta_binomial_mixture",
    "eprocess_multinomial_batch",
    "normal_mixture_bound",
    "dkw_time_uniform",
];

const RELATIVE: f64 = 1e-9;

#[test]
fn results_agree_with_reference_vectors() {
    let text = match std::env::var_os("TEMPER_STAT_VECTORS") {
        Some(path) => std::fs::read_to_string(path).expect("TEMPER_STAT_VECTORS can be read"),
        None => include_str!("fixtures/stat-vectors.json").to_owned(),
    };
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let cases = file["cases"].as_array().expect("a list of cases");
    let mut checked = 0;
    for case in cases {
        let id = case["id"].as_str().expect("a case has an id");
        let family = case["family"].as_str().expect("a case has a family");
        if !LATER.contains(&family) {
            check(
                &Case {
                    id,
                    input: &case["input"],
                    expected: &case["expected"],
                },
                family,
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no case of a known family");
}

fn check(case: &Case<'_>, family: &str) {
    match family {
        "mann_whitney" => mann_whitney(case),
        "mann_whitney_histogram" => mann_whitney_histogram(case),
        "rate_ratio_conditional" => rate_ratio(case),
        "alpha_spending_exact" => spending(case),
        "eprocess_error_ratio" => tilt(case),
        "eprocess_score_batch" => score_batch(case),
        "normal_sf" => normal_tail(case),
        other => panic!("{}: family {other} is not known here", case.id),
    }
}

struct Case<'a> {
    id: &'a str,
    input: &'a Value,
    expected: &'a Value,
}

impl Case<'_> {
    fn same(&self, what: &str, got: f64) {
        let expected = number(&self.expected[what]);
        self.close(what, got, expected);
    }

    fn close(&self, what: &str, got: f64, expected: f64) {
        let close = got.to_bits() == expected.to_bits()
            || (got - expected).abs() <= RELATIVE * expected.abs().max(f64::MIN_POSITIVE)
            || (expected.abs() < 1e-300 && got.abs() < 1e-300);
        assert!(
            close,
            "{} {what}: expected {expected:e}, got {got:e}",
            self.id
        );
    }

    fn has(&self, what: &str) -> bool {
        !self.expected[what].is_null()
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().expect("a number as text"),
        other => other.as_f64().unwrap_or(f64::NAN),
    }
}

fn counts(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|n| n.as_u64().expect("a count"))
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

/// A bucket for each distinct value.
fn bucketed(case: &Case<'_>) -> [Vec<u64>; 2] {
    let samples = ["x", "y"].map(|name| numbers(&case.input[name]));
    let mut values = samples.concat();
    values.sort_by(f64::total_cmp);
    values.dedup_by(|a, b| *a == *b);
    samples.map(|sample| {
        let mut counts = vec![0; values.len()];
        for value in sample {
            counts[values
                .iter()
                .position(|other| *other == value)
                .expect("it is there")] += 1;
        }
        counts
    })
}

const NAMES: [(&str, Alternative); 3] = [
    ("greater", Alternative::Greater),
    ("less", Alternative::Less),
    ("two-sided", Alternative::TwoSided),
];

fn mann_whitney(case: &Case<'_>) {
    let [first, second] = bucketed(case);
    let test = MannWhitney::from_counts(&first, &second).expect("few values");
    case.same("U1", numeric::wide_count(test.doubled_u()) / 2.0);
    if case.has("A12") {
        case.same("A12", test.superiority().expect("no sample is empty"));
    }
    asymptotic(case, &test);
}

fn mann_whitney_histogram(case: &Case<'_>) {
    let (first, second) = (
        counts(&case.input["counts_x"]),
        counts(&case.input["counts_y"]),
    );
    let test = MannWhitney::from_counts(&first, &second).expect("few enough values");
    case.same("var_U", test.variance());
    case.same("A12", test.superiority().expect("no sample is empty"));
    let tie_term = case.expected["tie_term"].as_str().expect("text").to_owned();
    assert_eq!(test.tie_term().to_string(), tie_term, "{}", case.id);
    asymptotic(case, &test);
}

fn asymptotic(case: &Case<'_>, test: &MannWhitney) {
    for (name, alternative) in NAMES {
        for (correction, continuity) in [
            ("cc", Continuity::Corrected),
            ("nocc", Continuity::Uncorrected),
        ] {
            let tail = test.tail(alternative, continuity);
            let p = format!("asymptotic_{correction}/{name}");
            // scipy has NaN where all values are equal and nothing is corrected; we have 1, as it has with correction.
            if case.has(&p) && test.variance() > 0.0 {
                case.same(&p, tail.p);
            }
            let log = format!("log10_p_{correction}/{name}");
            if case.has(&log) && test.variance() > 0.0 {
                let expected = number(&case.expected[&log]);
                let got = tail.ln_p / std::f64::consts::LN_10;
                assert!(
                    (got - expected).abs() <= RELATIVE * expected.abs().max(1e-3),
                    "{} {log}: expected {expected:e}, got {got:e}",
                    case.id
                );
            }
            let z = format!("z_{correction}/{name}");
            if case.has(&z) {
                case.same(&z, test.z(alternative, continuity));
            }
        }
    }
}

fn rate_ratio(case: &Case<'_>) {
    let field = |name: &str| case.input[name].as_u64().expect("a count");
    let events = Events {
        first: field("c_err"),
        first_exposure: field("c_n"),
        second: field("s_err"),
        second_exposure: field("s_n"),
    };
    if case.has("rate_ratio") {
        // Without stable events they have infinity, we have none.
        case.same("rate_ratio", events.rate_ratio().unwrap_or(f64::INFINITY));
    }
    for (name, value) in case.expected.as_object().expect("an object") {
        if let Some(margin) = name.strip_prefix("p_greater/margin=") {
            case.same(name, events.p_greater(margin.parse().expect("a number")));
        } else if let Some(margin) = name.strip_prefix("midp_greater/margin=") {
            case.same(
                name,
                events.mid_p_greater(margin.parse().expect("a number")),
            );
        } else if let Some(alpha) = name.strip_prefix("clopper_pearson_share/alpha=") {
            let (low, high) = events.rate_ratio_interval(alpha.parse().expect("a number"));
            let expected = numbers(value);
            case.close(name, low, expected[0]);
            case.close(name, high, expected[1]);
        }
    }
}

fn spending(case: &Case<'_>) {
    let list = |name: &str| counts(&case.input[name]);
    let (canary, stable) = (list("c_err"), list("s_err"));
    let (n_canary, n_stable) = (list("c_n"), list("s_n"));
    let ratio = number(&case.input["margin_ratio"]);
    let alpha = number(&case.input["alpha"]);
    let planned = number(&case.input["planned_looks"]);
    let looks = case.expected["looks"].as_array().expect("a list of looks");
    let mut test = Spending::default();
    let mut t = 0.0;
    for (at, look) in looks.iter().enumerate() {
        t += 1.0;
        // The vectors were made with the schedule of Pocock's type.
        let allowed = alpha * ((std::f64::consts::E - 1.0) * t / planned).ln_1p();
        let share = ratio * numeric::count(n_canary[at])
            / (ratio * numeric::count(n_canary[at]) + numeric::count(n_stable[at]));
        let got = test.look(canary[at], canary[at] + stable[at], share, allowed);
        let expected = look["critical_cumulative_canary_errors"].as_u64();
        assert_eq!(got.critical, expected, "{} look {t}", case.id);
        case.close("alpha_used", got.spent, number(&look["alpha_used"]));
        assert_eq!(
            Some(got.rejects),
            look["reject"].as_bool(),
            "{} look {t}",
            case.id
        );
        if got.rejects {
            break;
        }
    }
}

fn tilt(case: &Case<'_>) {
    let list = |name: &str| counts(&case.input[name]);
    let margin = Margin {
        ratio: number(&case.input["margin_ratio"]),
        increase: number(&case.input["margin_abs"]),
    };
    let grid = numbers(&case.input["alt_grid"]);
    assert_eq!(grid, WORSE, "{}: another grid than ours", case.id);
    let mut process = Tilt::new(margin, &grid);
    let expected = numbers(&case.expected["log_e"]);
    for (at, expected) in expected.into_iter().enumerate() {
        process.observe(&Interval {
            canary: list("c_err")[at],
            canary_exposure: list("c_n")[at],
            stable: list("s_err")[at],
            stable_exposure: list("s_n")[at],
        });
        case.close("log_e", process.ln_evidence(), expected);
    }
}

fn score_batch(case: &Case<'_>) {
    let input = |name: &str| number(&case.input[name]);
    let (canary, stable) = (
        counts(&case.input["counts_x"]),
        counts(&case.input["counts_y"]),
    );
    let scores = numbers(&case.input["scores"]);
    let got = score::ln_factor(
        &canary,
        &stable,
        &scores,
        input("center"),
        input("eps"),
        input("margin"),
    );
    case.same("log_e", got);
}

fn normal_tail(case: &Case<'_>) {
    let z = number(&case.input["z"]);
    case.same("sf", normal::upper_tail(z));
    case.same(
        "log10_sf",
        normal::ln_upper_tail(z) / std::f64::consts::LN_10,
    );
}

#[test]
fn a_binomial_tail_is_one_less_the_other() {
    let upper = binomial::upper_tail(30, 100, 0.25);
    let lower: f64 = (0..30)
        .map(|k| binomial::ln_probability(k, 100, 0.25).exp())
        .sum();
    assert!((upper + lower - 1.0).abs() < 1e-12);
}
