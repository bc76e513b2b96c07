//! The healer is killed with SIGKILL in the middle of its work.

use std::{pin::pin, time::Duration};

use anyhow::{Context, Result};
use fastrand::Rng;
use futures_util::TryStreamExt;
use k8s_openapi::api::batch::v1::Job;
use kube::runtime::watcher::Event;
use temper_e2e::{
    StreamForge,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};
use tokio::time::{sleep, timeout};

use super::{at_work, in_place, only};

/// How far a replacement has come, as the API server tells it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Created,
    Deleting,
    Gone,
    Released,
}

#[tokio::test]
async fn a_healer_that_is_killed_after_any_step_leaves_nothing_lost_and_nothing_doubled() {
    let forge = StreamForge::open().await.unwrap();
    let mut expected = Vec::new();
    for (i, step) in [Step::Created, Step::Deleting, Step::Gone, Step::Released]
        .into_iter()
        .enumerate()
    {
        let worker = at_work(&forge, "loader-producer", &format!("{i:06}"))
            .await
            .unwrap();
        let mut healer = forge.heal("healer", &[]).await.unwrap();
        forge.workers.behave(&worker.job, Manner::Says("error"));
        come_to(&forge, &worker, step).await.unwrap();
        healer.kill().await.unwrap();

        let _next = forge.heal("healer", &[]).await.unwrap();
        in_place(&forge, &worker).await.unwrap();
        expected.push(worker.successor(1));
        only(&forge, expected.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_healer_that_is_killed_again_and_again_replaces_each_worker_once() {
    const WORKERS: usize = 8;
    const KILLS: usize = 25;
    let mut rng = Rng::with_seed(5);
    let forge = StreamForge::open().await.unwrap();
    let mut workers = Vec::new();
    for i in 0..WORKERS {
        workers.push(
            at_work(&forge, "loader-producer", &format!("{i:06}"))
                .await
                .unwrap(),
        );
    }
    for round in 0..KILLS {
        // Each third round another one gets into trouble.
        if round % 3 == 0
            && let Some(worker) = workers.get(round / 3)
        {
            forge.workers.behave(&worker.job, Manner::Says("error"));
        }
        let mut healer = forge.heal("healer", &[]).await.unwrap();
        // When it dies is what this is about; nothing is waited for.
        sleep(Duration::from_millis(rng.u64(0..1500))).await;
        healer.kill().await.unwrap();
    }
    let _last = forge.heal("healer", &[]).await.unwrap();
    for worker in &workers {
        in_place(&forge, worker).await.unwrap();
    }
    only(&forge, workers.iter().map(|worker| worker.successor(1)))
        .await
        .unwrap();
}

/// Waits until the API server tells that the replacement of a worker's Job has come so far.
async fn come_to(forge: &StreamForge, worker: &Worker, step: Step) -> Result<()> {
    let mut events = pin!(forge.watch_jobs());
    let coming = async {
        while let Some(event) = events.try_next().await? {
            if shows(&event, worker, step) {
                break;
            }
        }
        Ok(())
    };
    let came = timeout(PATIENCE, coming).await;
    came.with_context(|| format!("waiting until a replacement comes to {step:?}"))?
}

fn shows(event: &Event<Job>, worker: &Worker, step: Step) -> bool {
    let is = |job: &Job, name: &str| job.metadata.name.as_deref() == Some(name);
    match (step, event) {
        (Step::Created, Event::Apply(job) | Event::InitApply(job)) => is(job, &worker.successor(1)),
        (Step::Deleting, Event::Apply(job) | Event::InitApply(job)) => {
            is(job, &worker.job) && job.metadata.deletion_timestamp.is_some()
        }
        (Step::Gone, Event::Delete(job)) => is(job, &worker.job),
        (Step::Released, Event::Apply(job) | Event::InitApply(job)) => {
            is(job, &worker.successor(1))
                && job.spec.as_ref().and_then(|spec| spec.suspend) == Some(false)
        }
        _ => false,
    }
}
