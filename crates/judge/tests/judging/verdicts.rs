//! One verdict at a time, with its reason.

use temper_judge::{Decision, State, judge};

use crate::world::{CANARY, STABLE, Version, both, missing, policy, rollout};

fn starts_and_contains(reason: &str, start: &str, parts: &[&str]) {
    assert!(reason.starts_with(start), "{reason}");
    for part in parts {
        assert!(reason.contains(part), "{part} is not in: {reason}");
    }
}

#[test]
fn more_errors_fail_with_the_metric_the_effect_and_its_interval() {
    let windows = rollout(1, 10, |_| {
        (
            Version {
                error_ratio: 0.06,
                ..CANARY
            },
            STABLE,
        )
    });
    let verdict = judge(&both(), &windows);
    assert_eq!(verdict.state, State::Fail);
    assert!(verdict.look <= 3, "{}", verdict.look);
    starts_and_contains(
        &verdict.reason,
        "errors: canary ",
        &[
            "x stable (",
            "x to ",
            " requests, evidence 1:",
            "limit 1.00x",
        ],
    );
    let report = &verdict.guards[0];
    assert_eq!(report.decision, Decision::Harm);
    let (low, high) = report.interval.unwrap();
    let effect = report.effect.unwrap();
    assert!(
        1.0 < low && low < effect && effect < high,
        "{low} {effect} {high}"
    );
}

#[test]
fn slower_requests_fail_with_the_ratio_of_latencies() {
    let windows = rollout(2, 10, |_| {
        (
            Version {
                median: 0.045,
                ..CANARY
            },
            STABLE,
        )
    });
    let verdict = judge(&both(), &windows);
    assert_eq!(verdict.state, State::Fail);
    assert!(verdict.look <= 4, "{}", verdict.look);
    starts_and_contains(
        &verdict.reason,
        "latency: canary 1.",
        &["x to ", "no slowdown tolerated"],
    );
    let effect = verdict.guards[1].effect.unwrap();
    assert!((1.3..1.7).contains(&effect), "{effect}");
}

#[test]
fn a_tail_that_ranks_are_blind_to_fails_and_is_named() {
    let windows = rollout(3, 10, |_| {
        (
            Version {
                slow: 0.06,
                ..CANARY
            },
            STABLE,
        )
    });
    let verdict = judge(&both(), &windows);
    assert_eq!(verdict.state, State::Fail, "{}", verdict.reason);
    starts_and_contains(
        &verdict.reason,
        "latency: ",
        &["of canary requests, ", " of stable"],
    );
}

#[test]
fn a_healthy_version_passes_at_the_horizon_and_says_what_was_seen() {
    let verdict = judge(&both(), &rollout(4, 10, |_| (CANARY, STABLE)));
    assert_eq!(
        (verdict.state, verdict.look),
        (State::Pass, 10),
        "{}",
        verdict.reason
    );
    starts_and_contains(
        &verdict.reason,
        "no harm found in 10 looks: errors: canary ",
        &["of 1 000 vs ", "of 9 000 requests", ". latency: canary "],
    );
}

