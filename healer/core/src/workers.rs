//! All workers that are known: found by name, counted, and bounded in number.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    iter, mem,
};

use hashbrown::HashTable;

use crate::{
    Moment,
    job::{Mark, Name},
    worker::{Course, Jobs, Said, Worker},
};

/// Producers without a Job are normal (a Pod, a Deployment, a typo). More than so many are not remembered.
const MAX_STRANGERS: usize = 50_000;

/// Queues whose `stop` is remembered although none of their workers is known.
const MAX_STRANGE_QUEUES: usize = 50_000;

/// A worker, as long as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    index: u32,
    generation: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_producer: HashTable<u32>,
    by_job: HashMap<Mark, WorkerId>,
    queues: HashMap<Mark, Queue>,
    strangers: VecDeque<WorkerId>,
    strange_queues: VecDeque<Mark>,
    hasher: RandomState,
}

#[derive(Clone, Debug)]
struct Slot {
    generation: u32,
    peers: Peers,
    worker: Option<Worker>,
}

/// The workers of a queue are a list through their slots: whoever comes or goes need not search it.
#[derive(Clone, Copy, Debug)]
struct Peers {
    previous: u32,
    next: u32,
}

/// Index of no slot: the end of a list.
const NOBODY: u32 = u32::MAX;

/// What is known of a queue.
#[derive(Clone, Copy, Debug)]
struct Queue {
    /// Index of the worker that came last.
    first: u32,
    /// People demanded that it stops, and have not demanded that it starts since.
    stopped: bool,
    /// When the last demand was made that was read again.
    demanded: Option<Moment>,
}

impl Workers {
    pub(crate) fn get(&self, id: WorkerId) -> Option<&Worker> {
        let slot = self.slots.get(index_of(id.index))?;
        slot.worker
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        let slot = self.slots.get_mut(index_of(id.index))?;
        let same = slot.generation == id.generation;
        slot.worker.as_mut().filter(|_| same)
    }

    /// The worker of that name. A name without a queue stands for the only worker with that producer.
    pub(crate) fn find(&self, queue: &str, producer: &str) -> Option<WorkerId> {
        let hash = self.hasher.hash_one(producer);
        let mut vague = None;
        for &index in self.by_producer.iter_hash(hash) {
            let Some(id) = self.id(index) else { continue };
            let Some(worker) = self.get(id) else { continue };
            if &*worker.name.producer != producer {
                continue;
            }
            if &*worker.name.queue == queue {
                return Some(id);
            }
            if queue.is_empty() || worker.name.queue.is_empty() {
                vague = match vague {
                    None => Some(Some(id)),
                    Some(_) => Some(None),
                };
            }
        }
        vague.flatten()
    }

    /// Remembers a worker, which must not be known yet.
    pub(crate) fn add(&mut self, name: Name, kind: Option<u16>, now: Moment) -> WorkerId {
        let hash = self.hasher.hash_one(&*name.producer);
        let queue = Mark::of(&name.queue);
        let id = self.fill(Worker {
            name,
            queue_told: None,
            kind,
            said: Said::nothing(now),
            jobs: Jobs::default(),
            course: Course::default(),
            seat: None,
            replaced: None,
            timer: None,
        });
        let Self {
            slots,
            hasher,
            by_producer,
            ..
        } = self;
        by_producer.insert_unique(hash, id.index, |&index| rehash(slots, hasher, index));
        self.join(queue, id.index);
        self.strangers.push_back(id);
        self.bound_strangers();
        id
    }

    /// Whose Job that is.
    pub(crate) fn owner(&self, job: Mark) -> Option<WorkerId> {
        self.by_job.get(&job).copied()
    }

    /// Notes whose a Job is.
    pub(crate) fn own(&mut self, job: Mark, id: WorkerId) {
        self.by_job.entry(job).or_insert(id);
    }

    /// Forgets a Job. Its worker counts as a stranger when that was its last.
    pub(crate) fn disown(&mut self, job_uid: &str) {
        let Some(id) = self.by_job.remove(&Mark::of_uid(job_uid)) else {
            return;
        };
        let Some(worker) = self.get_mut(id) else {
            return;
        };
        worker.jobs.remove(job_uid);
        if worker.jobs.is_empty() {
            self.strangers.push_back(id);
            self.bound_strangers();
        }
    }

    /// Notes what people demand of a queue, and when they did, if that is to be compared.
    ///
    /// What is read again comes in no order where the topic has several partitions: the latest demand holds, and of two at once the stop.
    pub(crate) fn demand(&mut self, queue: &str, stopped: bool, at: Option<Moment>) {
        let mark = Mark::of(queue);
        let is_strange = !self.queues.contains_key(&mark);
        if is_strange && !stopped && at.is_none() {
            return;
        }
        let known = self.queues.entry(mark).or_default();
        let is_earlier = |at: Moment, last: Moment| at < last || (at == last && !stopped);
        let ordered = at.zip(known.demanded);
        if !ordered.is_some_and(|(at, last)| is_earlier(at, last)) {
            known.stopped = stopped;
            known.demanded = at.or(known.demanded);
        }
        if is_strange {
            self.strange_queues.push_back(mark);
            self.bound_queues();
        }
    }

