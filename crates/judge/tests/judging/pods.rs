//! Services whose pods and routes are not alike, and guards of the user's own.

use std::collections::BTreeMap;

use fastrand::Rng;
use temper_judge::{
    Decision, Policy, State, judge,
    window::{Arm, CellKey, Counts, Custom, Window},
};

use crate::world::{policy, window};

/// Errors only, sixty looks.
fn errors() -> Policy {
    policy(
        r#"{"errors": {"total": "t", "errors": "e"}, "step": "30s", "horizon": "30m", "earlyPass": false}"#,
    )
}

/// A Poisson number by multiplication; for means up to some hundreds.
fn poisson(mean: f64, random: &mut Rng) -> u64 {
    let (mut product, mut number) = (random.f64(), 0);
    let limit = (-mean).exp();
    while product > limit {
        product *= random.f64();
        number += 1;
    }
    number
}

fn cell(arm: Arm, stratum: &str, pod: &str, requests: u64, errors: u64) -> (CellKey, Counts) {
    let key = CellKey {
        arm,
        stratum: stratum.to_owned(),
        pod: pod.to_owned(),
    };
    let counts = Counts {
        requests,
        errors: errors.min(requests),
        ..Counts::default()
    };
    (key, counts)
}

/// Three canary pods and nine stable ones with 200 requests a look each. `errors` says how many of them fail.
fn fleet(seed: u64, looks: u32, errors: impl Fn(Arm, usize, &mut Rng) -> u64) -> Vec<Window> {
    let mut random = Rng::with_seed(seed);
    (1..=looks)
        .map(|look| {
            let mut cells = BTreeMap::new();
            for (arm, pods) in [(Arm::Canary, 3), (Arm::Stable, 9)] {
                for pod in 0..pods {
                    let errors = errors(arm, pod, &mut random);
                    let (key, counts) = cell(arm, "", &format!("{arm:?}-{pod}"), 200, errors);
                    cells.insert(key, counts);
                }
            }
            window(look, cells)
        })
        .collect()
}

fn rollbacks(runs: u64, world: impl Fn(u64) -> Vec<Window>) -> usize {
    let policy = errors();
    (0..runs)
        .filter(|seed| judge(&policy, &world(*seed)).state == State::Fail)
        .count()
}

#[test]
fn errors_that_come_in_bursts_are_no_reason_to_roll_back() {
    let mut strict = errors();
    if let Some(guard) = &mut strict.errors {
        guard.max_ratio = 1.0;
    }
    let world = |seed| {
        fleet(seed, 60, |_, _, random| {
            let incidents = poisson(0.8, random);
            (0..incidents).map(|_| random.u64(1..=4)).sum()
        })
    };
    let failed = (0..200)
        .filter(|seed| judge(&strict, &world(*seed)).state == State::Fail)
        .count();
    // Taken for independent errors they roll back sixty.
    assert!(failed <= 14, "{failed} of 200");
}

#[test]
fn pods_that_differ_for_good_are_no_reason_to_roll_back() {
    // Coefficient of variation of one half, by the pod: with a margin of 1.5, three pods of twelve differ by chance.
    let world = |seed| {
        let mut random = Rng::with_seed(seed ^ 0xfeed);
        let rates: Vec<f64> = (0..12)
            .map(|_| {
                let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
                0.01 * 0.47f64.mul_add(normal, -0.11).exp()
            })
            .collect();
        fleet(seed, 60, move |arm, pod, random| {
            let at = if arm == Arm::Canary { pod } else { 3 + pod };
            poisson(200.0 * rates[at], random)
        })
    };
    let failed = rollbacks(200, world);
    assert!(failed <= 16, "{failed} of 200");
}

#[test]
fn pods_that_are_alike_do_not_hide_a_bad_version() {
    let world = |seed| {
        fleet(seed, 60, |arm, _, random| {
            let ratio = if arm == Arm::Canary { 3.0 } else { 1.0 };
            poisson(2.0 * ratio, random)
        })
    };
    let policy = errors();
    let looks: Vec<_> = (0..50).map(|seed| judge(&policy, &world(seed))).collect();
    assert!(looks.iter().all(|verdict| verdict.state == State::Fail));
    assert!(looks.iter().filter(|verdict| verdict.look <= 8).count() >= 40);
}

#[test]
fn when_it_is_one_pod_the_verdict_says_so() {
    let windows = fleet(1, 60, |arm, pod, random| {
        let ratio = if arm == Arm::Canary && pod == 2 {
            12.0
        } else {
            1.0
        };
        poisson(2.0 * ratio, random)
    });
    let verdict = judge(&errors(), &windows);
    assert_eq!(verdict.state, State::Fail);
    assert_eq!(verdict.guards[0].pod.as_deref(), Some("Canary-2"));
    assert!(
        verdict.reason.contains("one pod, Canary-2, has"),
        "{}",
        verdict.reason
    );
}

