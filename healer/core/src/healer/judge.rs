//! From a suspicion to a decision.

use std::mem;

use super::{Action, Healer, Outcome};
use crate::{
    Moment,
    budget::{self, Allowance},
    decision::Verdict,
    job::{Heal, Job, Refusal, State},
    policy::{Cause, Kind},
    replace::Replacement,
    worker::{Course, Healing, Hold, Incumbent, Phase, Suspicion, Worker},
    workers::WorkerId,
};

/// What is to be done about a suspicion.
enum Judgement {
    /// Not enough is known.
    NotYet,
    /// There is nothing to suspect any more.
    Drop(Outcome),
    /// Say why nothing is done, and leave it.
    Leave(Verdict, String),
    /// A guard holds it back for now.
    Hold(Hold),
    /// Replace it.
    Heal(Box<Replacement>),
}

impl Healer {
    /// There is reason to replace a worker.
    pub(super) fn suspect(
        &mut self,
        id: WorkerId,
        cause: Cause,
        why: String,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let known = match &worker.course {
            Course::Healing(_) => return,
            Course::Suspected(known) | Course::LeftAlone(known) => Some(known.cause),
            Course::Well | Course::Healed => None,
        };
        if known == Some(cause) {
            return;
        }
        let error = worker.said.error.filter(|_| cause == Cause::Error);
        let suspicion = Suspicion::new(cause, why, error, now);
        self.set_course(id, Course::Suspected(Box::new(suspicion)));
        if !self.suspected.contains(&id) {
            self.suspected.push(id);
        }
        // Whether its queue was stopped must be known as of now.
        out.push(Action::Look);
    }

    /// Decides about all suspicions.
    pub(super) fn judge(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.suspected.is_empty() {
            return;
        }
        let unhealthy = self.suspected.len() + self.healing.len();
        let all = self
            .workers
            .iter()
            .filter(|worker| self.is_at_work(worker))
            .count();
        self.meter
            .weather(&self.policy.guards, unhealthy, all.max(unhealthy), now);
        for id in mem::take(&mut self.suspected) {
            let judgement = if self.waits_for_its_turn(id, now) {
                Judgement::NotYet
            } else {
                self.judgement(id, now)
            };
            self.carry_out(id, judgement, now, out);
        }
    }

    fn carry_out(
        &mut self,
        id: WorkerId,
        judgement: Judgement,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let Course::Suspected(suspicion) = &worker.course else {
            return;
        };
        match judgement {
            Judgement::NotYet => self.suspected.push(id),
            Judgement::Drop(outcome) => self.drop_suspicion(id, outcome, now, out),
            Judgement::Leave(verdict, why) => {
                let suspicion = suspicion.clone();
                out.push(self.decision(worker, &suspicion, verdict, why, now));
                self.set_course(id, Course::LeftAlone(suspicion));
                if matches!(verdict, Verdict::Observe | Verdict::Veto) {
                    self.told_that_it_stays(id, now, out);
                }
                // Another healer may think otherwise, and its successor wait.
                self.resume(id, now, out);
            }
            Judgement::Hold(hold) => {
                self.suspected.push(id);
                if suspicion.told.is_none_or(|told| !told.is_like(hold)) {
                    let why = self.words(hold);
                    out.push(self.decision(worker, suspicion, Verdict::Suppress, why, now));
                    self.note_told(id, hold);
                }
            }
            Judgement::Heal(replacement) => {
                let suspicion = (**suspicion).clone();
                // What the cluster has refused before is told when it agrees.
                if !suspicion.refused {
                    out.push(self.to_heal(worker, &suspicion, now));
                }
                self.set_course(
                    id,
                    Course::Healing(Box::new(Healing::new(suspicion, *replacement, now))),
                );
                self.healing.push(id);
            }
        }
    }

    /// There is nothing to suspect a worker of any more.
    fn drop_suspicion(
        &mut self,
        id: WorkerId,
        outcome: Outcome,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        if outcome == Outcome::Doubted {
            self.listen_anew(id, now);
        }
        self.end_trouble(id, outcome, now, out);
    }

    /// The decision to replace a worker.
    pub(super) fn to_heal(&self, worker: &Worker, suspicion: &Suspicion, now: Moment) -> Action {
        self.decision(worker, suspicion, Verdict::Heal, suspicion.why.clone(), now)
    }

