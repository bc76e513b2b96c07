//! How fast pages are answered, connecting included.

use std::time::Instant;

use crate::{scene::Scene, times::Times};

const PROBES: [&str; 9] = [
    "steady",
    "healed?within=90s",
    "no-false-heals?window=10m",
    "no-duplicates",
    "no-lost-jobs",
    "kafka",
    "lag?max=1000",
    "blind",
    "storm",
];

/// Asks for each probe again and again, and for a page that knows nothing.
pub(crate) fn measure(when: &str, scene: &Scene) {
    let probes = (0..100).flat_map(|_| PROBES);
    let probes = probes.map(|probe| format!("/probes/{probe}"));
    let bare = (0..900).map(|_| "/livez".to_owned());
    let (probes, bare) = (times(scene, probes), times(scene, bare));
    println!("{when}: /probes/*: {probes}; wanted p99 < 5 ms; bare /livez: {bare}");
}

fn times(scene: &Scene, paths: impl Iterator<Item = String>) -> Times {
    let time = |path: String| {
        let began = Instant::now();
        scene.get(&path).expect("an answer");
        began.elapsed()
    };
    paths.map(time).collect()
}
