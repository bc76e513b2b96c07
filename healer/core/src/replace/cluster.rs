//! What the protocol asks of a cluster. There are two: Kubernetes, and the simulation that looks for a way to lose a Job.

use std::{future::Future, time::Duration};

use serde_json::Value;

use crate::Moment;

/// The calls of the protocol, in one namespace. None of them is retried below.
pub trait Cluster {
    /// The Job of that name, read from the API server and no cache.
    fn job(&self, name: &str) -> impl Future<Output = Result<Option<Value>, Trouble>> + Send;

    /// All Jobs that replace the one of that uid, or another that does: those whose label [`LINE`](crate::job::keys::LINE) says so.
    fn line(&self, first_uid: &str) -> impl Future<Output = Result<Vec<Value>, Trouble>> + Send;

    /// The pods whose controller has that uid.
    fn pods(&self, job_uid: &str) -> impl Future<Output = Result<Vec<Pod>, Trouble>> + Send;

    /// Creates a Job.
    fn create(&self, job: Value) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Deletes a Job in the foreground if it has that uid and version. One that is gone is no trouble.
    fn delete(
        &self,
        name: &str,
        uid: &str,
        version: &str,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Merges `change` into a Job if it has that version.
    fn patch(
        &self,
        name: &str,
        version: &str,
        change: Value,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;
}

/// A pod of the old Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: Box<str>,
    /// How far it has come.
    pub phase: Phase,
    /// Since when it is being deleted.
    pub deleting: Option<Moment>,
    /// Whether its node is ready; true where nobody looked.
    pub node_ready: bool,
    /// Why it is where it is, in its own words.
    pub why: Box<str>,
}

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has never run.
    Pending,
    /// It runs, or nobody knows.
    Running,
    /// It has ended.
    Ended,
}

/// What a cluster does instead of what was asked, by what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Something has changed since it was read: read again.
    #[error("{0}")]
    Conflict(String),
    /// It will refuse the same request again: a quota, a right, an admission rule, an invalid object.
    #[error("{0}")]
    Denied(String),
    /// It may do it later, or has done it although it could not say so.
    #[error("{why}")]
    Busy {
        /// What happened.
        why: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
    },
}
