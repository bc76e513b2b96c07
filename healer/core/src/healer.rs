//! The healer itself: events in, actions out.
//!
//! One value, one thread, no clock: [`Healer::step`] takes what happened and when, and says what is to be done. The shell reads Kafka and
//! watches Jobs, and carries out the actions; a simulation does the same with a world of its own, and `replay` with yesterday's records.

mod arm;
mod deadlines;
mod hear;
mod judge;
mod pursue;
mod watch;

use std::{collections::HashMap, time::Duration};

use crate::{
    Moment,
    decision::{Decision, Evidence, Verdict},
    guards::Meter,
    job::{Heal, Job, Name},
    policy::{Kind, Policy},
    replace::{End, Passed, Replacement, Veto},
    sight::{Sight, Topic},
    telemetry::{Command, Report},
    wheel::Wheel,
    worker::{Course, Hold, Incumbent, Phase, Place, Suspicion, Worker},
    workers::{WorkerId, Workers},
};

/// What can happen.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A worker said something.
    Said {
        /// What it said.
        report: Report<'a>,
        /// Where that stands.
        place: Place,
        /// When it was written, by a broker's clock; none if only the producer's is known.
        appended: Option<Moment>,
    },
    /// Somebody demanded something of a queue.
    Demanded(Command<'a>),
    /// A topic has so many partitions.
    Partitions {
        /// Which topic.
        topic: Topic,
        /// How many.
        count: usize,
    },
    /// Everything written to a partition before `asked` has been heard; its end was `end`.
    Barrier {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: usize,
        /// When its end was asked for.
        asked: Moment,
        /// The offset after its last record then.
        end: i64,
    },
    /// A record handed over at `since` was written where this partition of `queue-events` has its leader.
    Written {
        /// Which partition.
        partition: usize,
        /// When it was handed over.
        since: Moment,
    },
    /// A worker's Job is there, or has changed.
    Job {
        /// Whose.
        name: Name,
        /// As it is now.
        job: Job,
    },
    /// A Job is there no more.
    JobGone {
        /// Its uid.
        uid: &'a str,
    },
    /// All Jobs that there are have been told.
    JobsListed,
    /// A pass of a replacement has ended.
    Passed {
        /// The worker of the [`Action::Pass`].
        worker: WorkerId,
        /// What it came to.
        passed: Passed,
    },
    /// From now on this healer is the one that acts.
    Lead,
    /// From now on another one acts, or none.
    Follow,
    /// The reading of both topics begins anew, from further back.
    Rewound,
    /// The policy has been changed.
    Policy(Box<Policy>),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for barriers at once: a decision waits for them.
    Look,
    /// Make a pass of a replacement, and report it as [`Event::Passed`].
    Pass {
        /// Which worker.
        worker: WorkerId,
        /// The replacement.
        replacement: Box<Replacement>,
        /// What speaks against it at this moment.
        veto: Option<Veto>,
    },
    /// Tell people what was decided.
    Decide(Box<Decision>),
    /// Tell people what another healer, or an earlier life of this one, decided and began, because this one goes on with it.
    Resume(Box<Decision>),
    /// Tell people how it ended.
    Ended {
        /// When.
        at: Moment,
        /// Which worker.
        name: Name,
        /// How.
        outcome: Outcome,
    },
    /// Tell people that this healer knows all it needs, and acts from now on.
    Armed,
}

/// How a worker's trouble ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A pass ended the replacement.
    Replacement(End),
    /// The successor was heard: the worker is healed.
    Healed,
    /// It went on by itself.
    Recovered,
    /// Nobody could be heard for a while, so its silence is doubted, and it is listened to anew.
    Doubted,
    /// Its Job has been deleted, by people or for its age.
    Vanished,
    /// Nothing is done about it.
    LeftAlone,
    /// What was known of it does not count any more: another Job, other rules, or people who changed their mind.
    Anew,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Another one, or none.
    Standby,
    /// This one, as soon as it has heard all that was said before.
    Arming(Moment),
    /// This one.
    Armed,
}

