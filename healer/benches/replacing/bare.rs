//! What the bare calls cost.

use std::time::{Duration, Instant};

use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, PostParams},
};
use temper_fake_kube::FakeKube;
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    stage::{NAMESPACE, kafka::Brokers, worker::Worker},
    times::Times,
};

const CALLS: usize = 300;

pub(crate) async fn measure() {
    println!("bare POST of a Job: {}", posts().await);
    println!(
        "bare record, handed over -> acknowledged: {}",
        records().await
    );
}

async fn posts() -> Times {
    let kube = FakeKube::start().expect("a free port");
    let mut config = Config::new(kube.url().parse().expect("a URL"));
    config.default_retry = false;
    let client = Client::try_from(config).expect("a client");
    let resource = ApiResource::erase::<k8s_openapi::api::batch::v1::Job>(&());
    let jobs: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    let mut times = Times::default();
    for worker in (0..CALLS).map(Worker) {
        let job = serde_json::from_value(worker.manifest()).expect("a Job");
        let began = Instant::now();
        let made = jobs.create(&PostParams::default(), &job).await;
        times.add(began.elapsed());
        made.expect("a valid Job");
    }
    times
}

async fn records() -> Times {
    let brokers = Brokers::start();
    let (landed, mut landing) = unbounded_channel();
    let voice = brokers.voice(move |began: Instant| {
        // Refused when nobody measures any more.
        landed.send(began.elapsed()).ok();
    });
    let mut times = Times::default();
    for call in 0..=CALLS {
        voice.say(0, &Worker(0).word("loading", 1), Instant::now());
        let landed: Option<Duration> = landing.recv().await;
        // The first one pays for the connection.
        if let Some(time) = landed.filter(|_| call > 0) {
            times.add(time);
        }
    }
    times
}
