//! What we need to know of a Job, and what we write on one.

mod uid;

use std::{fmt, num::NonZeroU64};

use serde_json::Value;

pub use self::uid::Uid;
use crate::{Fingerprint, Moment, policy::Span, telemetry::MAX_NAME_BYTES};

/// Keys of labels and annotations of ours.
pub mod keys {
    /// Label of every Job that replaces another: `true`.
    pub const REPLACEMENT: &str = "healer.temper.dev/replacement";
    /// Label of the same Jobs: the uid of the first Job of the line, by which all of a line are found.
    pub const LINE: &str = "healer.temper.dev/line";
    /// Annotation: the uid of the Job that this one replaces.
    pub const REPLACES_UID: &str = "healer.temper.dev/replaces-uid";
    /// Annotation: its name.
    pub const REPLACES_NAME: &str = "healer.temper.dev/replaces-name";
    /// Annotation: the name of the first Job of the line, which names of replacements are made of.
    pub const BASE_NAME: &str = "healer.temper.dev/base-name";
    /// Annotation: the number of the replacement in its line, from 1.
    pub const ATTEMPT: &str = "healer.temper.dev/attempt";
    /// Annotation: why, in one word.
    pub const CAUSE: &str = "healer.temper.dev/cause";
    /// Annotation: why, in a sentence.
    pub const WHY: &str = "healer.temper.dev/why";
    /// Annotation: when it was decided, RFC 3339.
    pub const DECIDED_AT: &str = "healer.temper.dev/decided-at";
    /// Annotation: the pods of the Job that is replaced, when that was begun. If it has another one later, it goes on by itself.
    pub const OLD_PODS: &str = "healer.temper.dev/old-pods";
    /// Annotation: recent replacements of the line, which budgets are counted from.
    pub const HEALS: &str = "healer.temper.dev/heals";
    /// Annotation of a successor: when it was released, RFC 3339. If it is suspended after that, people have done it.
    pub const RELEASED_AT: &str = "healer.temper.dev/released-at";
    /// Annotation of a Job that was to be replaced and is not: the uid of the successor that was meant for it.
    pub const REPRIEVED: &str = "healer.temper.dev/reprieved-from";
    /// Annotation of the same Job: when that was, RFC 3339. Nothing that was decided before then is begun anew.
    pub const REPRIEVED_AT: &str = "healer.temper.dev/reprieved-at";
    /// Annotation that people set: `true`, and this Job is left alone.
    pub const IGNORE: &str = "healer.temper.dev/ignore";
    /// Annotation that people set: the telemetry id, where the environment does not show it.
    pub const PRODUCER: &str = "healer.temper.dev/producer";
    /// Annotation that people set: another deadline for the first word.
    pub const START_DEADLINE: &str = "healer.temper.dev/start-deadline";
    /// Annotation that people set: another deadline for silence.
    pub const SILENT_DEADLINE: &str = "healer.temper.dev/silent-deadline";
}

/// Who a worker is: all Jobs and pods that take its place one after the other share this name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The queue that it works for; empty where it is not shown.
    pub queue: Box<str>,
    /// The telemetry id that it reports under.
    pub producer: Box<str>,
}

/// A worker's Job, as the cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: Box<str>,
    /// Its uid: another Job of the same name has another one.
    pub uid: Uid,
    /// The telemetry id is concluded from the Job's name, and shown nowhere.
    pub guessed: bool,
    /// What it is doing.
    pub state: State,
    /// How many of its pods have failed, and made room for others.
    pub failures: u32,
    /// A pod of it runs, or has run since the last one failed.
    pub has_run: bool,
    /// When its present run began, by the API server's clock: the start, or the creation before that.
    pub since: Moment,
    /// What is out of the ordinary about it: rarely anything.
    pub notes: Option<Box<Notes>>,
}

