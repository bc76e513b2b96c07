//! What is done about which workers: the policy file.
//!
//! Only kinds of workers that the policy names are ever replaced, and only for the causes it names. All others are watched.

mod glob;
mod units;

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    glob::Glob,
    units::{Share, Span},
};
use crate::{budget::REMEMBERED, sight::Patience};

/// The policy: which workers are replaced, for what, and how much of it at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// Kinds of workers; the first whose pattern fits counts.
    pub kinds: Vec<Kind>,
    /// Limits over all workers.
    #[serde(default)]
    pub guards: Guards,
    /// What counts as having seen.
    #[serde(default)]
    pub sight: SightPolicy,
    /// Nothing is replaced while this is set; everything is still watched and said.
    #[serde(default)]
    pub paused: bool,
}

/// What is expected of a kind of workers, and what happens if it does not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kind {
    /// Which workers: a pattern with `*` for the telemetry id's part before `__`.
    pub workers: Glob,
    /// What they are replaced for. Other causes are observed.
    #[serde(default = "every_cause_but_stalled")]
    pub heal: BTreeSet<Cause>,
    /// How long after its Job began a worker may take to say its first word. Without it: as long as it likes.
    #[serde(default)]
    pub start_deadline: Option<Span>,
    /// How long a worker that is at work may be silent. Without it: as long as it likes.
    #[serde(default)]
    pub silent_deadline: Option<Span>,
    /// How long `records_written` may stay the same while the worker speaks. Without it: as long as it likes.
    #[serde(default)]
    pub stall_deadline: Option<Span>,
    /// How long a worker that was interrupted though nobody demanded it may take to be back by itself.
    #[serde(default = "seconds::<30>")]
    pub interrupted_deadline: Span,
    /// How long a worker that reported an error may take to go on by itself.
    #[serde(default = "seconds::<0>")]
    pub error_grace: Span,
    /// Silence is no cause while no worker of this pattern is at work in the same queue: there is nothing to do.
    #[serde(default)]
    pub upstream: Option<Glob>,
    /// Jobs with several pods may be replaced as a whole, which does finished indexes again.
    #[serde(default)]
    pub parallel_jobs: bool,
    /// What to do about old pods that do not end.
    #[serde(default)]
    pub fencing: Fencing,
    /// How often one worker is replaced.
    #[serde(default)]
    pub attempts: Attempts,
}

/// Why a worker is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// It reported an error, or its Job failed.
    Error,
    /// It said nothing for too long, though it could have been heard.
    Silent,
    /// It speaks, and `records_written` stays the same.
    Stalled,
    /// It was interrupted without a demand, and did not come back.
    Interrupted,
}

impl Cause {
    /// The word for it in files, labels and annotations.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What to do when pods of the old Job do not end, as on a node that nobody reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fencing {
    /// Wait, and say so: never two workers at a time.
    #[default]
    Strict,
    /// Go on after this long if the pod's node is not ready: for workers who may do the same thing twice.
    BestEffort(Span),
}

/// How often one worker is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Attempts {
    /// At most so many replacements …
    pub max: u32,
    /// … within this time.
    pub within: Span,
    /// The wait before the second replacement; it doubles with each further one.
    pub backoff: Span,
    /// It grows no longer than this.
    pub max_backoff: Span,
    /// A worker that has been well for so long begins anew.
    pub healthy_after: Span,
    /// So many replacements for the same error, and it is not tried again: another Job would fail as well.
    pub same_error: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            max: 5,
            within: Span::minutes(60),
            backoff: Span::seconds(10),
            max_backoff: Span::minutes(10),
            healthy_after: Span::minutes(15),
            same_error: 3,
        }
    }
}

/// Limits over all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Guards {
    /// More than this share of all workers in trouble is a storm: whatever it is, it is not the workers.
    pub max_unhealthy: Share,
    /// So few workers in trouble are never a storm.
    pub min_unhealthy: u32,
    /// After a storm has stopped growing, this long nothing is replaced.
    pub cooldown: Span,
    /// At most so many replacements begin in a minute.
    pub per_minute: u32,
    /// At most so many replacements are under way.
    pub in_flight: u32,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_unhealthy: Share::percent(40),
            min_unhealthy: 5,
            cooldown: Span::minutes(2),
            per_minute: 20,
            in_flight: 5,
        }
    }
}

/// What counts as having seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct SightPolicy {
    /// Proofs of having heard everything may be so far apart.
    pub max_gap: Span,
    /// How long after an outage workers may take to be heard again: at least what their producers go on retrying.
    pub recovery_grace: Span,
}

