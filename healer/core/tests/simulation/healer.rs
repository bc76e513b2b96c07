//! A healer of flesh and blood: the real core and the real protocol, with a reader that lags, a watch that falls behind, and an end.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use fastrand::Rng;
use temper_healer_core::{
    Action, Event, Healer, Job, Moment, Place, Policy, Topic, Verdict, WorkerId, job,
    replace::{self, Passed},
    telemetry::{Command, Demand, Report},
};

use crate::{
    kafka::{Kafka, Partition, Said},
    kube::{Store, Wire},
    workers::{producer, queue_name},
    world::Mutation,
};

type Pass = Pin<Box<dyn Future<Output = Passed> + Send>>;

/// One replica.
pub(crate) struct Replica {
    core: Healer,
    pub(crate) wire: Wire,
    passes: BTreeMap<WorkerId, Pass>,
    events: Vec<Reader>,
    control: Reader,
    /// Changes that the watch has delivered.
    watched: usize,
    watch_stalls_until: u64,
    listed: bool,
    pub(crate) frozen_until: u64,
    reads_slowly_until: u64,
    /// Its clock is so many milliseconds ahead of the world's.
    ahead_ms: i64,
    pub(crate) decisions: HashMap<Verdict, u64>,
}

/// How far a partition has been read, and what is asked about its end.
#[derive(Clone, Debug, Default)]
struct Reader {
    position: usize,
    /// When its end was asked for, and where it was.
    asked: Option<(u64, usize)>,
    wrote: u64,
}

impl Replica {
    pub(crate) fn new(
        policy: &Policy,
        partitions: usize,
        leads: bool,
        now: u64,
        ahead_ms: i64,
    ) -> Self {
        let at = Moment::from_unix_ms(now.saturating_add_signed(ahead_ms));
        let mut core = Healer::new(policy.clone(), at);
        let mut out = Vec::new();
        core.step(
            Event::Partitions {
                topic: Topic::Events,
                count: partitions,
            },
            at,
            &mut out,
        );
        core.step(
            Event::Partitions {
                topic: Topic::Control,
                count: 1,
            },
            at,
            &mut out,
        );
        if leads {
            core.step(Event::Lead, at, &mut out);
        }
        Self {
            core,
            wire: Wire::default(),
            passes: BTreeMap::new(),
            events: vec![Reader::default(); partitions],
            control: Reader::default(),
            watched: 0,
            watch_stalls_until: 0,
            listed: false,
            frozen_until: 0,
            reads_slowly_until: 0,
            ahead_ms,
            decisions: HashMap::new(),
        }
    }

    /// Somebody else leads, or nobody knows.
    pub(crate) fn change_role(&mut self, leads: bool, now: u64) {
        let event = if leads { Event::Lead } else { Event::Follow };
        self.step(event, now);
    }

    pub(crate) fn stall_watch(&mut self, until: u64) {
        self.watch_stalls_until = until;
    }

    pub(crate) fn read_slowly(&mut self, until: u64) {
        self.reads_slowly_until = until;
    }

    pub(crate) fn live(
        &mut self,
        kafka: &Kafka,
        store: &Store,
        now: u64,
        mutation: Mutation,
        random: &mut Rng,
    ) {
        if now < self.frozen_until {
            return;
        }
        self.watch(store, now);
        self.read(kafka, now, mutation, random);
        self.finish_passes(now);
        self.step(Event::Tick, now);
    }

    fn watch(&mut self, store: &Store, now: u64) {
        if now < self.watch_stalls_until {
            return;
        }
        if !self.listed {
            self.listed = true;
            self.watched = store.changes.len();
            for job in store.jobs.values() {
                self.tell_job(job, now);
            }
            self.step(Event::JobsListed, now);
        }
        for change in store.changes.iter().skip(self.watched) {
            match &change.job {
                Ok(job) => self.tell_job(job, now),
                Err(uid) => self.step(Event::JobGone { uid }, now),
            }
        }
        self.watched = store.changes.len();
    }

    fn tell_job(&mut self, job: &serde_json::Value, now: u64) {
        if crate::tells() {
            println!(
                "{now}: watches {} {}",
                job["metadata"]["name"],
                job::state(job)
            );
        }
        let (name, job) = Job::read(job).expect("workers' Jobs are readable");
        self.step(Event::Job { name, job }, now);
    }

