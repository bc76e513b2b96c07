//! Families of events among trials, and of rates.

use temper_stats::{conditional::Events, proportion::Proportion, two_proportions::TwoProportions};

use crate::{
    NAMES,
    case::{Case, counts},
};

pub(crate) fn fisher(case: &Case<'_>) {
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

pub(crate) fn proportion(case: &Case<'_>) {
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

pub(crate) fn two_proportions(case: &Case<'_>) {
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

pub(crate) fn rate_ratio(case: &Case<'_>) {
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
