//! A `HealingPolicy` of the cluster, which is watched.

use std::{fmt, future};

use futures_util::{StreamExt, stream::BoxStream};
use temper_healer_core::{Policy, policy::PolicyError};

use super::Audience;
use crate::cluster::{HealingPolicy, Unread};

pub(super) struct Resource {
    /// What people call it.
    title: String,
    told: BoxStream<'static, Result<Option<HealingPolicy>, Unread>>,
    /// As it was told last, if it is there.
    known: Option<HealingPolicy>,
    /// The generation of it that holds.
    holds: Option<i64>,
}

impl Resource {
    pub(super) fn named(client: kube::Client, namespace: &str, name: &str) -> Self {
        Self {
            title: format!("HealingPolicy {namespace}/{name}"),
            told: HealingPolicy::watch(client, namespace, name).boxed(),
            known: None,
            holds: None,
        }
    }

    /// What it says when it says something new that makes sense.
    pub(super) async fn next(&mut self, audience: &Audience) -> Policy {
        while let Some(told) = self.told.next().await {
            if let Some(policy) = self.take(told, audience) {
                return policy;
            }
        }
        // A watch is begun again for ever, so it does not come to this.
        future::pending().await
    }

    fn take(
        &mut self,
        told: Result<Option<HealingPolicy>, Unread>,
        audience: &Audience,
    ) -> Option<Policy> {
        match told {
            Err(error) => self.wait(&error, audience),
            Ok(None) => self.miss(audience),
            // It was listed again, or something else about it has changed.
            Ok(found) if self.known == found => {}
            Ok(Some(found)) => return self.judge(found, audience),
        }
        None
    }

    fn judge(&mut self, found: HealingPolicy, audience: &Audience) -> Option<Policy> {
        match &found.policy {
            Ok(_) => self.adopt(&found, audience),
            Err(error) => self.refuse(&found, error, audience),
        }
        let policy = found.policy.clone();
        self.known = Some(found);
        policy.ok()
    }

    fn adopt(&mut self, found: &HealingPolicy, audience: &Audience) {
        let generation = found.generation;
        tracing::info!(policy = self.title, generation, "adopted the policy");
        audience.hold(&format!("generation {generation} of {}", self.title));
        audience.chronicle.adopted(found);
        self.holds = Some(generation);
    }

    fn refuse(&self, found: &HealingPolicy, error: &PolicyError, audience: &Audience) {
        let (generation, so) = (found.generation, self.consequence());
        tracing::error!(policy = self.title, generation, %error, "the policy makes no sense: {so}");
        audience.chronicle.refused(found, error, so);
        let what = format!("generation {generation} makes no sense: {error}");
        self.lack(&what, audience);
    }

    fn miss(&mut self, audience: &Audience) {
        let so = self.consequence();
        tracing::warn!(policy = self.title, "the policy is not there: {so}");
        self.known = None;
        self.lack("it is not there", audience);
    }

    fn wait(&self, error: &Unread, audience: &Audience) {
        tracing::warn!(policy = self.title, %error, "watching the policy");
        // Otherwise what it said last is still the best that is known.
        if self.holds.is_none() {
            self.lack(&error.to_string(), audience);
        }
    }

    fn lack(&self, what: &str, audience: &Audience) {
        let (title, so) = (&self.title, self.consequence());
        match self.holds {
            Some(generation) => {
                audience.hold(&format!(
                    "generation {generation} of {title}, although now {what}"
                ));
            }
            None => audience.lack(&format!("{title}: {what}: {so}")),
        }
    }

    const fn consequence(&self) -> &'static str {
        match self.holds {
            Some(_) => "the one before holds",
            None => "nothing is healed until there is one that makes sense",
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("title", &self.title)
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}
