//! A policy file, which is looked at again and again.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use temper_healer_core::Policy;
use tokio::time::{Interval, interval};

use super::Audience;

/// How often.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    /// What it said when it was read last.
    known: String,
    /// What that came to, until that is told.
    first: Option<Policy>,
    ticks: Interval,
}

impl File {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let (known, policy) = super::load(path)?;
        Ok(Self {
            path: path.to_owned(),
            known,
            first: Some(policy),
            ticks: interval(EVERY),
        })
    }

    /// What it says; after that, what it says when it says something new that makes sense. While it can't be read, it has not changed.
    pub(super) async fn next(&mut self, audience: &Audience) -> Policy {
        let policy = match self.first.take() {
            Some(first) => first,
            None => self.change(audience).await,
        };
        audience.hold(&self.path.display().to_string());
        policy
    }

    async fn change(&mut self, audience: &Audience) -> Policy {
        loop {
            self.ticks.tick().await;
            let read = tokio::fs::read_to_string(&self.path).await;
            let Some(text) = read.ok().filter(|text| *text != self.known) else {
                continue;
            };
            self.known = text;
            if let Some(policy) = self.understand(audience) {
                return policy;
            }
        }
    }

    fn understand(&self, audience: &Audience) -> Option<Policy> {
        let file = self.path.display();
        match Policy::parse(&self.known) {
            Ok(policy) => {
                tracing::info!(%file, "the policy has changed");
                Some(policy)
            }
            Err(error) => {
                tracing::error!(%file, %error, "the policy has changed and makes no sense: the one before holds");
                audience.hold(&format!("{file} as it was, although now {error}"));
                None
            }
        }
    }
}
