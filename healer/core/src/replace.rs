//! How a Job is replaced without being lost or doubled.
//!
//! The successor is created first, suspended and under a name of its own; then the old Job is deleted, in the foreground and by uid; when it
//! and its pods are gone, the successor is released. So at every instant the old Job or its successor exists, and never may both run.
//! There is no journal: what is left to do follows from what the cluster shows, and any healer can go on where another one died. Two healers
//! at once choose the same name, and the second finds the first one's Job.
//!
//! Each [`pass`] reads what it needs afresh and makes at most one change, guarded by what it has read.

mod cluster;
mod manifest;

use std::{fmt, time::Duration};

use serde_json::{Value, json};

pub use self::{
    cluster::{Cluster, Phase, Pod, Trouble},
    manifest::successor,
};
use crate::{
    Moment,
    job::{self, Heal, Job, Name, Refusal, State, annotation, text},
    policy::{Cause, Fencing},
};

/// The replacement of one Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Which worker.
    pub worker: Name,
    /// Name of the Job that goes.
    pub old_name: Box<str>,
    /// Its uid.
    pub old_uid: Box<str>,
    /// How many of its pods had failed when that was decided; none if that is not known any more.
    pub old_failures: Option<u32>,
    /// Whether it was known then that a pod of it runs.
    pub old_ran: bool,
    /// Name of the first Job of the line.
    pub base: Box<str>,
    /// Its uid.
    pub line: Box<str>,
    /// The number of this replacement in its line, from 1.
    pub attempt: u32,
    /// Why, in a word.
    pub cause: Cause,
    /// Why, in a sentence.
    pub why: Box<str>,
    /// When it was decided.
    pub decided: Moment,
    /// Recent replacements of the line, this one included.
    pub heals: Vec<Heal>,
    /// What to do about old pods that do not end.
    pub fencing: Fencing,
    /// Jobs with several pods may be replaced.
    pub parallel_jobs: bool,
}

/// A decision is carried out within this time or made anew: the worker may have come back since, unheard.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// What speaks against going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Veto {
    /// People demanded that the queue stops.
    Stopped,
    /// The worker was heard again.
    Recovered,
    /// Its Job has started it again: the pod that was silent is not there any more.
    Restarted,
    /// It could not be heard for a while since: its silence is doubted.
    Dark,
    /// It was decided too long ago, or somebody has taken it back.
    Stale,
    /// Healing is paused.
    Paused,
}

impl Veto {
    /// As the end of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Stopped => "its queue was stopped",
            Self::Recovered => "it was heard again",
            Self::Restarted => "its Job has started it again",
            Self::Dark => "nobody could be heard for a while, so it is listened to anew",
            Self::Stale => "that was decided too long ago, so it is decided anew",
            Self::Paused => "healing is paused",
        }
    }
}

/// What a pass has read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The Job of the old name, whoever it is.
    pub old: Option<Value>,
    /// The Job of the successor's name, whoever it is.
    pub successor: Option<Value>,
    /// Pods of the old uid.
    pub pods: Vec<Pod>,
}

/// What a pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create this Job, suspended.
    Create(Box<Value>),
    /// Delete the old Job: in the foreground, and only if it has the old uid and is as it was read.
    Delete {
        /// `metadata.resourceVersion` as it was read.
        version: String,
    },
    /// Note on the old Job, if it is as it was read, that this successor will not replace it. From then on nobody deletes it for its sake, and
    /// no deletion that is already under way succeeds, because the Job is not as it was read any more.
    Reprieve {
        /// `metadata.resourceVersion` as it was read.
        version: String,
        /// The successor's uid.
        successor: String,
    },
    /// Come back.
    Wait(Wait),
    /// Let the successor run, if it is as it was read.
    Release {
        /// `metadata.resourceVersion` as it was read.
        version: String,
    },
    /// Delete the successor, which has never run.
    Withdraw {
        /// Its uid.
        uid: String,
        /// `metadata.resourceVersion` as it was read.
        version: String,
        /// Why.
        end: End,
    },
    /// There is nothing to do any more.
    End(End),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The old Job goes when its pods have gone.
    OldJob,
    /// So many pods of the old Job are still there.
    OldPods(usize),
    /// A Job of the successor's name is being deleted.
    Name,
}

