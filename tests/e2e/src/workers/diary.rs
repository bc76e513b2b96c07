//! Who ran when, in the order in which the API server told of it.

use super::Who;

/// The times of all pods so far. A time is a number that grows with each beginning and end.
#[derive(Debug, Clone, Default)]
pub struct Diary {
    runs: Vec<Run>,
    now: usize,
}

/// From when until when a pod could run: from its creation until its program had ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// Whose pod it was.
    pub who: Who,
    pod_uid: String,
    began: usize,
    ended: Option<usize>,
}

impl Diary {
    /// All pods of a worker, in the order of their beginnings.
    pub fn of<'a>(&'a self, producer: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs
            .iter()
            .filter(move |run| run.who.producer == producer)
    }

    /// Whose pods run now.
    pub fn running(&self) -> impl Iterator<Item = &Who> {
        self.runs
            .iter()
            .filter(|run| !run.is_over())
            .map(|run| &run.who)
    }

    /// Pairs of pods that ran at the same time for one worker and belonged to two Jobs: there may be none.
    pub fn doubles(&self) -> Vec<(&Run, &Run)> {
        let pairs = self.runs.iter().enumerate().flat_map(|(i, first)| {
            let later = self.runs.iter().skip(i + 1);
            later.map(move |second| (first, second))
        });
        pairs.filter(|(a, b)| a.doubles(b)).collect()
    }

    pub(super) fn begins(&mut self, pod_uid: &str, who: &Who) {
        if self.runs.iter().any(|run| run.pod_uid == pod_uid) {
            return;
        }
        self.now += 1;
        self.runs.push(Run {
            who: who.clone(),
            pod_uid: pod_uid.to_owned(),
            began: self.now,
            ended: None,
        });
    }

    pub(super) fn ends(&mut self, pod_uid: &str) {
        let mut runs = self.runs.iter_mut();
        if let Some(run) = runs.find(|run| run.pod_uid == pod_uid && run.ended.is_none()) {
            self.now += 1;
            run.ended = Some(self.now);
        }
    }
}

impl Run {
    /// Whether its program has ended.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    fn doubles(&self, other: &Self) -> bool {
        let before = |run: &Self, other: &Self| run.ended.is_some_and(|end| end < other.began);
        self.who.producer == other.who.producer
            && self.who.job_uid != other.who.job_uid
            && !before(self, other)
            && !before(other, self)
    }
}
