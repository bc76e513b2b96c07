//! A short calibration: catches a judge that is broken, and fails a sound one once in a million runs of the tests.

use temper_calibration::{list, scenario::Scenario};

/// A judge whose promises hold fails a row with less than this probability.
const ALPHA: f64 = 1e-8;

#[test]
fn no_promise_is_broken_in_a_few_runs() {
    let broken: Vec<_> = list::all()
        .into_iter()
        .filter(|scenario| scenario.policy().looks() <= 20)
        .filter(|scenario| scenario.run(40).contradicts(scenario.promise, ALPHA))
        .map(|Scenario { name, .. }| name)
        .collect();
    assert!(broken.is_empty(), "{broken:?}");
}
