//! Families of what may be looked at repeatedly.

use temper_stats::{
    beta_binomial::Prior,
    block,
    bounds::{self, DistributionBand, NormalMixture},
    conditional::Events,
    mixture::Anytime,
    score,
    spending::{Schedule, Spending},
    tilt::{Interval, Margin, Tilt},
};

use crate::case::{Case, counts, number, numbers};

pub(crate) fn spending(case: &Case<'_>) {
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

pub(crate) fn tilt(case: &Case<'_>) {
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

pub(crate) fn score_batch(case: &Case<'_>) {
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

pub(crate) fn multinomial_batch(case: &Case<'_>) {
    let got = block::ln_factor(
        &counts(&case.input["counts_x"]),
        &counts(&case.input["counts_y"]),
        &numbers(&case.input["q_x"]),
        &numbers(&case.input["q_y"]),
    );
    case.same("log_e", got);
}

pub(crate) fn beta_binomial(case: &Case<'_>) {
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

pub(crate) fn normal_mixture(case: &Case<'_>) {
    assert_eq!(case.input["one_sided"], false, "{}: one-sided", case.id);
    let mixture = NormalMixture::narrowest_at(case.input("v_opt"), case.input("alpha_opt"));
    case.same("rho", mixture.rho());
    case.same("bound", mixture.bound(case.input("v"), case.input("alpha")));
}

pub(crate) fn distribution_band(case: &Case<'_>) {
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
