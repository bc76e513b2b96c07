//! Counts that no honest service has, and rollouts that could fool a judge who does not look closely.

use std::{collections::BTreeMap, sync::Arc};

use temper_judge::{
    Decision, Judge, State, judge,
    window::{Arm, Counts, Latency, Window},
};

use crate::world::{key, policy, window};

const LATENCY: &str =
    r#"{"latency": {"histogram": "h"}, "step": "30s", "horizon": "2m", "earlyPass": false}"#;

fn classic(bounds: &[f64], counts: &[u64]) -> Counts {
    let requests = counts
        .iter()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    Counts {
        requests,
        errors: 0,
        latency: Some(Latency::Classic {
            bounds: Arc::from(bounds),
            counts: counts.to_vec(),
        }),
        ..Counts::default()
    }
}

fn native(schema: i8, buckets: &[(i32, u64)]) -> Counts {
    let buckets: BTreeMap<_, _> = buckets.iter().copied().collect();
    Counts {
        requests: 1,
        errors: 0,
        latency: Some(Latency::Native {
            schema,
            zero_threshold: 1e-128,
            zero: u64::MAX,
            buckets,
        }),
        ..Counts::default()
    }
}

fn arms(look: u32, canary: Counts, stable: Counts) -> Window {
    window(
        look,
        [
            (key(Arm::Canary, "c"), canary),
            (key(Arm::Stable, "s"), stable),
        ],
    )
}

fn served(requests: u64, errors: u64) -> Counts {
    Counts {
        requests,
        errors,
        ..Counts::default()
    }
}

#[test]
fn the_largest_counts_are_judged_too() {
    let both = policy(
        r#"{"errors": {"total": "t", "errors": "e"}, "latency": {"histogram": "h", "maxExceedance": "1%"},
            "step": "30s", "horizon": "2m"}"#,
    );
    let most = |latency: Counts| Counts {
        requests: u64::MAX,
        errors: u64::MAX,
        ..latency
    };
    let buckets = [
        (i32::MIN, u64::MAX),
        (-3, u64::MAX),
        (5, 7),
        (i32::MAX, u64::MAX),
    ];
    let cells = [
        classic(&[0.1, 0.2], &[u64::MAX; 3]),
        native(3, &buckets),
        native(8, &buckets),
        native(-4, &buckets),
        native(i8::MIN, &buckets),
        native(i8::MAX, &buckets),
    ];
    for cell in cells {
        let windows: Vec<_> = (1..=4)
            .map(|look| arms(look, most(cell.clone()), most(cell.clone())))
            .collect();
        let verdict = judge(&both, &windows);
        assert_eq!(verdict.state, State::Inconclusive, "{}", verdict.reason);
        assert_eq!(verdict.guards[1].decision, Decision::Refused);
    }
}

#[test]
fn more_events_than_can_be_enumerated_are_still_judged() {
    let errors = policy(
        r#"{"errors": {"total": "t", "errors": "e"}, "step": "30s", "horizon": "2m", "earlyPass": false}"#,
    );
    let looks = |canary| -> Vec<_> {
        (1..=4)
            .map(|look| arms(look, served(1 << 50, canary), served(1 << 50, 1 << 40)))
            .collect()
    };
    assert_eq!(judge(&errors, &looks(1 << 40)).state, State::Pass);
    assert_eq!(judge(&errors, &looks(1 << 41)).state, State::Fail);
}

#[test]
fn schemas_that_change_to_any_other_are_followed() {
    let latency = policy(LATENCY);
    let mut judge = Judge::new(latency);
    for (look, schema) in [(1, i8::MAX), (2, 5), (3, -4), (4, i8::MIN)] {
        let cell = native(schema, &[(-9, 40), (0, 60)]);
        judge.observe(&arms(look, cell.clone(), cell));
    }
    assert_ne!(judge.verdict().state, State::Fail);
}

