//! The world: it begins, disturbs itself, comes to rest, and is judged.

use std::ops::AddAssign;

use fastrand::Rng;
use serde_json::json;
use temper_healer_core::{
    Policy, Verdict,
    job::{self, State},
    replace::Trouble,
};

use crate::{
    healer::Replica,
    kafka::{Kafka, Record, Said},
    kube::{Call, Entry, Reply, Sent, Store, name_of, replaces, uid_of},
    workers::{self, manifest, worker_of},
};

const STEP: u64 = 200;
const START: u64 = 1_800_000_000_000;
/// For so long things go wrong, ms …
const DISTURBED: u64 = 120_000;
/// … and for so long nothing does, until everybody in trouble must have been replaced.
const QUIET: u64 = 90_000;

/// The clocks of healers are off by this much at most, ms …
const HEALERS_OFF_BY: i64 = 3_600_000;
/// … and by so much more that of each: they are kept by the same platform.
const HEALERS_DIFFER_BY: i64 = 1_500;

/// A protection that is taken away, to see that it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    NoBarrier,
    NoWriteEvidence,
    SuccessorRuns,
    Orphans,
}

/// What is true of a worker, whatever anybody believes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) trouble_at: u64,
    pub(crate) troubles: u64,
    pub(crate) starts: u64,
    pub(crate) finished_at: Option<u64>,
    pub(crate) stopped_at: Option<u64>,
    /// People deleted or replaced its Job: what follows from that is theirs.
    pub(crate) by_hand: bool,
    pub(crate) gone: bool,
    /// Uids of Jobs under which it ran.
    pub(crate) ran: Vec<String>,
    /// Uids of Jobs under which it reported an error.
    pub(crate) erred: Vec<String>,
}

/// What happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) workers: u64,
    pub(crate) troubles: u64,
    pub(crate) released: u64,
    pub(crate) outages: u64,
    pub(crate) crashes: u64,
    pub(crate) api_faults: u64,
    pub(crate) refusals: u64,
    pub(crate) marked: u64,
    pub(crate) suspended: u64,
    pub(crate) by_hand: u64,
    pub(crate) stops: u64,
    pub(crate) vetoes: u64,
    pub(crate) observed: u64,
    pub(crate) suppressed: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.workers += other.workers;
        self.troubles += other.troubles;
        self.released += other.released;
        self.outages += other.outages;
        self.crashes += other.crashes;
        self.api_faults += other.api_faults;
        self.refusals += other.refusals;
        self.marked += other.marked;
        self.suspended += other.suspended;
        self.by_hand += other.by_hand;
        self.stops += other.stops;
        self.vetoes += other.vetoes;
        self.observed += other.observed;
        self.suppressed += other.suppressed;
    }
}

pub(crate) struct World {
    random: Rng,
    mutation: Mutation,
    now: u64,
    policy: Policy,
    kafka: Kafka,
    store: Store,
    fates: Vec<Fate>,
    replicas: Vec<Replica>,
    /// The clocks of the healers are so many milliseconds ahead, and differ by little among themselves.
    healers_ahead_ms: i64,
    /// Jobs that people have suspended, and will resume.
    at_rest_by_hand: Vec<String>,
    /// Calls of healers that have died, still on their way.
    orphaned: Vec<Sent>,
    summary: Summary,
}