    /// It has been told why it waits, and that still holds: in a storm there may be thousands, each of whom would be judged at every look.
    fn waits_for_its_turn(&self, id: WorkerId, now: Moment) -> bool {
        let Some(Course::Suspected(suspicion)) = self.workers.get(id).map(|worker| &worker.course)
        else {
            return false;
        };
        let stands = self
            .meter
            .stands_against(&self.policy.guards, self.in_flight(), now);
        suspicion
            .told
            .zip(stands)
            .is_some_and(|(told, stands)| told.is_like(stands))
    }

    fn note_told(&mut self, id: WorkerId, hold: Hold) {
        if let Some(worker) = self.workers.get_mut(id)
            && let Course::Suspected(suspicion) = &mut worker.course
        {
            suspicion.told = Some(hold);
        }
    }

    fn judgement(&mut self, id: WorkerId, now: Moment) -> Judgement {
        let Some(worker) = self.workers.get(id) else {
            return Judgement::NotYet;
        };
        let Course::Suspected(suspicion) = &worker.course else {
            return Judgement::NotYet;
        };
        let suspicion = suspicion.clone();
        if let Some(judgement) = self.of_the_worker(worker, &suspicion, now) {
            return judgement;
        }
        let Some(kind) = self.kind(worker) else {
            return Judgement::NotYet;
        };
        let heals = self.past(id, worker);
        // While it has to wait it is not well.
        let well_until = suspicion.since;
        let allowance = budget::allowance(&heals, &kind.attempts, suspicion.error, well_until, now);
        if let Some(judgement) = self.of_the_budget(allowance, &suspicion, now) {
            return judgement;
        }
        let replacement = replacement(worker, kind, &suspicion, &heals, now);
        match self.meter.take(&self.policy.guards, self.in_flight(), now) {
            Ok(()) => Judgement::Heal(Box::new(replacement)),
            Err(hold) => Judgement::Hold(hold),
        }
    }

    /// What speaks against it that has to do with this worker alone.
    fn of_the_worker(
        &self,
        worker: &Worker,
        suspicion: &Suspicion,
        now: Moment,
    ) -> Option<Judgement> {
        let observe = |why: String| {
            Some(Judgement::Leave(
                Verdict::Observe,
                format!("{}, but {why}", suspicion.why),
            ))
        };
        let Some(kind) = self.kind(worker) else {
            let target = crate::telemetry::target(&worker.name.producer);
            return observe(format!("the policy knows no workers like {target}"));
        };
        if !kind.heal.contains(&suspicion.cause) {
            return observe(format!(
                "the policy does not heal {} of {}",
                suspicion.cause.word(),
                kind.workers
            ));
        }
        if self.is_in_doubt(suspicion) {
            return Some(Judgement::Drop(Outcome::Doubted));
        }
        if !self.sight.knows_demands(suspicion.since, now) {
            return Some(Judgement::NotYet);
        }
        if self.workers.is_stopped(worker) {
            let why = format!(
                "{}, but its queue was stopped on queue-control",
                suspicion.why
            );
            return Some(Judgement::Leave(Verdict::Veto, why));
        }
        self.of_its_jobs(worker, kind, suspicion)
    }

    /// Nobody could be heard for a while since it was suspected: it may have come back, and not have been able to say so.
    pub(super) fn is_in_doubt(&self, suspicion: &Suspicion) -> bool {
        suspicion.cause != Cause::Error && self.sight.lit_from() > suspicion.since
    }

    /// How many replacements are under way. Those that wait for long, of which people were told, hold nobody else up.
    fn in_flight(&self) -> usize {
        let healing = self.healing.iter().filter_map(|id| self.workers.get(*id));
        healing
            .filter(|worker| matches!(&worker.course, Course::Healing(healing) if !healing.told))
            .count()
    }

    fn of_its_jobs(
        &self,
        worker: &Worker,
        kind: &Kind,
        suspicion: &Suspicion,
    ) -> Option<Judgement> {
        let observe = |why: String| {
            Some(Judgement::Leave(
                Verdict::Observe,
                format!("{}, but {why}", suspicion.why),
            ))
        };
        let job = match worker.jobs.incumbent() {
            Incumbent::Nobody if self.imagines_jobs() => return None,
            Incumbent::Nobody if worker.awaits_news() => return Some(Judgement::NotYet),
            Incumbent::Nobody => {
                return observe(
                    "no Job of its is known: it may be a Pod or a Deployment".to_owned(),
                );
            }
            Incumbent::Rivals(one, other) => {
                return observe(format!(
                    "two Jobs claim to be it: {} and {}",
                    one.name, other.name
                ));
            }
            Incumbent::One(job) => job,
        };
        match job.state {
            State::Deleting => return Some(Judgement::Drop(Outcome::Vanished)),
            State::Complete => return Some(Judgement::Drop(Outcome::Recovered)),
            State::Suspended => return observe(Refusal::Suspended.to_string()),
            State::Active | State::Failed => {}
        }
        if let Some(refusal) = job.refusal() {
            return observe(refusal.to_string());
        }
        if job.is_parallel() && !kind.parallel_jobs {
            return observe(Refusal::Parallel.to_string());
        }
        if job.guessed && worker.said.phase == Phase::Unheard && suspicion.cause == Cause::Silent {
            return observe("its telemetry id is only guessed from its Job's name".to_owned());
        }
        None
    }

