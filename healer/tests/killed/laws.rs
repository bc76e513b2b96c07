//! What must be true of everything that ever happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Add,
    sync::Arc,
};

use serde_json::Value;
use temper_fake_kube::{Cause, Change, Happening, Resource};
use temper_healer_core::job::{self, State, keys};

use crate::{diary::Diary, stage::worker::Worker};

/// The policy's deadline for silence, in ms, less what is lost between two processes that read the same clock.
const SILENT: u64 = 2_000 - 50;

/// Two processes that read the same clock one after the other may see it this much, in ms, the other way round.
const TICK: u64 = 5;

/// What healers have done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) created: u64,
    pub(crate) released: u64,
    pub(crate) withdrawn: u64,
    pub(crate) reprieved: u64,
}

/// Goes through all that happened, change by change, and says which law was broken.
pub(crate) fn check(history: &[Arc<Change>], diary: &Diary) -> Result<Deeds, String> {
    let mut namespace = Namespace::default();
    let mut deeds = Deeds::default();
    for change in history {
        let broken = |law: String| format!("{law}; at version {}: {change:?}", change.revision);
        match change.key.resource {
            Resource::Jobs => {
                namespace.note_job(change).map_err(broken)?;
                deeds.note(change);
                if is_successor(change) && change.happening == Happening::Added {
                    namespace.must_be_a_copy(&change.object).map_err(broken)?;
                    namespace
                        .must_be_deserved(&change.object, diary)
                        .map_err(broken)?;
                }
            }
            Resource::Pods => namespace.note_pod(change).map_err(broken)?,
            _ => {}
        }
    }
    Ok(deeds)
}

/// The Jobs and pods as they are after each change.
#[derive(Debug, Default)]
struct Namespace {
    jobs: BTreeMap<String, Arc<Value>>,
    /// The first Job of each worker, as it was made.
    first: BTreeMap<Worker, Arc<Value>>,
    /// Those for whom a successor was ever made.
    replaced: BTreeSet<Worker>,
    /// Whose Job's uid each pod has.
    pods: BTreeMap<String, (Worker, String)>,
}

impl Namespace {
    fn note_job(&mut self, change: &Change) -> Result<(), String> {
        let (name, job) = (&change.key.name, &change.object);
        let worker = Worker::of_job(name);
        if is_successor(change) {
            self.replaced.insert(worker);
        } else if matches!(change.cause, Cause::Request(_)) && !self.replaced.contains(&worker) {
            return Err(format!("touched: {worker:?} was not to be replaced"));
        }
        if change.happening == Happening::Deleted {
            self.jobs.remove(name);
        } else {
            self.jobs.insert(name.clone(), job.clone());
            self.first.entry(worker).or_insert_with(|| job.clone());
        }
        let states: Vec<_> = self
            .jobs
            .iter()
            .filter(|(name, _)| Worker::of_job(name) == worker)
            .map(|(_, job)| job::state(job))
            .collect();
        if states.iter().all(|state| *state == State::Deleting) {
            return Err(format!("lost: {worker:?} has no Job that stays"));
        }
        let running = states.iter().filter(|state| **state == State::Active);
        if running.count() > 1 {
            return Err(format!("doubled: two Jobs of {worker:?} may run"));
        }
        Ok(())
    }

    fn note_pod(&mut self, change: &Change) -> Result<(), String> {
        let (name, labels) = (&change.key.name, &change.object["metadata"]["labels"]);
        if change.happening == Happening::Deleted {
            self.pods.remove(name);
            return Ok(());
        }
        let worker = Worker::of_job(labels["job-name"].as_str().unwrap());
        let owner = labels["controller-uid"].as_str().unwrap().to_owned();
        self.pods.insert(name.clone(), (worker, owner));
        let of_worker = self.pods.values().filter(|(other, _)| *other == worker);
        let owners: BTreeSet<_> = of_worker.map(|(_, owner)| owner).collect();
        if owners.len() > 1 {
            return Err(format!("doubled: there are pods of two Jobs of {worker:?}"));
        }
        Ok(())
    }

    /// It waits, replaces a Job of its worker, and is what that was, with all that people wrote into it.
    fn must_be_a_copy(&self, successor: &Value) -> Result<(), String> {
        let name = successor["metadata"]["name"].as_str().unwrap();
        let worker = Worker::of_job(name);
        let first = &self.first[&worker];
        if job::state(successor) != State::Suspended {
            return Err(format!("doubled: {name} does not wait"));
        }
        let same = bare(&successor["spec"]) == bare(&first["spec"]);
        let kept = ["labels", "annotations"].iter().all(|field| {
            let of = |job: &Value| job["metadata"][*field].as_object().unwrap().clone();
            let new = of(successor);
            of(first)
                .iter()
                .all(|(key, value)| new.get(key) == Some(value))
        });
        (same && kept)
            .then_some(())
            .ok_or_else(|| format!("altered: {name} is not what it replaces"))
    }