/// A uid, or a queue's name, where it only has to be told from others: 8 bytes instead of 52. Two of a million Jobs are alike once in ten million times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark(NonZeroU64);

impl Mark {
    pub(crate) fn of(name: &str) -> Self {
        Self::from_hash(crate::fingerprint::hash(name.bytes()))
    }

    pub(crate) fn of_uid(uid: &str) -> Self {
        Uid::of(uid).mark()
    }

    fn from_hash(hash: u64) -> Self {
        Self(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }
}

/// What most Jobs have nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Which Job it replaces.
    pub replaces: Option<Replaces>,
    /// Why it may not be replaced.
    pub refusal: Option<Refusal>,
    /// Why the Job failed, if it did: the condition's reason and message.
    pub failure: Option<String>,
    /// Deadline for the first word that people set on it.
    pub start_deadline: Option<Span>,
    /// Deadline for silence that people set on it.
    pub silent_deadline: Option<Span>,
    /// It has several pods, or indexes.
    pub parallel: bool,
}

/// What a Job that replaces another says about that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Uid of the Job before it.
    pub uid: Box<str>,
    /// Name of the Job before it.
    pub name: Box<str>,
    /// Name of the first of the line.
    pub base: Box<str>,
    /// Uid of the first of the line.
    pub line: Box<str>,
    /// The number of the replacement, from 1.
    pub attempt: u32,
    /// Why, in a word.
    pub cause: Box<str>,
    /// Why, in a sentence.
    pub why: Box<str>,
    /// When it was decided.
    pub decided: Moment,
    /// Recent replacements of the line, this one included.
    pub heals: Vec<Heal>,
    /// It was released: it has run.
    pub released: bool,
}

/// A replacement that was begun: what budgets are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heal {
    /// When.
    pub at: Moment,
    /// For which error, if it was for one.
    pub error: Option<Fingerprint>,
}

/// What a Job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It runs, or would if there were room.
    Active,
    /// It waits to be released.
    Suspended,
    /// It is being deleted.
    Deleting,
    /// It has succeeded.
    Complete,
    /// It has failed for good.
    Failed,
}

/// Why a Job is left alone although its worker is in trouble.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// People said so.
    #[error("its annotation {} says so", keys::IGNORE)]
    OptedOut,
    /// Its pods are selected by hand, so a copy would select the same ones.
    #[error("it has manualSelector: a copy would claim the same pods")]
    ManualSelector,
    /// Another controller runs it.
    #[error("it is managed by {0}")]
    ManagedBy(String),
    /// It is suspended, and not by us.
    #[error("somebody suspended it")]
    Suspended,
    /// Kueue decides when it runs.
    #[error("Kueue queues it, and decides when it runs")]
    Kueue,
    /// Its owner would count a copy as its own, or makes a new one by itself.
    #[error("{kind} {name} owns it, and makes a new one by itself")]
    Owned {
        /// Kind of the owner.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Somebody must be asked before it goes.
    #[error("its finalizer {0} is not known here")]
    Finalizer(String),
    /// Several pods, and the policy does not allow for that.
    #[error(
        "it has several pods or indexes, of which some may be done; allow `parallelJobs` if that does not matter"
    )]
    Parallel,
    /// It has not been run yet.
    #[error("its pod does not run yet ({0}): another one would not either")]
    NotRunning(String),
    /// Nothing is changed at all.
    #[error("this healer only says what it would do")]
    DryRun,
    /// It lacks what every Job has.
    #[error("its manifest has no {0}")]
    Malformed(&'static str),
}

/// Why a Job is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAWorker {
    /// It has no name or uid: no Job at all.
    #[error("the object has no `{0}`")]
    Malformed(&'static str),
    /// Nothing shows under which name its worker reports.
    #[error(
        "it shows no telemetry id: neither the environment variable TELEMETRY_PRODUCER_ID nor the annotation {}, and its name does not end in its queue's short id",
        keys::PRODUCER
    )]
    Nameless,
}