#[test]
fn when_all_pods_are_bad_no_single_one_is_blamed() {
    for seed in 0..40 {
        let windows = fleet(seed, 60, |arm, _, random| {
            let ratio = if arm == Arm::Canary { 4.0 } else { 1.0 };
            poisson(2.0 * ratio, random)
        });
        let verdict = judge(&errors(), &windows);
        assert_eq!(verdict.state, State::Fail);
        assert_eq!(verdict.guards[0].pod, None, "{}", verdict.reason);
    }
}

/// Ten routes of 40 canary and 360 stable requests a look each; the canary's first is so many times worse.
fn routes(seed: u64, worse: f64) -> Vec<Window> {
    let mut random = Rng::with_seed(seed);
    (1..=20)
        .map(|look| {
            let cells = (0..10).flat_map(|route| {
                let ratio = if route == 0 { worse } else { 1.0 };
                let name = format!("GET /{route}");
                [
                    cell(
                        Arm::Canary,
                        &name,
                        "c",
                        40,
                        poisson(0.4 * ratio, &mut random),
                    ),
                    cell(Arm::Stable, &name, "s", 360, poisson(3.6, &mut random)),
                ]
            });
            window(look, cells.collect::<Vec<_>>())
        })
        .collect()
}

#[test]
fn one_bad_route_of_ten_is_found_and_named() {
    let policy = errors();
    let verdicts: Vec<_> = (0..40)
        .map(|seed| judge(&policy, &routes(seed, 8.0)))
        .collect();
    let found = verdicts
        .iter()
        .filter(|verdict| verdict.state == State::Fail);
    assert!(found.clone().count() >= 38);
    let named = found.filter(|verdict| verdict.guards[0].stratum.as_deref() == Some("GET /0"));
    assert!(named.count() >= 25);
    let healthy = (0..100).filter(|seed| judge(&policy, &routes(*seed, 1.0)).state == State::Fail);
    assert!(healthy.count() <= 9);
}

/// A look with a value and a pair of counters under the names `lag` and `cache`.
fn custom(look: u32, lag: Option<f64>, misses: u64) -> Window {
    let counts = |total, events| Counts {
        requests: total,
        custom: [("cache".to_owned(), Custom::Events { total, events })].into(),
        ..Counts::default()
    };
    let (canary_key, _) = cell(Arm::Canary, "", "", 0, 0);
    let (stable_key, _) = cell(Arm::Stable, "", "", 0, 0);
    let mut canary = counts(1000, misses);
    canary
        .custom
        .extend(lag.map(|lag| ("lag".to_owned(), Custom::Value(lag))));
    window(
        look,
        [(canary_key, canary), (stable_key, counts(9000, 900))],
    )
}

fn custom_policy() -> Policy {
    policy(
        r#"{"custom": {"cache": {"total": "t", "errors": "m", "maxRatio": 1.2},
                       "lag": {"query": "max(lag)", "max": 100, "consecutive": 2}},
            "step": "30s", "horizon": "10m", "earlyPass": false}"#,
    )
}

#[test]
fn a_custom_pair_of_counters_is_judged_as_errors_are() {
    let windows = |misses| -> Vec<_> {
        (1..=20)
            .map(|look| custom(look, Some(1.0), misses))
            .collect()
    };
    let healthy = judge(&custom_policy(), &windows(100));
    assert_eq!(healthy.state, State::Pass, "{}", healthy.reason);
    let bad = judge(&custom_policy(), &windows(180));
    assert_eq!(bad.state, State::Fail);
    assert!(
        bad.reason.starts_with("cache: canary 1.80x stable"),
        "{}",
        bad.reason
    );
}

#[test]
fn a_threshold_takes_as_many_looks_in_a_row_as_it_says() {
    let lags = |lags: &[f64]| -> Vec<_> {
        (1..)
            .zip(lags)
            .map(|(look, lag)| custom(look, Some(*lag), 100))
            .collect()
    };
    let blips = judge(
        &custom_policy(),
        &lags(&[1.0, 500.0, 1.0, 500.0, f64::NAN, 1.0]),
    );
    assert_eq!(blips.state, State::Watching);
    let broken = judge(&custom_policy(), &lags(&[1.0, 500.0, f64::NAN, 700.0]));
    assert_eq!((broken.state, broken.look), (State::Fail, 4));
    assert!(
        broken
            .reason
            .contains("lag: 700, outside at most 100 for 2 looks in a row"),
        "{}",
        broken.reason
    );
}

#[test]
fn a_threshold_without_a_value_is_no_pass() {
    let windows: Vec<_> = (1..=20).map(|look| custom(look, None, 100)).collect();
    let verdict = judge(&custom_policy(), &windows);
    assert_eq!(verdict.state, State::Inconclusive);
    let lag = &verdict.guards[1];
    assert_eq!(
        (lag.guard.as_str(), lag.decision),
        ("lag", Decision::Refused)
    );
}
