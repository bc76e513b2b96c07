//! An API server with Jobs and pods, whose calls take time, fail, and fail after they were carried out.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use serde_json::{Value, json};
use temper_healer_core::{
    Moment,
    job::{self, State, keys},
    replace::{Cluster, Phase, Pod, Trouble},
};

use crate::workers::worker_of;

/// A pod and the worker's process in it.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) id: u64,
    pub(crate) worker: usize,
    pub(crate) job_uid: String,
    pub(crate) health: Health,
    /// It is told to end, and will have by then.
    pub(crate) ends_at: Option<u64>,
    pub(crate) speaks_at: u64,
    pub(crate) done_at: u64,
    /// Its process ends with an error, and its Job has failed.
    pub(crate) exits_at: u64,
    /// What could not be sent yet, and since when it is tried.
    pub(crate) unsent: Vec<(u64, temper_healer_core::telemetry::Status)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Starting,
    Working,
    /// It does nothing any more, and says nothing.
    Hung,
    /// It has reported an error and does nothing any more.
    Failed,
    Finished,
}

impl Health {
    pub(crate) fn in_trouble(self) -> bool {
        matches!(self, Self::Hung | Self::Failed)
    }
}

/// All there is in the namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) jobs: BTreeMap<String, Value>,
    /// The same Jobs, read once after every change: most of a long run would go into reading them.
    pub(crate) roll: BTreeMap<String, Entry>,
    pub(crate) processes: Vec<Process>,
    /// Every change of a Job, for watches: the Job as it is then, or its uid when it is gone.
    pub(crate) changes: Vec<Change>,
    pub(crate) version: u64,
    pub(crate) next_uid: u64,
}

/// What matters of a Job at every step.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    pub(crate) worker: usize,
    pub(crate) state: State,
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) job: Result<Value, String>,
}

impl Store {
    pub(crate) fn create(&mut self, mut job: Value, now: u64) -> Result<(), Trouble> {
        let name = name_of(&job);
        if self.jobs.contains_key(&name) {
            return Err(Trouble::Conflict(format!(
                "jobs.batch \"{name}\" already exists"
            )));
        }
        self.next_uid += 1;
        job["metadata"]["uid"] = json!(format!("uid-{}", self.next_uid));
        job["metadata"]["creationTimestamp"] = json!(Moment::from_unix_ms(now).to_string());
        self.jobs.insert(name.clone(), job);
        self.touch(&name);
        Ok(())
    }

    /// In the foreground: the Job stays until its processes have ended.
    pub(crate) fn delete(
        &mut self,
        name: &str,
        uid: Option<&str>,
        version: Option<&str>,
        now: u64,
    ) -> Result<(), Trouble> {
        let Some(job) = self.jobs.get_mut(name) else {
            return Ok(());
        };
        let same = |pointer: &str, wanted: Option<&str>| {
            wanted.is_none_or(|wanted| job.pointer(pointer).and_then(Value::as_str) == Some(wanted))
        };
        if !same("/metadata/uid", uid) || !same("/metadata/resourceVersion", version) {
            return Err(Trouble::Conflict("the precondition does not hold".into()));
        }
        if job::state(job) != State::Deleting {
            job["metadata"]["deletionTimestamp"] = json!(Moment::from_unix_ms(now).to_string());
            self.touch(name);
        }
        Ok(())
    }

    pub(crate) fn patch(
        &mut self,
        name: &str,
        version: &str,
        change: &Value,
        now: u64,
    ) -> Result<(), Trouble> {
        let gone = || Trouble::Conflict("it is gone".into());
        let job = self.jobs.get_mut(name).ok_or_else(gone)?;
        if job["metadata"]["resourceVersion"].as_str() != Some(version) {
            return Err(Trouble::Conflict("it has been modified".into()));
        }
        if change.pointer("/spec/suspend") == Some(&json!(false)) {
            job["spec"]["suspend"] = json!(false);
            job["status"]["startTime"] = json!(Moment::from_unix_ms(now).to_string());
        }
        for (key, value) in change
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            job["metadata"]["annotations"][key] = value.clone();
        }
        self.touch(name);
        Ok(())
    }

    pub(crate) fn touch(&mut self, name: &str) {
        self.version += 1;
        if let Some(job) = self.jobs.get_mut(name) {
            job["metadata"]["resourceVersion"] = json!(self.version.to_string());
            let entry = Entry {
                uid: uid_of(job),
                worker: worker_of(job),
                state: job::state(job),
            };
            self.roll.insert(name.to_owned(), entry);
            self.changes.push(Change {
                job: Ok(job.clone()),
            });
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(job) = self.jobs.remove(name) {
            self.roll.remove(name);
            self.version += 1;
            self.changes.push(Change {
                job: Err(uid_of(&job)),
            });
        }
    }

    pub(crate) fn set_condition(&mut self, name: &str, kind: &str) {
        if let Some(job) = self.jobs.get_mut(name) {
            job["status"]["conditions"] =
                json!([{"type": kind, "status": "True", "reason": "Simulated"}]);
            self.touch(name);
        }
    }

    /// People mark a Job to be left alone, or take the mark away.
    pub(crate) fn mark(&mut self, name: &str, ignored: bool) {
        if let Some(job) = self.jobs.get_mut(name) {
            job["metadata"]["annotations"][keys::IGNORE] = json!(ignored.to_string());
            self.touch(name);
        }
    }

    /// People suspend a Job, or resume it.
    pub(crate) fn suspend(&mut self, name: &str, suspended: bool, now: u64) {
        if let Some(job) = self.jobs.get_mut(name) {
            job["spec"]["suspend"] = json!(suspended);
            if !suspended {
                job["status"]["startTime"] = json!(Moment::from_unix_ms(now).to_string());
            }
            self.touch(name);
        }
    }

    /// A pod of it has ended, and not well.
    pub(crate) fn count_failure(&mut self, name: &str) {
        if let Some(job) = self.jobs.get_mut(name) {
            job["status"]["failed"] = json!(job::failures(job) + 1);
            job["status"]["ready"] = json!(0);
            self.touch(name);
        }
    }

    /// A pod of it runs.
    pub(crate) fn count_start(&mut self, name: &str) {
        if let Some(job) = self.jobs.get_mut(name) {
            job["status"]["ready"] = json!(1);
            self.touch(name);
        }
    }

    pub(crate) fn name_of(&self, uid: &str) -> Option<String> {
        let found = self.roll.iter().find(|(_, entry)| entry.uid == uid);
        found.map(|(name, _)| name.clone())
    }

    pub(crate) fn line(&self, first_uid: &str) -> Vec<Value> {
        let is_of_line = |job: &&Value| job["metadata"]["labels"][keys::LINE] == first_uid;
        self.jobs.values().filter(is_of_line).cloned().collect()
    }

    pub(crate) fn pods(&self, uid: &str) -> Vec<Pod> {
        let of_job = self
            .processes
            .iter()
            .filter(|process| process.job_uid == uid);
        let pod = |process: &Process| Pod {
            name: format!("pod-{}", process.id).into(),
            phase: Phase::Running,
            deleting: process.ends_at.map(Moment::from_unix_ms),
            node_ready: true,
            why: "".into(),
        };
        of_job.map(pod).collect()
    }
}

