//! What workers do by themselves, and what the Job controller does for them.

use fastrand::Rng;
use serde_json::{Value, json};
use temper_healer_core::{job::State, telemetry::Status};

use crate::{
    kafka::{Kafka, Record, Said},
    kube::{Entry, Health, Process, Store},
    world::Fate,
};

/// A worker says something this often, ms.
const TELEMETRY_EVERY: u64 = 2_000;

/// A producer gives up on a record after this long, ms.
const RETRIES_FOR: u64 = 15_000;

/// The Job controller makes a pod within this time, ms.
const POD_WITHIN: u64 = 1_500;

pub(crate) fn manifest(worker: usize, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"queue_id": queue_name(worker / 2), "app": "streamforge"}},
        "spec": {"backoffLimit": 6, "template": {"spec": {"containers": [
            {"name": "worker", "env": [{"name": "TELEMETRY_PRODUCER_ID", "value": producer(worker)}]}]}}},
    })
}

pub(crate) fn producer(worker: usize) -> String {
    // Every third kind says `started` and `finished` and nothing between.
    let target = if worker % 3 == 2 { "quiet" } else { "loader" };
    format!("{target}__{worker}")
}

pub(crate) fn is_quiet(worker: usize) -> bool {
    worker % 3 == 2
}

pub(crate) fn queue_name(queue: usize) -> String {
    format!("queue-{queue}")
}

pub(crate) fn worker_of(job: &Value) -> usize {
    let producer = job
        .pointer("/spec/template/spec/containers/0/env/0/value")
        .unwrap();
    producer
        .as_str()
        .unwrap()
        .rsplit_once("__")
        .unwrap()
        .1
        .parse()
        .unwrap()
}

/// One step of everything that is not a healer.
pub(crate) fn step(
    store: &mut Store,
    kafka: &mut Kafka,
    fates: &mut [Fate],
    now: u64,
    random: &mut Rng,
) -> Result<(), String> {
    controllers(store, fates, now, random)?;
    for process in &mut store.processes {
        speak(process, &mut fates[process.worker], now, random);
        send(process, &mut fates[process.worker], kafka, now, random);
    }
    reap(store, now);
    Ok(())
}

/// The Job controller and the garbage collector.
fn controllers(
    store: &mut Store,
    fates: &mut [Fate],
    now: u64,
    random: &mut Rng,
) -> Result<(), String> {
    for (name, Entry { uid, worker, state }) in store.roll.clone() {
        let own = store
            .processes
            .iter()
            .filter(|process| process.job_uid == uid)
            .count();
        match state {
            State::Active if own == 0 && random.u64(0..POD_WITHIN) < 200 => {
                start(store, fates, worker, &uid, now, random)?;
            }
            State::Deleting if own == 0 => store.remove(&name),
            State::Deleting | State::Suspended => end_all(store, fates, &uid, now, random),
            State::Active | State::Complete | State::Failed => {}
        }
    }
    Ok(())
}

fn start(
    store: &mut Store,
    fates: &mut [Fate],
    worker: usize,
    uid: &str,
    now: u64,
    random: &mut Rng,
) -> Result<(), String> {
    let fate = &mut fates[worker];
    let restarted = fate.ran.iter().any(|ran| ran == uid);
    if fate.finished_at.is_some() && !fate.by_hand && !restarted {
        return Err(format!(
            "doubled: worker {worker} is started again after it had finished"
        ));
    }
    // A pod that was evicted before its Job was complete is started again, whatever it had done.
    fate.finished_at = None;
    fate.ran.push(uid.to_owned());
    let other = store
        .processes
        .iter()
        .find(|process| process.worker == worker);
    if let Some(other) = other
        && !fate.by_hand
    {
        return Err(format!(
            "doubled: worker {worker} runs under {uid} while a process of {} is still there, at {now}",
            other.job_uid
        ));
    }
    // The Job's status counts its pods: it is not as it was read before.
    let name = store.name_of(uid);
    store.count_start(&name.expect("it is this Job's pod"));
    store.next_uid += 1;
    store.processes.push(Process {
        id: store.next_uid,
        worker,
        job_uid: uid.to_owned(),
        health: Health::Starting,
        ends_at: None,
        speaks_at: now + random.u64(100..1_500),
        done_at: now + random.u64(20_000..400_000),
        exits_at: u64::MAX,
        unsent: Vec::new(),
    });
    fate.starts += 1;
    Ok(())
}