impl Wait {
    /// The old Job is on its way out.
    pub const fn is_for_the_old(&self) -> bool {
        matches!(self, Self::OldJob | Self::OldPods(_))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OldJob => {
                f.write_str("the old Job is being deleted, and goes when its pods have gone")
            }
            Self::OldPods(pods) => write!(f, "{pods} pods of the old Job are still there"),
            Self::Name => f.write_str("a Job of the successor's name is being deleted"),
        }
    }
}

/// How a replacement ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The successor runs.
    Released,
    /// The successor ran already: another healer released it, or this one did and was not told so.
    FoundReleased,
    /// The old Job may not be replaced.
    Refused(Refusal),
    /// The old Job had succeeded by then.
    Completed,
    /// The old Job is gone, or going, by another's hand.
    Gone,
    /// Another Job has taken the old one's name.
    Overtaken,
    /// Another Job has the successor's name, and does not replace the old one.
    NameTaken,
    /// Something spoke against it.
    Vetoed(Veto),
}

/// What a pass came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The successor was created; go on at once.
    Created,
    /// The old Job's deletion has begun; go on at once.
    Deleted,
    /// The old Job stays; go on at once.
    Reprieved,
    /// Nothing was done; come back.
    Waits(Wait),
    /// It is over.
    Over(End),
    /// The cluster did not do as asked. Whether it did it nevertheless, the next pass will see.
    Troubled(Trouble),
}

impl Replacement {
    /// The successor's name: the line's first name and the attempt, at most 63 characters, because it becomes a label's value.
    pub fn successor_name(&self) -> String {
        let suffix = format!("-r{}", self.attempt);
        let room = 63 - suffix.len().min(32);
        if self.base.len() <= room {
            return format!("{}{suffix}", self.base);
        }
        // What is cut off may be all that tells two Jobs apart.
        let mark = crate::fingerprint::mark(&self.base);
        let kept: String = self.base.chars().take(room - mark.len() - 1).collect();
        format!("{}-{mark}{suffix}", kept.trim_end_matches(['-', '.']))
    }

    /// It was decided so long ago that it has to be decided anew.
    pub(crate) fn is_stale(&self, now: Moment) -> bool {
        now.since(self.decided) > STALE_AFTER
    }

    /// The replacement that a waiting successor is part of.
    pub fn resumed(
        worker: &Name,
        successor: &Job,
        fencing: Fencing,
        parallel_jobs: bool,
    ) -> Option<Self> {
        let replaces = successor.replaces()?;
        Some(Self {
            worker: worker.clone(),
            old_name: replaces.name.clone(),
            old_uid: replaces.uid.clone(),
            old_failures: None,
            old_ran: true,
            base: replaces.base.clone(),
            line: replaces.line.clone(),
            attempt: replaces.attempt,
            cause: cause(&replaces.cause),
            why: replaces.why.clone(),
            decided: replaces.decided,
            heals: replaces.heals.clone(),
            fencing,
            parallel_jobs,
        })
    }
}

fn cause(word: &str) -> Cause {
    let all = [
        Cause::Error,
        Cause::Silent,
        Cause::Stalled,
        Cause::Interrupted,
    ];
    let found = all.into_iter().find(|cause| cause.word() == word);
    found.unwrap_or(Cause::Error)
}

/// Reads, decides and makes at most one change.
pub async fn pass<C: Cluster>(
    cluster: &C,
    replacement: &Replacement,
    veto: Option<Veto>,
    now: Moment,
) -> Passed {
    match try_pass(cluster, replacement, veto, now).await {
        Ok(passed) => passed,
        Err(trouble) => Passed::Troubled(trouble),
    }
}

