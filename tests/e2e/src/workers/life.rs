//! What a worker's program does from its first word to its last.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::{
    select,
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use super::{Shared, locked};
use crate::kafka::Event;

/// How a program behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It says `loading` twice a second, with more records each time.
    Works,
    /// It says nothing, and its pod runs on.
    IsSilent,
    /// It says `loading`, with the same number of records.
    Stalls,
    /// It says this status once and nothing after, and its pod runs on.
    Says(&'static str),
    /// It says `finished`, and its pod succeeds.
    Finishes,
    /// It says nothing more, and its pod fails.
    Crashes,
}

/// A pod, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The worker, by its telemetry id.
    pub producer: String,
    /// Its queue.
    pub queue: String,
    /// The pod's Job.
    pub job: String,
    /// The uid of the pod's Job.
    pub job_uid: String,
    /// The pod.
    pub pod: String,
}

impl Who {
    /// None if the pod belongs to no Job.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let labels = pod.metadata.labels.as_ref()?;
        let container = pod.spec.as_ref()?.containers.first()?;
        Some(Self {
            producer: telemetry_id(container)?,
            queue: variable(container, "QUEUE_ID")?,
            job: labels.get("batch.kubernetes.io/job-name")?.clone(),
            job_uid: labels.get("batch.kubernetes.io/controller-uid")?.clone(),
            pod: pod.metadata.name.clone()?,
        })
    }
}

/// From the environment, or from an argument, which nobody but the program reads.
fn telemetry_id(container: &Container) -> Option<String> {
    let argument = || container.args.as_ref()?.first().cloned();
    variable(container, "TELEMETRY_PRODUCER_ID").or_else(argument)
}

fn variable(container: &Container, name: &str) -> Option<String> {
    let mut variables = container.env.as_ref()?.iter();
    variables
        .find(|variable| variable.name == name)?
        .value
        .clone()
}

/// Works until it is done, told to end, or aborted.
pub(super) async fn live(shared: Arc<Shared>, who: Who, mut terminated: oneshot::Receiver<()>) {
    let mut program = Program {
        shared,
        who,
        records: 0,
        spoken: None,
    };
    program.begin().await;
    let mut ticks = interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            _ = &mut terminated => return program.say("interrupted").await,
            _ = ticks.tick() => program.go_on().await,
        }
    }
}

struct Program {
    shared: Arc<Shared>,
    who: Who,
    records: u64,
    /// Its last word, when it was meant to be the last.
    spoken: Option<&'static str>,
}

impl Program {
    async fn begin(&mut self) {
        if self.shared.manner(&self.who.job) != Manner::IsSilent {
            self.say("started").await;
        }
    }

    async fn go_on(&mut self) {
        match self.shared.manner(&self.who.job) {
            Manner::Works => {
                self.records += 10;
                self.say("loading").await;
            }
            Manner::IsSilent => {}
            Manner::Stalls => self.say("loading").await,
            Manner::Says(status) => self.say_at_last(status).await,
            Manner::Finishes => {
                self.say_at_last("finished").await;
                self.end("Succeeded").await;
            }
            Manner::Crashes => self.end("Failed").await,
        }
    }

    async fn say_at_last(&mut self, status: &'static str) {
        if self.spoken != Some(status) {
            self.spoken = Some(status);
            self.say(status).await;
        }
    }

    /// Lets the pod end in that phase.
    async fn end(&self, phase: &str) {
        let ends = json!({ "metadata": { "annotations": { "e2e.temper.dev/ends": phase } } });
        let (pods, parameters) = (&self.shared.pods, PatchParams::default());
        let ends = Patch::Merge(ends);
        let patched = pods.patch(&self.who.pod, &parameters, &ends).await;
        patched.ok(); // If not now, then at the next tick.
    }

    async fn say(&self, status: &str) {
        let event = Event {
            records_written: self.records,
            ..Event::of(&self.who.queue, &self.who.producer, status)
        };
        // A program goes on when a record is given up, as StreamForge's do.
        if self.shared.telemetry.send(&event).await.is_ok() && status == "loading" {
            locked(&self.shared.heard).insert(self.who.job.clone());
        }
    }
}