fn end_all(store: &mut Store, fates: &mut [Fate], uid: &str, now: u64, random: &mut Rng) {
    let own = store
        .processes
        .iter_mut()
        .filter(|process| process.job_uid == uid && process.ends_at.is_none());
    for process in own {
        end(process, &mut fates[process.worker], now, random);
    }
}

/// SIGTERM: one that still can says `interrupted`.
pub(crate) fn end(process: &mut Process, fate: &mut Fate, now: u64, random: &mut Rng) {
    process.ends_at = Some(now + random.u64(0..3_000));
    if process.health == Health::Working {
        process.unsent.push((now, Status::Interrupted));
        if random.u8(0..4) == 0 {
            process.unsent.push((now, Status::Error));
            fate.erred.push(process.job_uid.clone());
        }
    }
}

fn speak(process: &mut Process, fate: &mut Fate, now: u64, random: &mut Rng) {
    if process.ends_at.is_some() || now < process.speaks_at {
        return;
    }
    match process.health {
        Health::Starting => {
            process.health = Health::Working;
            process.unsent.push((now, Status::Started));
        }
        Health::Working if now >= process.done_at => {
            process.health = Health::Finished;
            process.unsent.push((now, Status::Finished));
        }
        Health::Working if now >= fate.trouble_at => {
            fate.trouble_at = u64::MAX;
            fate.troubles += 1;
            // Of one that says nothing while it works nobody can tell that it hangs.
            process.health = if random.bool() && !is_quiet(process.worker) {
                Health::Hung
            } else {
                Health::Failed
            };
            if process.health == Health::Failed {
                process.unsent.push((now, Status::Error));
                fate.erred.push(process.job_uid.clone());
                process.exits_at = if is_quiet(process.worker) {
                    now + 5_000
                } else {
                    u64::MAX
                };
            }
        }
        Health::Working if !is_quiet(process.worker) => process.unsent.push((now, Status::Loading)),
        Health::Working | Health::Hung | Health::Failed | Health::Finished => {}
    }
    process.speaks_at = now + TELEMETRY_EVERY.min(process.done_at.saturating_sub(now).max(200));
}

/// Keyless records go to any partition; what can't be written now is tried again for a while, and sometimes written twice.
fn send(process: &mut Process, fate: &mut Fate, kafka: &mut Kafka, now: u64, random: &mut Rng) {
    process
        .unsent
        .retain(|(since, _)| now - since < RETRIES_FOR);
    while let Some((_, status)) = process.unsent.first().copied() {
        let index = random.usize(0..kafka.events.len());
        let partition = &mut kafka.events[index];
        if !partition.writable(now) {
            return;
        }
        process.unsent.remove(0);
        // Who ends before he could say that he is done does it again: at least once is what Jobs promise.
        if status == Status::Finished && process.ends_at.is_none() {
            fate.finished_at = Some(now);
        }
        let record = Record {
            at: now,
            said: Said::Report {
                worker: process.worker,
                status,
            },
        };
        for _ in 0..if random.u8(0..20) == 0 { 2 } else { 1 } {
            partition.log.push(record.clone());
        }
    }
}

/// Processes that have ended, and Jobs that are done with them.
fn reap(store: &mut Store, now: u64) {
    let (mut complete, mut failed, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    store.processes.retain(|process| {
        let sent = process.unsent.is_empty();
        let finished = process.health == Health::Finished && sent;
        if finished && process.ends_at.is_none() {
            complete.push(process.job_uid.clone());
        }
        let exited = now >= process.exits_at;
        if exited && process.ends_at.is_none() {
            failed.push(process.job_uid.clone());
        }
        let ended = exited || process.ends_at.is_some_and(|at| now >= at);
        if ended && !finished {
            lost.push(process.job_uid.clone());
        }
        !(finished || ended)
    });
    for uid in lost {
        if let Some(name) = store.name_of(&uid) {
            store.count_failure(&name);
        }
    }
    for uid in complete {
        conclude(store, &uid, "Complete");
    }
    for uid in failed {
        conclude(store, &uid, "Failed");
    }
}

fn conclude(store: &mut Store, uid: &str, condition: &str) {
    if let Some(name) = store.name_of(uid) {
        store.set_condition(&name, condition);
    }
}
