//! What workers say, and what people demand.

use super::{Action, Healer, Outcome, Role};
use crate::{
    Fingerprint, Moment,
    decision::Verdict,
    job::Name,
    policy::Cause,
    telemetry::{Command, Demand, Report, Status, target},
    worker::{Course, Phase, Place, Said, Suspicion, Worker},
    workers::WorkerId,
};

/// What a word means for the course of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It may be the predecessor's, or says nothing new.
    Nothing,
    /// A new run has begun, or the work is done: whatever it was, it is over.
    Over,
    /// It goes on. Has it got further?
    GoesOn {
        further: bool,
    },
    Failed,
    Interrupted,
}

impl Healer {
    pub(super) fn hear(
        &mut self,
        report: &Report<'_>,
        place: Place,
        appended: Option<Moment>,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        self.tally.stamps_in_ms += u64::from(report.stamp_in_ms);
        let id = self.known_or_new(report, now);
        let circumstances = Circumstances {
            alone: !self
                .workers
                .get(id)
                .is_some_and(|worker| worker.jobs.somebody_leaves()),
            now,
            settled: self.sight.events_through(),
            long_ago: now.minus(self.policy.sight.recovery_grace.duration()),
            // Whoever did nothing about an error learns from what follows that it was survived.
            graceful: self.grants_grace(id) || self.role != Role::Armed,
        };
        let caught_up = self.sight.caught_up();
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        let was_up = worker.is_up();
        let before = worker.said.phase;
        let meaning = understand(&mut worker.said, report, &circumstances);
        if meaning == Meaning::Nothing {
            self.tally.stale += u64::from(!matches!(report.status, Status::Pong | Status::OfQueue));
            return;
        }
        let live = caught_up && !worker.jobs.is_empty();
        let said = &mut worker.said;
        (said.heard, said.place, said.fresh) = (now, Some(place), false);
        (said.spoke, said.stamp) = (Some(now), report.stamp);
        // Whose failure it is does not follow from whose words came after it.
        if !(before == Phase::Failed && said.phase == Phase::Failed) {
            (said.appended, said.live) = (appended, live);
        }
        said.heard_since = true;
        let (changed, timeless) = (said.phase != before, worker.timer.is_none());
        if changed || timeless {
            self.schedule(id);
        }
        self.follow_up(id, meaning, report, now, out);
        if !was_up {
            self.wake_those_who_waited(id, now);
        }
    }

    fn known_or_new(&mut self, report: &Report<'_>, now: Moment) -> WorkerId {
        if let Some(id) = self.workers.find(&report.queue, &report.producer) {
            self.workers.adopt_queue(id, &report.queue);
            return id;
        }
        let name = Name {
            queue: (&*report.queue).into(),
            producer: (&*report.producer).into(),
        };
        self.meet(name, now)
    }

    /// Remembers a worker that is not known yet.
    pub(super) fn meet(&mut self, name: Name, now: Moment) -> WorkerId {
        let kind = self.policy.kind(target(&name.producer));
        let kind = kind.and_then(|index| u16::try_from(index).ok());
        self.workers.add(name, kind, now)
    }

    fn follow_up(
        &mut self,
        id: WorkerId,
        meaning: Meaning,
        report: &Report<'_>,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        if self.role != Role::Armed {
            return;
        }
        match meaning {
            Meaning::Nothing => {}
            Meaning::Over => self.clear(id, report.status == Status::Started, |_| true, now, out),
            Meaning::GoesOn { further } => {
                let graceful = self.grants_grace(id);
                let clears = |cause| match cause {
                    Cause::Silent | Cause::Interrupted => true,
                    Cause::Stalled => further,
                    Cause::Error => graceful,
                };
                self.clear(id, false, clears, now, out);
            }
            Meaning::Failed => self.failed(id, report.message.as_deref(), now, out),
            Meaning::Interrupted => self.interrupted(id, now, out),
        }
    }

    fn grants_grace(&self, id: WorkerId) -> bool {
        let kind = self.workers.get(id).and_then(|worker| self.kind(worker));
        kind.is_some_and(|kind| !kind.error_grace.duration().is_zero())
    }

    /// The worker has been heard to be well: what stood against it for such a cause falls.
    pub(super) fn clear(
        &mut self,
        id: WorkerId,
        begins: bool,
        clears: impl Fn(Cause) -> bool,
        now: Moment,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get_mut(id) else {
            return;
        };
        // Whatever is heard late of a Job that has failed for good: it has no pods any more, and makes none.
        let over = worker.has_failed_for_good();
        let outcome = match &mut worker.course {
            Course::Healed => Outcome::Healed,
            Course::Suspected(suspicion) | Course::LeftAlone(suspicion)
                if !over && clears(suspicion.cause) =>
            {
                Outcome::Recovered
            }
            Course::Healing(healing) => {
                // After the deletion it is the successor that speaks.
                if healing.deleted {
                    healing.restarted |= begins;
                } else {
                    healing.recovered |= !over && clears(healing.suspicion.cause);
                }
                return;
            }
            Course::Well | Course::Suspected(_) | Course::LeftAlone(_) => return,
        };
        self.end_trouble(id, outcome, now, out);
    }

    fn failed(&mut self, id: WorkerId, message: Option<&str>, now: Moment, out: &mut Vec<Action>) {
        let grace = self.workers.get(id).and_then(|worker| self.kind(worker));
        if grace.is_some_and(|kind| !kind.error_grace.duration().is_zero()) {
            return; // The deadline says when it has had its time.
        }
        let why = told(message);
        self.suspect(id, Cause::Error, why, now, out);
    }

    fn interrupted(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        if matches!(worker.course, Course::Well | Course::Healed) && self.workers.is_stopped(worker)
        {
            self.veto(id, Cause::Interrupted, now, out);
        }
    }

    fn veto(&mut self, id: WorkerId, cause: Cause, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let why = "its queue was stopped on queue-control: it is meant to end".to_owned();
        let suspicion = Suspicion::new(cause, why.clone(), None, now);
        out.push(self.decision(worker, &suspicion, Verdict::Veto, why, now));
        self.set_course(id, Course::LeftAlone(Box::new(suspicion)));
        self.told_that_it_stays(id, now, out);
    }

    /// Whoever is left alone is no trouble any more, as far as anybody does something about it.
    pub(super) fn told_that_it_stays(&self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        if let Some(worker) = self.workers.get(id) {
            out.push(Action::Ended {
                at: now,
                name: worker.name.clone(),
                outcome: Outcome::LeftAlone,
            });
        }
    }

    /// What people demand of a queue.
    pub(super) fn obey(&mut self, command: &Command<'_>, now: Moment, out: &mut Vec<Action>) {
        // One partition has its own order.
        let has_order = self.sight.caught_up() || self.sight.counts().1 < 2;
        let at = command.stamp.filter(|_| !has_order);
        match command.demand {
            Demand::Other => {}
            Demand::Start => {
                self.workers.demand(&command.queue, false, at);
                self.meet_again_those_of(&command.queue, now, out);
            }
            Demand::Stop => {
                self.workers.demand(&command.queue, true, at);
                self.veto_interrupted(&command.queue, now, out);
            }
        }
    }

    /// Those who obeyed before we heard the demand.
    fn veto_interrupted(&mut self, queue: &str, now: Moment, out: &mut Vec<Action>) {
        if self.role != Role::Armed {
            return;
        }
        let obeyed = |worker: &Worker| {
            worker.said.phase == Phase::Interrupted && matches!(worker.course, Course::Well)
        };
        for id in self.workers.ids_of_queue(queue, obeyed) {
            self.veto(id, Cause::Interrupted, now, out);
        }
    }

    /// Those who were left alone because their queue was stopped are to work again.
    fn meet_again_those_of(&mut self, queue: &str, now: Moment, out: &mut Vec<Action>) {
        let left_alone = |worker: &Worker| matches!(worker.course, Course::LeftAlone(_));
        for id in self.workers.ids_of_queue(queue, left_alone) {
            self.listen_anew(id, now);
            self.meet_again(id, now, out);
            self.react(id, now, out);
        }
    }
}

