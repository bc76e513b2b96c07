//! Carrying a replacement through, pass by pass.

use std::time::Duration;

use super::{Action, Healer, Outcome, spell};
use crate::{
    Moment,
    decision::Verdict,
    job::{Job, Mark, Refusal, State, Uid},
    policy::Cause,
    replace::{End, Passed, Replacement, Trouble, Veto},
    worker::{Course, Healing, Incumbent, Phase, Said, Suspicion, Worker},
    workers::WorkerId,
};

/// How soon one looks again whether old pods are gone.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// After so many looks in vain it is done less often.
const PATIENT_AFTER: u32 = 100;

/// The longest wait after the cluster did not do as asked.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The wait after it refused: a quota or a right is not given in seconds.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// What is taken up as soon as something has ended waits until the watch has told of that.
const AFTER_AN_END: Duration = Duration::from_secs(1);

/// People are told about a replacement that takes longer.
const LONG: Duration = Duration::from_mins(1);

impl Healer {
    /// Asks for the passes that are due.
    pub(super) fn pursue(&mut self, now: Moment, out: &mut Vec<Action>) {
        let sees = !self.sight.blind(now);
        let obeys = self.sight.knows_demands(Moment::default(), now);
        for id in self.healing.clone() {
            let Some(veto) = self.workers.get(id).map(|worker| self.veto_of(worker)) else {
                continue;
            };
            let Some(healing) = self.healing_mut(id) else {
                continue;
            };
            // A pass that something speaks against, or that comes late, deletes nothing.
            let harmless = veto.is_some() || healing.replacement.is_stale(now);
            let may_act =
                harmless || healing.deleted || (obeys && (sees || !healing.rests_on_silence()));
            if !healing.passing && healing.next <= now && may_act {
                healing.passing = true;
                let replacement = Box::new(healing.replacement.clone());
                out.push(Action::Pass {
                    worker: id,
                    replacement,
                    veto,
                });
            }
        }
    }

    fn veto_of(&self, worker: &Worker) -> Option<Veto> {
        let Course::Healing(healing) = &worker.course else {
            return None;
        };
        if self.workers.is_stopped(worker) {
            Some(Veto::Stopped)
        } else if healing.recovered {
            Some(Veto::Recovered)
        } else if healing.doubted
            || (healing.rests_on_silence() && self.is_in_doubt(&healing.suspicion))
        {
            Some(Veto::Dark)
        } else {
            self.policy.paused.then_some(Veto::Paused)
        }
    }

    /// Takes up a replacement that another healer, or an earlier life of this one, began.
    pub(super) fn resume(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        if matches!(worker.course, Course::Healing(_)) {
            return;
        }
        let Some(successor) = worker.jobs.waiting_successor() else {
            return;
        };
        // A watch that lags still shows the one waiting that was released a moment ago.
        let replaced = successor
            .replaces()
            .map(|replaces| Mark::of_uid(&replaces.uid));
        if replaced == worker.replaced {
            return;
        }
        let kind = self.kind(worker);
        let fencing = kind.map(|kind| kind.fencing).unwrap_or_default();
        let parallel = kind.is_some_and(|kind| kind.parallel_jobs);
        let Some(replacement) = Replacement::resumed(&worker.name, successor, fencing, parallel)
        else {
            return;
        };
        let error = replacement.heals.last().and_then(|heal| heal.error);
        let suspicion = Suspicion::new(replacement.cause, replacement.why.to_string(), error, now);
        let decided = replacement.decided.min(now);
        let why = suspicion.why.clone();
        out.push(Action::Resume(self.stated(
            worker,
            &suspicion,
            Verdict::Heal,
            why,
            decided,
        )));
        let mut healing = Healing::new(suspicion, replacement, now);
        healing.created = true;
        // Whether the worker is still silent nobody knows: if its old Job still runs, it is listened to anew.
        healing.doubted = healing.suspicion.cause != Cause::Error;
        self.set_course(id, Course::Healing(Box::new(healing)));
        self.healing.push(id);
    }

