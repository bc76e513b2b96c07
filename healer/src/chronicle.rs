//! Decisions as Kubernetes Events, so that `kubectl describe job` tells why a Job was replaced.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use temper_healer_core::{Decision, Verdict};
use tokio::runtime::Handle;

/// An Event's note has at most so many bytes.
const NOTE_BYTES: usize = 1000;

/// Writes Events.
#[derive(Clone)]
pub struct Chronicle {
    recorder: Recorder,
    namespace: String,
}

impl Chronicle {
    /// Events in `namespace`, in the name of this replica.
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        let reporter = Reporter {
            controller: "temper-healer".to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            namespace: namespace.to_owned(),
        }
    }

    /// Writes a decision down at the Job that it is about, in the background. That it could not be written is logged.
    pub fn decided(&self, runtime: &Handle, decision: &Decision, dry_run: bool) {
        let (Some(job), Some(uid)) = (&decision.job, &decision.job_uid) else {
            return;
        };
        let reference = self.reference(job, uid);
        let event = event(decision, dry_run);
        let recorder = self.recorder.clone();
        runtime.spawn(async move {
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::warn!(%error, job = reference.name, "writing an Event");
            }
        });
    }

    fn reference(&self, job: &str, uid: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("batch/v1".to_owned()),
            kind: Some("Job".to_owned()),
            name: Some(job.to_owned()),
            namespace: Some(self.namespace.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }
}

fn event(decision: &Decision, dry_run: bool) -> Event {
    let (reason, type_) = match decision.decision {
        Verdict::Heal if dry_run => ("WorkerWouldBeReplaced", EventType::Normal),
        Verdict::Heal => ("WorkerReplaced", EventType::Warning),
        Verdict::Observe => ("WorkerObserved", EventType::Warning),
        Verdict::Veto => ("WorkerStopped", EventType::Normal),
        Verdict::Suppress => ("WorkerReplacementHeld", EventType::Warning),
    };
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note(decision)),
        action: "Replace".to_owned(),
        secondary: None,
    }
}

fn note(decision: &Decision) -> String {
    let mut note = format!("{}: {}", decision.producer, decision.why);
    let mut end = note.len().min(NOTE_BYTES);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}

impl std::fmt::Debug for Chronicle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chronicle")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