fn policy() -> Policy {
    Policy::parse(include_str!("policy.yaml")).expect("the simulation's policy is right")
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Mutation) -> Self {
        let mut random = Rng::with_seed(seed);
        let kafka = Kafka::new(&mut random);
        let mut store = Store::default();
        let count = random.usize(1..=5);
        let mut fates = Vec::new();
        for worker in 0..count {
            store
                .create(manifest(worker, &format!("job-{worker}")), START)
                .unwrap();
            let trouble_at = if random.bool() {
                START + random.u64(5_000..DISTURBED)
            } else {
                u64::MAX
            };
            fates.push(Fate {
                trouble_at,
                ..Fate::default()
            });
        }
        let policy = policy();
        let healers_ahead_ms = random.i64(-HEALERS_OFF_BY..=HEALERS_OFF_BY);
        let partitions = kafka.events.len();
        let replicas = (0..random.usize(1..=2))
            .map(|index| {
                let ahead_ms =
                    healers_ahead_ms + random.i64(-HEALERS_DIFFER_BY..=HEALERS_DIFFER_BY);
                Replica::new(&policy, partitions, index == 0, START, ahead_ms)
            })
            .collect();
        Self {
            random,
            mutation,
            now: START,
            policy,
            kafka,
            store,
            summary: Summary {
                workers: fates.len() as u64,
                ..Summary::default()
            },
            fates,
            replicas,
            healers_ahead_ms,
            at_rest_by_hand: Vec::new(),
            orphaned: Vec::new(),
        }
    }

    /// Lives to the end, or breaks a law.
    pub(crate) fn live(mut self) -> Result<Summary, String> {
        while self.now < START + DISTURBED {
            self.disturb();
            self.step()?;
        }
        self.calm();
        while self.now < START + DISTURBED + QUIET {
            self.step()?;
        }
        self.must_be_at_rest()?;
        self.summary.outages = self.kafka.outages;
        for replica in &self.replicas {
            let count = |verdict| replica.decisions.get(&verdict).copied().unwrap_or(0);
            self.summary.vetoes += count(Verdict::Veto);
            self.summary.observed += count(Verdict::Observe);
            self.summary.suppressed += count(Verdict::Suppress);
        }
        self.summary.troubles = self.fates.iter().map(|fate| fate.troubles).sum();
        Ok(self.summary)
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += STEP;
        workers::step(
            &mut self.store,
            &mut self.kafka,
            &mut self.fates,
            self.now,
            &mut self.random,
        )?;
        for index in 0..self.replicas.len() {
            self.replicas[index].live(
                &self.kafka,
                &self.store,
                self.now,
                self.mutation,
                &mut self.random,
            );
            let mut sent = self.replicas[index].wire.take();
            sent.append(&mut self.orphaned);
            for call in sent {
                self.answer(call)?;
            }
        }
        self.none_is_lost()
    }

    fn disturb(&mut self) {
        let now = self.now;
        let happens = |random: &mut Rng, once_in_ms: u64| random.u64(0..once_in_ms) < STEP;
        if happens(&mut self.random, 25_000) {
            self.kafka.disturb(now, &mut self.random);
        }
        if happens(&mut self.random, 60_000) {
            self.stop_a_queue();
        }
        if happens(&mut self.random, 50_000) {
            self.meddle();
        }
        if happens(&mut self.random, 40_000) {
            self.mark();
        }
        if happens(&mut self.random, 60_000) {
            self.suspend();
        }
        if happens(&mut self.random, 20_000) {
            self.resume_one();
        }
        if happens(&mut self.random, 30_000) {
            self.evict();
        }
        for index in 0..self.replicas.len() {
            if happens(&mut self.random, 30_000) {
                self.crash(index);
            }
            let replica = &mut self.replicas[index];
            if happens(&mut self.random, 30_000) {
                replica.frozen_until = now + self.random.u64(500..30_000);
            }
            if happens(&mut self.random, 30_000) {
                replica.stall_watch(now + self.random.u64(500..25_000));
            }
            if happens(&mut self.random, 30_000) {
                replica.read_slowly(now + self.random.u64(500..25_000));
            }
            if happens(&mut self.random, 20_000) {
                // The lease is no protection: at times both lead, and at times none.
                let leads = self.random.u8(0..4) > 0;
                replica.change_role(leads, now);
            }
        }
    }

    fn calm(&mut self) {
        let now = self.now;
        for partition in self
            .kafka
            .events
            .iter_mut()
            .chain([&mut self.kafka.control])
        {
            (partition.dark_until, partition.mute_until) = (now, now);
        }
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            replica.frozen_until = now;
            replica.stall_watch(now);
            replica.read_slowly(now);
            replica.change_role(index == 0, now);
        }
        for fate in &mut self.fates {
            fate.trouble_at = u64::MAX;
        }
        for name in self.store.jobs.keys().cloned().collect::<Vec<_>>() {
            self.store.mark(&name, false);
        }
        while !self.at_rest_by_hand.is_empty() {
            self.resume_one();
        }
    }

    /// People mark a Job, so that nobody replaces it, or take the mark away.
    fn mark(&mut self) {
        if let Some(name) = self.any_active_job() {
            self.summary.marked += 1;
            let marks = self.random.bool();
            self.store.mark(&name, marks);
        }
    }

    /// People suspend a Job.
    fn suspend(&mut self) {
        if let Some(name) = self.any_active_job() {
            self.summary.suspended += 1;
            self.store.suspend(&name, true, self.now);
            self.at_rest_by_hand.push(name);
        }
    }

    /// And resume it, if it is still as they left it.
    fn resume_one(&mut self) {
        let Some(name) = self.at_rest_by_hand.pop() else {
            return;
        };
        let is_suspended = |job: &serde_json::Value| job::state(job) == State::Suspended;
        if self.store.jobs.get(&name).is_some_and(is_suspended) {
            self.store.suspend(&name, false, self.now);
        }
    }

    fn any_active_job(&mut self) -> Option<String> {
        let active = self
            .store
            .roll
            .iter()
            .filter(|(_, job)| job.state == State::Active);
        let names: Vec<_> = active.map(|(name, _)| name.clone()).collect();
        names.get(self.random.usize(0..names.len().max(1))).cloned()
    }

    /// SIGKILL. What it has sent is still on its way.
    fn crash(&mut self, index: usize) {
        self.summary.crashes += 1;
        let differs = self.random.i64(-HEALERS_DIFFER_BY..=HEALERS_DIFFER_BY);
        let ahead_ms = self.healers_ahead_ms + differs;
        let partitions = self.kafka.events.len();
        let mut fresh = Replica::new(&self.policy, partitions, true, self.now, ahead_ms);
        fresh.frozen_until = self.now + self.random.u64(0..10_000);
        let dead = std::mem::replace(&mut self.replicas[index], fresh);
        self.orphaned.append(&mut dead.wire.take());
    }

    /// People demand that a queue stops; its workers obey soon after.
    fn stop_a_queue(&mut self) {
        let queue = self.random.usize(0..self.fates.len().div_ceil(2));
        if !self.kafka.control.writable(self.now) {
            return;
        }
        self.summary.stops += 1;
        self.kafka.control.log.push(Record {
            at: self.now,
            said: Said::Stop { queue },
        });
        for (worker, fate) in self
            .fates
            .iter_mut()
            .enumerate()
            .filter(|(worker, _)| worker / 2 == queue)
        {
            fate.stopped_at.get_or_insert(self.now);
            fate.trouble_at = u64::MAX;
            for process in self
                .store
                .processes
                .iter_mut()
                .filter(|process| process.worker == worker)
            {
                workers::end(process, fate, self.now, &mut self.random);
                // It does not come back: the worker ends well, and the Job with it.
                process.done_at = 0;
            }
            let jobs: Vec<_> = self
                .store
                .jobs
                .values()
                .filter(|job| worker_of(job) == worker && job::state(job) == State::Active)
                .map(name_of)
                .collect();
            for name in jobs {
                self.store.set_condition(&name, "Complete");
            }
        }
    }

    /// People delete a Job, or replace it by one of the same name or of another.
    fn meddle(&mut self) {
        let active: Vec<_> = self
            .store
            .jobs
            .values()
            .filter(|job| job::state(job) == State::Active && replaces(job).is_none())
            .cloned()
            .collect();
        let Some(job) = active.get(self.random.usize(0..active.len().max(1))) else {
            return;
        };
        let worker = worker_of(job);
        if self
            .store
            .jobs
            .values()
            .any(|other| worker_of(other) == worker && uid_of(other) != uid_of(job))
        {
            return;
        }
        self.summary.by_hand += 1;
        self.fates[worker].by_hand = true;
        self.store
            .delete(&name_of(job), None, None, self.now)
            .unwrap();
        if self.random.bool() {
            self.store
                .create(manifest(worker, &format!("by-hand-{}", self.now)), self.now)
                .unwrap();
        } else {
            self.fates[worker].gone = true;
        }
    }

    fn evict(&mut self) {
        let count = self.store.processes.len();
        let index = self.random.usize(0..count.max(1));
        if let Some(process) = self.store.processes.get_mut(index)
            && process.ends_at.is_none()
        {
            let fate = &mut self.fates[process.worker];
            workers::end(process, fate, self.now, &mut self.random);
        }
    }

    /// The API server takes a call, at times late, at times in vain, at times without an answer.
    fn answer(&mut self, sent: Sent) -> Result<(), String> {
        let disturbed = self.now < START + DISTURBED;
        let luck = self.random.u8(0..100);
        if disturbed && luck < 20 {
            self.orphaned.push(sent);
            return Ok(());
        }
        let busy = || Trouble::Busy {
            why: "504".into(),
            after: None,
        };
        if disturbed && luck < 26 {
            self.summary.api_faults += 1;
            *sent.answer.lock().unwrap() = Some(Err(busy()));
            return Ok(());
        }
        if disturbed && luck < 30 && matches!(sent.call, Call::Create(_)) {
            self.summary.refusals += 1;
            let refusal = Trouble::Denied("exceeded quota".into());
            *sent.answer.lock().unwrap() = Some(Err(refusal));
            return Ok(());
        }
        let result = self.carry_out(&sent.call)?;
        if crate::tells() {
            println!(
                "{}: {} -> {:?}",
                self.now - START,
                sent.call,
                result.as_ref().err()
            );
        }
        let lost = disturbed && (30..36).contains(&luck);
        self.summary.api_faults += u64::from(lost);
        *sent.answer.lock().unwrap() = Some(if lost { Err(busy()) } else { result });
        Ok(())
    }

    fn carry_out(&mut self, call: &Call) -> Result<Result<Reply, Trouble>, String> {
        let now = self.now;
        let done = |result: Result<(), Trouble>| result.map(|()| Reply::Done);
        Ok(match call {
            Call::Job(name) => Ok(Reply::Job(self.store.jobs.get(name).cloned())),
            Call::Pods(uid) => Ok(Reply::Pods(self.store.pods(uid))),
            Call::Line(uid) => Ok(Reply::Jobs(self.store.line(uid))),
            Call::Create(job) => {
                let mut job = (**job).clone();
                if self.mutation == Mutation::SuccessorRuns {
                    job["spec"]["suspend"] = json!(false);
                }
                done(self.store.create(job, now))
            }
            Call::Delete { name, uid, version } => {
                self.must_deserve_it(name, uid, version)?;
                let result = self.store.delete(name, Some(uid), Some(version), now);
                if self.mutation == Mutation::Orphans && result.is_ok() {
                    self.store.remove(name);
                }
                done(result)
            }
            Call::Patch {
                name,
                version,
                change,
            } => {
                let result = self.store.patch(name, version, change, now);
                let releases = result.is_ok() && change.get("spec").is_some();
                self.summary.released += u64::from(releases);
                done(result)
            }
        })
    }

    /// A Job that runs is deleted by a healer only if its worker is in trouble.
    fn must_deserve_it(&self, name: &str, uid: &str, version: &str) -> Result<(), String> {
        let Some(job) = self.store.jobs.get(name) else {
            return Ok(());
        };
        let takes_effect =
            uid_of(job) == uid && job["metadata"]["resourceVersion"].as_str() == Some(version);
        let is_waiting = job::state(job) == State::Suspended && replaces(job).is_some();
        if takes_effect
            && !is_waiting
            && let Some(refusal) = job::refusal(job)
        {
            return Err(format!("touched: {name} at {}, though {refusal}", self.now));
        }
        if !takes_effect || job::state(job) != State::Active {
            return Ok(());
        }
        let fate = &self.fates[worker_of(job)];
        if let Some(stopped) = fate.stopped_at {
            return Err(format!(
                "blamed: {name} was stopped at {stopped} and is replaced at {}",
                self.now
            ));
        }
        let mut own = self
            .store
            .processes
            .iter()
            .filter(|process| process.job_uid == uid);
        let deserved = fate.erred.iter().any(|erred| erred == uid)
            || own.clone().next().is_none()
            || own.any(|process| process.health.in_trouble());
        if deserved {
            return Ok(());
        }
        Err(format!(
            "blamed: {name} is replaced at {} although its worker is well: {fate:?}",
            self.now
        ))
    }

    /// Whoever has not finished, was not stopped and was not deleted by hand has a Job that runs, or one that will.
    fn none_is_lost(&self) -> Result<(), String> {
        for (worker, fate) in self.fates.iter().enumerate() {
            if fate.finished_at.is_some() || fate.stopped_at.is_some() || fate.by_hand {
                continue;
            }
            let remains = |job: &Entry| job.worker == worker && job.state != State::Deleting;
            if !self.store.roll.values().any(remains) {
                return Err(format!("lost: worker {worker} has no Job at {}", self.now));
            }
        }
        Ok(())
    }

    /// When all has been quiet for long, everybody in trouble has been replaced, and nothing is half done.
    fn must_be_at_rest(&self) -> Result<(), String> {
        for job in self.store.jobs.values() {
            let worker = worker_of(job);
            let fate = &self.fates[worker];
            if fate.by_hand && fate.gone {
                continue;
            }
            if job::state(job) == State::Suspended || job::state(job) == State::Deleting {
                return Err(format!(
                    "unfinished: {} is {} in the end, {fate:?}",
                    name_of(job),
                    job::state(job)
                ));
            }
        }
        let failed = |job: &&serde_json::Value| job::state(job) == State::Failed;
        if let Some(job) = self.store.jobs.values().find(failed) {
            let fate = &self.fates[worker_of(job)];
            if !fate.by_hand && fate.stopped_at.is_none() {
                return Err(format!("forgotten: {} has failed, {fate:?}", name_of(job)));
            }
        }
        for process in &self.store.processes {
            let fate = &self.fates[process.worker];
            if process.health.in_trouble() && !fate.by_hand && fate.stopped_at.is_none() {
                return Err(format!(
                    "forgotten: worker {} is {:?} in the end, {fate:?}",
                    process.worker, process.health
                ));
            }
        }
        Ok(())
    }
}
