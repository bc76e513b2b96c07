//! All brokers go down: how soon the healer says that it is blind, and that it blames nobody.

use std::time::{Duration, Instant};

use temper_fake_kube::Resource;
use tokio::time::{interval, sleep};

use crate::{
    scene::{OFTEN, Scene},
    stage::{
        kafka::{PARTITIONS, Voice},
        worker::Worker,
    },
};

const WORKERS: usize = 50;

/// Longer than any deadline of the policy.
const OUTAGE: Duration = Duration::from_secs(10);

pub(crate) async fn measure() {
    for max_gap in ["5s", "1s"] {
        let policy = format!(
            "{{kinds: [{{workers: loader, heal: [silent], silentDeadline: 3s}}], sight: {{maxGap: {max_gap}}}}}"
        );
        let scene = Scene::open(WORKERS, &policy, Worker::manifest).await;
        let voice = scene.brokers.voice(drop::<usize>);
        all_speak(&voice).await;
        scene
            .brokers
            .0
            .broker_down(-1)
            .expect("brokers that there are");
        let down = Instant::now();
        scene
            .until(OFTEN, |scene| scene.probe("kafka") == "blind")
            .await;
        let blind = down.elapsed();
        sleep(OUTAGE.saturating_sub(blind)).await;
        let verdicts = scene.control.list(Resource::Events).len() + scene.decided().len();
        println!(
            "brokers down -> /probes/* say blind, maxGap {max_gap}: {blind:.1?}; wanted <= 2 s; verdicts in {OUTAGE:?}: {verdicts}, wanted 0"
        );
    }
}

/// Everybody says something five times a second, for two seconds.
async fn all_speak(voice: &Voice<usize>) {
    let mut rounds = interval(Duration::from_millis(200));
    for round in 0..10 {
        rounds.tick().await;
        for worker in (0..WORKERS).map(Worker) {
            let partition = i32::try_from(worker.0).unwrap_or_default() % PARTITIONS;
            voice.say(partition, &worker.word("loading", round), worker.0);
        }
    }
}