    fn of_the_budget(
        &self,
        allowance: Allowance,
        suspicion: &Suspicion,
        now: Moment,
    ) -> Option<Judgement> {
        if self.policy.paused {
            return Some(Judgement::Hold(Hold::Paused));
        }
        if suspicion.not_before > now {
            return Some(Judgement::NotYet);
        }
        match allowance {
            Allowance::Now => None,
            Allowance::Backoff(until) => Some(Judgement::Hold(Hold::Backoff(until))),
            Allowance::Exhausted(until) => Some(Judgement::Hold(Hold::Exhausted(until))),
            Allowance::SameError(times) => Some(Judgement::Leave(
                Verdict::Suppress,
                format!(
                    "{}, as after each of its last {times} replacements: another one would not help",
                    suspicion.why
                ),
            )),
        }
    }

    /// The replacements that led to the worker's present Job.
    fn past(&self, id: WorkerId, worker: &Worker) -> Vec<Heal> {
        let job = worker.jobs.incumbent().one();
        let told = job.and_then(Job::replaces).map(|replaces| &replaces.heals);
        let imagined = || self.imagined.as_ref()?.get(&id);
        told.or_else(imagined).cloned().unwrap_or_default()
    }

    fn words(&self, hold: Hold) -> String {
        let guards = &self.policy.guards;
        match hold {
            Hold::Paused => "healing is paused".to_owned(),
            Hold::Storm => format!(
                "more than {} of all workers are in trouble: whatever it is, it is not this worker; nothing is replaced until no new one has joined them for {}",
                guards.max_unhealthy, guards.cooldown
            ),
            Hold::Rate => format!(
                "{} replacements a minute have begun: it waits for its turn",
                guards.per_minute
            ),
            Hold::InFlight => format!(
                "{} replacements are under way: it waits for its turn",
                guards.in_flight
            ),
            Hold::Backoff(until) => {
                format!("it was replaced not long ago: the next attempt is at {until}")
            }
            Hold::Exhausted(until) => format!("its attempts are used up until {until}"),
        }
    }
}

impl Hold {
    /// It may take minutes.
    pub(super) const fn is_long(self) -> bool {
        match self {
            Self::Paused | Self::Storm | Self::Backoff(_) | Self::Exhausted(_) => true,
            Self::Rate | Self::InFlight => false,
        }
    }

    /// Telling the one after the other would say nothing new.
    fn is_like(self, other: Self) -> bool {
        let turn = |hold| matches!(hold, Self::Rate | Self::InFlight);
        let kind = mem::discriminant::<Self>;
        kind(&self) == kind(&other) || (turn(self) && turn(other))
    }
}

fn replacement(
    worker: &Worker,
    kind: &Kind,
    suspicion: &Suspicion,
    heals: &[Heal],
    now: Moment,
) -> Replacement {
    let job = worker.jobs.incumbent().one();
    let replaces = job.and_then(Job::replaces);
    let name = job.map(|job| job.name.clone()).unwrap_or_default();
    let uid: Box<str> = job
        .map(|job| job.uid.to_string().into())
        .unwrap_or_default();
    Replacement {
        worker: worker.name.clone(),
        line: replaces.map_or_else(|| uid.clone(), |replaces| replaces.line.clone()),
        old_uid: uid,
        base: replaces.map_or_else(|| name.clone(), |replaces| replaces.base.clone()),
        old_name: name,
        attempt: replaces.map_or(1, |replaces| replaces.attempt.saturating_add(1)),
        old_failures: job.map(|job| job.failures),
        old_ran: job.is_some_and(|job| job.has_run),
        cause: suspicion.cause,
        why: suspicion.why.as_str().into(),
        decided: now,
        heals: budget::with_one_more(
            heals,
            Heal {
                at: now,
                error: suspicion.error,
            },
        ),
        fencing: kind.fencing,
        parallel_jobs: kind.parallel_jobs,
    }
}
