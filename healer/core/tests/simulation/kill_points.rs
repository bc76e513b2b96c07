//! Every place where a healer can die, twice, and every order in which two of them can work at once.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use serde_json::Value;
use temper_healer_core::{
    Job, Moment,
    job::{self, State},
    policy::{Cause, Fencing},
    replace::{self, Passed, Replacement, Trouble},
};

use crate::{
    kube::{Call, Health, Process, Reply, Sent, Store, Wire, name_of, replaces, uid_of},
    workers::manifest,
};

const START: u64 = 1_800_000_000_000;
/// All orders of so many first turns are tried.
const ORDERED: usize = 11;
const OLD: &str = "job-0";

type Pass = Pin<Box<dyn Future<Output = Passed> + Send>>;

/// A namespace with one Job, whose one process hangs and takes its time to end.
struct World {
    store: Store,
    now: u64,
}

impl World {
    fn new() -> Self {
        let mut store = Store::default();
        store.create(manifest(0, OLD), START).unwrap();
        let mut world = Self { store, now: START };
        world.start_processes();
        world
    }

    /// One step of the Job controller and the garbage collector, and the laws.
    fn pass_time(&mut self) {
        self.now += 100;
        let now = self.now;
        self.store
            .processes
            .retain(|process| process.ends_at.is_none_or(|at| now < at));
        let jobs: Vec<_> = self
            .store
            .jobs
            .values()
            .map(|job| (name_of(job), uid_of(job), job::state(job)))
            .collect();
        for (name, uid, state) in jobs {
            let own = self
                .store
                .processes
                .iter_mut()
                .filter(|process| process.job_uid == uid);
            if state == State::Deleting {
                let mut ended = true;
                for process in own {
                    process.ends_at.get_or_insert(now + 300);
                    ended = false;
                }
                if ended {
                    self.store.remove(&name);
                }
            }
        }
        self.start_processes();
        assert!(
            !self.store.jobs.is_empty(),
            "lost: there is no Job any more"
        );
        assert!(
            self.store.processes.len() <= 1,
            "doubled: {:?}",
            self.store.processes
        );
    }

    fn start_processes(&mut self) {
        let jobs: Vec<_> = self
            .store
            .jobs
            .values()
            .filter(|job| job::state(job) == State::Active)
            .map(uid_of)
            .collect();
        for uid in jobs {
            if !self
                .store
                .processes
                .iter()
                .any(|process| process.job_uid == uid)
            {
                self.store.next_uid += 1;
                let id = self.store.next_uid;
                self.store.processes.push(Process {
                    id,
                    worker: 0,
                    job_uid: uid,
                    health: Health::Hung,
                    ends_at: None,
                    speaks_at: u64::MAX,
                    done_at: u64::MAX,
                    exits_at: u64::MAX,
                    unsent: Vec::new(),
                });
            }
        }
    }

    fn carry_out(&mut self, call: &Call) -> Result<Reply, Trouble> {
        let now = self.now;
        match call {
            Call::Job(name) => Ok(Reply::Job(self.store.jobs.get(name).cloned())),
            Call::Pods(uid) => Ok(Reply::Pods(self.store.pods(uid))),
            Call::Line(uid) => Ok(Reply::Jobs(self.store.line(uid))),
            Call::Create(job) => self
                .store
                .create((**job).clone(), now)
                .map(|()| Reply::Done),
            Call::Delete { name, uid, version } => self
                .store
                .delete(name, Some(uid), Some(version), now)
                .map(|()| Reply::Done),
            Call::Patch {
                name,
                version,
                change,
            } => self
                .store
                .patch(name, version, change, now)
                .map(|()| Reply::Done),
        }
    }

    /// What a healer that has just started finds to be done, if anything.
    fn work(&self) -> Option<Replacement> {
        let waits = |job: &&Value| job::state(job) == State::Suspended && replaces(job).is_some();
        if let Some(successor) = self.store.jobs.values().find(waits) {
            let (name, job) = Job::read(successor).unwrap();
            return Replacement::resumed(&name, &job, Fencing::Strict, false);
        }
        let old = self
            .store
            .jobs
            .get(OLD)
            .filter(|job| job::state(job) == State::Active)?;
        let (worker, job) = Job::read(old).unwrap();
        Some(Replacement {
            worker,
            old_name: job.name.clone(),
            old_uid: job.uid.to_string().into(),
            line: job.uid.to_string().into(),
            old_failures: Some(job.failures),
            old_ran: true,
            base: job.name,
            attempt: 1,
            cause: Cause::Silent,
            why: "it hangs".into(),
            decided: Moment::from_unix_ms(self.now),
            heals: Vec::new(),
            fencing: Fencing::Strict,
            parallel_jobs: false,
        })
    }

