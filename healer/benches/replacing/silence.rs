//! A worker falls silent, and a verdict follows.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep_until};

use crate::{
    scene::{OFTEN, Scene},
    stage::{kafka::PARTITIONS, worker::Worker},
    times::Times,
};

const POLICY: &str = "
kinds: [{workers: loader, heal: [silent], silentDeadline: 2s}]
guards: {maxUnhealthy: 100%, perMinute: 60000, inFlight: 1000}
";

const DEADLINE_MS: u64 = 2_000;
const WORKERS: usize = 200;

pub(crate) async fn measure() {
    let scene = Scene::open(WORKERS, POLICY, Worker::manifest).await;
    let voice = scene.brokers.voice(drop::<usize>);
    let began = Instant::now();
    let mut last_words = BTreeMap::new();
    for worker in (0..WORKERS).map(Worker) {
        sleep_until(began + Duration::from_millis(7) * u32::try_from(worker.0).unwrap_or(0)).await;
        let partition = i32::try_from(worker.0).unwrap_or_default() % PARTITIONS;
        last_words.insert(worker, now_ms());
        voice.say(partition, &worker.word("loading", 1), worker.0);
    }
    scene
        .until(OFTEN * 20, |scene| scene.decided().len() == WORKERS)
        .await;
    let late = scene.decided().into_iter().map(|(worker, at)| {
        let deadline = last_words.get(&worker).map_or(0, |said| said + DEADLINE_MS);
        Duration::from_millis(at.saturating_sub(deadline))
    });
    let late: Times = late.collect();
    println!("deadline of a silent worker -> verdict: {late}; wanted <= 1500 ms");
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map(|since| since.as_millis()).unwrap_or_default();
    u64::try_from(ms).unwrap_or(u64::MAX)
}