/// What one must know to understand a word.
struct Circumstances {
    now: Moment,
    /// All that was said before has been heard.
    settled: Option<Moment>,
    /// No other incarnation is on its way out.
    alone: bool,
    /// A last word from before then can't be one that overtook this one.
    long_ago: Moment,
    /// After an error the worker may go on by itself.
    graceful: bool,
}

/// Takes a word into what a worker has said.
fn understand(said: &mut Said, report: &Report<'_>, circumstances: &Circumstances) -> Meaning {
    let settled = circumstances.settled;
    let unsettled = said
        .settling
        .is_some_and(|since| settled.is_none_or(|settled| settled < since));
    let shared = !circumstances.alone || settled.is_none_or(|settled| settled < said.shared_until);
    match report.status {
        Status::OfQueue => Meaning::Nothing,
        Status::Started => {
            (said.settling, said.phase, said.error) = (None, Phase::Working, None);
            (said.records, said.progressed) = (report.records, circumstances.now);
            Meaning::Over
        }
        _ if unsettled => Meaning::Nothing,
        Status::Pong if said.phase == Phase::Working => Meaning::GoesOn { further: false },
        Status::Pong => Meaning::Nothing,
        // Whatever it is, it is said by one that is alive.
        Status::Other if !matches!(said.phase, Phase::Unheard | Phase::Working) => Meaning::Nothing,
        Status::Loading | Status::Other => go_on(said, report, circumstances),
        // After a predecessor only `started` or `loading` show that the successor speaks.
        _ if said.settling.is_some() || shared => Meaning::Nothing,
        Status::Finished => {
            said.phase = Phase::Finished;
            Meaning::Over
        }
        Status::Error => {
            said.phase = Phase::Failed;
            said.error = report.message.as_deref().map(Fingerprint::of);
            Meaning::Failed
        }
        Status::Interrupted if said.phase == Phase::Failed => Meaning::Nothing,
        Status::Interrupted => {
            said.phase = Phase::Interrupted;
            Meaning::Interrupted
        }
    }
}

fn go_on(said: &mut Said, report: &Report<'_>, circumstances: &Circumstances) -> Meaning {
    // A word that was overtaken by `finished` on another partition is no new beginning.
    if said.phase == Phase::Finished && said.heard > circumstances.long_ago {
        return Meaning::Nothing;
    }
    // A count that is lower than the one before is of another run, whose beginning was not heard or heard too early.
    let further = report.records.is_some() && report.records != said.records;
    if further || said.phase != Phase::Working {
        said.progressed = circumstances.now;
    }
    said.records = report.records.or(said.records);
    said.settling = None;
    if said.phase != Phase::Failed || circumstances.graceful {
        said.phase = Phase::Working;
    }
    Meaning::GoesOn { further }
}

/// The worker's own words for its error, at a length that an annotation bears.
fn told(message: Option<&str>) -> String {
    match message {
        Some(message) if !message.trim().is_empty() => {
            let beginning: String = message.trim().chars().take(300).collect();
            format!("it reported an error: {beginning}")
        }
        _ => "it reported an error, and not which".to_owned(),
    }
}