    /// In the end one Job runs, and it is the successor.
    fn must_be_healed(&self) {
        let jobs: Vec<_> = self.store.jobs.values().collect();
        assert!(
            jobs.len() == 1 && job::state(jobs[0]) == State::Active && replaces(jobs[0]).is_some(),
            "{jobs:#?}"
        );
    }
}

/// A healer that makes pass after pass.
struct Life {
    wire: Wire,
    replacement: Replacement,
    pass: Pass,
}

impl Life {
    fn begin(world: &World) -> Option<Self> {
        let replacement = world.work()?;
        let wire = Wire::default();
        let pass = pass(&wire, &replacement, world.now);
        Some(Self {
            wire,
            replacement,
            pass,
        })
    }

    /// Goes on to the next call, beginning another pass if need be; none when it has nothing left to do.
    fn next_call(&mut self, now: u64) -> Option<Sent> {
        loop {
            match self
                .pass
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Pending => return self.wire.take().pop(),
                Poll::Ready(Passed::Over(_)) => return None,
                Poll::Ready(_) => self.pass = pass(&self.wire, &self.replacement, now),
            }
        }
    }
}

fn pass(wire: &Wire, replacement: &Replacement, now: u64) -> Pass {
    let (wire, replacement) = (wire.clone(), replacement.clone());
    Box::pin(
        async move { replace::pass(&wire, &replacement, None, Moment::from_unix_ms(now)).await },
    )
}

/// Where a life ends: at its n-th call, which is carried out or not.
#[derive(Clone, Copy, Debug)]
struct Death {
    call: usize,
    carried_out: bool,
}

/// Lives until death or until all is done; says whether it died.
fn live(world: &mut World, death: Option<Death>) -> bool {
    let Some(mut life) = Life::begin(world) else {
        return false;
    };
    for call in 0.. {
        assert!(call < 200, "it never ends");
        let Some(sent) = life.next_call(world.now) else {
            return false;
        };
        let dies = death.filter(|death| death.call == call);
        if dies.is_none_or(|death| death.carried_out) {
            let reply = world.carry_out(&sent.call);
            *sent.answer.lock().unwrap() = Some(reply);
        }
        if dies.is_some() {
            return true;
        }
        world.pass_time();
    }
    false
}

#[test]
fn wherever_it_dies_and_wherever_the_next_one_dies_nothing_is_lost_or_doubled() {
    let deaths: Vec<_> = (0..30)
        .flat_map(|call| [true, false].map(|carried_out| Death { call, carried_out }))
        .collect();
    let mut died_twice = 0;
    for first in &deaths {
        for second in &deaths {
            let mut world = World::new();
            let died = live(&mut world, Some(*first));
            world.pass_time();
            died_twice += usize::from(live(&mut world, Some(*second)) && died);
            world.pass_time();
            live(&mut world, None);
            world.must_be_healed();
        }
    }
    assert!(died_twice > 500, "the deaths must happen: {died_twice}");
}

#[test]
fn two_at_once_make_one_successor_in_whatever_order_they_work() {
    for order in 0..1_u32 << ORDERED {
        let mut world = World::new();
        let mut lives = [Life::begin(&world).unwrap(), Life::begin(&world).unwrap()];
        let mut done = [false, false];
        for turn in 0..400 {
            let which = if turn < ORDERED {
                usize::from(order & (1 << turn) != 0)
            } else {
                turn % 2
            };
            if !done[which] {
                match lives[which].next_call(world.now) {
                    Some(sent) => *sent.answer.lock().unwrap() = Some(world.carry_out(&sent.call)),
                    None => done[which] = true,
                }
            }
            world.pass_time();
        }
        assert_eq!(done, [true, true], "order {order:b}");
        world.must_be_healed();
    }
}

#[test]
fn a_job_that_completes_in_the_race_is_not_run_again() {
    for completes_at in 0..30 {
        let mut world = World::new();
        let mut life = Life::begin(&world).unwrap();
        for call in 0..60 {
            if call == completes_at
                && world
                    .store
                    .jobs
                    .get(OLD)
                    .is_some_and(|job| job::state(job) == State::Active)
            {
                world.store.set_condition(OLD, "Complete");
                world.store.processes.clear();
            }
            let Some(sent) = life.next_call(world.now) else {
                break;
            };
            let reply = world.carry_out(&sent.call);
            *sent.answer.lock().unwrap() = Some(reply);
            world.pass_time();
        }
        let complete = world
            .store
            .jobs
            .get(OLD)
            .is_some_and(|job| job::state(job) == State::Complete);
        assert!(
            !complete || world.store.jobs.len() == 1,
            "completed at call {completes_at}: {:?}",
            world.store.jobs.keys()
        );
    }
}