    /// People demanded that its queue stops.
    pub(crate) fn is_stopped(&self, worker: &Worker) -> bool {
        let known = self.queues.get(&Mark::of(worker.queue()));
        known.is_some_and(|queue| queue.stopped)
    }

    /// Notes which queue a worker works for that was met without one.
    pub(crate) fn adopt_queue(&mut self, id: WorkerId, queue: &str) {
        let Some(worker) = self.get_mut(id) else {
            return;
        };
        if queue.is_empty() || !worker.name.queue.is_empty() || worker.queue() == queue {
            return;
        }
        let before = Mark::of(worker.queue());
        worker.queue_told = Some(queue.into());
        self.leave(before, id.index);
        self.join(Mark::of(queue), id.index);
    }

    /// All workers of a queue.
    pub(crate) fn of_queue<'a>(&'a self, queue: &str) -> impl Iterator<Item = &'a Worker> {
        let known = self.queues.get(&Mark::of(queue));
        let first = known.and_then(|queue| self.slots.get(index_of(queue.first)));
        let slots = iter::successors(first, |slot| self.slots.get(index_of(slot.peers.next)));
        slots.filter_map(|slot| slot.worker.as_ref())
    }

    /// Those workers of a queue of which `wanted` holds.
    pub(crate) fn ids_of_queue(
        &self,
        queue: &str,
        wanted: impl Fn(&Worker) -> bool,
    ) -> Vec<WorkerId> {
        let known = self.queues.get(&Mark::of(queue));
        let next = |index: &u32| Some(self.slots.get(index_of(*index))?.peers.next);
        let first = known.map(|queue| queue.first);
        let ids = iter::successors(first, next).filter_map(|index| self.id(index));
        ids.filter(|id| self.get(*id).is_some_and(&wanted))
            .collect()
    }

    pub(crate) fn ids(&self) -> Vec<WorkerId> {
        let indexes = 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        indexes.filter_map(|index| self.id(index)).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.slots.iter().filter_map(|slot| slot.worker.as_ref())
    }

    fn id(&self, index: u32) -> Option<WorkerId> {
        let slot = self.slots.get(index_of(index))?;
        slot.worker.as_ref()?;
        let generation = slot.generation;
        Some(WorkerId { index, generation })
    }

    fn fill(&mut self, worker: Worker) -> WorkerId {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index_of(index))
        {
            slot.worker = Some(worker);
            let generation = slot.generation;
            return WorkerId { index, generation };
        }
        let index =
            u32::try_from(self.slots.len()).expect("memory ends before four billion workers");
        let worker = Some(worker);
        self.slots.push(Slot {
            generation: 0,
            peers: Peers::default(),
            worker,
        });
        WorkerId {
            index,
            generation: 0,
        }
    }

    fn bound_strangers(&mut self) {
        while self.strangers.len() > MAX_STRANGERS {
            let Some(id) = self.strangers.pop_front() else {
                return;
            };
            let forgettable = |worker: &Worker| {
                worker.jobs.is_empty() && !matches!(worker.course, Course::Healing(_))
            };
            if self.get(id).is_some_and(forgettable) {
                self.forget(id);
            }
        }
    }

    fn bound_queues(&mut self) {
        while self.strange_queues.len() > MAX_STRANGE_QUEUES {
            let Some(name) = self.strange_queues.pop_front() else {
                return;
            };
            if self
                .queues
                .get(&name)
                .is_some_and(|queue| queue.first == NOBODY)
            {
                self.queues.remove(&name);
            }
        }
    }

    fn forget(&mut self, id: WorkerId) {
        let Some(slot) = self.slots.get_mut(index_of(id.index)) else {
            return;
        };
        let Some(worker) = slot.worker.take() else {
            return;
        };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        let hash = self.hasher.hash_one(&*worker.name.producer);
        if let Ok(entry) = self
            .by_producer
            .find_entry(hash, |&index| index == id.index)
        {
            entry.remove();
        }
        self.leave(Mark::of(worker.queue()), id.index);
    }

    fn join(&mut self, queue: Mark, index: u32) {
        let queue = self.queues.entry(queue).or_default();
        let next = mem::replace(&mut queue.first, index);
        let previous = NOBODY;
        if let Some(slot) = self.slots.get_mut(index_of(index)) {
            slot.peers = Peers { previous, next };
        }
        if let Some(slot) = self.slots.get_mut(index_of(next)) {
            slot.peers.previous = index;
        }
    }

    fn leave(&mut self, mark: Mark, index: u32) {
        let Some(slot) = self.slots.get_mut(index_of(index)) else {
            return;
        };
        let Peers { previous, next } = mem::take(&mut slot.peers);
        if let Some(slot) = self.slots.get_mut(index_of(next)) {
            slot.peers.previous = previous;
        }
        if let Some(slot) = self.slots.get_mut(index_of(previous)) {
            slot.peers.next = next;
        } else if let Some(queue) = self.queues.get_mut(&mark) {
            queue.first = next;
            if next == NOBODY {
                self.abandon(mark);
            }
        }
    }

    /// Nobody of the queue is known any more.
    fn abandon(&mut self, mark: Mark) {
        if self.queues.get(&mark).is_some_and(|queue| queue.stopped) {
            self.strange_queues.push_back(mark);
            self.bound_queues();
        } else {
            self.queues.remove(&mark);
        }
    }
}

