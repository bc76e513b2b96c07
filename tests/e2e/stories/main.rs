//! What a real control plane does with our verdicts, a test per story.

mod verdicts;
mod faults;
mod refusals;
mod manifests;
mod kafka;
mod packaging;
mod healer;
mod contract;

use serde_json::{Value, json};

/// Makes the operator's configuration one for impatient people: a look each second, for half a minute.
///
/// The false-rollback rate is far below what one would choose for a service: a healthy version that is rolled back in
/// one run of twenty would be a test that fails in one run of twenty.
fn quick(config: &mut Value) {
    config["step"] = json!("1s");
    config["horizon"] = json!("30s");
    config["warmUp"] = json!("0s");
    config["settle"] = json!("1s"); // Four scrapes.
    config["falseRollbackRate"] = json!("0.1%");
}
