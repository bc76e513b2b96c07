//! Who acts: the holder of a Lease.
//!
//! As client-go has it: the record is replaced under its `resourceVersion`, so of two candidates one gets it; and it has expired when
//! this candidate has not seen it change for its duration by its own clock, so clocks need not agree. Nothing unsafe follows from two
//! holders: names of successors and preconditions make them harmless. The Lease only keeps them from doing the same work twice.

use std::{net::SocketAddr, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease as Record, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;

use super::CALL_TIMEOUT;

/// A holder that has not renewed for so long holds no more.
pub(super) const DURATION: Duration = Duration::from_secs(15);

/// A holder that could not renew for so long stops acting, well before others begin.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// How often it is renewed, or tried for.
pub const RETRY: Duration = Duration::from_secs(2);

/// Annotation of the Lease: where the pages of its holder are.
const PAGES: &str = "healer.temper.dev/pages";

/// Whether this candidate holds the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// It does.
    Held,
    /// Another one does.
    By {
        /// Its name.
        holder: String,
        /// Where its pages are, if it says so.
        pages: Option<SocketAddr>,
    },
    /// Nobody can tell: the API server does not answer.
    Unknown(String),
}

/// A candidate's view of a Lease.
#[derive(Debug)]
pub struct Lease {
    api: Api<Record>,
    name: String,
    identity: String,
    pages: Option<SocketAddr>,
    /// The record as it was last seen to change, and when that was.
    seen: Option<(Record, Instant)>,
    renewed: Option<Instant>,
}

impl Lease {
    /// A candidate called `identity` for the Lease `name`.
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            pages: None,
            seen: None,
            renewed: None,
        }
    }

    /// Says in the Lease, while this candidate holds it, where its pages are.
    #[must_use]
    pub const fn with_pages(mut self, pages: Option<SocketAddr>) -> Self {
        self.pages = pages;
        self
    }

    /// Tries to get or to keep it. To be called every [`RETRY`].
    pub async fn campaign(&mut self) -> Term {
        match tokio::time::timeout(CALL_TIMEOUT.min(RETRY * 2), self.try_campaign()).await {
            Ok(Ok(term)) => term,
            Ok(Err(error)) => self.in_doubt(error.to_string()),
            Err(_) => self.in_doubt("the API server does not answer".to_owned()),
        }
    }

    /// Lets go of it, so that another one need not wait.
    pub async fn resign(&mut self) {
        let Some((mut record, _)) = self.seen.take().filter(|_| self.holds()) else {
            return;
        };
        if let Some(spec) = &mut record.spec {
            spec.holder_identity = None;
        }
        let params = PostParams::default();
        let resigning = self.api.replace(&self.name, &params, &record);
        match tokio::time::timeout(CALL_TIMEOUT, resigning).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "resigning from the Lease"),
            Err(_) => tracing::warn!("resigning from the Lease: the API server does not answer"),
        }
        self.renewed = None;
    }

    fn holds(&self) -> bool {
        self.renewed
            .is_some_and(|renewed| renewed.elapsed() < RENEW_DEADLINE)
    }

    fn in_doubt(&self, why: String) -> Term {
        if self.holds() {
            Term::Held
        } else {
            Term::Unknown(why)
        }
    }

    async fn try_campaign(&mut self) -> kube::Result<Term> {
        let Some(record) = self.api.get_opt(&self.name).await? else {
            return self.take(None).await;
        };
        self.observe(record);
        match &self.seen {
            Some((record, since)) if !self.is_free(record, *since) => {
                let term = Term::By {
                    holder: holder(record).unwrap_or_default().to_owned(),
                    pages: pages(record),
                };
                self.renewed = None;
                Ok(term)
            }
            Some((record, _)) => self.take(Some(record.clone())).await,
            None => Ok(Term::Unknown("the Lease was not seen".to_owned())),
        }
    }

    /// Notes when the record changed, by our own clock.
    fn observe(&mut self, record: Record) {
        let same = self.seen.as_ref().is_some_and(|(seen, _)| {
            seen.metadata.resource_version == record.metadata.resource_version
        });
        if !same {
            self.seen = Some((record, Instant::now()));
        }
    }

    fn is_free(&self, record: &Record, since: Instant) -> bool {
        let duration = record
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        let duration = duration.and_then(|seconds| u64::try_from(seconds).ok());
        let expired = since.elapsed() >= duration.map_or(DURATION, Duration::from_secs);
        match holder(record) {
            None | Some("") => true,
            Some(holder) => holder == self.identity || expired,
        }
    }

    /// Writes our name into the record, or a new record, and fails if it is not as it was seen.
    async fn take(&mut self, old: Option<Record>) -> kube::Result<Term> {
        let asked = Instant::now();
        let new = self.with_our_name(old.as_ref());
        let written = match old {
            None => self.api.create(&PostParams::default(), &new).await,
            Some(_) => {
                self.api
                    .replace(&self.name, &PostParams::default(), &new)
                    .await
            }
        };
        match written {
            Ok(record) => {
                self.seen = Some((record, Instant::now()));
                self.renewed = Some(asked);
                Ok(Term::Held)
            }
            // Another one was faster.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Ok(self.in_doubt(status.message))
            }
            Err(error) => Err(error),
        }
    }

    fn with_our_name(&self, old: Option<&Record>) -> Record {
        let now = MicroTime(jiff::Timestamp::now());
        let spec = old
            .and_then(|record| record.spec.clone())
            .unwrap_or_default();
        let ours = spec.holder_identity.as_deref() == Some(&self.identity);
        let transitions = spec.lease_transitions.unwrap_or(0) + i32::from(!ours && old.is_some());
        let mut record = old.cloned().unwrap_or_default();
        record.metadata.name = Some(self.name.clone());
        let annotations = record.metadata.annotations.get_or_insert_default();
        match self.pages {
            Some(pages) => annotations.insert(PAGES.to_owned(), pages.to_string()),
            // Those of the holder before.
            None => annotations.remove(PAGES),
        };
        record.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if ours {
                spec.acquire_time
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        });
        record
    }
}

fn pages(record: &Record) -> Option<SocketAddr> {
    let annotations = record.metadata.annotations.as_ref()?;
    annotations.get(PAGES)?.parse().ok()
}

fn holder(record: &Record) -> Option<&str> {
    record.spec.as_ref()?.holder_identity.as_deref()
}