async fn try_pass<C: Cluster>(
    cluster: &C,
    replacement: &Replacement,
    veto: Option<Veto>,
    now: Moment,
) -> Result<Passed, Trouble> {
    let name = replacement.successor_name();
    let seen = Seen {
        successor: cluster.job(&name).await?,
        old: cluster.job(&replacement.old_name).await?,
        pods: cluster.pods(&replacement.old_uid).await?,
    };
    Ok(match next(replacement, &seen, veto, now) {
        Step::Create(job) => {
            cluster.create(*job).await?;
            Passed::Created
        }
        Step::Delete { version } => {
            cluster
                .delete(&replacement.old_name, &replacement.old_uid, &version)
                .await?;
            Passed::Deleted
        }
        Step::Reprieve { version, successor } => {
            let note =
                json!({job::keys::REPRIEVED: successor, job::keys::REPRIEVED_AT: now.to_string()});
            let note = json!({"metadata": {"annotations": note}});
            cluster.patch(&replacement.old_name, &version, note).await?;
            Passed::Reprieved
        }
        Step::Release { .. }
            if is_overtaken(replacement, &cluster.line(&replacement.line).await?) =>
        {
            let successor = seen.successor.as_ref().unwrap_or(&Value::Null);
            cluster
                .delete(&name, uid(successor), &version(successor))
                .await?;
            Passed::Over(End::Overtaken)
        }
        Step::Release { version } => {
            let released = json!({job::keys::RELEASED_AT: now.to_string()});
            let run = json!({"metadata": {"annotations": released}, "spec": {"suspend": false}});
            cluster.patch(&name, &version, run).await?;
            Passed::Over(End::Released)
        }
        Step::Withdraw { uid, version, end } => {
            cluster.delete(&name, &uid, &version).await?;
            Passed::Over(end)
        }
        Step::Wait(wait) => Passed::Waits(wait),
        Step::End(end) => Passed::Over(end),
    })
}

/// A later Job of the line is there, or has been: this one was asked for by somebody who died long ago, and came late, when the one of its name
/// had lived and been replaced already.
fn is_overtaken(replacement: &Replacement, line: &[Value]) -> bool {
    let read = line.iter().filter_map(|job| Job::read(job).ok());
    let mut of_worker = read.filter(|(name, _)| *name == replacement.worker);
    let is_later = |job: &Job| {
        job.replaces()
            .is_some_and(|replaces| replaces.attempt > replacement.attempt)
    };
    of_worker.any(|(_, job)| is_later(&job))
}

/// The next step, from what the cluster shows.
pub fn next(replacement: &Replacement, seen: &Seen, veto: Option<Veto>, now: Moment) -> Step {
    let old = Old::of(seen.old.as_ref(), replacement);
    match Successor::of(seen.successor.as_ref(), replacement) {
        Successor::Released => Step::End(End::FoundReleased),
        Successor::Foreign => Step::End(End::NameTaken),
        Successor::Deleting => Step::Wait(Wait::Name),
        Successor::None => begin(replacement, old, seen, veto),
        Successor::Waiting(successor) => {
            match go_on(replacement, successor, old, seen, veto, now) {
                Go::Withdraw(end) => Step::Withdraw {
                    uid: uid(successor).to_owned(),
                    version: version(successor),
                    end,
                },
                Go::Release => Step::Release {
                    version: version(successor),
                },
                Go::Reprieve(version) => Step::Reprieve {
                    version,
                    successor: uid(successor).to_owned(),
                },
                Go::Step(step) => step,
            }
        }
    }
}

/// There is no successor yet: nothing has been done.
fn begin(replacement: &Replacement, old: Old<'_>, seen: &Seen, veto: Option<Veto>) -> Step {
    if let Some(veto) = veto {
        return Step::End(End::Vetoed(veto));
    }
    let job = match old {
        Old::Gone | Old::Deleting => return Step::End(End::Gone),
        Old::Another => return Step::End(End::Overtaken),
        Old::Complete => return Step::End(End::Completed),
        Old::Live(job) => job,
    };
    if has_restarted(replacement, job) || has_just_begun(replacement, &seen.pods) {
        return Step::End(End::Vetoed(Veto::Restarted));
    }
    if was_reprieved(replacement, job) {
        return Step::End(End::Vetoed(Veto::Stale));
    }
    if let Some(refusal) = refused(replacement, job, &seen.pods) {
        return Step::End(End::Refused(refusal));
    }
    match successor(job, replacement, &seen.pods) {
        Ok(successor) => Step::Create(Box::new(successor)),
        Err(refusal) => Step::End(End::Refused(refusal)),
    }
}

