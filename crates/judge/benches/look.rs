//! Time of one look with both guards: taking in a window and stating the verdict, as the plugin does.

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use temper_judge::{
    Judge, Policy,
    window::{Arm, CellKey, Counts, Latency, Window},
};

fn main() {
    divan::main();
}

/// Looks before the one that is timed: half of the default horizon.
const BEFORE: u32 = 30;

/// A native histogram of 112 buckets at schema 3, and the request counts of a service with 1000 requests a look.
fn window(look: u32) -> Window {
    let cell = |arm, requests: u64| {
        let buckets = (0..112_i32).map(|index| {
            (
                index - 80,
                requests * u64::from(index.unsigned_abs() % 7 + 1) / 448,
            )
        });
        let latency = Latency::Native {
            schema: 3,
            zero_threshold: 1e-128,
            zero: 0,
            buckets: buckets.collect(),
        };
        let key = CellKey {
            arm,
            stratum: String::new(),
            pod: String::new(),
        };
        (
            key,
            Counts {
                requests,
                errors: requests / 100,
                latency: Some(latency),
                ..Counts::default()
            },
        )
    };
    let cells = [cell(Arm::Canary, 1000), cell(Arm::Stable, 9000)];
    Window {
        look,
        content: Ok(BTreeMap::from(cells)),
    }
}

fn seasoned(policy: &str) -> Judge {
    let policy = serde_json::from_str(policy).expect("JSON");
    let mut judge = Judge::new(Policy::from_json(&policy).expect("a policy"));
    for look in 1..=BEFORE {
        judge.observe(&window(look));
    }
    judge
}

#[divan::bench(args = [
    r#"{"errors": {"total": "t", "errors": "e"}, "earlyPass": false}"#,
    r#"{"latency": {"histogram": "h"}}"#,
    r#"{"latency": {"histogram": "h", "maxExceedance": "1%"}, "earlyPass": false}"#,
    r#"{"errors": {"total": "t", "errors": "e"}, "latency": {"histogram": "h"}, "earlyPass": false}"#,
])]
fn take_in_a_window(bencher: Bencher<'_, '_>, policy: &str) {
    let judge = seasoned(policy);
    let next = window(BEFORE + 1);
    bencher
        .with_inputs(|| judge.clone())
        .bench_local_refs(|judge| judge.observe(black_box(&next)));
}

#[divan::bench(args = [
    r#"{"errors": {"total": "t", "errors": "e"}, "earlyPass": false}"#,
    r#"{"latency": {"histogram": "h"}}"#,
])]
fn state_the_verdict(bencher: Bencher<'_, '_>, policy: &str) {
    let judge = seasoned(policy);
    bencher.bench_local(|| black_box(&judge).verdict());
}
