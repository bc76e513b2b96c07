//! `temper-healer check`: whether it would work here, asked of the live cluster before it is trusted.
//!
//! Nothing is changed: rights are asked for, topics described, Jobs listed.

mod cluster;
mod topics;

use std::{collections::BTreeMap, fmt};

use kube::Client;
use temper_healer_core::{
    Policy,
    policy::{Cause, Kind, Span},
};

use crate::{
    cluster::{HealingPolicy, connect},
    rules::Source,
    run::Settings,
};

/// The Job controller makes no new pod for an evicted one before this has passed.
const BACK_AFTER_EVICTION: Span = Span::seconds(10);

/// And then the new one has to be placed, started and heard.
const ENOUGH_AFTER_EVICTION: Span = Span::seconds(20);

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub grade: Grade,
    /// What was looked at.
    pub about: String,
    /// What was seen, and what to do if it is not as it should be.
    pub what: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It works, and less well than it could.
    Doubtful,
    /// It does not work.
    Bad,
}

impl Finding {
    pub(crate) fn new(grade: Grade, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            grade,
            about: about.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.grade {
            Grade::Good => "ok  ",
            Grade::Doubtful => "warn",
            Grade::Bad => "FAIL",
        };
        write!(f, "{mark} {}: {}", self.about, self.what)
    }
}