/// Why the Job may not be replaced, as it is at this moment.
fn refused(replacement: &Replacement, job: &Value, pods: &[Pod]) -> Option<Refusal> {
    if let Some(refusal) = barred(job) {
        return Some(refusal);
    }
    if job::is_parallel(job) && !replacement.parallel_jobs {
        return Some(Refusal::Parallel);
    }
    let none_runs =
        job::state(job) == State::Active && !pods.iter().any(|pod| pod.phase == Phase::Running);
    (replacement.cause != Cause::Error && none_runs).then(|| Refusal::NotRunning(whys(pods)))
}

/// Why nobody may replace the Job as it is now, whatever the policy says: whose it is, or what people have done to it.
fn barred(job: &Value) -> Option<Refusal> {
    let suspended = job::state(job) == State::Suspended;
    job::refusal(job).or_else(|| suspended.then_some(Refusal::Suspended))
}

/// Why pods do not run.
fn whys(pods: &[Pod]) -> String {
    let waits = pods.iter().filter(|pod| pod.phase == Phase::Pending);
    let whys: Vec<_> = waits.map(|pod| &*pod.why).collect();
    if whys.is_empty() {
        "it has none".to_owned()
    } else {
        whys.join(", ")
    }
}

enum Go {
    Withdraw(End),
    Reprieve(String),
    Release,
    Step(Step),
}

/// The successor waits: delete the old Job, or wait for its end, or release the successor.
fn go_on(
    replacement: &Replacement,
    successor: &Value,
    old: Old<'_>,
    seen: &Seen,
    veto: Option<Veto>,
    now: Moment,
) -> Go {
    match (old, veto) {
        (Old::Another, _) => Go::Withdraw(End::Overtaken),
        (Old::Complete, _) => Go::Withdraw(End::Completed),
        (Old::Live(job), veto) if is_reprieved(job, successor) => Go::Withdraw(match barred(job) {
            Some(refusal) => End::Refused(refusal),
            None => End::Vetoed(
                veto.unwrap_or_else(|| why_reprieved(replacement, job, successor, seen)),
            ),
        }),
        // Another healer may be about to delete it: it must be stopped before the successor goes.
        (Old::Live(job), Some(_)) => Go::Reprieve(version(job)),
        (Old::Live(job), None)
            if barred(job).is_some()
                || may_have_recovered(replacement, job, successor, seen, now) =>
        {
            Go::Reprieve(version(job))
        }
        (Old::Live(job), None) => Go::Step(Step::Delete {
            version: version(job),
        }),
        (Old::Deleting | Old::Gone, Some(Veto::Stopped)) => {
            Go::Withdraw(End::Vetoed(Veto::Stopped))
        }
        // From here on there is no way back: without its successor the worker would be lost.
        (Old::Deleting, _) => Go::Step(Step::Wait(Wait::OldJob)),
        (Old::Gone, _) => match lingering(&seen.pods, replacement.fencing, now) {
            0 => Go::Release,
            pods => Go::Step(Step::Wait(Wait::OldPods(pods))),
        },
    }
}

/// The worker may be well again, and nobody has heard of it. One whose Job has failed is not, and must be replaced before its Job is
/// removed for its age.
fn may_have_recovered(
    replacement: &Replacement,
    job: &Value,
    successor: &Value,
    seen: &Seen,
    now: Moment,
) -> bool {
    let recovers = replacement.is_stale(now)
        || has_restarted(replacement, job)
        || has_another_pod(successor, &seen.pods)
        || was_reprieved(replacement, job);
    recovers && job::state(job) != State::Failed
}