impl Default for SightPolicy {
    fn default() -> Self {
        Self {
            max_gap: Span::seconds(5),
            recovery_grace: Span::seconds(60),
        }
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It can't be read.
    #[error("the policy can't be read: {0}")]
    Syntax(String),
    /// It can be read, and makes no sense.
    #[error("`{key}`: {why}")]
    Sense {
        /// Which key.
        key: String,
        /// What is wrong with its value, and what would be right.
        why: String,
    },
}

impl Policy {
    /// Reads a policy file (YAML, and so JSON as well).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self =
            serde_saphyr::from_str(text).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Reads the `spec` of a `HealingPolicy`, which says what a policy file says.
    pub fn from_spec(spec: Value) -> Result<Self, PolicyError> {
        let policy: Self =
            serde_json::from_value(spec).map_err(|error| PolicyError::Syntax(error.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// StreamForge's kinds of workers, with deadlines that its pages allow for. `TELEMETRY_INTERVAL` is documented for one
    /// of them alone, so they are generous.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn streamforge() -> Self {
        let text = include_str!("policy/streamforge.yaml");
        Self::parse(text).expect("a test reads the built-in policy")
    }

    /// The kind that a worker belongs to, by its target.
    pub fn kind(&self, target: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| kind.workers.fits(target))
    }

    /// How patient observable time is.
    pub fn patience(&self) -> Patience {
        Patience {
            max_gap: self.sight.max_gap.duration(),
            recovery_grace: self.sight.recovery_grace.duration(),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        for (index, kind) in self.kinds.iter().enumerate() {
            kind.check().map_err(|(key, why)| PolicyError::Sense {
                key: format!("kinds[{index}].{key}"),
                why,
            })?;
        }
        let guards = &self.guards;
        positive("guards.perMinute", guards.per_minute)?;
        positive("guards.inFlight", guards.in_flight)?;
        lasting("sight.maxGap", self.sight.max_gap)
    }
}

type Wrong = (String, String);

impl Kind {
    fn check(&self) -> Result<(), Wrong> {
        let needs = [
            (
                Cause::Stalled,
                self.stall_deadline.is_none(),
                "stallDeadline",
            ),
            (
                Cause::Silent,
                self.silent_deadline.is_none() && self.start_deadline.is_none(),
                "silentDeadline",
            ),
        ];
        for (cause, missing, key) in needs {
            if self.heal.contains(&cause) && missing {
                let word = cause.word();
                let why =
                    format!("`{word}` is to be healed, but without `{key}` nobody is ever {word}");
                return Err(("heal".to_owned(), why));
            }
        }
        let most = u32::try_from(REMEMBERED).unwrap_or(u32::MAX);
        if self.attempts.max > most {
            let why =
                format!("no more than {most} replacements are remembered; write that or less");
            return Err(("attempts.max".to_owned(), why));
        }
        let deadlines = [
            ("startDeadline", self.start_deadline),
            ("silentDeadline", self.silent_deadline),
            ("stallDeadline", self.stall_deadline),
        ];
        for (key, deadline) in deadlines {
            if deadline.is_some_and(|span| span.duration() < Duration::from_secs(1)) {
                return Err((key.to_owned(), "a deadline is at least 1s".to_owned()));
            }
        }
        Ok(())
    }
}

fn positive(key: &str, value: u32) -> Result<(), PolicyError> {
    if value == 0 {
        let why = "0 would replace nothing at all; use `paused: true` for that".to_owned();
        return Err(PolicyError::Sense {
            key: key.to_owned(),
            why,
        });
    }
    Ok(())
}

fn lasting(key: &str, span: Span) -> Result<(), PolicyError> {
    if span.duration() < Duration::from_secs(1) {
        let why = "proofs come every half second at best; use at least 1s".to_owned();
        return Err(PolicyError::Sense {
            key: key.to_owned(),
            why,
        });
    }
    Ok(())
}

fn every_cause_but_stalled() -> BTreeSet<Cause> {
    [Cause::Error, Cause::Silent, Cause::Interrupted].into()
}

const fn seconds<const N: u64>() -> Span {
    Span::seconds(N)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_knows_streamforges_workers() {
        let policy = Policy::streamforge();
        for target in [
            "loader-producer",
            "arango-candles",
            "graph-builder",
            "graph-build",
            "gnn-trainer",
            "visualizer",
        ] {
            assert!(policy.kind(target).is_some(), "{target}");
        }
        assert_eq!(policy.kind("queue-manager"), None);
    }

    #[test]
    fn a_policy_survives_being_written_and_read() {
        let policy = Policy::streamforge();
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(Policy::parse(&text).unwrap(), policy);
    }

    #[track_caller]
    fn refused(yaml: &str, with: &str) {
        let error = Policy::parse(yaml).unwrap_err().to_string();
        assert!(error.contains(with), "{error:?} does not say {with:?}");
    }

    #[test]
    fn nonsense_is_refused_with_the_key_and_a_way_out() {
        refused(
            "kinds: [{workers: 'a', silentDeadlin: 5m}]",
            "silentDeadlin",
        );
        refused(
            "kinds: [{workers: 'a', silentDeadline: 5 parsecs}]",
            "5 parsecs",
        );
        refused("kinds: [{workers: 'a'}]", "kinds[0].heal");
        refused("kinds: [{workers: 'a', heal: [stalled]}]", "stallDeadline");
        refused(
            "kinds: [{workers: 'a', silentDeadline: 10ms}]",
            "at least 1s",
        );
        refused("{kinds: [], guards: {perMinute: 0}}", "paused: true");
        refused("{kinds: [], guards: {maxUnhealthy: 140%}}", "140%");
        refused("{kinds: [], sight: {maxGap: 0s}}", "at least 1s");
        refused("kinds: [{workers: '', heal: []}]", "empty");
        refused(
            "kinds: [{workers: a, silentDeadline: 1m, attempts: {max: 101}}]",
            "kinds[0].attempts.max",
        );
    }
}