    /// A pass has ended.
    pub(super) fn passed(
        &mut self,
        id: WorkerId,
        passed: Passed,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(healing) = self.healing_mut(id) else {
            return;
        };
        healing.passing = false;
        match passed {
            Passed::Created => {
                healing.advance(now, |healing| healing.created = true);
                self.agreed(id, now, out);
            }
            Passed::Deleted => healing.advance(now, |healing| healing.deleted = true),
            Passed::Reprieved => healing.advance(now, |_| {}),
            Passed::Waits(wait) => {
                healing.deleted |= wait.is_for_the_old();
                healing.idle += 1;
                let patient = healing.idle > PATIENT_AFTER;
                healing.next = now.plus(if patient { LOOK_AGAIN * 10 } else { LOOK_AGAIN });
                self.tell_if_long(id, &wait.to_string(), now, out);
            }
            Passed::Troubled(trouble) => self.troubled(id, &trouble, now, out),
            Passed::Over(end) => {
                self.over(id, &end, now, out);
                // A watch that lags still shows the successor that was withdrawn.
                if let Some(resumed) = self.healing_mut(id) {
                    resumed.next = now.plus(AFTER_AN_END);
                }
            }
        }
        self.pursue(now, out);
    }

    fn troubled(&mut self, id: WorkerId, trouble: &Trouble, now: Moment, out: &mut Vec<Action>) {
        let Some(healing) = self.healing_mut(id) else {
            return;
        };
        healing.idle += 1;
        match trouble {
            Trouble::Conflict(_) => healing.next = now.plus(backoff(healing.idle, LOOK_AGAIN / 4)),
            Trouble::Busy { after, .. } => {
                let wait = backoff(healing.idle, LOOK_AGAIN);
                healing.next =
                    now.plus(after.map_or(wait, |after| after.clamp(wait, LONGEST_WAIT * 6)));
            }
            Trouble::Denied(_) => healing.next = now.plus(AFTER_REFUSAL),
        }
        match trouble {
            Trouble::Denied(why) => self.denied(id, why, now, out),
            Trouble::Conflict(why) | Trouble::Busy { why, .. } => {
                self.tell_if_long(
                    id,
                    &format!("the API server does not do as asked: {why}"),
                    now,
                    out,
                );
            }
        }
    }

    /// The cluster does what it has refused before.
    fn agreed(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(healing) = self.healing_mut(id) else {
            return;
        };
        if !std::mem::take(&mut healing.suspicion.refused) {
            return;
        }
        let suspicion = healing.suspicion.clone();
        if let Some(worker) = self.workers.get(id) {
            out.push(self.to_heal(worker, &suspicion, now));
        }
    }

    /// The cluster refuses. If nothing has been done yet, others have their turn first.
    fn denied(&mut self, id: WorkerId, why: &str, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let Course::Healing(healing) = &worker.course else {
            return;
        };
        if !healing.created
            && (self.is_well_again(id, healing) || self.is_of_another_job(id, healing))
        {
            self.healing.retain(|other| *other != id);
            self.end_trouble(id, Outcome::Recovered, now, out);
            return self.react(id, now, out);
        }
        let mut suspicion = healing.suspicion.clone();
        let begun = healing.created || healing.deleted;
        if !healing.told && !suspicion.refused {
            let why = format!("the cluster refuses, and is asked again: {why}");
            out.push(self.decision(worker, &suspicion, Verdict::Suppress, why, now));
        }
        if begun {
            if let Some(healing) = self.healing_mut(id) {
                healing.told = true;
            }
            return;
        }
        suspicion.not_before = now.plus(AFTER_REFUSAL);
        suspicion.refused = true;
        self.healing.retain(|other| *other != id);
        self.set_course(id, Course::Suspected(Box::new(suspicion)));
        self.suspected.push(id);
        // Another healer may have been luckier, and its successor wait.
        self.resume(id, now, out);
    }

    fn tell_if_long(&mut self, id: WorkerId, what: &str, now: Moment, out: &mut Vec<Action>) {
        let Some(healing) = self.healing_mut(id) else {
            return;
        };
        let taken = now.since(healing.begun);
        if healing.told || taken < LONG {
            return;
        }
        healing.told = true;
        let suspicion = healing.suspicion.clone();
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let why = format!("its replacement has taken {} so far: {what}", spell(taken));
        out.push(self.decision(worker, &suspicion, Verdict::Observe, why, now));
    }