pub(crate) fn name_of(job: &Value) -> String {
    job["metadata"]["name"].as_str().unwrap().to_owned()
}

pub(crate) fn uid_of(job: &Value) -> String {
    job["metadata"]["uid"].as_str().unwrap().to_owned()
}

pub(crate) fn replaces(job: &Value) -> Option<&str> {
    job["metadata"]["annotations"][keys::REPLACES_UID].as_str()
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Job(String),
    Pods(String),
    Line(String),
    Create(Box<Value>),
    Delete {
        name: String,
        uid: String,
        version: String,
    },
    Patch {
        name: String,
        version: String,
        change: Box<Value>,
    },
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(name) => write!(f, "get {name}"),
            Self::Pods(uid) => write!(f, "list pods of {uid}"),
            Self::Line(uid) => write!(f, "list the line of {uid}"),
            Self::Create(job) => write!(f, "create {}", name_of(job)),
            Self::Delete { name, uid, version } => write!(f, "delete {name} {uid} at {version}"),
            Self::Patch {
                name,
                version,
                change,
            } => write!(f, "patch {name} at {version}: {change}"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Job(Option<Value>),
    Pods(Vec<Pod>),
    Jobs(Vec<Value>),
    Done,
}

type Answer = Result<Reply, Trouble>;

/// What is between a healer and the API server. Calls of a healer that has died are still on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<Sent>>>);

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) call: Call,
    pub(crate) answer: Arc<Mutex<Option<Answer>>>,
}

impl Wire {
    pub(crate) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn send(&self, call: Call) -> Waiting {
        let answer = Arc::new(Mutex::new(None));
        self.0.lock().unwrap().push(Sent {
            call,
            answer: Arc::clone(&answer),
        });
        Waiting(answer)
    }
}

struct Waiting(Arc<Mutex<Option<Answer>>>);

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        self.0
            .lock()
            .unwrap()
            .take()
            .map_or(Poll::Pending, Poll::Ready)
    }
}

impl Cluster for Wire {
    async fn job(&self, name: &str) -> Result<Option<Value>, Trouble> {
        match self.send(Call::Job(name.to_owned())).await? {
            Reply::Job(job) => Ok(job),
            other => panic!("{other:?}"),
        }
    }

    async fn line(&self, first_uid: &str) -> Result<Vec<Value>, Trouble> {
        match self.send(Call::Line(first_uid.to_owned())).await? {
            Reply::Jobs(jobs) => Ok(jobs),
            other => panic!("{other:?}"),
        }
    }

    async fn pods(&self, uid: &str) -> Result<Vec<Pod>, Trouble> {
        match self.send(Call::Pods(uid.to_owned())).await? {
            Reply::Pods(pods) => Ok(pods),
            other => panic!("{other:?}"),
        }
    }

    async fn create(&self, job: Value) -> Result<(), Trouble> {
        self.send(Call::Create(Box::new(job))).await.map(drop)
    }

    async fn delete(&self, name: &str, uid: &str, version: &str) -> Result<(), Trouble> {
        let (name, uid, version) = (name.to_owned(), uid.to_owned(), version.to_owned());
        self.send(Call::Delete { name, uid, version })
            .await
            .map(drop)
    }

    async fn patch(&self, name: &str, version: &str, change: Value) -> Result<(), Trouble> {
        let (name, version, change) = (name.to_owned(), version.to_owned(), Box::new(change));
        self.send(Call::Patch {
            name,
            version,
            change,
        })
        .await
        .map(drop)
    }
}
