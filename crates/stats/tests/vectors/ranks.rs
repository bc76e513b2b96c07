//! Families of rank statistics, of single values and of counts per bucket.

use serde_json::Value;
use temper_stats::{
    brunner_munzel::{BrunnerMunzel, Reference},
    hodges_lehmann, numeric,
    rank::{Alternative, Continuity, MannWhitney, exact::Exact},
    samples::Samples,
};

use crate::{
    NAMES,
    case::{Case, counts, number, numbers},
    log10,
};

pub(crate) fn mann_whitney(case: &Case<'_>) {
    let samples = samples(case);
    let (first, second) = samples.counts();
    let test = MannWhitney::from_samples(&samples);
    assert_eq!(MannWhitney::from_counts(&first, &second), Some(test));
    let swapped = MannWhitney::from_counts(&second, &first).expect("few values");
    case.same("U1", numeric::wide_count(test.doubled_u()) / 2.0);
    case.same("U2", numeric::wide_count(swapped.doubled_u()) / 2.0);
    let has_ties = test.tie_term() > 0;
    assert_eq!(
        case.expected("has_ties").as_bool(),
        Some(has_ties),
        "{}",
        case.id
    );
    case.same("tie_term", numeric::wide_count(test.tie_term()));
    case.same_if_defined("A12", || test.superiority().expect("no sample is empty"));
    case.same_if_defined("cliffs_delta", || {
        test.dominance().expect("no sample is empty")
    });
    asymptotic(case, &test);
    exact(case, &samples);
    let placements = BrunnerMunzel::from_samples(&samples).expect("no sample is empty");
    same_placements(case, &placements);
    brunner_munzel(case, &placements);
    hodges_lehmann(case, &samples);
}

fn samples(case: &Case<'_>) -> Samples {
    let [x, y] = ["x", "y"].map(|name| numbers(&case.input[name]));
    Samples::new(&x, &y).expect("numbers only")
}

fn same_placements(case: &Case<'_>, test: &BrunnerMunzel) {
    let value = |value: Option<f64>| value.expect("more than one value");
    case.same_if_defined("var_placement_x", || value(test.first_variance()));
    case.same_if_defined("var_placement_y", || value(test.second_variance()));
    case.same_if_defined("var_A12", || value(test.variance()));
    case.same_if_defined("df_satterthwaite", || value(test.degrees_of_freedom()));
    case.same_if_defined("brunner_munzel_df", || value(test.degrees_of_freedom()));
    // Theirs is positive where the second sample tends to be larger.
    let turned = || -test.statistic().expect("some variance");
    case.same_if_defined("brunner_munzel_W_scipy_sign", turned);
    let interval = case.expected("A12_logit_ci95");
    if !interval.is_null() {
        case.same_pair(
            "A12_logit_ci95",
            test.interval(0.05).expect("some variance"),
        );
    }
}

fn brunner_munzel(case: &Case<'_>, test: &BrunnerMunzel) {
    let expected = case.expected("brunner_munzel");
    let statistic = number(&expected["statistic"]);
    if !statistic.is_finite() {
        // Undefined, infinite or whatever the reference divides 0 by 0 to.
        assert!(test.statistic().is_err(), "{}", case.id);
        return;
    }
    let turned = -test.statistic().expect("some variance");
    case.close("statistic", turned, statistic);
    for (name, alternative) in NAMES {
        for (law, reference) in [("t", Reference::Student), ("normal", Reference::Normal)] {
            let name = format!("{name}/{law}");
            let tail = test.tail(alternative, reference).expect("some variance");
            case.close(&name, tail.p, number(&expected[&name]));
        }
    }
}

fn hodges_lehmann(case: &Case<'_>, samples: &Samples) {
    let estimate = hodges_lehmann::shift(samples, 0.05);
    let shift = || estimate.expect("finite values");
    case.same_if_defined("hl_shift_median_of_differences", || shift().median);
    let expected = case.expected("hl_ci95_order_stat_no_tie_corr");
    if expected.is_null() {
        let interval = estimate.map(|estimate| estimate.interval);
        assert!(matches!(interval, Err(_) | Ok(None)), "{}", case.id);
    } else {
        let (low, high) = shift().interval.expect("enough values");
        case.close("low", low, number(&expected["low"]));
        case.close("high", high, number(&expected["high"]));
    }
}

fn exact(case: &Case<'_>, samples: &Samples) {
    let exact = Exact::from_samples(samples);
    let exact = || exact.clone().expect("few values");
    for (name, alternative) in NAMES {
        let p = || exact().tail(alternative).p;
        case.same_if_defined(&format!("exact/{name}"), p);
    }
    let permutation = case.expected("exact_permutation_tie_aware");
    if permutation.is_null() {
        return;
    }
    for (name, got) in [
        ("greater", exact().tail(Alternative::Greater)),
        ("less", exact().tail(Alternative::Less)),
        ("two-sided-doubled", exact().tail(Alternative::TwoSided)),
        ("two-sided-by-distance", exact().tail_by_distance()),
    ] {
        case.close(name, got.p, number(&permutation[name]));
    }
}

pub(crate) fn mann_whitney_histogram(case: &Case<'_>) {
    let (first, second) = (
        counts(&case.input["counts_x"]),
        counts(&case.input["counts_y"]),
    );
    let test = MannWhitney::from_counts(&first, &second).expect("few enough values");
    case.same("m", numeric::count(first.iter().sum()));
    case.same("n", numeric::count(second.iter().sum()));
    case.same("U1", numeric::wide_count(test.doubled_u()) / 2.0);
    case.same("var_U", test.variance());
    case.same("A12", test.superiority().expect("no sample is empty"));
    let digits = |what: &str| match case.expected(what) {
        Value::String(integer) => integer.clone(),
        other => other.to_string(),
    };
    assert_eq!(
        test.tie_term().to_string(),
        digits("tie_term"),
        "{}",
        case.id
    );
    assert_eq!(
        test.doubled_u().to_string(),
        digits("U1_times_2"),
        "{}",
        case.id
    );
    asymptotic(case, &test);
    let placements = BrunnerMunzel::from_counts(&first, &second).expect("no sample is empty");
    same_placements(case, &placements);
}

fn asymptotic(case: &Case<'_>, test: &MannWhitney) {
    for (name, alternative) in NAMES {
        for (correction, continuity) in [
            ("cc", Continuity::Corrected),
            ("nocc", Continuity::Uncorrected),
        ] {
            // Undefined in scipy where all values are equal and nothing is corrected; we have 1, as it has with correction.
            let tail = test.tail(alternative, continuity);
            case.same_if_defined(&format!("asymptotic_{correction}/{name}"), || tail.p);
            case.log_of_p(&format!("log10_p_{correction}/{name}"), log10(tail.ln_p));
            let z = || test.z(alternative, continuity);
            case.same_if_defined(&format!("z_{correction}/{name}"), z);
        }
    }
}
