//! Decisions as Kubernetes Events, so that `kubectl describe job` tells why a Job was replaced, and `kubectl describe healingpolicy` who goes by it.

mod succession;

use std::sync::Arc;

use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event as Record};
use kube::{
    Api, Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use temper_healer_core::{Decision, Verdict, decision::Evidence, policy::PolicyError};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::cluster::HealingPolicy;

/// By whom Events are.
const CONTROLLER: &str = "temper-healer";

/// An Event's note has at most so many bytes.
const NOTE_BYTES: usize = 1000;

/// So many Events are written at a time. In a storm there is one for each worker, and the replacements need the API server more.
const AT_A_TIME: usize = 8;

/// Writes Events, in the background. That one could not be written is logged.
#[derive(Clone)]
pub struct Chronicle {
    recorder: Recorder,
    events: Api<Record>,
    namespace: String,
    identity: String,
    runtime: Handle,
    turns: Arc<Semaphore>,
}

impl Chronicle {
    /// Events in `namespace`, in the name of this replica, written by tasks of `runtime`.
    pub fn new(client: Client, namespace: &str, identity: &str, runtime: Handle) -> Self {
        let reporter = Reporter {
            controller: CONTROLLER.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            events: Api::namespaced(client.clone(), namespace),
            recorder: Recorder::new(client, reporter),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            runtime,
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Writes a decision down at the Job that it is about.
    pub fn decided(&self, decision: &Decision, dry_run: bool) {
        if let (Some(job), Some(uid)) = (&decision.job, &decision.job_uid) {
            self.write(event(decision, dry_run), self.job(job, uid));
        }
    }

    /// Writes down at a policy that this replica goes by it.
    pub fn adopted(&self, policy: &HealingPolicy) {
        let note = format!("generation {} holds", policy.generation);
        let event = of_policy("PolicyAdopted", EventType::Normal, note);
        self.write(event, self.policy(policy));
    }

    /// Writes down at a policy that this replica does not go by it, why, and by what instead.
    pub fn refused(&self, policy: &HealingPolicy, error: &PolicyError, instead: &str) {
        let note = format!("generation {}: {error}: {instead}", policy.generation);
        let event = of_policy("PolicyRefused", EventType::Warning, note);
        self.write(event, self.policy(policy));
    }

    fn write(&self, event: Event, reference: ObjectReference) {
        let (recorder, turns) = (self.recorder.clone(), Arc::clone(&self.turns));
        self.runtime.spawn(async move {
            // It fails only when it is closed, which nobody does.
            let _turn = turns.acquire().await;
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::warn!(%error, kind = reference.kind, name = reference.name, "writing an Event");
            }
        });
    }

    fn job(&self, name: &str, uid: &str) -> ObjectReference {
        self.reference("batch/v1", "Job", name, uid)
    }

    fn policy(&self, policy: &HealingPolicy) -> ObjectReference {
        let resource = HealingPolicy::resource();
        self.reference(
            &resource.api_version,
            &resource.kind,
            &policy.name,
            &policy.uid,
        )
    }

    fn reference(&self, api_version: &str, kind: &str, name: &str, uid: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some(api_version.to_owned()),
            kind: Some(kind.to_owned()),
            name: Some(name.to_owned()),
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
        note: Some(cut(format!(
            "{}: {}; {}",
            decision.producer,
            decision.why,
            spoken(&decision.evidence)
        ))),
        action: "Replace".to_owned(),
        secondary: None,
    }
}

/// What a decision rests on, in words.
pub(crate) fn spoken(evidence: &Evidence) -> String {
    let Some(heard_at) = evidence.heard_at else {
        return "never heard by this healer".to_owned();
    };
    let record = evidence.last_record;
    let record = record.map(|place| format!(", record {}@{}", place.partition, place.offset));
    let records = evidence.records_written;
    let records = records.map(|count| format!(", {count} records written"));
    let more: String = record.into_iter().chain(records).collect();
    format!("last heard at {heard_at}{more}")
}

fn of_policy(reason: &str, type_: EventType, note: String) -> Event {
    Event {
        type_,
        reason: reason.to_owned(),
        note: Some(cut(note)),
        action: "Adopt".to_owned(),
        secondary: None,
    }
}

/// As much of a note as an Event can have.
fn cut(mut note: String) -> String {
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