impl Job {
    /// Reads a `batch/v1` Job, and whose it is.
    pub fn read(job: &Value) -> Result<(Name, Self), NotAWorker> {
        let name = text(job, "/metadata/name").ok_or(NotAWorker::Malformed("metadata.name"))?;
        let uid = text(job, "/metadata/uid").ok_or(NotAWorker::Malformed("metadata.uid"))?;
        let queue = queue(job).unwrap_or_default();
        let shown =
            annotation(job, keys::PRODUCER).or_else(|| variable(job, "TELEMETRY_PRODUCER_ID"));
        // The names of replacements are made of the first one's, which is what tells.
        let first = annotation(job, keys::BASE_NAME).unwrap_or(name);
        let guess = || guess(first, queue, variable(job, "SYMBOL"));
        let producer = shown.map(str::to_owned).or_else(guess);
        let producer = producer.ok_or(NotAWorker::Nameless)?;
        if producer.len() > MAX_NAME_BYTES || queue.len() > MAX_NAME_BYTES {
            return Err(NotAWorker::Nameless);
        }
        let notes = notes(job);
        let read = Self {
            name: name.into(),
            uid: Uid::of(uid),
            guessed: shown.is_none(),
            state: state(job),
            failures: failures(job),
            has_run: job.pointer("/status/ready").and_then(Value::as_u64) > Some(0),
            since: moment(job, "/status/startTime")
                .or_else(|| moment(job, "/metadata/creationTimestamp"))
                .unwrap_or_default(),
            notes: (notes != Notes::default()).then(|| Box::new(notes)),
        };
        let (queue, producer) = (queue.into(), producer.into());
        Ok((Name { queue, producer }, read))
    }

    /// Which Job it replaces, if it does.
    pub fn replaces(&self) -> Option<&Replaces> {
        self.notes.as_ref()?.replaces.as_ref()
    }

    /// Why it may not be replaced.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.notes.as_ref()?.refusal.as_ref()
    }

    /// It replaces another Job and waits to be released.
    pub fn is_waiting_successor(&self) -> bool {
        let waits = |replaces: &Replaces| !replaces.released;
        self.state == State::Suspended && self.replaces().is_some_and(waits)
    }

    /// It has several pods or indexes.
    pub fn is_parallel(&self) -> bool {
        self.notes.as_ref().is_some_and(|notes| notes.parallel)
    }
}

/// What the Job is doing. One that is being deleted is that before all else.
pub fn state(job: &Value) -> State {
    if text(job, "/metadata/deletionTimestamp").is_some() {
        State::Deleting
    } else if condition(job, &["Complete", "SuccessCriteriaMet"]).is_some() {
        State::Complete
    } else if condition(job, &["Failed", "FailureTarget"]).is_some() {
        State::Failed
    } else if job.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        State::Suspended
    } else {
        State::Active
    }
}

/// How many pods have failed. One that was evicted counts as well.
pub fn failures(job: &Value) -> u32 {
    let failed = job.pointer("/status/failed").and_then(Value::as_u64);
    u32::try_from(failed.unwrap_or_default()).unwrap_or(u32::MAX)
}

/// Why nobody but its owner may replace the Job, whatever the policy says.
pub fn refusal(job: &Value) -> Option<Refusal> {
    if annotation(job, keys::IGNORE).is_some_and(|value| value != "false") {
        return Some(Refusal::OptedOut);
    }
    if job.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return Some(Refusal::ManualSelector);
    }
    if label(job, "kueue.x-k8s.io/queue-name").is_some() {
        return Some(Refusal::Kueue);
    }
    match text(job, "/spec/managedBy") {
        None | Some("kubernetes.io/job-controller") => {}
        Some(other) => return Some(Refusal::ManagedBy(other.to_owned())),
    }
    if let Some(finalizer) = foreign_finalizer(job) {
        return Some(Refusal::Finalizer(finalizer.to_owned()));
    }
    controller(job)
}

