//! Compares with values that other people's implementations gave: see `fixtures/README.md`. `TEMPER_STAT_VECTORS` names
//! another file of the same schema to take the cases from.

#![expect(
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::panic,
    reason = "a test reads its file, compares values with themselves and fails by panicking"
)]

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::Value;
use temper_stats::{
    beta_binomial::Prior,
    binomial, block,
    bounds::{self, DistributionBand, NormalMixture},
    brunner_munzel::{BrunnerMunzel, Reference},
    conditional::Events,
    hodges_lehmann,
    mixture::Anytime,
    normal, numeric,
    proportion::Proportion,
    rank::{Alternative, Continuity, MannWhitney, exact::Exact},
    samples::Samples,
    score,
    spending::{Schedule, Spending},
    tilt::{Interval, Margin, Tilt},
    two_proportions::TwoProportions,
};

/// What says how a vector was made.
const REMARKS: [&str; 1] = ["checked_against_scipy"];

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
        "mann_whitney" => mann_whitney(case),
        "mann_whitney_histogram" => mann_whitney_histogram(case),
        "fisher" => fisher(case),
        "proportion" => proportion(case),
        "two_proportions" => two_proportions(case),
        "rate_ratio_conditional" => rate_ratio(case),
        "alpha_spending_exact" => spending(case),
        "eprocess_error_ratio" => tilt(case),
        "eprocess_score_batch" => score_batch(case),
        "eprocess_multinomial_batch" => multinomial_batch(case),
        "beta_binomial_mixture" => beta_binomial(case),
        "normal_mixture_bound" => normal_mixture(case),
        "dkw_time_uniform" => distribution_band(case),
        "normal_sf" => normal_tail(case),
        other => panic!("{}: family {other} is not known here", case.id),
    }
}

struct Case<'a> {
    id: &'a str,
    input: &'a Value,
    expected: &'a Value,
    compared: RefCell<BTreeSet<String>>,
}

impl<'a> Case<'a> {
    fn new(case: &'a Value) -> Self {
        Self {
            id: case["id"].as_str().expect("a case has an id"),
            input: &case["input"],
            expected: &case["expected"],
            compared: RefCell::default(),
        }
    }

