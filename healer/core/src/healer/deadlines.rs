//! Deadlines, all on observable time.

use super::{Action, Healer, Role, spell};
use crate::{
    Moment,
    job::{Job, Notes},
    policy::{Cause, Glob, Kind, Span},
    telemetry::target,
    worker::{Course, Phase, Worker},
    workers::WorkerId,
};

/// When a worker's patience with us, so to speak, ends.
struct Alarm {
    due: Moment,
    cause: Cause,
    /// What it has failed to do, and for how long it might have.
    why: &'static str,
    deadline: Span,
}

impl Healer {
    /// Lets the worker come up when its next deadline is due.
    pub(super) fn schedule(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let Some(alarm) = self.alarm(worker) else {
            return;
        };
        let turn = self.wheel.turn(alarm.due);
        if worker.timer.is_some_and(|timer| timer <= turn) {
            return;
        }
        if let Some(worker) = self.workers.get_mut(id) {
            worker.timer = Some(turn);
            self.wheel.set(turn, id);
        }
    }

    /// Suspects those whose deadline has passed in observable time.
    pub(super) fn ring(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(through) = self.sight.through() else {
            return;
        };
        let mut due = Vec::new();
        self.wheel.due(through, &mut due);
        for id in due {
            let Some(worker) = self.workers.get_mut(id) else {
                continue;
            };
            // One that has been given another turn since is not up yet.
            if worker.timer.is_some_and(|timer| timer <= through) {
                worker.timer = None;
                self.come_up(id, through, now, out);
            }
        }
    }

    fn come_up(&mut self, id: WorkerId, through: Moment, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        match self.alarm(worker) {
            Some(alarm) if alarm.due <= through && self.role == Role::Armed => {
                if self.has_nothing_to_do(worker, alarm.cause) {
                    self.listen_anew(id, now);
                } else {
                    let why = self.reason(&alarm, through);
                    self.suspect(id, alarm.cause, why, now, out);
                }
            }
            _ => self.schedule(id),
        }
    }

    fn reason(&self, alarm: &Alarm, through: Moment) -> String {
        let deadline = alarm.deadline.duration();
        let time = if deadline.is_zero() {
            String::new()
        } else {
            format!(" for {}", spell(deadline))
        };
        format!(
            "it {}{time} (everything said up to {through} was heard, without a gap since {})",
            alarm.why,
            self.sight.lit_from(),
        )
    }