/// Several pods or indexes, of which some may be done already.
pub fn is_parallel(job: &Value) -> bool {
    let more_than_one = |pointer| {
        job.pointer(pointer)
            .and_then(Value::as_u64)
            .is_some_and(|count| count > 1)
    };
    text(job, "/spec/completionMode") == Some("Indexed")
        || more_than_one("/spec/parallelism")
        || more_than_one("/spec/completions")
}

fn foreign_finalizer(job: &Value) -> Option<&str> {
    let finalizers = job.pointer("/metadata/finalizers")?.as_array()?;
    let mut names = finalizers.iter().filter_map(Value::as_str);
    names.find(|name| !["foregroundDeletion", "orphan"].contains(name))
}

fn controller(job: &Value) -> Option<Refusal> {
    let owners = job.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let part = |key: &str| {
        owner
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    Some(Refusal::Owned {
        kind: part("kind"),
        name: part("name"),
    })
}

fn notes(job: &Value) -> Notes {
    let span = |key| annotation(job, key).and_then(|text| Span::parse(text).ok());
    Notes {
        replaces: replaces(job),
        refusal: refusal(job),
        failure: condition(job, &["Failed", "FailureTarget"]).map(reason),
        start_deadline: span(keys::START_DEADLINE),
        silent_deadline: span(keys::SILENT_DEADLINE),
        parallel: is_parallel(job),
    }
}

fn reason(condition: &Value) -> String {
    let part = |key| {
        condition
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let text = format!("{}: {}", part("reason"), part("message"));
    text.chars().take(300).collect()
}

fn replaces(job: &Value) -> Option<Replaces> {
    let note = |key| annotation(job, key);
    Some(Replaces {
        uid: note(keys::REPLACES_UID)?.into(),
        name: note(keys::REPLACES_NAME)?.into(),
        base: note(keys::BASE_NAME)?.into(),
        line: label(job, keys::LINE)
            .or_else(|| note(keys::REPLACES_UID))?
            .into(),
        attempt: note(keys::ATTEMPT)?.parse().ok()?,
        cause: note(keys::CAUSE).unwrap_or_default().into(),
        why: note(keys::WHY).unwrap_or_default().into(),
        decided: note(keys::DECIDED_AT)
            .and_then(timestamp)
            .unwrap_or_default(),
        heals: note(keys::HEALS).map(heals).unwrap_or_default(),
        released: note(keys::RELEASED_AT).is_some(),
    })
}

/// Reads the list that [`write_heals`] wrote; what can't be read is left out.
fn heals(text: &str) -> Vec<Heal> {
    let entries = text.split(',').filter_map(|entry| {
        let (at, error) = entry
            .trim()
            .split_once(' ')
            .unwrap_or_else(|| (entry.trim(), ""));
        Some(Heal {
            at: timestamp(at)?,
            error: Fingerprint::parse(error),
        })
    });
    entries.take(1000).collect()
}

/// The list of recent replacements as an annotation.
pub fn write_heals(heals: &[Heal]) -> String {
    let entries = heals.iter().map(|heal| match heal.error {
        Some(error) => format!("{} {error}", heal.at),
        None => heal.at.to_string(),
    });
    entries.collect::<Vec<_>>().join(", ")
}

/// The queue, by the worker's environment, which is what it reports under; else by the label, which may be a shortened one.
fn queue(job: &Value) -> Option<&str> {
    variable(job, "QUEUE_ID").or_else(|| label(job, "queue_id"))
}

/// The telemetry id of a Job that shows none: StreamForge names Jobs `job-<target>-<symbol>-<shortid>`, telemetry ids
/// `<target>__<shortid>`, and lets queues end in `-<shortid>`.
fn guess(name: &str, queue: &str, symbol: Option<&str>) -> Option<String> {
    let (_, id) = queue.rsplit_once('-')?;
    let base = name.strip_prefix("job-").unwrap_or(name);
    let base = base.strip_suffix(id)?.strip_suffix('-')?;
    let symbol = symbol.unwrap_or_default().to_ascii_lowercase();
    let without_symbol = base
        .strip_suffix(&*symbol)
        .and_then(|base| base.strip_suffix('-'));
    let target = without_symbol.unwrap_or(base);
    (!target.is_empty() && !id.is_empty()).then(|| format!("{target}__{id}"))
}

fn variable<'a>(job: &'a Value, name: &str) -> Option<&'a str> {
    let containers = job.pointer("/spec/template/spec/containers")?.as_array()?;
    let mut variables = containers
        .iter()
        .filter_map(|container| container.get("env")?.as_array())
        .flatten();
    let variable = variables.find(|variable| text(variable, "/name") == Some(name))?;
    text(variable, "/value").filter(|value| !value.is_empty())
}