#[test]
fn arms_that_never_serve_at_the_same_time_were_not_compared() {
    let errors =
        policy(r#"{"errors": {"total": "t", "errors": "e"}, "step": "30s", "horizon": "2m"}"#);
    let windows: Vec<_> = (1..=4)
        .map(|look| match look {
            1 | 2 => window(look, [(key(Arm::Stable, "s"), served(1000, 10))]),
            _ => window(look, [(key(Arm::Canary, "c"), served(1000, 900))]),
        })
        .collect();
    let verdict = judge(&errors, &windows);
    assert_eq!(verdict.state, State::Inconclusive, "{}", verdict.reason);
}

#[test]
fn a_guard_without_a_histogram_found_nothing() {
    let both = policy(
        r#"{"errors": {"total": "t", "errors": "e"}, "latency": {"histogram": "h"}, "step": "30s", "horizon": "2m"}"#,
    );
    let windows: Vec<_> = (1..=4)
        .map(|look| arms(look, served(1000, 10), served(9000, 90)))
        .collect();
    let verdict = judge(&both, &windows);
    assert_eq!(verdict.state, State::Inconclusive, "{}", verdict.reason);
    assert!(verdict.reason.contains("latency"), "{}", verdict.reason);
}

#[test]
fn one_look_tolerates_what_many_looks_do() {
    let fixed = policy(
        r#"{"latency": {"histogram": "h", "maxExceedance": "5%"}, "step": "30s", "horizon": "2m", "test": "fixed"}"#,
    );
    let bounds = [0.1, 0.5];
    let looks = |slow: u64| -> Vec<_> {
        (1..=4)
            .map(|look| {
                let canary = classic(&bounds, &[9000 - slow, 500 + slow, 500]);
                arms(look, canary, classic(&bounds, &[9000, 500, 500]))
            })
            .collect()
    };
    assert_eq!(judge(&fixed, &looks(400)).state, State::Pass);
    assert_eq!(judge(&fixed, &looks(900)).state, State::Fail);
}

#[test]
fn a_tolerated_slowdown_spans_as_many_classic_buckets_as_it_needs() {
    let bounds: Vec<f64> = (1..=20).map(|bound| f64::from(bound) / 100.0).collect();
    let twice = policy(
        r#"{"latency": {"histogram": "h", "maxSlowdown": "100%"}, "step": "30s", "horizon": "2m", "earlyPass": false}"#,
    );
    let at = |bucket: usize| {
        let mut counts = vec![0; bounds.len() + 1];
        counts[bucket - 1] = 400;
        counts[bucket] = 600;
        classic(&bounds, &counts)
    };
    let looks =
        |canary: usize| -> Vec<_> { (1..=4).map(|look| arms(look, at(canary), at(6))).collect() };
    // From 60 ms to 120 ms is what is tolerated.
    let verdict = judge(&twice, &looks(12));
    assert_eq!(verdict.state, State::Pass, "{}", verdict.reason);
}

#[test]
fn bounds_that_no_request_exceeds_do_not_keep_a_canary_from_being_safe() {
    let safe = policy(
        r#"{"latency": {"histogram": "h", "maxExceedance": "5%"}, "step": "30s", "horizon": "30m"}"#,
    );
    let bounds = [0.001, 0.1, 0.5, 10.0];
    let mut judge = Judge::new(safe);
    for look in 1..=20 {
        let cell = classic(&bounds, &[0, 900, 100, 0, 0]);
        judge.observe(&arms(look, cell.clone(), cell));
    }
    assert_eq!(judge.verdict().state, State::Pass);
}

#[test]
fn safety_that_was_lost_again_is_none() {
    let errors = policy(
        r#"{"errors": {"total": "t", "errors": "e", "maxRatio": 3}, "latency": {"histogram": "h"}, "step": "30s", "horizon": "30m"}"#,
    );
    let mut judge = Judge::new(errors);
    for look in 1..=8 {
        let canary = if look <= 2 { 10 } else { 35 };
        judge.observe(&arms(look, served(1000, canary), served(9000, 90)));
    }
    assert_eq!(judge.verdict().guards[0].decision, Decision::Undecided);
}