    /// The worker's time begins anew.
    pub(super) fn listen_anew(&mut self, id: WorkerId, now: Moment) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.said.listen_from(now);
        }
        self.schedule(id);
    }

    /// It waits for others of its queue, none of which is at work.
    fn has_nothing_to_do(&self, worker: &Worker, cause: Cause) -> bool {
        let waits = matches!(cause, Cause::Silent | Cause::Stalled);
        let Some(upstream) = self.upstream(worker).filter(|_| waits) else {
            return false;
        };
        let mut others = self.workers.of_queue(worker.queue());
        !others.any(|other| other.is_up() && is_one(other, upstream))
    }

    /// If this worker is at work again, those who waited for it and nobody else have all of their time from now on.
    pub(super) fn wake_those_who_waited(&mut self, id: WorkerId, now: Moment) {
        let Some(worker) = self.workers.get(id).filter(|worker| worker.is_up()) else {
            return;
        };
        let queue = || self.workers.of_queue(worker.queue());
        let alone = |upstream: &Glob| {
            let mut others = queue().filter(|other| other.name != worker.name);
            !others.any(|other| other.is_up() && is_one(other, upstream))
        };
        let waited = |kind: &Kind| {
            let upstream = kind.upstream.as_ref();
            upstream.is_some_and(|upstream| is_one(worker, upstream) && alone(upstream))
        };
        let kinds: Vec<_> = self.policy.kinds.iter().map(waited).collect();
        if !kinds.contains(&true) {
            return;
        }
        let waited = |other: &Worker| {
            let listened_for = matches!(other.said.phase, Phase::Working | Phase::Unheard);
            let kind = other.kind.filter(|_| listened_for).map(usize::from);
            kind.and_then(|kind| kinds.get(kind)) == Some(&true)
        };
        for id in self.workers.ids_of_queue(worker.queue(), waited) {
            self.listen_anew(id, now);
        }
    }

    fn upstream(&self, worker: &Worker) -> Option<&Glob> {
        self.kind(worker)?.upstream.as_ref()
    }

    /// How long a worker may take to be heard at all. One whose first word may have been missed is perhaps at work for long, and speaks
    /// as rarely as that.
    fn first_word(&self, deadlines: &Deadlines<'_>, worker: &Worker) -> Option<Span> {
        let first = deadlines.first_word(worker)?;
        let missed = deadlines.silent.filter(|_| !self.was_audible(worker));
        Some(first.max(missed.unwrap_or(first)))
    }

    /// It is a successor that is to be heard within some time.
    pub(super) fn is_awaited(&self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(id) else {
            return false;
        };
        let deadlines = self
            .kind(worker)
            .map(|kind| Deadlines::of(kind, worker.jobs.incumbent().one()));
        let expected = deadlines.and_then(|deadlines| deadlines.first_word(worker));
        matches!(worker.course, Course::Healed) && expected.is_some()
    }

    /// Nothing that it said since its last word, or its beginning, can have been lost.
    const fn was_audible(&self, worker: &Worker) -> bool {
        let gap_since = self.sight.lit_from().since(worker.said.heard);
        worker.said.heard_since && gap_since.is_zero()
    }

    /// The next deadline of a worker that nothing stands against, or nothing that its kind is healed of.
    fn alarm(&self, worker: &Worker) -> Option<Alarm> {
        if !self.is_at_work(worker) {
            return None;
        }
        let kind = self.kind(worker)?;
        let counts = |alarm: &Alarm| match &worker.course {
            Course::Well | Course::Healed => true,
            Course::LeftAlone(known) => {
                !kind.heal.contains(&known.cause) && kind.heal.contains(&alarm.cause)
            }
            Course::Suspected(_) | Course::Healing(_) => false,
        };
        let alarms = self.alarms(worker, kind).into_iter().flatten();
        alarms.filter(counts).min_by_key(|alarm| alarm.due)
    }

    /// The deadlines of a worker that may pass next.
    fn alarms(&self, worker: &Worker, kind: &Kind) -> [Option<Alarm>; 2] {
        let deadlines = Deadlines::of(kind, worker.jobs.incumbent().one());
        let said = &worker.said;
        let alarm = |since: Moment, deadline: Span, cause, why| Alarm {
            due: since.max(self.sight.lit_from()).plus(deadline.duration()),
            cause,
            why,
            deadline,
        };
        let alarm_of_phase = match said.phase {
            Phase::Finished => None,
            // What an imagined successor would have said nobody can know.
            Phase::Unheard if self.imagines_jobs() => None,
            // One that is not heard regularly may have spoken while nobody could hear it, and will not say it again.
            Phase::Unheard | Phase::Interrupted
                if deadlines.silent.is_none() && !self.was_audible(worker) =>
            {
                None
            }
            Phase::Unheard => self.first_word(&deadlines, worker).map(|deadline| {
                // After another one its bad news may have been that one's.
                let why = if said.settling.is_some() {
                    "has not been heard to begin, and might have"
                } else {
                    "has not said a word since it began, and might have"
                };
                alarm(said.heard, deadline, Cause::Silent, why)
            }),
            Phase::Failed => {
                let grace = deadlines.kind.error_grace;
                Some(alarm(
                    said.heard,
                    grace,
                    Cause::Error,
                    "reported an error and did not go on",
                ))
            }
            Phase::Interrupted => {
                let deadline = deadlines.kind.interrupted_deadline;
                let first = deadlines.start.filter(|_| said.fresh);
                let deadline = deadline.max(first.unwrap_or(deadline));
                Some(alarm(
                    said.heard,
                    deadline,
                    Cause::Interrupted,
                    "was interrupted though nobody demanded it, and did not come back",
                ))
            }
            Phase::Working => deadlines.silent.map(|silent| {
                // A pod that has just begun first has to find its words.
                let first = deadlines.start.filter(|_| said.fresh);
                let deadline = silent.max(first.unwrap_or(silent));
                alarm(said.heard, deadline, Cause::Silent, "said nothing")
            }),
        };
        let stall = kind.stall_deadline.filter(|_| said.records.is_some());
        let stalled = stall
            .filter(|_| said.phase == Phase::Working)
            .map(|deadline| {
                let why = "wrote no more records";
                alarm(said.progressed, deadline, Cause::Stalled, why)
            });
        [alarm_of_phase, stalled]
    }
}

fn is_one(worker: &Worker, of: &Glob) -> bool {
    of.fits(target(&worker.name.producer))
}

/// The deadlines of a kind, with those that people set on the Job.
struct Deadlines<'a> {
    kind: &'a Kind,
    start: Option<Span>,
    silent: Option<Span>,
}

impl<'a> Deadlines<'a> {
    fn of(kind: &'a Kind, job: Option<&Job>) -> Self {
        let notes = job.and_then(|job| job.notes.as_deref());
        let set = |note: fn(&Notes) -> Option<Span>| notes.and_then(note);
        Self {
            kind,
            start: set(|notes| notes.start_deadline).or(kind.start_deadline),
            silent: set(|notes| notes.silent_deadline).or(kind.silent_deadline),
        }
    }

    /// A successor is listened for in any case; another worker only if the policy says how long it may take.
    fn first_word(&self, worker: &Worker) -> Option<Span> {
        match worker.course {
            Course::Healed => self.start.or(self.silent),
            Course::Well | Course::Suspected(_) | Course::Healing(_) | Course::LeftAlone(_) => {
                self.start
            }
        }
    }
}
