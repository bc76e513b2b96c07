//! Decisions as Kubernetes Events, so that `kubectl describe job` tells why a Job was replaced, and `kubectl describe healingpolicy` who goes by it.

mod succession;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use temper_healer_core::{Decision, Verdict, decision::Evidence, policy::PolicyError};
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    time::{error::Elapsed, timeout},
};

use crate::cluster::{CALL_TIMEOUT, HealingPolicy};

/// By whom Events are.
const CONTROLLER: &str = "temper-healer";

/// An Event's note has at most so many bytes.
const NOTE_BYTES: usize = 1000;

/// An Event is called after its object, as far as there is room for that: a name has at most 253 characters.
const NAME_CHARACTERS: usize = 200;

/// So many Events are written at a time. In a storm there is one for each worker, and the replacements need the API server more.
const AT_A_TIME: usize = 8;

/// Writes Events, in the background. That one could not be written is logged.
#[derive(Clone)]
pub struct Chronicle {
    events: Api<Event>,
    namespace: String,
    identity: String,
    runtime: Handle,
    turns: Arc<Semaphore>,
}

/// What an Event says.
struct Entry {
    reason: &'static str,
    is_warning: bool,
    action: &'static str,
    note: String,
    /// What tells it from others at the same object: two with the same one are the same Event.
    mark: String,
    related: Option<ObjectReference>,
}

impl Entry {
    /// One that differs from others by what it says.
    fn new(reason: &'static str, action: &'static str, note: String) -> Self {
        let mut hasher = DefaultHasher::new();
        (reason, &note).hash(&mut hasher);
        Self {
            reason,
            is_warning: false,
            action,
            note,
            mark: format!("{:016x}", hasher.finish()),
            related: None,
        }
    }

    fn warning(self, is_warning: bool) -> Self {
        Self { is_warning, ..self }
    }
}

impl Chronicle {
    /// Events in `namespace`, in the name of this replica, written by tasks of `runtime`.
    pub fn new(client: Client, namespace: &str, identity: &str, runtime: Handle) -> Self {
        Self {
            events: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            identity: identity.to_owned(),
            runtime,
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Writes a decision down at the Job that it is about.
    pub fn decided(&self, decision: &Decision, dry_run: bool) {
        if let (Some(job), Some(uid)) = (&decision.job, &decision.job_uid) {
            self.write_in_turn(entry(decision, dry_run), self.job(job, uid));
        }
    }

    /// Writes down at a policy that this replica goes by it.
    pub fn adopted(&self, policy: &HealingPolicy) {
        let note = format!("generation {} holds", policy.generation);
        self.at_policy(policy, "PolicyAdopted", note, false);
    }

    /// Writes down at a policy that this replica does not go by it, why, and by what instead.
    pub fn refused(&self, policy: &HealingPolicy, error: &PolicyError, instead: &str) {
        let note = format!("generation {}: {error}: {instead}", policy.generation);
        self.at_policy(policy, "PolicyRefused", note, true);
    }

    fn at_policy(
        &self,
        policy: &HealingPolicy,
        reason: &'static str,
        note: String,
        is_warning: bool,
    ) {
        let mut entry = Entry::new(reason, "Adopt", note).warning(is_warning);
        // Each replica says it for itself.
        entry.mark = format!("{}.{}", entry.mark, self.identity);
        self.write_in_turn(entry, self.policy(policy));
    }

    fn write_in_turn(&self, entry: Entry, regarding: ObjectReference) {
        let chronicle = self.clone();
        self.runtime.spawn(async move {
            // It fails only when it is closed, which nobody does.
            let _turn = chronicle.turns.acquire().await;
            chronicle.write(entry, &regarding).await;
        });
    }

    /// Writes an Event, if it is not there yet.
    ///
    /// Each has a name that follows from what it says. So it does not matter how often it is written and by how many, and none takes the
    /// place of another, as where Events of the same reason are counted and only the first one's note is kept.
    async fn write(&self, entry: Entry, regarding: &ObjectReference) {
        let name = regarding.name.as_deref().unwrap_or_default();
        let beginning: String = name.chars().take(NAME_CHARACTERS).collect();
        let record = Event {
            metadata: ObjectMeta {
                name: Some(format!(
                    "{}.{}",
                    beginning.trim_end_matches(['-', '.']),
                    entry.mark
                )),
                ..ObjectMeta::default()
            },
            type_: Some(
                if entry.is_warning {
                    "Warning"
                } else {
                    "Normal"
                }
                .to_owned(),
            ),
            reason: Some(entry.reason.to_owned()),
            note: Some(cut(entry.note)),
            action: Some(entry.action.to_owned()),
            regarding: Some(regarding.clone()),
            related: entry.related,
            event_time: Some(MicroTime(jiff::Timestamp::now())),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.identity.clone()),
            ..Event::default()
        };
        let params = PostParams::default();
        let written = timeout(CALL_TIMEOUT, self.events.create(&params, &record)).await;
        if let Some(why) = refusal(written) {
            tracing::warn!(why, kind = regarding.kind, name, "writing an Event");
        }
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

/// Why an Event is not there, if it is not.
fn refusal(written: Result<kube::Result<Event>, Elapsed>) -> Option<String> {
    match written {
        Ok(Ok(_)) => None,
        // It is there already.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the API server does not answer".to_owned()),
    }
}

fn entry(decision: &Decision, dry_run: bool) -> Entry {
    let (reason, is_warning) = match decision.decision {
        Verdict::Heal if dry_run => ("WorkerWouldBeReplaced", false),
        Verdict::Heal => ("WorkerReplaced", true),
        Verdict::Observe => ("WorkerObserved", true),
        Verdict::Veto => ("WorkerStopped", false),
        Verdict::Suppress => ("WorkerReplacementHeld", true),
    };
    let note = format!(
        "{}: {}; {}",
        decision.producer,
        decision.why,
        spoken(&decision.evidence)
    );
    Entry::new(reason, "Replace", note).warning(is_warning)
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