    fn read(&mut self, kafka: &Kafka, now: u64, mutation: Mutation, random: &mut Rng) {
        let most = if now < self.reads_slowly_until {
            random.usize(0..2)
        } else {
            500
        };
        for index in 0..self.events.len() {
            let partition = &kafka.events[index];
            let mut reader = std::mem::take(&mut self.events[index]);
            for (offset, record) in reader.next(partition, most, now) {
                let Said::Report { worker, status } = record.said else {
                    continue;
                };
                let (queue, producer) = (queue_name(worker / 2), producer(worker));
                let report = Report {
                    queue: queue.into(),
                    producer: producer.into(),
                    status,
                    message: None,
                    records: None,
                    stamp: Some(kafka.stamp(worker, record.at)),
                    stamp_in_ms: false,
                };
                if crate::tells() {
                    println!(
                        "{now}: hears t__{worker} {status:?} of {} at {index}@{offset}",
                        record.at
                    );
                }
                let place = Place {
                    partition: i32::try_from(index).unwrap(),
                    offset,
                };
                let appended = kafka.appended(record.at);
                self.step(
                    Event::Said {
                        report,
                        place,
                        appended,
                    },
                    now,
                );
            }
            if let Some((asked, end)) = reader.barrier(partition, now, mutation) {
                let (topic, asked) = (Topic::Events, self.moment(asked));
                self.step(
                    Event::Barrier {
                        topic,
                        partition: index,
                        asked,
                        end,
                    },
                    now,
                );
            }
            if reader.writes(partition, now, mutation) {
                self.step(
                    Event::Written {
                        partition: index,
                        since: self.moment(now),
                    },
                    now,
                );
            }
            self.events[index] = reader;
        }
        self.read_control(kafka, most, now, mutation);
    }

    fn read_control(&mut self, kafka: &Kafka, most: usize, now: u64, mutation: Mutation) {
        let mut reader = std::mem::take(&mut self.control);
        for (_, record) in reader.next(&kafka.control, most, now) {
            let stamp = Some(Moment::from_unix_ms(record.at));
            let Said::Stop { queue } = record.said else {
                continue;
            };
            let queue = queue_name(queue).into();
            self.step(
                Event::Demanded(Command {
                    queue,
                    demand: Demand::Stop,
                    stamp,
                }),
                now,
            );
        }
        if let Some((asked, end)) = reader.barrier(&kafka.control, now, mutation) {
            let (topic, asked) = (Topic::Control, self.moment(asked));
            self.step(
                Event::Barrier {
                    topic,
                    partition: 0,
                    asked,
                    end,
                },
                now,
            );
        }
        self.control = reader;
    }

    fn finish_passes(&mut self, now: u64) {
        let mut context = Context::from_waker(Waker::noop());
        let mut ended = Vec::new();
        self.passes
            .retain(|worker, pass| match pass.as_mut().poll(&mut context) {
                Poll::Ready(passed) => {
                    ended.push((*worker, passed));
                    false
                }
                Poll::Pending => true,
            });
        ended.sort_by_key(|(worker, _)| *worker);
        for (worker, passed) in ended {
            self.step(Event::Passed { worker, passed }, now);
        }
    }

    /// That time by its own clock.
    const fn moment(&self, now: u64) -> Moment {
        Moment::from_unix_ms(now.saturating_add_signed(self.ahead_ms))
    }

    fn step(&mut self, event: Event<'_>, now: u64) {
        let mut out = Vec::new();
        let at = self.moment(now);
        self.core.step(event, at, &mut out);
        for action in out {
            match action {
                Action::Pass {
                    worker,
                    replacement,
                    veto,
                } => {
                    let wire = self.wire.clone();
                    let pass = async move { replace::pass(&wire, &replacement, veto, at).await };
                    self.passes.insert(worker, Box::pin(pass));
                }
                Action::Decide(decision) => {
                    if crate::tells() {
                        println!("{now}: {decision:?}");
                    }
                    *self.decisions.entry(decision.decision).or_default() += 1;
                }
                Action::Look | Action::Resume(_) | Action::Ended { .. } | Action::Armed => {}
            }
        }
    }
}

impl Reader {
    /// Takes in up to `most` records of a partition that can be read.
    fn next<'a>(
        &mut self,
        partition: &'a Partition,
        most: usize,
        now: u64,
    ) -> Vec<(i64, &'a crate::kafka::Record)> {
        if !partition.readable(now) {
            return Vec::new();
        }
        let from = self.position;
        self.position = partition.log.len().min(from + most);
        let range = from..self.position;
        range
            .map(|index| (i64::try_from(index).unwrap(), &partition.log[index]))
            .collect()
    }

    /// Asks for the end of the partition every second, and says so when everything before it has been read.
    fn barrier(
        &mut self,
        partition: &Partition,
        now: u64,
        mutation: Mutation,
    ) -> Option<(u64, i64)> {
        if mutation == Mutation::NoBarrier {
            return Some((now, i64::try_from(partition.log.len()).unwrap()));
        }
        if self.asked.is_none() && partition.readable(now) {
            self.asked = Some((now, partition.log.len()));
        }
        let (asked, end) = self.asked.filter(|(_, end)| self.position >= *end)?;
        self.asked = None;
        Some((asked, i64::try_from(end).unwrap()))
    }

    /// Writes a record of its own every second, if that is possible.
    fn writes(&mut self, partition: &Partition, now: u64, mutation: Mutation) -> bool {
        if mutation == Mutation::NoWriteEvidence || mutation == Mutation::NoBarrier {
            return true;
        }
        let written = partition.writable(now) && now >= self.wrote + 1_000;
        if written {
            self.wrote = now;
        }
        written
    }
}
