//! Everybody fails at once, which is nobody's fault; and then everybody is replaced, but not at once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use temper_fake_kube::Resource;
use temper_healer_core::job::{self, State};

use crate::{
    pages,
    scene::{OFTEN, Scene},
    stage::{
        kafka::{PARTITIONS, Voice},
        worker::Worker,
    },
};

const POLICY: &str = "
kinds: [{workers: loader, heal: [error]}]
guards: {maxUnhealthy: 40%, minUnhealthy: 5, cooldown: 3s, perMinute: 8000, inFlight: 100}
";

const PER_MINUTE: usize = 8_000;
const WORKERS: usize = 10_000;

pub(crate) async fn measure() {
    let scene = Scene::open(WORKERS, POLICY, without_pods).await;
    let (began, said) = (Instant::now(), SystemTime::now());
    let written = Arc::new(AtomicUsize::new(0));
    let voice = voice(&scene, &written);
    all_fail(&voice);
    scene
        .until(OFTEN, |scene| scene.probe("storm") == "violated")
        .await;
    let tripped = began.elapsed();
    let early = scene.decided().len();
    println!(
        "{WORKERS} errors at once, first one handed over -> the guard holds everything: {tripped:.2?}; wanted < 1 s; begun before: {early}"
    );
    let all_written = |_: &Scene| written.load(Ordering::Relaxed) == WORKERS;
    scene.until(OFTEN, all_written).await;
    println!("all {WORKERS} acknowledged after {:.2?}", began.elapsed());
    pages::measure("pages in the storm", &scene);

    let none = |scene: &Scene, state: &str| {
        let count = scene.metric(&format!("healer_workers{{state=\"{state}\"}}"));
        count == Some(0.0)
    };
    let over = |scene: &Scene| none(scene, "suspected") && none(scene, "healing");
    scene.until(Duration::from_millis(250), over).await;
    let took = began.elapsed();
    let decided = scene.decided();
    let first = decided.iter().map(|(_, at)| *at).min().unwrap_or_default();
    let since = said.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map(|since| since.as_millis()).unwrap_or_default();
    let resumed = u128::from(first).saturating_sub(since);
    println!(
        "the first is replaced after {resumed} ms, the last after {took:.1?}; most that began within a minute: {}; wanted <= {PER_MINUTE}",
        most_in_a_minute(decided.iter().map(|(_, at)| *at).collect())
    );
    println!("lost: {}; wanted 0", lost(&scene));
}

/// A Job that runs no pod: the Job controller's work is nobody's here.
fn without_pods(worker: Worker) -> Value {
    let mut job = worker.manifest();
    job["spec"]["parallelism"] = json!(0);
    job
}

/// A voice whose words are counted when they are written.
fn voice(scene: &Scene, written: &Arc<AtomicUsize>) -> Voice<usize> {
    let counted = Arc::clone(written);
    scene.brokers.voice(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    })
}

fn all_fail(voice: &Voice<usize>) {
    for worker in (0..WORKERS).map(Worker) {
        let partition = i32::try_from(worker.0).unwrap_or_default() % PARTITIONS;
        voice.say(partition, &worker.word("error", 1), worker.0);
    }
}

fn most_in_a_minute(mut times: Vec<u64>) -> usize {
    times.sort_unstable();
    let within = |from: usize| {
        let end = times[from] + 60_000;
        times.partition_point(|at| *at < end) - from
    };
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// Workers without exactly one Job that runs and is the successor of their first.
fn lost(scene: &Scene) -> usize {
    let jobs = scene.control.list(Resource::Jobs);
    let names = jobs
        .iter()
        .filter(|job| job::state(job) == State::Active)
        .filter_map(|job| job["metadata"]["name"].as_str());
    let names: BTreeSet<_> = names.collect();
    let replaced = |worker: &Worker| {
        names.contains(worker.successor().as_str()) && !names.contains(worker.job().as_str())
    };
    WORKERS - (0..WORKERS).map(Worker).filter(replaced).count()
}
