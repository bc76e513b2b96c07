//! Kayenta's verdict beside ours, on the cases that its users reported.

use temper_judge::{
    State, Verdict, judge,
    window::{Arm, Counts, Latency, Window},
};

use crate::world::{key, policy, window};

fn judged(text: &str, looks: &[(Counts, Counts)]) -> Verdict {
    let step = r#""step": "30s", "earlyPass": false, "compat": "kayenta""#;
    let horizon = 30 * looks.len();
    let policy = policy(&format!(r#"{{{text}, {step}, "horizon": "{horizon}s"}}"#));
    let windows: Vec<Window> = (1..)
        .zip(looks)
        .map(|(look, (canary, stable))| {
            let cells = [(Arm::Canary, canary), (Arm::Stable, stable)];
            window(
                look,
                cells.map(|(arm, counts)| (key(arm, ""), counts.clone())),
            )
        })
        .collect();
    judge(&policy, &windows)
}

fn served(requests: u64, errors: u64) -> Counts {
    Counts {
        requests,
        errors,
        ..Counts::default()
    }
}

const ERRORS: &str = r#""errors": {"total": "t", "errors": "e"}"#;

#[test]
fn sparse_errors_that_kayenta_passes_are_counted_by_request() {
    // spinnaker/kayenta#426: errors 0, 1, 2, 1, 0, 0 beside none at all; here with a tenth of the traffic.
    let looks = [0, 1, 2, 1, 0, 0].map(|errors| (served(100, errors), served(900, 0)));
    let verdict = judged(ERRORS, &looks);
    assert_eq!(verdict.state, State::Fail, "{}", verdict.reason);
    let kayenta = verdict.kayenta.unwrap();
    assert_eq!(
        (kayenta.verdict.as_str(), kayenta.metrics["errors"].as_str()),
        ("pass", "Pass")
    );
    assert!(
        kayenta
            .differs
            .unwrap()
            .contains("how many requests are behind it")
    );
}

#[test]
fn most_requests_slower_by_far_pass_kayenta_when_the_rest_is_tied() {
    // spinnaker/spinnaker#6278: 100 in seven points of ten and 1 in the others, beside 1 throughout.
    let at = |slow: bool| Counts {
        requests: 20,
        latency: Some(Latency::Classic {
            bounds: [0.5, 1.0, 50.0, 100.0].into(),
            counts: if slow {
                vec![0, 0, 0, 20, 0]
            } else {
                vec![0, 20, 0, 0, 0]
            },
        }),
        ..Counts::default()
    };
    let looks: Vec<_> = (0..10).map(|look| (at(look % 10 < 7), at(false))).collect();
    let verdict = judged(r#""latency": {"histogram": "h"}"#, &looks);
    assert_eq!(verdict.state, State::Fail, "{}", verdict.reason);
}

#[test]
fn a_difference_within_the_margin_fails_kayenta_and_not_us() {
    let looks: Vec<_> = (0..60)
        .map(|look| {
            (
                served(10_000, 118 + look % 5),
                served(10_000, 98 + look % 5),
            )
        })
        .collect();
    let verdict = judged(ERRORS, &looks);
    assert_eq!(verdict.state, State::Pass, "{}", verdict.reason);
    let kayenta = verdict.kayenta.unwrap();
    assert_eq!(
        (kayenta.verdict.as_str(), kayenta.metrics["errors"].as_str()),
        ("fail", "High")
    );
    assert!(
        verdict.reason.contains("Kayenta would say fail (0): "),
        "{}",
        verdict.reason
    );
}

#[test]
fn where_both_agree_nothing_is_explained() {
    let looks: Vec<_> = (0..20)
        .map(|look| (served(1000, 9 + look % 3), served(1000, 9 + look % 3)))
        .collect();
    let verdict = judged(ERRORS, &looks);
    let kayenta = verdict.kayenta.unwrap();
    assert_eq!(
        (verdict.state, kayenta.verdict.as_str(), kayenta.differs),
        (State::Pass, "pass", None)
    );
}