/// Why a Job was reprieved by whoever could not say so.
fn why_reprieved(replacement: &Replacement, job: &Value, successor: &Value, seen: &Seen) -> Veto {
    if has_restarted(replacement, job) || has_another_pod(successor, &seen.pods) {
        Veto::Restarted
    } else {
        Veto::Stale
    }
}

/// How many of the old pods must still be waited for.
fn lingering(pods: &[Pod], fencing: Fencing, now: Moment) -> usize {
    let lingers = |pod: &&Pod| match (fencing, pod.deleting) {
        (Fencing::BestEffort(patience), Some(since)) => {
            pod.node_ready || now.since(since) < patience.duration()
        }
        (Fencing::Strict | Fencing::BestEffort(_), _) => true,
    };
    pods.iter().filter(lingers).count()
}

/// What has become of the old Job.
#[derive(Clone, Copy)]
enum Old<'a> {
    Gone,
    Another,
    Deleting,
    Complete,
    Live(&'a Value),
}

impl<'a> Old<'a> {
    fn of(job: Option<&'a Value>, replacement: &Replacement) -> Self {
        let Some(job) = job else { return Self::Gone };
        if text(job, "/metadata/uid") != Some(&replacement.old_uid) {
            return Self::Another;
        }
        match job::state(job) {
            State::Deleting => Self::Deleting,
            State::Complete => Self::Complete,
            State::Active | State::Suspended | State::Failed => Self::Live(job),
        }
    }
}

/// What has become of the successor.
enum Successor<'a> {
    None,
    Foreign,
    Deleting,
    Waiting(&'a Value),
    Released,
}

impl<'a> Successor<'a> {
    fn of(job: Option<&'a Value>, replacement: &Replacement) -> Self {
        let Some(job) = job else { return Self::None };
        if annotation(job, job::keys::REPLACES_UID) != Some(&replacement.old_uid) {
            return Self::Foreign;
        }
        match job::state(job) {
            State::Deleting => Self::Deleting,
            State::Suspended if annotation(job, job::keys::RELEASED_AT).is_none() => {
                Self::Waiting(job)
            }
            // Whoever was released and is suspended has been suspended by people.
            State::Suspended | State::Active | State::Complete | State::Failed => Self::Released,
        }
    }
}

/// Somebody has seen to it that this successor does not replace the Job.
fn is_reprieved(job: &Value, successor: &Value) -> bool {
    annotation(job, job::keys::REPRIEVED) == Some(uid(successor))
}

/// Since it was decided, somebody has seen to it that the Job is not replaced: a successor was there, and was withdrawn.
fn was_reprieved(replacement: &Replacement, job: &Value) -> bool {
    let at = annotation(job, job::keys::REPRIEVED_AT).and_then(job::timestamp);
    at.is_some_and(|at| at >= replacement.decided)
}

/// A pod has failed since it was decided to replace a silent one. After an error that is no news.
fn has_restarted(replacement: &Replacement, job: &Value) -> bool {
    let known = replacement.old_failures;
    replacement.cause != Cause::Error && known.is_some_and(|known| job::failures(job) > known)
}

/// A pod runs, and none was known to when it was decided to replace a silent one: it has its time before it.
fn has_just_begun(replacement: &Replacement, pods: &[Pod]) -> bool {
    let runs = |pod: &Pod| pod.phase == Phase::Running;
    replacement.cause != Cause::Error && !replacement.old_ran && pods.iter().any(runs)
}

/// The Job controller has started the worker again since the successor was made.
fn has_another_pod(successor: &Value, pods: &[Pod]) -> bool {
    let Some(known) = annotation(successor, job::keys::OLD_PODS) else {
        return false;
    };
    let is_new = |pod: &Pod| !known.split(',').any(|name| name == &*pod.name);
    pods.iter().any(is_new)
}

fn uid(job: &Value) -> &str {
    text(job, "/metadata/uid").unwrap_or_default()
}

fn version(job: &Value) -> String {
    text(job, "/metadata/resourceVersion")
        .unwrap_or_default()
        .to_owned()
}
