//! A policy file, which is looked at again and again.

use std::{path::PathBuf, time::Duration};

use temper_healer_core::Policy;
use tokio::time::{Interval, interval};

use super::Audience;

/// How often.
const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    known: Option<String>,
    ticks: Interval,
}

impl File {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            known: None,
            ticks: interval(EVERY),
        }
    }

    /// What it says when it says something new that makes sense. While it can't be read, it has not changed.
    pub(super) async fn next(&mut self, audience: &Audience) -> Policy {
        loop {
            self.ticks.tick().await;
            let read = tokio::fs::read_to_string(&self.path).await;
            let Some(text) = read.ok().filter(|text| self.known.as_ref() != Some(text)) else {
                continue;
            };
            let policy = self.take(&text, audience);
            self.known = Some(text);
            if let Some(policy) = policy {
                return policy;
            }
        }
    }

    fn take(&self, text: &str, audience: &Audience) -> Option<Policy> {
        let file = self.path.display();
        match Policy::parse(text) {
            Ok(policy) => {
                tracing::info!(%file, "adopted the policy");
                audience.hold(&file.to_string());
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