    /// Nobody is replaced who was well: it was the first Job, which had gone wrong, or nobody could have heard it for as long as the
    /// policy allows.
    fn must_be_deserved(&self, successor: &Value, diary: &Diary) -> Result<(), String> {
        let metadata = &successor["metadata"];
        let decided = metadata["annotations"][keys::DECIDED_AT].as_str();
        let decided = decided.and_then(job::timestamp).unwrap().as_unix_ms();
        let worker = Worker::of_job(metadata["name"].as_str().unwrap());
        let life = diary.life(worker.0);
        let (trouble, silence) = (life.trouble, life.silence(decided));
        let first = &self.first[&worker]["metadata"]["uid"];
        let wrong = metadata["annotations"][keys::REPLACES_UID] == *first
            && trouble.is_some_and(|since| since <= decided + TICK);
        let silent = metadata["annotations"][keys::CAUSE] == "silent" && silence >= SILENT;
        (wrong || silent).then_some(()).ok_or_else(|| {
            format!(
                "blamed: {worker:?} was silent for {silence} ms, in trouble since {trouble:?}, at {decided}"
            )
        })
    }
}

/// A spec without what belongs to one Job alone.
fn bare(spec: &Value) -> Value {
    let mut bare = spec.clone();
    let fields = bare.as_object_mut().unwrap();
    fields.remove("selector");
    fields.remove("suspend");
    let labels = bare["template"]["metadata"]["labels"]
        .as_object_mut()
        .unwrap();
    labels.retain(|label, _| !label.ends_with("controller-uid") && !label.ends_with("job-name"));
    bare
}

fn is_successor(change: &Change) -> bool {
    let annotation = &change.object["metadata"]["annotations"][keys::REPLACES_UID];
    annotation.is_string()
}

impl Add for Deeds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            released: self.released + other.released,
            withdrawn: self.withdrawn + other.withdrawn,
            reprieved: self.reprieved + other.reprieved,
        }
    }
}

impl Deeds {
    fn note(&mut self, change: &Change) {
        let Cause::Request(_) = change.cause else {
            return;
        };
        let before = change.before.as_deref().map(job::state);
        let after = (change.happening != Happening::Deleted).then(|| job::state(&change.object));
        let reprieved = |job: &Value| job["metadata"]["annotations"][keys::REPRIEVED].is_string();
        match (before, after) {
            (None, _) => self.created += 1,
            (Some(State::Suspended), Some(State::Active)) => self.released += 1,
            (Some(State::Suspended), None | Some(State::Deleting)) => self.withdrawn += 1,
            (Some(State::Active | State::Failed), Some(State::Active | State::Failed)) => {
                let was = change.before.as_deref().is_some_and(reprieved);
                self.reprieved += u64::from(!was && reprieved(&change.object));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use temper_fake_kube::{Control, FakeKube};

    use super::*;
    use crate::stage::NAMESPACE;

    /// What worker 0, who is well, would be replaced by.
    fn successor(control: &Control) -> Value {
        let first = control.job(NAMESPACE, &Worker(0).job()).get().unwrap();
        let mut job = Worker(0).manifest();
        job["metadata"]["name"] = json!(Worker(0).successor());
        job["metadata"]["annotations"][keys::REPLACES_UID] = first["metadata"]["uid"].clone();
        job["metadata"]["annotations"][keys::CAUSE] = json!("error");
        job["metadata"]["annotations"][keys::DECIDED_AT] = json!("2026-01-01T00:00:00Z");
        job["spec"]["suspend"] = json!(true);
        job
    }

    /// Somebody does something to the Jobs of worker 0, and that breaks this law.
    #[track_caller]
    fn is_broken(law: &str, mischief: impl FnOnce(&Control)) {
        let kube = FakeKube::start().unwrap();
        let control = kube.control();
        create(&control, &Worker(0).manifest());
        let diary = Diary::of(1);
        check(&control.history(), &diary).unwrap();
        mischief(&control);
        let broken = check(&control.history(), &diary).unwrap_err();
        assert!(broken.starts_with(law), "{broken}");
    }

    fn create(control: &Control, job: &Value) {
        control.create(Resource::Jobs, NAMESPACE, job).unwrap();
    }

    #[test]
    fn a_job_that_is_deleted_before_another_one_is_there_is_lost() {
        is_broken("lost", |control| {
            let options = json!({"propagationPolicy": "Foreground"});
            let deleted = control.delete(Resource::Jobs, NAMESPACE, &Worker(0).job(), &options);
            deleted.unwrap();
        });
    }

    #[test]
    fn a_successor_that_runs_beside_the_first_is_a_double() {
        is_broken("doubled", |control| {
            let mut job = successor(control);
            job["spec"]["suspend"] = json!(false);
            create(control, &job);
        });
    }

    #[test]
    fn pods_that_outlive_their_job_double_those_of_the_next() {
        is_broken("doubled: there are pods", |control| {
            control.automatic(false);
            let mut job = Worker(0).manifest();
            job["metadata"]["name"] = json!("loader-00000-by-hand");
            job["spec"]["suspend"] = json!(true);
            create(control, &job);
            let options = json!({"propagationPolicy": "Orphan"});
            let first = Worker(0).job();
            control.hold_pods();
            let deleted = control.delete(Resource::Jobs, NAMESPACE, &first, &options);
            deleted.unwrap();
            control.settle();
            let run = json!({"spec": {"suspend": false}});
            let released = control.patch(Resource::Jobs, NAMESPACE, "loader-00000-by-hand", &run);
            released.unwrap();
            control.settle();
        });
    }

    #[test]
    fn whoever_is_replaced_though_it_was_well_is_blamed() {
        is_broken("blamed", |control| create(control, &successor(control)));
    }

    #[test]
    fn a_successor_that_lacks_something_is_altered() {
        is_broken("altered", |control| {
            let mut job = successor(control);
            job["spec"]["schedulingOfTomorrow"] = json!(null);
            create(control, &job);
        });
    }
}
