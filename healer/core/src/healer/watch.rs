//! What the cluster shows of workers' Jobs.

use std::time::Duration;

use super::{Action, Healer, Outcome, Role};
use crate::{
    Fingerprint, Moment,
    job::{Job, Mark, Name, State},
    policy::Cause,
    worker::{Begun, Course, Incumbent, Phase, Said, Worker},
    workers::WorkerId,
};

/// Pods may outlive a Job that was deleted by others: for as long as they are given to end, which is 30 s unless somebody changes it.
const LAST_WORDS: Duration = Duration::from_secs(45);

impl Healer {
    /// A Job is there, or has changed.
    pub(super) fn job(&mut self, name: Name, job: Job, now: Moment, out: &mut Vec<Action>) {
        let mark = job.uid.mark();
        let owner = self.workers.owner(mark);
        let known = owner.or_else(|| self.workers.find(&name.queue, &name.producer));
        if let Some(id) = known {
            self.workers.adopt_queue(id, &name.queue);
        }
        let id = known.unwrap_or_else(|| self.meet(name, now));
        self.workers.own(mark, id);
        let was_up = self.workers.get(id).is_some_and(Worker::is_up);
        if let Some(worker) = self.workers.get_mut(id)
            && worker.replaced != Some(mark)
        {
            let (barred, had_rivals) = (worker.is_barred(), worker.jobs.are_rivals());
            let begun = worker.jobs.put(job);
            let freed = barred && !worker.is_barred();
            if had_rivals && !worker.jobs.are_rivals() {
                worker.said.shared_until = now.plus(LAST_WORDS);
            }
            // Until it ran it had nothing to say.
            if worker.said.phase != Phase::Finished {
                if begun.is_some() {
                    (worker.said.heard, worker.said.progressed) = (now, now);
                } else if freed {
                    worker.said.listen_from(now);
                }
            }
            worker.said.fresh |= matches!(begun, Some(Begun::Job | Begun::AnotherPod));
            match begun {
                None if freed => self.meet_again(id, now, out),
                None => {}
                Some(Begun::Job) => self.meet_again(id, now, out),
                Some(Begun::AnotherPod | Begun::Pod) => self.restarted(id, now, out),
            }
        }
        self.seat_changed(id, now, out);
        self.react(id, now, out);
        if !was_up {
            self.wake_those_who_waited(id, now);
        }
    }

    /// Its Job has another pod made, which was not the one that was silent.
    fn restarted(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let rests_on_silence = |cause| cause != Cause::Error;
        // That a successor's pod runs is no word of its, unless none is expected.
        if !self.is_awaited(id) {
            self.clear(id, false, rests_on_silence, now, out);
        }
        self.meet_again(id, now, out);
    }

    /// A Job is there no more.
    pub(super) fn job_gone(&mut self, uid: &str, now: Moment, out: &mut Vec<Action>) {
        let Some(id) = self.workers.owner(Mark::of_uid(uid)) else {
            return;
        };
        let barred = self.workers.get(id).is_some_and(Worker::is_barred);
        self.workers.disown(uid);
        if barred
            && self
                .workers
                .get(id)
                .is_some_and(|worker| !worker.is_barred())
        {
            self.listen_anew(id, now);
            self.meet_again(id, now, out);
        }
        if let Some(healing) = self.healing_mut(id)
            && *healing.replacement.old_uid == *uid
        {
            healing.next = now;
        }
        let gone = Some(Mark::of_uid(uid));
        if let Some(worker) = self.workers.get_mut(id) {
            if worker.seat != gone {
                worker.said.shared_until = now.plus(LAST_WORDS);
            }
            // A successor that was never seen to run is waited for no longer.
            if worker.awaits_news() && worker.replaced != gone && worker.jobs.is_empty() {
                worker.seat = gone;
            }
        }
        self.seat_changed(id, now, out);
        self.react(id, now, out);
    }

    /// Another Job than before may count now, and with it another incarnation of the worker speaks.
    fn seat_changed(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        let Incumbent::One(job) = worker.jobs.incumbent() else {
            return;
        };
        let (uid, ours) = (job.uid.mark(), job.replaces().is_some());
        if worker.seat == Some(uid) {
            return;
        }
        let expected = job
            .replaces()
            .is_some_and(|replaces| Some(Mark::of_uid(&replaces.uid)) == worker.replaced);
        match worker.seat.replace(uid) {
            _ if expected => return,
            // Bad news from before we knew of the Job may be another one's.
            None => {
                worker.said.shared_until = now;
                self.meet_again(id, now, out);
                return;
            }
            Some(_) => {}
        }
        // Its `started` may have been heard before we were told of its Job.
        if worker.said.phase == Phase::Working {
            worker.said.heard = now;
        } else {
            worker.said = Said::nothing_after_another(now);
        }
        // One of ours has begun when its predecessor had ended; whose words those are that others' Jobs say, nobody knows for a while.
        let overlap = if ours { Duration::ZERO } else { LAST_WORDS };
        worker.said.shared_until = now.plus(overlap);
        if matches!(worker.course, Course::Suspected(_) | Course::LeftAlone(_)) {
            self.end_trouble(id, Outcome::Anew, now, out);
        }
    }

    /// Nothing stands against it any more.
    pub(super) fn end_trouble(
        &mut self,
        id: WorkerId,
        outcome: Outcome,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let name = worker.name.clone();
        self.set_course(id, Course::Well);
        out.push(Action::Ended {
            at: now,
            name,
            outcome,
        });
    }

    /// One that was left alone as it was begins anew: it is taken to be at work until it says otherwise.
    pub(super) fn meet_again(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        if !matches!(worker.course, Course::LeftAlone(_)) {
            return;
        }
        worker.said.doubt();
        self.end_trouble(id, Outcome::Anew, now, out);
    }

    /// What follows from a worker's Jobs.
    pub(super) fn react(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let imagines_jobs = self.imagines_jobs();
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        let incumbent = worker.jobs.incumbent().one();
        let failure = incumbent
            .filter(|job| job.state == State::Failed)
            .map(failure);
        let complete = incumbent.is_some_and(|job| job.state == State::Complete);
        let waiting = worker.jobs.waiting_successor().is_some();
        let vacant =
            worker.jobs.incumbent() == Incumbent::Nobody && !imagines_jobs && !worker.awaits_news();
        let ends_trouble = matches!(
            worker.course,
            Course::Suspected(_) | Course::LeftAlone(_) | Course::Healed
        );
        if complete {
            worker.said.phase = Phase::Finished;
        }
        if (complete || vacant) && ends_trouble {
            let outcome = if complete {
                Outcome::Recovered
            } else {
                Outcome::Vanished
            };
            self.end_trouble(id, outcome, now, out);
        }
        if self.role == Role::Armed {
            if waiting {
                self.resume(id, now, out);
            } else if let Some(why) = failure {
                self.job_failed(id, why, now, out);
            }
        }
        self.schedule(id);
    }

    /// The Job has failed for good: no pod of its will say so.
    fn job_failed(&mut self, id: WorkerId, why: String, now: Moment, out: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get_mut(id)
            && worker.has_failed_for_good()
        {
            // One that fails without a word fails for the same reason again.
            worker
                .said
                .error
                .get_or_insert_with(|| Fingerprint::of(&why));
            self.suspect(id, Cause::Error, why, now, out);
        }
    }
}

fn failure(job: &Job) -> String {
    let reason = job
        .notes
        .as_ref()
        .and_then(|notes| notes.failure.as_deref());
    format!("its Job failed ({})", reason.unwrap_or("no reason given"))
}
