//! All Jobs of a namespace, as they come, change and go.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::batch::v1::Job as TypedJob;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher},
};
use temper_healer_core::{
    Job, Name,
    job::{NotAWorker, Uid},
};

/// What a watch tells.
#[derive(Debug)]
pub enum Told {
    /// A worker's Job is there, or has changed.
    Job(Name, Box<Job>),
    /// A Job is there no more.
    Gone(Uid),
    /// All that there are have been told.
    Listed,
    /// So many Jobs show no telemetry id: whose they are nobody knows.
    Nameless(usize),
    /// The watch has failed, and is begun again.
    Trouble(String),
}

/// Tells of all workers' Jobs for as long as it is polled. Failures are told and waited out.
pub fn watch(client: Client, namespace: &str) -> impl Stream<Item = Told> + Send + use<> {
    let resource = ApiResource::erase::<TypedJob>(&());
    let jobs: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    let events = watcher(jobs, watcher::Config::default()).default_backoff();
    let mut known = Known::default();
    events.flat_map(move |event| futures_util::stream::iter(known.tell(event)))
}

/// What has been told, so that a list can be compared with it.
#[derive(Debug, Default)]
struct Known {
    /// Uids of workers' Jobs, and whether the list that is under way holds them.
    uids: BTreeMap<Uid, bool>,
    /// The same of Jobs that show no telemetry id.
    nameless: BTreeMap<Uid, bool>,
}

impl Known {
    fn tell(&mut self, event: watcher::Result<watcher::Event<DynamicObject>>) -> Vec<Told> {
        match event {
            Ok(watcher::Event::Init) => {
                let all = self.uids.values_mut().chain(self.nameless.values_mut());
                all.for_each(|listed| *listed = false);
                Vec::new()
            }
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                self.apply(&object).into_iter().collect()
            }
            Ok(watcher::Event::InitDone) => self.forget_unlisted(),
            Ok(watcher::Event::Delete(object)) => {
                let uid = Uid::of(&object.metadata.uid.unwrap_or_default());
                let was_nameless = self.nameless.remove(&uid).is_some();
                let nameless = was_nameless.then_some(Told::Nameless(self.nameless.len()));
                let known = self.uids.remove(&uid).is_some();
                let gone = known.then_some(Told::Gone(uid));
                nameless.into_iter().chain(gone).collect()
            }
            Err(error) => vec![Told::Trouble(error.to_string())],
        }
    }

    fn apply(&mut self, object: &DynamicObject) -> Option<Told> {
        let value = serde_json::to_value(object).ok()?;
        match Job::read(&value) {
            Ok((name, job)) => {
                self.nameless.remove(&job.uid);
                self.uids.insert(job.uid.clone(), true);
                Some(Told::Job(name, Box::new(job)))
            }
            // Other people's Jobs are none of ours.
            Err(NotAWorker::Nameless) => {
                let uid = Uid::of(&object.metadata.uid.clone().unwrap_or_default());
                let is_new = self.nameless.insert(uid, true).is_none();
                is_new.then_some(Told::Nameless(self.nameless.len()))
            }
            Err(why) => Some(Told::Trouble(format!("a Job can't be read: {why}"))),
        }
    }

    /// What the list does not hold has gone while nobody watched.
    fn forget_unlisted(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        self.uids.retain(|uid, listed| {
            if !*listed {
                told.push(Told::Gone(uid.clone()));
            }
            *listed
        });
        self.nameless.retain(|_, listed| *listed);
        told.push(Told::Nameless(self.nameless.len()));
        told.push(Told::Listed);
        told
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(uid: &str) -> DynamicObject {
        let job = json!({"metadata": {"name": uid, "uid": uid, "annotations": {"healer.temper.dev/producer": "p__1"}}, "spec": {}});
        serde_json::from_value(job).unwrap()
    }

    fn spoken(told: &[Told]) -> Vec<String> {
        let word = |told: &Told| match told {
            Told::Job(_, job) => format!("job {}", job.uid),
            Told::Gone(uid) => format!("gone {uid}"),
            Told::Listed => "listed".to_owned(),
            Told::Nameless(count) => format!("{count} nameless"),
            Told::Trouble(why) => why.clone(),
        };
        told.iter().map(word).collect()
    }

    #[test]
    fn what_vanished_while_nobody_watched_is_told_after_the_next_list() {
        let mut known = Known::default();
        let mut tell = |event| spoken(&known.tell(Ok(event)));
        assert!(tell(watcher::Event::Init).is_empty());
        assert_eq!(tell(watcher::Event::InitApply(object("a"))), ["job a"]);
        assert_eq!(tell(watcher::Event::InitApply(object("b"))), ["job b"]);
        assert_eq!(tell(watcher::Event::InitDone), ["0 nameless", "listed"]);
        assert!(tell(watcher::Event::Init).is_empty());
        assert_eq!(tell(watcher::Event::InitApply(object("b"))), ["job b"]);
        assert_eq!(
            tell(watcher::Event::InitDone),
            ["gone a", "0 nameless", "listed"]
        );
        assert_eq!(tell(watcher::Event::Delete(object("b"))), ["gone b"]);
        assert!(tell(watcher::Event::Delete(object("b"))).is_empty());
    }

    #[test]
    fn jobs_that_show_no_telemetry_id_are_counted() {
        let mut known = Known::default();
        let mut tell = |event| spoken(&known.tell(Ok(event)));
        let nameless = |uid: &str| {
            let job = json!({"metadata": {"name": "backup", "uid": uid}, "spec": {}});
            serde_json::from_value(job).unwrap()
        };
        assert_eq!(tell(watcher::Event::Apply(nameless("a"))), ["1 nameless"]);
        assert!(tell(watcher::Event::Apply(nameless("a"))).is_empty());
        assert_eq!(tell(watcher::Event::Apply(nameless("b"))), ["2 nameless"]);
        assert_eq!(tell(watcher::Event::Delete(nameless("a"))), ["1 nameless"]);
        assert!(tell(watcher::Event::Init).is_empty());
        assert_eq!(tell(watcher::Event::InitDone), ["0 nameless", "listed"]);
    }

    #[test]
    fn a_job_that_is_given_an_id_later_is_a_workers_from_then_on() {
        let mut known = Known::default();
        let mut tell = |event| spoken(&known.tell(Ok(event)));
        let job = json!({"metadata": {"name": "a", "uid": "a"}, "spec": {}});
        let nameless = serde_json::from_value(job).unwrap();
        assert_eq!(tell(watcher::Event::Apply(nameless)), ["1 nameless"]);
        assert_eq!(tell(watcher::Event::Apply(object("a"))), ["job a"]);
        assert_eq!(tell(watcher::Event::Delete(object("a"))), ["gone a"]);
    }
}