fn condition<'a>(job: &'a Value, kinds: &[&str]) -> Option<&'a Value> {
    let conditions = job.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| {
        text(condition, "/status") == Some("True")
            && text(condition, "/type").is_some_and(|kind| kinds.contains(&kind))
    })
}

pub(crate) fn annotation<'a>(job: &'a Value, key: &str) -> Option<&'a str> {
    job.pointer("/metadata/annotations")?.get(key)?.as_str()
}

fn label<'a>(job: &'a Value, key: &str) -> Option<&'a str> {
    job.pointer("/metadata/labels")?.get(key)?.as_str()
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn moment(job: &Value, pointer: &str) -> Option<Moment> {
    timestamp(text(job, pointer)?)
}

/// Reads RFC 3339.
pub fn timestamp(text: &str) -> Option<Moment> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(timestamp.as_millisecond())
        .ok()
        .map(Moment::from_unix_ms)
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "being deleted",
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The Job of StreamForge's appendix B.
    fn appendix_b() -> Value {
        json!({
            "metadata": {"name": "job-arango-candles-btcusdt-abc123", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"app": "streamforge", "queue_id": "wf-btcusdt-api_candles_1m-20240801-abc123"}},
            "spec": {"backoffLimit": 2, "template": {"spec": {"containers": [{"name": "worker", "env": [
                {"name": "QUEUE_ID", "value": "wf-btcusdt-api_candles_1m-20240801-abc123"},
                {"name": "SYMBOL", "value": "BTCUSDT"}]}]}}},
        })
    }

    #[test]
    fn the_job_of_the_documents_is_joined_by_its_name() {
        let (name, job) = Job::read(&appendix_b()).unwrap();
        assert_eq!(&*name.producer, "arango-candles__abc123");
        assert!(job.guessed);
        assert_eq!(job.state, State::Active);
        assert_eq!(job.since.to_string(), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_environment_and_annotations_say_more_than_a_name() {
        let mut job = appendix_b();
        job["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "TELEMETRY_PRODUCER_ID", "value": "loader__z"}]);
        let (name, read) = Job::read(&job).unwrap();
        assert_eq!((&*name.producer, read.guessed), ("loader__z", false));
        job["metadata"]["annotations"] = json!({ keys::PRODUCER: "own__1" });
        assert_eq!(&*Job::read(&job).unwrap().0.producer, "own__1");
    }

    #[test]
    fn a_replacement_of_a_job_that_shows_no_id_is_the_same_worker() {
        let mut job = appendix_b();
        job["metadata"]["name"] = json!("job-arango-candles-btcusdt-abc123-r2");
        assert_eq!(Job::read(&job), Err(NotAWorker::Nameless));
        job["metadata"]["annotations"] =
            json!({keys::BASE_NAME: "job-arango-candles-btcusdt-abc123"});
        let (name, read) = Job::read(&job).unwrap();
        assert_eq!(
            (&*name.producer, read.guessed),
            ("arango-candles__abc123", true)
        );
    }

    #[test]
    fn a_label_that_had_to_be_shortened_is_no_other_queue() {
        let mut job = appendix_b();
        job["metadata"]["labels"]["queue_id"] = json!("wf-btcusdt-api");
        let (name, _) = Job::read(&job).unwrap();
        assert_eq!(&*name.queue, "wf-btcusdt-api_candles_1m-20240801-abc123");
        job["spec"]["template"]["spec"]["containers"] = json!([]);
        job["metadata"]["annotations"] = json!({keys::PRODUCER: "loader__1"});
        assert_eq!(&*Job::read(&job).unwrap().0.queue, "wf-btcusdt-api");
    }

    #[test]
    fn a_job_that_shows_nothing_is_none_of_ours() {
        let job = json!({"metadata": {"name": "backup", "uid": "u"}, "spec": {}});
        assert_eq!(Job::read(&job), Err(NotAWorker::Nameless));
        assert!(Job::read(&json!(null)).is_err());
    }

    #[test]
    fn jobs_of_others_are_refused() {
        let with = |pointer: &str, value: Value| {
            let mut job = appendix_b();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            job.pointer_mut(parent).unwrap()[key] = value;
            refusal(&job)
        };
        assert_eq!(refusal(&appendix_b()), None);
        assert_eq!(
            with("/spec/manualSelector", json!(true)),
            Some(Refusal::ManualSelector)
        );
        assert_eq!(
            with("/spec/managedBy", json!("x/y")),
            Some(Refusal::ManagedBy("x/y".into()))
        );
        assert_eq!(
            with("/spec/managedBy", json!("kubernetes.io/job-controller")),
            None
        );
        assert_eq!(
            with(
                "/metadata/labels",
                json!({"kueue.x-k8s.io/queue-name": "q"})
            ),
            Some(Refusal::Kueue)
        );
        assert_eq!(
            with("/metadata/annotations", json!({keys::IGNORE: "true"})),
            Some(Refusal::OptedOut)
        );
        assert_eq!(
            with("/metadata/finalizers", json!(["foregroundDeletion"])),
            None
        );
        assert!(with("/metadata/finalizers", json!(["a/b"])).is_some());
        for kind in ["CronJob", "JobSet", "ScaledJob", "Workflow"] {
            let owner = json!([{"kind": "ConfigMap", "name": "c"}, {"kind": kind, "name": "nightly", "controller": true}]);
            let refusal = with("/metadata/ownerReferences", owner).unwrap();
            assert_eq!(
                refusal.to_string(),
                format!("{kind} nightly owns it, and makes a new one by itself")
            );
        }
        assert_eq!(
            with(
                "/metadata/ownerReferences",
                json!([{"kind": "Workflow", "name": "w"}])
            ),
            None
        );
    }

    #[test]
    fn the_state_is_the_first_that_holds() {
        let mut job = appendix_b();
        job["spec"]["suspend"] = json!(true);
        assert_eq!(state(&job), State::Suspended);
        job["status"]["conditions"] = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]);
        assert_eq!(state(&job), State::Failed);
        assert_eq!(notes(&job).failure.unwrap(), "BackoffLimitExceeded: m");
        job["status"]["conditions"] = json!([{"type": "Complete", "status": "True"}]);
        assert_eq!(state(&job), State::Complete);
        job["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(state(&job), State::Deleting);
    }

    #[test]
    fn heals_survive_being_written_and_read() {
        let list = [
            Heal {
                at: Moment::from_unix_ms(1_767_225_600_000),
                error: None,
            },
            Heal {
                at: Moment::from_unix_ms(1_767_225_700_123),
                error: Some(Fingerprint::of("disk full")),
            },
        ];
        assert_eq!(heals(&write_heals(&list)), list);
        assert_eq!(heals("rubbish, "), []);
    }
}
