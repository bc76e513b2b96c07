//! What `temper-healer run` is told, by flags and by the environment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use temper_healer_core::{
    Policy,
    policy::{Cause, Kind, Span},
};

use crate::kafka;

/// Everything that is to be known before anything is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: kafka::Settings,
    /// Whose Jobs; the client configuration's own namespace if none.
    pub namespace: Option<String>,
    /// Where the rules are; the built-in ones if nowhere.
    pub policy_file: Option<PathBuf>,
    /// Where the pages are shown.
    pub listen: String,
    /// Only workers of this queue: a sidecar's scope.
    pub queue: Option<String>,
    /// Name of the Lease.
    pub lease: String,
    /// Our own name in it.
    pub identity: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// End after having listened for so long.
    pub once: Option<Duration>,
}

/// Why it can't begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An argument.
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
    /// The environment does not say how to reach Kafka.
    #[error(transparent)]
    Kafka(#[from] kafka::SettingsError),
    /// A value makes no sense.
    #[error("{flag}: {why}")]
    Value {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Settings {
    /// Reads flags, and the environment where there is none.
    pub fn read(
        arguments: &mut lexopt::Parser,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        use lexopt::prelude::*;
        let mut settings = Self::from_env(&environment)?;
        let (mut once, mut listen_for) = (false, None);
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("namespace") => settings.namespace = Some(arguments.value()?.string()?),
                Long("policy") => settings.policy_file = Some(arguments.value()?.into()),
                Long("listen") => settings.listen = arguments.value()?.string()?,
                Long("queue") => settings.queue = Some(arguments.value()?.string()?),
                Long("lease") => settings.lease = arguments.value()?.string()?,
                Long("dry-run") => settings.dry_run = true,
                Long("once") => once = true,
                Long("for") => listen_for = Some(span("--for", &arguments.value()?.string()?)?),
                other => return Err(other.unexpected().into()),
            }
        }
        if once {
            let policy = settings.policy().map_err(|error| SettingsError::Value {
                flag: "--policy",
                why: format!("{error:#}"),
            })?;
            settings.once = Some(listen_for.unwrap_or_else(|| longest_silence(&policy)));
        } else if listen_for.is_some() {
            return Err(SettingsError::Value {
                flag: "--for",
                why: "it says how long --once listens; add --once".to_owned(),
            });
        }
        Ok(settings)
    }

    /// The rules.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        policy(self.policy_file.as_deref())
    }

    fn from_env(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let kafka = kafka::Settings::from_env(environment)?;
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        Ok(Self {
            kafka,
            namespace: set("POD_NAMESPACE"),
            policy_file: set("TEMPER_POLICY").map(PathBuf::from),
            listen: set("TEMPER_LISTEN").unwrap_or_else(|| "0.0.0.0:8080".to_owned()),
            queue: None,
            lease: "temper-healer".to_owned(),
            identity: set("POD_NAME")
                .or_else(|| set("HOSTNAME"))
                .unwrap_or_else(|| format!("temper-healer-{}", std::process::id())),
            dry_run: false,
            once: None,
        })
    }
}

/// The policy in a file; the built-in one without a file.
pub fn policy(file: Option<&Path>) -> anyhow::Result<Policy> {
    let Some(file) = file else {
        return Ok(Policy::streamforge());
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the policy {}", file.display()))?;
    Policy::parse(&text).with_context(|| file.display().to_string())
}

fn span(flag: &'static str, text: &str) -> Result<Duration, SettingsError> {
    Span::parse(text)
        .map(Span::duration)
        .map_err(|why| SettingsError::Value { flag, why })
}

/// Long enough for whoever is silent to be found out.
fn longest_silence(policy: &Policy) -> Duration {
    let silence = |kind: &Kind| {
        kind.silent_deadline
            .filter(|_| kind.heal.contains(&Cause::Silent))
    };
    let longest = policy
        .kinds
        .iter()
        .filter_map(silence)
        .max()
        .unwrap_or(Span::minutes(1));
    longest.duration() + Duration::from_secs(5)
}
