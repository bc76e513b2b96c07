//! An error is reported, and the worker replaced.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use temper_fake_kube::{Control, Fault, Gate, Matcher, Resource, Times as At, Verb};
use tokio::time::sleep;

use crate::{
    pages,
    scene::Scene,
    stage::{
        NAMESPACE,
        kafka::{PARTITIONS, Voice},
        worker::Worker,
    },
    times::Times,
};

const POLICY: &str = "
kinds: [{workers: loader, heal: [error]}]
guards: {maxUnhealthy: 100%, perMinute: 60000, inFlight: 100}
";

const SOON: usize = 200;
const LATE: usize = 40;

/// Longer than it takes until one looks less often whether old pods are gone.
const LONG: Duration = Duration::from_secs(15);

pub(crate) async fn measure() {
    let scene = Scene::open(SOON + LATE, POLICY, Worker::manifest).await;
    let voice = scene.brokers.voice(drop::<usize>);
    let (mut created, mut released) = (Times::default(), Times::default());
    for worker in (0..SOON).map(Worker) {
        let times = replace(&scene, &voice, worker).await;
        created.add(times.created);
        released.add(times.released);
    }
    println!("error handed over -> successor's POST arrives: {created}; wanted p99 < 50 ms");
    println!("old pods gone -> PATCH that releases arrives: {released}; wanted <= 100 ms");
    pages::measure("pages at rest", &scene);
    let patient = after_long(&scene, &voice).await;
    println!("the same after the pods took {LONG:?} to go: {patient}; wanted <= 100 ms");
}

struct Replaced {
    created: Duration,
    released: Duration,
}

/// A worker reports an error; its pods go when the deletion has begun.
async fn replace(scene: &Scene, voice: &Voice<usize>, worker: Worker) -> Replaced {
    let control = &scene.control;
    control.clear_faults();
    control.hold_pods();
    let post = gate(control, Verb::Create, worker);
    let said = Instant::now();
    say(voice, worker);
    post.reached(1).await;
    let created = said.elapsed();
    post.open();
    let patch = gate(control, Verb::Patch, worker);
    control.until(|control| is_leaving(control, worker)).await;
    // At any time between two looks.
    sleep(Duration::from_millis(fastrand::u64(50..250))).await;
    let gone = Instant::now();
    control.let_pods_go();
    patch.reached(1).await;
    let released = gone.elapsed();
    patch.open();
    control.until(|control| is_gone(control, worker)).await;
    Replaced { created, released }
}

/// Many whose pods take their time, all at once.
async fn after_long(scene: &Scene, voice: &Voice<usize>) -> Times {
    let control = &scene.control;
    control.hold_pods();
    let workers: Vec<_> = (SOON..SOON + LATE).map(Worker).collect();
    for worker in &workers {
        say(voice, *worker);
    }
    for worker in &workers {
        control.until(|control| is_leaving(control, *worker)).await;
    }
    sleep(LONG).await;
    let gates = workers
        .iter()
        .map(|worker| gate(control, Verb::Patch, *worker));
    let gates: Vec<_> = gates.collect();
    let gone = Instant::now();
    control.let_pods_go();
    let released = gates.iter().map(async |gate| {
        gate.reached(1).await;
        gate.open();
        gone.elapsed()
    });
    join_all(released).await.into_iter().collect()
}

fn say(voice: &Voice<usize>, worker: Worker) {
    let partition = i32::try_from(worker.0).unwrap_or_default() % PARTITIONS;
    voice.say(partition, &worker.word("error", 1), worker.0);
}

/// Where such a request for the worker's successor waits.
fn gate(control: &Control, verb: Verb, worker: Worker) -> Gate {
    let gate = Gate::shut();
    let matcher = Matcher::any()
        .resource(Resource::Jobs)
        .verb(verb)
        .name(&worker.successor());
    control.order(matcher, At::Nth(1), Fault::hold(gate.clone()));
    gate
}

fn is_leaving(control: &Control, worker: Worker) -> Option<()> {
    let job = control.job(NAMESPACE, &worker.job()).get()?;
    job.pointer("/metadata/deletionTimestamp").map(drop)
}

fn is_gone(control: &Control, worker: Worker) -> Option<()> {
    let successor = control.job(NAMESPACE, &worker.successor()).get()?;
    let runs = successor["spec"]["suspend"] == json!(false);
    runs.then_some(())
}