impl Default for Peers {
    fn default() -> Self {
        let (previous, next) = (NOBODY, NOBODY);
        Self { previous, next }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            first: NOBODY,
            stopped: false,
            demanded: None,
        }
    }
}

fn rehash(slots: &[Slot], hasher: &RandomState, index: u32) -> u64 {
    let worker = slots
        .get(index_of(index))
        .and_then(|slot| slot.worker.as_ref());
    worker.map_or(0, |worker| hasher.hash_one(&*worker.name.producer))
}

const fn index_of(index: u32) -> usize {
    index as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(queue: &str, producer: &str) -> Name {
        Name {
            queue: queue.into(),
            producer: producer.into(),
        }
    }

    #[test]
    fn a_name_without_a_queue_finds_the_only_worker_of_that_producer() {
        let mut workers = Workers::default();
        let now = Moment::default();
        let one = workers.add(name("q", "a"), None, now);
        assert_eq!(workers.find("", "a"), Some(one));
        assert_eq!(workers.find("other", "a"), None);
        let other = workers.add(name("r", "a"), None, now);
        assert_eq!(workers.find("", "a"), None, "there are two");
        assert_eq!(workers.find("r", "a"), Some(other));
    }

    #[test]
    fn whoever_is_forgotten_is_missed_in_its_queue_alone() {
        let now = Moment::default();
        for gone in 0..4 {
            let mut workers = Workers::default();
            let ids: Vec<_> = (0..4)
                .map(|index| workers.add(name("q", &index.to_string()), None, now))
                .collect();
            workers.add(name("r", "other"), None, now);
            workers.forget(ids[gone]);
            workers.add(name("q", "4"), None, now);
            let mut left: Vec<_> = workers
                .of_queue("q")
                .map(|worker| worker.name.producer.parse::<usize>().unwrap())
                .collect();
            left.sort_unstable();
            let expected: Vec<_> = (0..=4).filter(|index| *index != gone).collect();
            assert_eq!(left, expected);
            assert_eq!(workers.of_queue("r").count(), 1);
        }
    }

    #[test]
    fn whose_queue_is_told_later_belongs_to_it_from_then_on() {
        let now = Moment::default();
        let mut workers = Workers::default();
        let without = workers.add(name("", "a"), None, now);
        let with = workers.add(name("q", "b"), None, now);
        workers.demand("q", true, None);
        let is_stopped = |workers: &Workers, id| workers.is_stopped(workers.get(id).unwrap());
        assert!(!is_stopped(&workers, without) && is_stopped(&workers, with));
        workers.adopt_queue(without, "q");
        assert!(is_stopped(&workers, without));
        assert_eq!(workers.of_queue("q").count(), 2);
        assert_eq!(workers.of_queue("").count(), 0);
        workers.adopt_queue(with, "r");
        assert!(is_stopped(&workers, with), "its own name says another one");
        workers.forget(without);
        assert_eq!(workers.of_queue("q").count(), 1);
    }

    #[test]
    fn of_demands_that_are_read_again_the_latest_holds_and_of_two_at_once_the_stop() {
        let at = |second: u64| Some(Moment::from_unix_ms(second * 1000));
        let stopped = |demands: &[(bool, u64)]| {
            let mut workers = Workers::default();
            for (stopped, second) in demands {
                workers.demand("q", *stopped, at(*second));
            }
            let id = workers.add(name("q", "a"), None, Moment::default());
            workers.is_stopped(workers.get(id).unwrap())
        };
        assert!(stopped(&[(false, 1), (true, 2)]));
        assert!(stopped(&[(true, 2), (false, 1)]));
        assert!(!stopped(&[(false, 3), (true, 2)]));
        assert!(stopped(&[(true, 2), (false, 2)]));
    }

    #[test]
    fn strangers_are_forgotten_in_the_order_they_came() {
        let mut workers = Workers::default();
        let now = Moment::default();
        let first = workers.add(name("q", "first"), None, now);
        for index in 0..MAX_STRANGERS {
            workers.add(name("q", &format!("p{index}")), None, now);
        }
        assert!(workers.get(first).is_none());
        assert_eq!(workers.iter().count(), MAX_STRANGERS);
        assert_eq!(workers.of_queue("q").count(), MAX_STRANGERS);
        let again = workers.add(name("q", "first"), None, now);
        assert_ne!(again, first);
    }
}