#[test]
fn a_safe_version_passes_early_where_margins_allow_it() {
    let policy =
        policy(r#"{"errors": {"total": "t", "errors": "e", "maxRatio": 2}, "horizon": "30m"}"#);
    let version = Version {
        requests: 10_000,
        ..CANARY
    };
    let verdict = judge(
        &policy,
        &rollout(5, 60, |_| {
            (
                version,
                Version {
                    requests: 90_000,
                    ..CANARY
                },
            )
        }),
    );
    assert_eq!(verdict.state, State::Pass);
    assert!(verdict.look < 10, "{}", verdict.look);
    starts_and_contains(
        &verdict.reason,
        "safe within what is tolerated after ",
        &["limit 2.0x"],
    );
}

#[test]
fn an_absolute_margin_is_respected_and_its_excess_is_not() {
    let policy = policy(
        r#"{"errors": {"total": "t", "errors": "e", "maxRatio": 1, "maxIncrease": "2%"}, "horizon": "5m"}"#,
    );
    let at_margin = rollout(6, 10, |_| {
        (
            Version {
                error_ratio: 0.03,
                ..CANARY
            },
            STABLE,
        )
    });
    assert_ne!(judge(&policy, &at_margin).state, State::Fail);
    let beyond = rollout(7, 10, |_| {
        (
            Version {
                error_ratio: 0.12,
                ..CANARY
            },
            STABLE,
        )
    });
    assert_eq!(judge(&policy, &beyond).state, State::Fail);
}

#[test]
fn without_traffic_nothing_is_judged() {
    let none = Version {
        requests: 0,
        ..CANARY
    };
    for (canary, stable, arm) in [(none, STABLE, "canary"), (CANARY, none, "stable version")] {
        let verdict = judge(&both(), &rollout(8, 10, |_| (canary, stable)));
        assert_eq!(verdict.state, State::Inconclusive);
        starts_and_contains(
            &verdict.reason,
            &format!("the {arm} served no request"),
            &["matchers"],
        );
    }
    let verdict = judge(&both(), &[]);
    assert_eq!(verdict.state, State::Watching);
}

#[test]
fn a_canary_that_falls_silent_is_not_healthy() {
    let windows = rollout(9, 10, |look| {
        let requests = if look > 6 { 0 } else { 100 };
        (Version { requests, ..CANARY }, STABLE)
    });
    let verdict = judge(&both(), &windows);
    assert_eq!(verdict.state, State::Inconclusive);
    starts_and_contains(
        &verdict.reason,
        "the canary has served no request in the last 4 looks",
        &[],
    );
}

#[test]
fn a_histogram_with_all_in_one_bucket_is_refused_with_the_bounds_to_add() {
    let fast = |version: Version| Version {
        median: 0.001,
        ..version
    };
    let verdict = judge(&both(), &rollout(10, 10, |_| (fast(CANARY), fast(STABLE))));
    assert_eq!(verdict.state, State::Inconclusive);
    assert_eq!(verdict.guards[1].decision, Decision::Refused);
    starts_and_contains(
        &verdict.reason,
        "no harm can be found",
        &[
            "in the bucket from 0ns to 5ms",
            "add buckets such as le 0.0011 and 0.0023",
        ],
    );
}

#[test]
fn missing_looks_delay_a_verdict_and_never_make_one() {
    let bad = rollout(11, 10, |_| {
        (
            Version {
                error_ratio: 0.2,
                ..CANARY
            },
            STABLE,
        )
    });
    let mut windows: Vec<_> = (1..=4).map(missing).collect();
    windows.extend_from_slice(&bad[4..]);
    for until in 0..=4 {
        assert_eq!(judge(&both(), &windows[..until]).state, State::Watching);
    }
    let verdict = judge(&both(), &windows);
    assert_eq!((verdict.state, verdict.look), (State::Fail, 5));
    let all_missing: Vec<_> = (1..=10).map(missing).collect();
    let verdict = judge(&both(), &all_missing);
    assert_eq!(verdict.state, State::Inconclusive);
    starts_and_contains(
        &verdict.reason,
        "10 of 10 looks could not be read: connection refused",
        &[],
    );
}

#[test]
fn what_happens_while_warming_up_is_not_judged() {
    let windows = rollout(12, 10, |look| {
        let cold = if look <= 2 { 0.5 } else { 0.01 };
        (
            Version {
                error_ratio: cold,
                median: if look <= 2 { 0.18 } else { 0.03 },
                ..CANARY
            },
            STABLE,
        )
    });
    let mut warm = both();
    assert_eq!(judge(&warm, &windows).state, State::Fail);
    warm.warm_up = 2 * warm.step;
    assert_eq!(judge(&warm, &windows).state, State::Pass);
    assert!(judge(&warm, &windows[..1]).reason.ends_with("warming up"));
}

#[test]
fn a_test_that_looks_once_decides_at_the_horizon() {
    let mut once = both();
    once.test = temper_judge::Test::Fixed;
    let bad = rollout(13, 10, |_| {
        (
            Version {
                error_ratio: 0.06,
                ..CANARY
            },
            STABLE,
        )
    });
    assert_eq!(judge(&once, &bad[..9]).state, State::Watching);
    assert_eq!(judge(&once, &bad).state, State::Fail);
    let slow = rollout(14, 10, |_| {
        (
            Version {
                median: 0.036,
                ..CANARY
            },
            STABLE,
        )
    });
    let verdict = judge(&once, &slow);
    assert_eq!(verdict.state, State::Fail);
    assert_eq!(verdict.guards[1].decision, Decision::Harm);
    assert_eq!(
        judge(&once, &rollout(15, 10, |_| (CANARY, STABLE))).state,
        State::Pass
    );
}

#[test]
fn the_names_of_the_output_are_those_that_scripts_read() {
    let windows = rollout(1, 10, |_| {
        (
            Version {
                error_ratio: 0.06,
                ..CANARY
            },
            STABLE,
        )
    });
    let json = serde_json::to_value(judge(&both(), &windows)).unwrap();
    assert_eq!(json["verdict"], "fail");
    assert_eq!(json["looks"], 10);
    let errors = &json["guards"][0];
    assert_eq!(
        (errors["guard"].as_str(), errors["decision"].as_str()),
        (Some("errors"), Some("harm"))
    );
    for key in ["look", "anytimeP", "effect"] {
        assert!(errors[key].is_number(), "{key}");
    }
    assert_eq!(errors["interval"].as_array().unwrap().len(), 2);
    assert!(errors["canary"]["errors"].is_u64() && errors["stable"]["requests"].is_u64());
    assert!(json["guards"][1]["canary"].get("errors").is_none());
}
