//! Kubernetes: Jobs are watched, read, created, deleted and released; a Lease says who acts, and a `HealingPolicy` may say by which rules.
//!
//! Jobs are JSON as the API server gives it, and no typed struct: that would drop fields newer than itself. No call is retried here
//! or below: who asked decides whether it still wants what it asked for.

mod api;
mod lease;
mod policies;
mod watch;

use std::time::Duration;

use kube::{Client, Config};

pub use self::{
    api::Jobs,
    lease::{Lease, RETRY, Term},
    policies::{HealingPolicy, Unread},
    watch::{Told, watch},
};

/// A call that takes longer is given up; whether it was carried out is seen later.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection on which nothing came for so long is given up.
const SILENCE: Duration = Duration::from_secs(310);

/// Why there is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a kubeconfig nor a pod's service account says where it is.
    #[error("finding the API server: {0}; run in a pod with a service account, or set KUBECONFIG")]
    Config(#[source] Box<kube::config::InferConfigError>),
    /// A client can't be made of what was found.
    #[error("connecting to the API server: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// A client that retries nothing, and the namespace that the configuration names.
pub async fn connect() -> Result<(Client, String), Error> {
    let mut config = Config::infer()
        .await
        .map_err(|error| Error::Config(Box::new(error)))?;
    config.default_retry = false;
    // A watch is ended by the server within five minutes; whoever is silent for longer is not there any more.
    config.read_timeout = Some(SILENCE);
    config.write_timeout = Some(CALL_TIMEOUT);
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?;
    Ok((client, namespace))
}