/// Looks at the policy, the cluster and the topics, and hands over what it finds as it finds it.
pub fn check(settings: &Settings, found: &mut dyn FnMut(Finding)) -> anyhow::Result<()> {
    let policy = settings.rules.read()?;
    if let Some(policy) = &policy {
        lint(policy).into_iter().for_each(&mut *found);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(connect()) {
        Ok((client, default_namespace)) => {
            let namespace = settings.namespace.clone().unwrap_or(default_namespace);
            let live = live(&client, &namespace, settings, policy, found);
            runtime.block_on(live);
        }
        Err(error) => found(Finding::new(Grade::Bad, "cluster", error.to_string())),
    }
    topics::check(&settings.kafka).into_iter().for_each(found);
    Ok(())
}

/// Looks at what the cluster has; at the policy too, if that is a resource.
async fn live(
    client: &Client,
    namespace: &str,
    settings: &Settings,
    policy: Option<Policy>,
    found: &mut dyn FnMut(Finding),
) {
    let (policy, name) = match &settings.rules {
        Source::BuiltIn | Source::File(_) => (policy, None),
        Source::Resource(name) => {
            let (policy, findings) = resource(client, namespace, name).await;
            findings.into_iter().for_each(&mut *found);
            (policy, Some(name.as_str()))
        }
    };
    let lease = &settings.lease();
    cluster::rights(client, namespace, lease, policy.as_ref(), name, found).await;
    if let Some(policy) = policy {
        cluster::jobs(client, namespace, &policy, found).await;
    }
}

/// The policy that is a resource, if it can hold, and what is to be said of it.
async fn resource(client: &Client, namespace: &str, name: &str) -> (Option<Policy>, Vec<Finding>) {
    let about = format!("HealingPolicy {namespace}/{name}");
    let bad = |what: String| (None, vec![Finding::new(Grade::Bad, about.clone(), what)]);
    match HealingPolicy::find(client.clone(), namespace, name).await {
        Err(error) => bad(error.to_string()),
        Ok(None) => bad("it is not there: nothing would be healed".to_owned()),
        Ok(Some(found)) => match found.policy {
            Err(error) => bad(format!("it makes no sense, and would not hold: {error}")),
            Ok(policy) => {
                let it_is = format!("it is there, generation {}", found.generation);
                let mut findings = vec![Finding::new(Grade::Good, about, it_is)];
                findings.extend(lint(&policy));
                (Some(policy), findings)
            }
        },
    }
}

/// What is odd about a policy that makes sense.
pub fn lint(policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut doubt =
        |about: String, what: &str| findings.push(Finding::new(Grade::Doubtful, about, what));
    for (index, kind) in policy.kinds.iter().enumerate() {
        let about = format!("policy, kind {}", kind.workers);
        let name = kind.workers.to_string();
        let earlier = policy
            .kinds
            .iter()
            .take(index)
            .find(|earlier| earlier.workers.fits(&name));
        if let Some(earlier) = earlier {
            doubt(
                about.clone(),
                &format!(
                    "it is never used: {} comes before it and fits the same workers",
                    earlier.workers
                ),
            );
        }
        if !kind.heal.is_empty() && never_found_out(kind) {
            doubt(
                about.clone(),
                "a worker of this kind that hangs is never found out: it has neither silentDeadline nor stallDeadline",
            );
        }
        if kind
            .silent_deadline
            .is_some_and(|deadline| deadline < policy.sight.max_gap)
        {
            doubt(
                about.clone(),
                "silentDeadline is shorter than sight.maxGap: a worker may be called silent between two proofs that it could be heard",
            );
        }
        for (key, deadline) in heals_evictions(kind) {
            doubt(
                about.clone(),
                &format!(
                    "its {key} of {deadline} leaves an evicted worker no time to come back, which its Job sees to after {BACK_AFTER_EVICTION}: \
                     it is replaced needlessly; {ENOUGH_AFTER_EVICTION} or more are enough"
                ),
            );
        }
    }
    if policy.paused {
        doubt("policy".to_owned(), "it is paused: nothing is replaced");
    }
    if policy.kinds.iter().all(|kind| kind.heal.is_empty()) {
        doubt(
            "policy".to_owned(),
            "no kind of workers is healed: it only watches",
        );
    }
    if findings.is_empty() {
        findings.push(Finding::new(
            Grade::Good,
            "policy",
            format!("{} kinds of workers", policy.kinds.len()),
        ));
    }
    findings
}

fn never_found_out(kind: &Kind) -> bool {
    kind.silent_deadline.is_none() && kind.stall_deadline.is_none()
}

/// Deadlines that may pass before the Job controller has brought back a pod that was evicted.
fn heals_evictions(kind: &Kind) -> impl Iterator<Item = (&'static str, Span)> {
    let deadlines = [
        (Cause::Silent, "silentDeadline", kind.silent_deadline),
        (
            Cause::Interrupted,
            "interruptedDeadline",
            Some(kind.interrupted_deadline),
        ),
    ];
    deadlines.into_iter().filter_map(|(cause, key, deadline)| {
        let short = deadline.filter(|deadline| *deadline < ENOUGH_AFTER_EVICTION)?;
        kind.heal.contains(&cause).then_some((key, short))
    })
}

/// `3 a, 1 b`
fn counted(counts: &BTreeMap<String, usize>) -> String {
    let each = counts.iter().map(|(what, count)| format!("{count} {what}"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(yaml: &str) -> String {
        let findings = lint(&Policy::parse(yaml).unwrap());
        findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn odd_policies_are_told() {
        let shadowed = said(
            "kinds: [{workers: 'a*', silentDeadline: 1m}, {workers: 'ab', silentDeadline: 1m}]",
        );
        assert!(
            shadowed.contains("warn policy, kind ab: it is never used: a* comes before it"),
            "{shadowed}"
        );
        assert!(said("kinds: [{workers: a, heal: [error]}]").contains("never found out"));
        assert!(said("{kinds: [{workers: a, heal: []}], paused: true}").contains("it is paused"));
        assert!(
            said("kinds: [{workers: a, silentDeadline: 2s}]").contains("shorter than sight.maxGap")
        );
        assert!(
            said("kinds: [{workers: a, silentDeadline: 19s}]")
                .contains("its silentDeadline of 19s leaves an evicted worker no time")
        );
        assert!(
            said("kinds: [{workers: a, silentDeadline: 1m, interruptedDeadline: 8s}]")
                .contains("its interruptedDeadline of 8s leaves")
        );
        let heals_no_silence =
            "kinds: [{workers: a, heal: [error], silentDeadline: 19s, interruptedDeadline: 8s}]";
        assert!(said(heals_no_silence).starts_with("ok"));
        assert_eq!(
            said("kinds: [{workers: a, silentDeadline: 20s}]"),
            "ok   policy: 1 kinds of workers\n"
        );
        assert_eq!(
            said("kinds: [{workers: a, silentDeadline: 1m}]"),
            "ok   policy: 1 kinds of workers\n"
        );
    }
}