/// What has been passed over, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Words that may have been the predecessor's.
    pub stale: u64,
    /// Times in milliseconds where seconds belong.
    pub stamps_in_ms: u64,
}

/// How many workers are how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All that are known.
    pub workers: usize,
    /// Those whose Job runs.
    pub at_work: usize,
    /// Those that there is reason to replace, and nothing done yet.
    pub suspected: usize,
    /// Those of them that wait for more than their turn: healing is paused, there is a storm, their attempts are used up for now, or the cluster
    /// refuses.
    pub held: usize,
    /// Those being replaced.
    pub healing: usize,
    /// Those whose successor has not been heard yet.
    pub unheard_successors: usize,
    /// Those that more than one running Job claims to be.
    pub rivals: usize,
    /// Those that had a Job, have not finished, were not stopped, and have none now.
    pub vacant: usize,
    /// Those that stay as they are although there is reason to replace them.
    pub left_alone: usize,
}

/// Decides which workers are replaced.
#[derive(Clone, Debug)]
pub struct Healer {
    policy: Policy,
    /// Workers are replaced although no Job of theirs is known, for a replay: how often, no annotation tells.
    imagined: Option<HashMap<WorkerId, Vec<Heal>>>,
    role: Role,
    jobs_listed: bool,
    sight: Sight,
    workers: Workers,
    wheel: Wheel<WorkerId>,
    meter: Meter,
    suspected: Vec<WorkerId>,
    healing: Vec<WorkerId>,
    tally: Tally,
}

impl Healer {
    /// A healer that knows nothing, and follows.
    pub fn new(policy: Policy, now: Moment) -> Self {
        Self {
            sight: Sight::new(policy.patience(), now),
            policy,
            imagined: None,
            role: Role::Standby,
            jobs_listed: false,
            workers: Workers::default(),
            wheel: Wheel::new(now),
            meter: Meter::default(),
            suspected: Vec::new(),
            healing: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// A healer that takes every worker to have a Job which may be replaced.
    #[must_use]
    pub fn that_imagines_jobs(mut self) -> Self {
        self.imagined = Some(HashMap::new());
        self.jobs_listed = true;
        self
    }

    /// Takes note of what happened at `now`, which never goes back, and adds what is to be done to `out`.
    pub fn step(&mut self, event: Event<'_>, now: Moment, out: &mut Vec<Action>) {
        match event {
            Event::Said {
                report,
                place,
                appended,
            } => self.hear(&report, place, appended, now, out),
            Event::Demanded(command) => self.obey(&command, now, out),
            Event::Partitions { topic, count } => self.sight.partitions(topic, count),
            Event::Barrier {
                topic,
                partition,
                asked,
                end,
            } => {
                self.sight.barrier(topic, partition, asked, end);
                self.look(now, out);
            }
            Event::Written { partition, since } => {
                self.sight.written(Topic::Events, partition, since);
                self.look(now, out);
            }
            Event::Job { name, job } => self.job(name, job, now, out),
            Event::JobGone { uid } => self.job_gone(uid, now, out),
            Event::JobsListed => {
                self.jobs_listed = true;
                self.look(now, out);
            }
            Event::Passed { worker, passed } => self.passed(worker, passed, now, out),
            Event::Lead => self.lead(now, out),
            Event::Follow => self.follow(now),
            Event::Rewound => self.rewound(now),
            Event::Policy(policy) => self.adopt(*policy, now, out),
            Event::Tick => self.look(now, out),
        }
    }

    /// What follows from what is known by now.
    fn look(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.arm_when_ready(now, out);
        if self.role == Role::Armed {
            self.ring(now, out);
            self.judge(now, out);
            self.pursue(now, out);
        }
    }

    /// Whether this healer acts.
    pub fn is_armed(&self) -> bool {
        self.role == Role::Armed
    }

    /// Whether proofs of having heard everything have stopped coming.
    pub fn is_blind(&self, now: Moment) -> bool {
        self.sight.blind(now)
    }

    /// What has been proven about what was heard.
    pub const fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Whether so many workers are in trouble that nothing is replaced.
    pub fn storms(&self, now: Moment) -> bool {
        self.meter.storms(now)
    }

    /// What has been passed over.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// How many workers are how. It walks over all of them.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for worker in self.workers.iter() {
            census.workers += 1;
            census.at_work += usize::from(self.is_at_work(worker));
            match worker.jobs.incumbent() {
                Incumbent::Rivals(..) => census.rivals += 1,
                Incumbent::Nobody => census.vacant += usize::from(self.is_missed(worker)),
                Incumbent::One(_) => {}
            }
            match &worker.course {
                Course::Well => {}
                Course::Suspected(suspicion) => {
                    census.suspected += 1;
                    let is_held = suspicion.told.is_some_and(Hold::is_long);
                    census.held += usize::from(is_held || suspicion.refused);
                }
                Course::Healing(_) => census.healing += 1,
                Course::Healed => census.unheard_successors += 1,
                Course::LeftAlone(_) => census.left_alone += 1,
            }
        }
        census
    }

