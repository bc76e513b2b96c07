//! A service with two versions, as counts per look.

use std::{collections::BTreeMap, sync::Arc};

use fastrand::Rng;
use temper_judge::{
    Policy,
    window::{Arm, CellKey, Counts, Latency, Missing, Window},
};

/// Upper bounds of the histogram in seconds.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// One version in one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    pub(crate) requests: u64,
    pub(crate) error_ratio: f64,
    /// Median latency in seconds.
    pub(crate) median: f64,
    /// Share of requests that take ten times as long.
    pub(crate) slow: f64,
}

/// Healthy, at a traffic of 10 %.
pub(crate) const CANARY: Version = Version {
    requests: 100,
    error_ratio: 0.01,
    median: 0.03,
    slow: 0.0,
};

/// Healthy, the other 90 %.
pub(crate) const STABLE: Version = Version {
    requests: 900,
    ..CANARY
};

pub(crate) fn policy(text: &str) -> Policy {
    Policy::from_json(&serde_json::from_str(text).expect("JSON")).expect("a policy")
}

/// Errors and latency, ten looks.
pub(crate) fn both() -> Policy {
    policy(
        r#"{"errors": {"total": "t", "errors": "e", "maxRatio": 1}, "latency": {"histogram": "h"},
            "step": "30s", "horizon": "5m"}"#,
    )
}

pub(crate) fn cell(version: &Version, random: &mut Rng) -> Counts {
    let errors = (0..version.requests)
        .filter(|_| random.f64() < version.error_ratio)
        .count();
    let mut counts = vec![0; BOUNDS.len() + 1];
    for _ in 0..version.requests {
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.f64()).cos();
        let slow = if random.f64() < version.slow {
            10.0
        } else {
            1.0
        };
        let seconds = version.median * (0.5 * normal).exp() * slow;
        counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }
    let latency = Some(Latency::Classic {
        bounds: Arc::from(BOUNDS.as_slice()),
        counts,
    });
    Counts {
        requests: version.requests,
        errors: u64::try_from(errors).expect("few errors"),
        latency,
        ..Counts::default()
    }
}

pub(crate) fn key(arm: Arm, pod: &str) -> CellKey {
    CellKey {
        arm,
        stratum: String::new(),
        pod: pod.to_owned(),
    }
}

pub(crate) fn window(look: u32, cells: impl IntoIterator<Item = (CellKey, Counts)>) -> Window {
    Window {
        look,
        content: Ok(cells.into_iter().collect::<BTreeMap<_, _>>()),
    }
}

pub(crate) fn missing(look: u32) -> Window {
    Window {
        look,
        content: Err(Missing("connection refused".to_owned())),
    }
}

/// `looks` looks, each with a version of either arm that depends on the look.
pub(crate) fn rollout(
    seed: u64,
    looks: u32,
    versions: impl Fn(u32) -> (Version, Version),
) -> Vec<Window> {
    let mut random = Rng::with_seed(seed);
    (1..=looks)
        .map(|look| {
            let (canary, stable) = versions(look);
            let canary = cell(&canary, &mut random);
            let stable = cell(&stable, &mut random);
            window(
                look,
                [
                    (key(Arm::Canary, "c"), canary),
                    (key(Arm::Stable, "s"), stable),
                ],
            )
        })
        .collect()
}
