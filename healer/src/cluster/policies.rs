//! Policies that are resources of the cluster: `HealingPolicy`, whose `spec` is what a policy file holds.

use futures_util::{Stream, StreamExt};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watch_object},
    },
};
use temper_healer_core::{Policy, policy::PolicyError};

/// A `HealingPolicy` that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealingPolicy {
    /// Its name.
    pub name: String,
    /// Its uid: another one of the same name has another one.
    pub uid: String,
    /// How often its `spec` has been written.
    pub generation: i64,
    /// What it says, or why that makes no sense.
    pub policy: Result<Policy, PolicyError>,
}

/// Why nobody can tell what a `HealingPolicy` says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// The service account may not read it.
    #[error("{0}; deploy/healing-policy has the right")]
    Forbidden(String),
    /// There is no such resource.
    #[error("{0}; deploy/crd defines the resource")]
    Undefined(String),
    /// Anything else, which may pass.
    #[error("{0}")]
    Trouble(String),
}

impl HealingPolicy {
    /// The resource, as `healer/deploy/crd` defines it.
    pub fn resource() -> ApiResource {
        let version = kube::core::GroupVersionKind::gvk("temper.dev", "v1alpha1", "HealingPolicy");
        ApiResource::from_gvk_with_plural(&version, "healingpolicies")
    }

    /// Reads the one of that name, if it is there.
    pub async fn find(client: Client, namespace: &str, name: &str) -> Result<Option<Self>, Unread> {
        // By a LIST, as the watch does: to a GET a definition that is missing looks like an object that is missing.
        let one = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = api(client, namespace).list(&one).await?;
        Ok(found.items.into_iter().next().map(Self::read))
    }

    /// Tells of the one of that name, or that there is none, for as long as it is polled. Failures are told and waited out.
    pub fn watch(
        client: Client,
        namespace: &str,
        name: &str,
    ) -> impl Stream<Item = Result<Option<Self>, Unread>> + Send + use<> {
        let told = watch_object(api(client, namespace), name).default_backoff();
        told.map(|told| Ok(told?.map(Self::read)))
    }

    fn read(object: DynamicObject) -> Self {
        let DynamicObject {
            metadata, mut data, ..
        } = object;
        let spec = data.get_mut("spec").map(serde_json::Value::take);
        Self {
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            policy: Policy::from_spec(spec.unwrap_or_default()),
        }
    }
}

fn api(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &HealingPolicy::resource())
}

impl From<kube::Error> for Unread {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Trouble(error.to_string());
        };
        match status.code {
            403 => Self::Forbidden(status.message),
            404 => Self::Undefined(status.message),
            _ => Self::Trouble(status.message),
        }
    }
}

impl From<watcher::Error> for Unread {
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(cause)
            | watcher::Error::WatchStartFailed(cause)
            | watcher::Error::WatchFailed(cause) => cause.into(),
            watcher::Error::WatchError(status) => Self::Trouble(status.message),
            watcher::Error::NoResourceVersion => Self::Trouble(error.to_string()),
        }
    }
}
