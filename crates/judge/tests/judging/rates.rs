//! How often healthy versions are rolled back and bad ones are found. Small and seeded: it catches what is broken, and does
//! not replace a calibration.

use temper_judge::{Policy, State, judge, window::Window};

use crate::world::{CANARY, STABLE, Version, both, rollout};

const RUNS: u64 = 400;

/// A hundred more than this many rollbacks in 400 runs would be above 5 % with a probability of 99.9 %.
const MOST_ROLLBACKS: usize = 35;

fn failures(policy: &Policy, runs: u64, world: impl Fn(u64) -> Vec<Window>) -> usize {
    (0..runs)
        .filter(|seed| judge(policy, &world(*seed)).state == State::Fail)
        .count()
}

#[test]
fn healthy_versions_are_rarely_rolled_back_over_twenty_looks() {
    let mut policy = both();
    policy.horizon = 20 * policy.step;
    let failures = failures(&policy, RUNS, |seed| {
        rollout(seed, 20, |_| (CANARY, STABLE))
    });
    assert!(failures <= MOST_ROLLBACKS, "{failures} of {RUNS}");
}

#[test]
fn a_shared_incident_with_changing_weights_is_no_ones_fault() {
    let world = |seed| {
        rollout(seed, 10, |look| {
            let error_ratio = if (4..=6).contains(&look) { 0.2 } else { 0.01 };
            let median = 0.03 * (1.0 + f64::from(look) / 10.0);
            let canary = 50 + 90 * u64::from(look);
            let version = Version {
                requests: canary,
                error_ratio,
                median,
                slow: 0.0,
            };
            (
                version,
                Version {
                    requests: 1000 - canary,
                    ..version
                },
            )
        })
    };
    let failures = failures(&both(), RUNS, world);
    assert!(failures <= MOST_ROLLBACKS, "{failures} of {RUNS}");
}

#[test]
fn bad_versions_are_found() {
    let bad = |error_ratio, median| {
        move |seed| {
            rollout(seed, 10, |_| {
                (
                    Version {
                        error_ratio,
                        median,
                        ..CANARY
                    },
                    STABLE,
                )
            })
        }
    };
    for (what, found) in [
        (
            "three times the errors",
            failures(&both(), 100, bad(0.03, 0.03)),
        ),
        (
            "ten times the errors",
            failures(&both(), 100, bad(0.1, 0.03)),
        ),
        ("40 % slower", failures(&both(), 100, bad(0.01, 0.042))),
    ] {
        assert!(found >= 90, "{what}: {found} of 100");
    }
}