    /// A replacement has ended, one way or another.
    fn over(&mut self, id: WorkerId, end: &End, now: Moment, out: &mut Vec<Action>) {
        self.healing.retain(|other| *other != id);
        let Some(healing) = self.take_healing(id) else {
            return;
        };
        if self.is_moot(id, &healing, end) {
            return self.give_up(id, end, now, out);
        }
        let suspicion = Box::new(healing.suspicion.clone());
        if self.has_passed(id, end) {
            self.suspect_again(id, *suspicion, now);
            return self.resume(id, now, out);
        }
        // Why the worker stays is told before its trouble is: it is how that ends.
        if let Some((verdict, why)) = reason_to_stay(end) {
            self.leave(id, suspicion.clone(), verdict, &why, now, out);
        }
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        let name = worker.name.clone();
        out.push(Action::Ended {
            at: now,
            name,
            outcome: Outcome::Replacement(end.clone()),
        });
        match end {
            // Its first word may have been heard before we knew that it runs.
            End::Released | End::FoundReleased
                if healing.restarted
                    || healing.recovered
                    || (*end == End::FoundReleased && worker.said.phase == Phase::Working) =>
            {
                worker.replace(&healing.replacement.old_uid);
                (worker.said.heard, worker.said.shared_until) = (now, now);
                worker.said.doubt();
                out.push(Action::Ended {
                    at: now,
                    name: worker.name.clone(),
                    outcome: Outcome::Healed,
                });
            }
            End::Released | End::FoundReleased => {
                worker.replace(&healing.replacement.old_uid);
                worker.said = Said::nothing_after_another(now);
                worker.course = Course::Healed;
                if let Some(imagined) = &mut self.imagined {
                    imagined.insert(id, healing.replacement.heals);
                }
            }
            End::Completed => worker.said.phase = Phase::Finished,
            // An error that was reported stands, and is judged anew; who was heard to go on is listened to anew.
            End::Vetoed(Veto::Recovered | Veto::Dark | Veto::Stale)
                if matches!(
                    worker.said.phase,
                    Phase::Working | Phase::Failed | Phase::Interrupted
                ) =>
            {
                worker.said.listen_from(now);
            }
            End::Vetoed(Veto::Restarted)
                if matches!(worker.said.phase, Phase::Working | Phase::Unheard) =>
            {
                worker.jobs.note_running(&healing.replacement.old_uid);
                worker.said.listen_from(now);
            }
            End::Vetoed(Veto::Recovered | Veto::Restarted | Veto::Dark | Veto::Stale) => {
                worker.said = Said::nothing_after_another(now);
            }
            // What a watch that lags still shows of it is not true any more.
            End::Overtaken => {
                worker.jobs.remove(&healing.replacement.old_uid);
                worker.said = Said::nothing_after_another(now);
            }
            End::Gone => worker.jobs.remove(&healing.replacement.old_uid),
            End::Vetoed(Veto::Paused) => {
                worker.course = Course::Suspected(suspicion);
                self.suspected.push(id);
            }
            End::Vetoed(Veto::Stopped) | End::Refused(_) | End::NameTaken => {}
        }
        self.wake_those_who_waited(id, now);
        self.react(id, now, out);
    }

    /// The worker has come back while a pass was under way that ended for another reason, or somebody else has given it another Job.
    fn is_moot(&self, id: WorkerId, healing: &Healing, end: &End) -> bool {
        match end {
            End::Released | End::FoundReleased => false,
            End::Refused(_)
            | End::NameTaken
            | End::Vetoed(Veto::Paused | Veto::Stopped | Veto::Stale) => {
                self.is_well_again(id, healing) || self.is_of_another_job(id, healing)
            }
            End::Completed
            | End::Gone
            | End::Overtaken
            | End::Vetoed(Veto::Recovered | Veto::Restarted | Veto::Dark) => {
                self.is_of_another_job(id, healing)
            }
        }
    }

    fn is_well_again(&self, id: WorkerId, healing: &Healing) -> bool {
        let failed = |worker: &Worker| worker.said.phase == Phase::Failed;
        healing.recovered && !self.workers.get(id).is_some_and(failed)
    }

    /// What was wrong with the Job before has nothing to do with this one.
    fn is_of_another_job(&self, id: WorkerId, healing: &Healing) -> bool {
        let is_another = |job: &Job| job.uid != Uid::of(&healing.replacement.old_uid);
        let worker = self.workers.get(id);
        let job = worker.and_then(|worker| worker.jobs.incumbent().one());
        job.is_some_and(is_another)
    }

