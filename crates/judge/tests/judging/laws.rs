//! What holds for every rollout.

use proptest::prelude::*;
use temper_judge::{GuardReport, Judge, State, judge, window::Arm};

use crate::world::{CANARY, STABLE, Version, both, cell, key, rollout, window};

fn versions() -> impl Strategy<Value = (Version, Version)> {
    (0..300_u64, 0.0..0.1_f64, 0.01..0.1_f64, 0..900_u64).prop_map(
        |(requests, error_ratio, median, others)| {
            let canary = Version {
                requests,
                error_ratio,
                median,
                slow: 0.01,
            };
            (
                canary,
                Version {
                    requests: others,
                    ..STABLE
                },
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn windows_after_the_verdict_never_change_it(seed: u64, (canary, stable) in versions()) {
        let windows = rollout(seed, 10, |_| (canary, stable));
        let whole = judge(&both(), &windows);
        let deciding = usize::try_from(whole.look).unwrap();
        prop_assert_eq!(judge(&both(), &windows[..deciding]), whole);
        for until in 0..deciding {
            prop_assert_eq!(judge(&both(), &windows[..until]).state, State::Watching);
        }
    }

    #[test]
    fn the_fold_and_the_whole_give_the_same_bytes(seed: u64, (canary, stable) in versions()) {
        let windows = rollout(seed, 10, |_| (canary, stable));
        let mut fold = Judge::new(both());
        for window in &windows {
            fold.observe(window);
        }
        let whole = serde_json::to_string(&judge(&both(), &windows)).unwrap();
        prop_assert_eq!(serde_json::to_string(&fold.verdict()).unwrap(), whole);
    }

    #[test]
    fn how_requests_fall_to_pods_does_not_matter(seed: u64, pods in 1..5_usize) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut together = Vec::new();
        let mut apart = Vec::new();
        for look in 1..=4 {
            let stable = (key(Arm::Stable, "s"), cell(&STABLE, &mut random));
            let parts: Vec<_> = (0..pods).map(|_| cell(&CANARY, &mut random)).collect();
            let named = parts.iter().enumerate().map(|(pod, part)| {
                (key(Arm::Canary, &format!("c{pod}")), part.clone())
            });
            apart.push(window(look, named.chain([stable.clone()])));
            let sum = parts.into_iter().reduce(add).unwrap();
            together.push(window(look, [(key(Arm::Canary, "c"), sum), stable]));
        }
        let numbers = |windows: &[_]| {
            let verdict = judge(&both(), windows);
            let of_guard = |guard: &GuardReport| (guard.decision, guard.anytime_p, guard.effect, guard.interval);
            let guards: Vec<_> = verdict.guards.iter().map(of_guard).collect();
            (verdict.state, verdict.look, guards)
        };
        prop_assert_eq!(numbers(&apart), numbers(&together));
    }

    #[test]
    fn one_more_error_never_saves_a_canary(seed: u64, at in 0..10_usize) {
        let windows = rollout(seed, 10, |_| (Version { error_ratio: 0.03, ..CANARY }, STABLE));
        let mut worse = windows.clone();
        if let Ok(cells) = &mut worse[at].content {
            cells.get_mut(&key(Arm::Canary, "c")).unwrap().errors += 1;
        }
        let failed = |windows: &[_]| judge(&both(), windows).state == State::Fail;
        prop_assert!(failed(&worse) || !failed(&windows));
    }
}

fn add(
    mut one: temper_judge::window::Counts,
    other: temper_judge::window::Counts,
) -> temper_judge::window::Counts {
    use temper_judge::window::Latency;
    one.requests += other.requests;
    one.errors += other.errors;
    if let (Some(Latency::Classic { counts, .. }), Some(Latency::Classic { counts: more, .. })) =
        (&mut one.latency, other.latency)
    {
        for (sum, count) in counts.iter_mut().zip(more) {
            *sum += count;
        }
    }
    one
}
