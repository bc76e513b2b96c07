//! Compares with values that other people's implementations gave: see `../fixtures/README.md`. `TEMPER_STAT_VECTORS` names
//! another file of the same schema to take the cases from.

#![expect(
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::panic,
    reason = "a test reads its file, compares values with themselves and fails by panicking"
)]

mod case;
mod proportions;
mod ranks;
mod sequential;

use case::Case;
use serde_json::Value;
use temper_stats::{binomial, normal, rank::Alternative};

const NAMES: [(&str, Alternative); 3] = [
    ("greater", Alternative::Greater),
    ("less", Alternative::Less),
    ("two-sided", Alternative::TwoSided),
];

#[test]
fn results_agree_with_reference_vectors() {
    let text = match std::env::var_os("TEMPER_STAT_VECTORS") {
        Some(path) => std::fs::read_to_string(path).expect("TEMPER_STAT_VECTORS can be read"),
        None => include_str!("../fixtures/stat-vectors.json").to_owned(),
    };
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let cases = file["cases"].as_array().expect("a list of cases");
    let mut checked = 0;
    for case in cases {
        let family = case["family"].as_str().expect("a case has a family");
        let case = Case::new(case);
        check(&case, family);
        case.nothing_left_out();
        checked += 1;
    }
    assert!(checked > 0, "no case");
}

fn check(case: &Case<'_>, family: &str) {
    match family {
        "mann_whitney" => ranks::mann_whitney(case),
        "mann_whitney_histogram" => ranks::mann_whitney_histogram(case),
        "fisher" => proportions::fisher(case),
        "proportion" => proportions::proportion(case),
        "two_proportions" => proportions::two_proportions(case),
        "rate_ratio_conditional" => proportions::rate_ratio(case),
        "alpha_spending_exact" => sequential::spending(case),
        "eprocess_error_ratio" => sequential::tilt(case),
        "eprocess_score_batch" => sequential::score_batch(case),
        "eprocess_multinomial_batch" => sequential::multinomial_batch(case),
        "beta_binomial_mixture" => sequential::beta_binomial(case),
        "normal_mixture_bound" => sequential::normal_mixture(case),
        "dkw_time_uniform" => sequential::distribution_band(case),
        "normal_sf" => normal_tail(case),
        other => panic!("{}: family {other} is not known here", case.id),
    }
}

fn normal_tail(case: &Case<'_>) {
    let z = case.input("z");
    case.same("sf", normal::upper_tail(z));
    case.same("log10_sf", log10(normal::ln_upper_tail(z)));
}

fn log10(ln: f64) -> f64 {
    ln / std::f64::consts::LN_10
}

#[test]
fn a_binomial_tail_is_one_less_the_other() {
    let upper = binomial::upper_tail(30, 100, 0.25);
    let lower: f64 = (0..30)
        .map(|k| binomial::ln_probability(k, 100, 0.25).exp())
        .sum();
    assert!((upper + lower - 1.0).abs() < 1e-12);
}