    /// What was wrong with the worker's Job counts no more.
    fn give_up(&mut self, id: WorkerId, end: &End, now: Moment, out: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get(id) {
            out.push(Action::Ended {
                at: now,
                name: worker.name.clone(),
                outcome: Outcome::Replacement(end.clone()),
            });
        }
        self.wake_those_who_waited(id, now);
        self.react(id, now, out);
    }

    /// What a pass has read speaks against it, and what has been told since does not any more. Or what was told lags behind.
    fn has_passed(&self, id: WorkerId, end: &End) -> bool {
        let Some(worker) = self.workers.get(id) else {
            return false;
        };
        let Incumbent::One(job) = worker.jobs.incumbent() else {
            return false;
        };
        match end {
            End::Vetoed(Veto::Stopped) => !self.workers.is_stopped(worker),
            End::Refused(refusal) => match refusal {
                Refusal::OptedOut
                | Refusal::ManualSelector
                | Refusal::ManagedBy(_)
                | Refusal::Kueue
                | Refusal::Owned { .. }
                | Refusal::Finalizer(_) => job.refusal().is_none(),
                Refusal::Suspended => job.state != State::Suspended,
                Refusal::NotRunning(_) => job.has_run,
                Refusal::Parallel | Refusal::DryRun | Refusal::Malformed(_) => false,
            },
            End::Released
            | End::FoundReleased
            | End::Completed
            | End::Gone
            | End::Overtaken
            | End::NameTaken
            | End::Vetoed(
                Veto::Recovered | Veto::Restarted | Veto::Dark | Veto::Stale | Veto::Paused,
            ) => false,
        }
    }

    /// It is judged again in a while, by what is known then.
    fn suspect_again(&mut self, id: WorkerId, suspicion: Suspicion, now: Moment) {
        let suspicion = Suspicion {
            since: now,
            not_before: now.plus(AFTER_REFUSAL),
            ..suspicion
        };
        self.set_course(id, Course::Suspected(Box::new(suspicion)));
        self.suspected.push(id);
    }

    fn take_healing(&mut self, id: WorkerId) -> Option<Box<Healing>> {
        let worker = self.workers.get_mut(id)?;
        match std::mem::take(&mut worker.course) {
            Course::Healing(healing) => Some(healing),
            Course::Well | Course::Suspected(_) | Course::Healed | Course::LeftAlone(_) => None,
        }
    }

    fn leave(
        &mut self,
        id: WorkerId,
        suspicion: Box<Suspicion>,
        verdict: Verdict,
        why: &str,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let why = format!("{}, but {why}", suspicion.why);
        out.push(self.decision(worker, &suspicion, verdict, why, now));
        self.set_course(id, Course::LeftAlone(suspicion));
    }

    pub(super) fn healing_mut(&mut self, id: WorkerId) -> Option<&mut Healing> {
        match &mut self.workers.get_mut(id)?.course {
            Course::Healing(healing) => Some(healing),
            Course::Well | Course::Suspected(_) | Course::Healed | Course::LeftAlone(_) => None,
        }
    }

    /// Gives a worker's course another turn, and listens for it again if nothing stands against it.
    pub(super) fn set_course(&mut self, id: WorkerId, course: Course) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.course = course;
        }
        self.schedule(id);
    }
}

impl Healing {
    /// Nothing has been deleted yet, and a word of the worker's would change everything: who can't hear must not act.
    fn rests_on_silence(&self) -> bool {
        !self.deleted && self.suspicion.cause != Cause::Error
    }

    fn advance(&mut self, now: Moment, note: impl FnOnce(&mut Self)) {
        note(self);
        (self.idle, self.next) = (0, now);
    }
}

/// Why a worker is left as it is after all, if that is how its replacement ends.
fn reason_to_stay(end: &End) -> Option<(Verdict, String)> {
    match end {
        End::Refused(refusal) => Some((Verdict::Observe, refusal.to_string())),
        End::Vetoed(veto @ Veto::Stopped) => Some((Verdict::Veto, veto.words().to_owned())),
        End::NameTaken => {
            let why = "another Job has the name that its successor should have";
            Some((Verdict::Suppress, why.to_owned()))
        }
        End::Released
        | End::FoundReleased
        | End::Completed
        | End::Gone
        | End::Overtaken
        | End::Vetoed(
            Veto::Recovered | Veto::Restarted | Veto::Dark | Veto::Stale | Veto::Paused,
        ) => None,
    }
}

/// Doubles with every failure in a row.
fn backoff(failures: u32, first: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}