    /// Whether any worker is known of that queue and that producer; without the one or the other, of any. It walks over all of them.
    pub fn knows(&self, queue: Option<&str>, producer: Option<&str>) -> bool {
        let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
        self.workers
            .iter()
            .any(|worker| fits(queue, worker.queue()) && fits(producer, &worker.name.producer))
    }

    /// How soon [`Event::Tick`] is wanted again.
    pub fn patience(&self) -> Duration {
        if self.healing.is_empty() {
            Duration::from_millis(250)
        } else {
            Duration::from_millis(20)
        }
    }

    const fn imagines_jobs(&self) -> bool {
        self.imagined.is_some()
    }

    fn kind(&self, worker: &Worker) -> Option<&Kind> {
        self.policy.kinds.get(usize::from(worker.kind?))
    }

    /// Its Job runs, as far as we know.
    fn is_at_work(&self, worker: &Worker) -> bool {
        let runs = |job: &Job| job.state == crate::job::State::Active;
        worker.jobs.incumbent().one().is_some_and(runs)
            || (self.imagines_jobs() && worker.said.phase != Phase::Finished)
    }

    /// It had a Job, has one no more, and has not said that it is done.
    fn is_missed(&self, worker: &Worker) -> bool {
        worker.seat.is_some()
            && !worker.awaits_news()
            && worker.jobs.waiting_successor().is_none()
            && worker.said.phase != Phase::Finished
            && !self.workers.is_stopped(worker)
    }

    fn decision(
        &self,
        worker: &Worker,
        grounds: &Suspicion,
        verdict: Verdict,
        why: String,
        now: Moment,
    ) -> Action {
        Action::Decide(self.stated(worker, grounds, verdict, why, now))
    }

    fn stated(
        &self,
        worker: &Worker,
        grounds: &Suspicion,
        verdict: Verdict,
        why: String,
        now: Moment,
    ) -> Box<Decision> {
        let job = worker.jobs.incumbent().one();
        Box::new(Decision {
            at: now,
            worker: worker.name.clone(),
            producer: worker.name.producer.clone(),
            queue_id: worker.queue().into(),
            decision: verdict,
            cause: grounds.cause,
            why,
            job: job.map(|job| job.name.clone()),
            job_uid: job.map(|job| job.uid.to_string().into()),
            evidence: self.evidence(worker),
        })
    }

    fn evidence(&self, worker: &Worker) -> Evidence {
        Evidence {
            heard_at: worker.said.spoke,
            last_record: worker.said.place,
            records_written: worker.said.records,
            seen_through: self.sight.through(),
            seen_from: self.sight.through().map(|_| self.sight.lit_from()),
        }
    }
}

/// A span of time for people.
fn spell(span: Duration) -> String {
    let seconds = Duration::from_secs(span.as_secs());
    let signed = jiff::SignedDuration::try_from(seconds).unwrap_or(jiff::SignedDuration::MAX);
    format!("{signed:#}")
}