    /// The expected value, which counts as compared from now on.
    fn expected(&self, what: &str) -> &'a Value {
        self.compared.borrow_mut().insert(what.to_owned());
        &self.expected[what]
    }

    fn same(&self, what: &str, got: f64) {
        self.close(what, got, number(self.expected(what)));
    }

    fn same_if_defined(&self, what: &str, got: impl FnOnce() -> f64) {
        if !self.expected(what).is_null() {
            self.same(what, got());
        }
    }

    /// A logarithm that the reference took of p itself: close to p = 1 it knows p to the last place only.
    fn log_of_p(&self, what: &str, got: f64) {
        let expected = self.expected(what);
        if !expected.is_null() && (number(expected) - got).abs() > f64::EPSILON {
            self.same(what, got);
        }
    }

    /// null, or a pair of them, stands for no interval.
    fn same_interval(&self, what: &str, got: Option<(f64, f64)>) {
        let defined = |ends: &Vec<Value>| ends.iter().any(|end| !end.is_null());
        match got {
            Some(got) if self.expected(what).as_array().is_some_and(defined) => {
                self.same_pair(what, got);
            }
            Some(_) => {}
            None => assert!(
                !self.expected(what).as_array().is_some_and(defined),
                "{} {what}",
                self.id
            ),
        }
    }

    /// Within an absolute distance, or a relative one where values are above 1.
    fn near(&self, what: &str, (low, high): (f64, f64), within: f64) {
        let expected = self.expected(what);
        for (got, end) in [(low, &expected[0]), (high, &expected[1])] {
            let (end, id) = (number(end), self.id);
            let near = got == end || (got - end).abs() <= within * end.abs().max(1.0);
            assert!(near || end.is_nan(), "{id} {what}: {got} is not near {end}");
        }
    }

    fn same_pair(&self, what: &str, (low, high): (f64, f64)) {
        let expected = numbers(self.expected(what));
        // Some references have 0 up to rounding where it is 0.
        if low != 0.0 || expected[0].abs() > f64::EPSILON {
            self.close(what, low, expected[0]);
        }
        self.close(what, high, expected[1]);
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

    fn input(&self, what: &str) -> f64 {
        number(&self.input[what])
    }

    fn nothing_left_out(&self) {
        for what in self.expected.as_object().expect("an object").keys() {
            assert!(
                self.compared.borrow().contains(what) || REMARKS.contains(&what.as_str()),
                "{}: {what} was not compared",
                self.id
            );
        }
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

fn samples(case: &Case<'_>) -> Samples {
    let [x, y] = ["x", "y"].map(|name| numbers(&case.input[name]));
    Samples::new(&x, &y).expect("numbers only")
}

const NAMES: [(&str, Alternative); 3] = [
    ("greater", Alternative::Greater),
    ("less", Alternative::Less),
    ("two-sided", Alternative::TwoSided),
];

fn mann_whitney(case: &Case<'_>) {
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

fn mann_whitney_histogram(case: &Case<'_>) {
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

fn log10(ln: f64) -> f64 {
    ln / std::f64::consts::LN_10
}

fn fisher(case: &Case<'_>) {
    let row = |row: usize| {
        let cells = counts(&case.input["table"][row]);
        Proportion::new(cells[0], cells[0] + cells[1]).expect("some trials")
    };
    let arms = TwoProportions {
        first: row(0),
        second: row(1),
    };
    for (name, alternative) in NAMES {
        case.same(&format!("p/{name}"), arms.fisher_p(alternative));
    }
    let defined = |ratio: Option<f64>| ratio.expect("more than one outcome");
    case.same_if_defined("sample_odds_ratio", || defined(arms.odds_ratio()));
    case.same_if_defined("conditional_odds_ratio", || {
        defined(arms.conditional_odds_ratio())
    });
    let interval = arms.conditional_odds_ratio_interval(0.05);
    case.same_pair("conditional_or_ci95", interval.expect("few outcomes"));
}

fn proportion(case: &Case<'_>) {
    let field = |name: &str| case.input[name].as_u64().expect("a count");
    let proportion = Proportion::new(field("k"), field("n")).expect("some trials");
    for alpha in [0.05, 0.1] {
        for (name, interval) in [
            ("wilson", proportion.wilson(alpha)),
            ("beta", proportion.clopper_pearson(alpha)),
            ("jeffreys", proportion.jeffreys(alpha)),
            ("agresti_coull", proportion.agresti_coull(alpha)),
            ("normal", proportion.wald(alpha)),
        ] {
            case.same_pair(&format!("{name}/alpha={alpha}"), interval);
        }
    }
}

fn two_proportions(case: &Case<'_>) {
    let field = |name: &str| case.input[name].as_u64().expect("a count");
    let arm = |events, trials| Proportion::new(field(events), field(trials)).expect("some trials");
    let arms = TwoProportions {
        first: arm("c_err", "c_n"),
        second: arm("s_err", "s_n"),
    };
    case.same_if_defined("pooled_z", || arms.pooled_z());
    for alpha in [0.05, 0.1] {
        for (name, interval) in [
            ("diff/wald", Some(arms.difference_wald(alpha))),
            (
                "diff/agresti-caffo",
                Some(arms.difference_agresti_caffo(alpha)),
            ),
            ("diff/newcomb", Some(arms.difference_newcombe(alpha))),
            ("ratio/log", arms.ratio_log(alpha)),
            ("ratio/log-adjusted", arms.ratio_adjusted(alpha)),
            ("odds-ratio/logit", arms.odds_ratio_logit(alpha)),
            ("odds-ratio/logit-adjusted", arms.odds_ratio_adjusted(alpha)),
            ("odds-ratio/logit-smoothed", arms.odds_ratio_smoothed(alpha)),
        ] {
            case.same_interval(&format!("{name}/alpha={alpha}"), interval);
        }
        // statsmodels finds these by roots of cubic equations and by search, to seven digits. And for the difference it has the
        // events of the second arm where Miettinen & Nurminen's equation has its trials, which moves the ends by up to a
        // fifth of the width. Beside the code ours are compared with solutions to thirty digits.
        let width = |(low, high): (f64, f64)| high - low;
        let difference = arms.difference_score(alpha);
        for (name, got, within) in [
            ("diff/score", difference, 0.2 * width(difference)),
            ("ratio/score", arms.ratio_score(alpha), 1e-6),
            ("odds-ratio/score", arms.odds_ratio_score(alpha), 1e-6),
        ] {
            case.near(&format!("{name}/alpha={alpha}"), got, within);
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
    // Without stable events they have infinity, we have none.
    case.same_if_defined("rate_ratio", || {
        events.rate_ratio().unwrap_or(f64::INFINITY)
    });
    case.same(
        "statsmodels_exact_cond_larger_ratio1",
        events.p_greater(1.0),
    );
    for name in case.expected.as_object().expect("an object").keys() {
        let parameter = |prefix: &str| {
            let text = name.strip_prefix(prefix)?;
            Some(text.parse().expect("a number"))
        };
        if let Some(margin) = parameter("p_greater/margin=") {
            case.same(name, events.p_greater(margin));
        } else if let Some(margin) = parameter("midp_greater/margin=") {
            case.same(name, events.mid_p_greater(margin));
        } else if let Some(alpha) = parameter("clopper_pearson_share/alpha=") {
            case.same_pair(name, events.rate_ratio_interval(alpha));
        }
    }
}

fn spending(case: &Case<'_>) {
    let list = |name: &str| counts(&case.input[name]);
    let (canary, stable) = (list("c_err"), list("s_err"));
    let (n_canary, n_stable) = (list("c_n"), list("s_n"));
    let planned = case.input["planned_looks"].as_u64().expect("a count");
    let planned = u32::try_from(planned).expect("few looks");
    let schedule = Schedule::pocock(case.input("alpha"), planned);
    let mut test = Spending::default();
    let looks = case.expected("looks").as_array().expect("a list of looks");
    for (at, (number_of_look, expected)) in (1..).zip(looks).enumerate() {
        let events = Events {
            first: canary[at],
            first_exposure: n_canary[at],
            second: stable[at],
            second_exposure: n_stable[at],
        };
        let share = events.share(case.input("margin_ratio"));
        let all = canary[at] + stable[at];
        let got = test.look(canary[at], all, share, schedule.spent_by(number_of_look));
        let critical = expected["critical_cumulative_canary_errors"].as_u64();
        assert_eq!(got.critical, critical, "{} look {number_of_look}", case.id);
        case.close("alpha_used", got.spent, number(&expected["alpha_used"]));
        let rejects = expected["reject"].as_bool();
        assert_eq!(
            Some(got.rejects),
            rejects,
            "{} look {number_of_look}",
            case.id
        );
    }
}

fn tilt(case: &Case<'_>) {
    let list = |name: &str| counts(&case.input[name]);
    let (canary, stable) = (list("c_err"), list("s_err"));
    let (n_canary, n_stable) = (list("c_n"), list("s_n"));
    let margin = Margin {
        ratio: case.input("margin_ratio"),
        increase: case.input("margin_abs"),
    };
    assert_eq!(
        case.input["weights"], "uniform",
        "{}: other weights",
        case.id
    );
    let alternatives = numbers(&case.input["alt_grid"]);
    let mut process = Tilt::new(margin, &alternatives);
    let mut anytime = Anytime::default();
    let ln_evidence = numbers(case.expected("log_e"));
    let p = numbers(case.expected("anytime_p_running"));
    for (at, (ln_evidence, p)) in ln_evidence.into_iter().zip(p).enumerate() {
        process.observe(&Interval {
            canary: canary[at],
            canary_exposure: n_canary[at],
            stable: stable[at],
            stable_exposure: n_stable[at],
        });
        anytime.record(process.ln_evidence());
        case.close("log_e", process.ln_evidence(), ln_evidence);
        case.close("anytime_p_running", anytime.p(), p);
    }
}

fn score_batch(case: &Case<'_>) {
    let got = score::ln_factor(
        &counts(&case.input["counts_x"]),
        &counts(&case.input["counts_y"]),
        &numbers(&case.input["scores"]),
        case.input("center"),
        case.input("eps"),
        case.input("margin"),
    );
    case.same("log_e", got);
}

fn multinomial_batch(case: &Case<'_>) {
    let got = block::ln_factor(
        &counts(&case.input["counts_x"]),
        &counts(&case.input["counts_y"]),
        &numbers(&case.input["q_x"]),
        &numbers(&case.input["q_y"]),
    );
    case.same("log_e", got);
}

fn beta_binomial(case: &Case<'_>) {
    let prior = Prior {
        first: case.input("prior_a"),
        second: case.input("prior_b"),
    };
    let (share, first, second) = (case.input("theta0"), case.input("C"), case.input("S"));
    let two_sided = prior.ln_evidence(share, first, second);
    let one_sided = prior.ln_evidence_greater(share, first, second);
    case.same("log_bf_two_sided", two_sided);
    case.same("log_bf_one_sided_truncated_prior", one_sided);
}

fn normal_mixture(case: &Case<'_>) {
    assert_eq!(case.input["one_sided"], false, "{}: one-sided", case.id);
    let mixture = NormalMixture::narrowest_at(case.input("v_opt"), case.input("alpha_opt"));
    case.same("rho", mixture.rho());
    case.same("bound", mixture.bound(case.input("v"), case.input("alpha")));
}

fn distribution_band(case: &Case<'_>) {
    assert_eq!(case.input("A"), 0.85, "{}: another factor", case.id);
    for (name, alpha) in [(".05", 0.05), (".025", 0.025)] {
        let band = DistributionBand::new(alpha, case.input("t_min"));
        case.same(&format!("C_alpha_{name}"), band.constant());
        case.same(
            &format!("radius_alpha_{name}"),
            band.half_width(case.input("t")),
        );
    }
    let once = bounds::fixed_half_width(case.input("t"), 0.05);
    case.same("fixed_t_dkw_.05", once);
}

fn normal_tail(case: &Case<'_>) {
    let z = case.input("z");
    case.same("sf", normal::upper_tail(z));
    case.same("log10_sf", log10(normal::ln_upper_tail(z)));
}

#[test]
fn a_binomial_tail_is_one_less_the_other() {
    let upper = binomial::upper_tail(30, 100, 0.25);
    let lower: f64 = (0..30)
        .map(|k| binomial::ln_probability(k, 100, 0.25).exp())
        .sum();
    assert!((upper + lower - 1.0).abs() < 1e-12);
}
