//! Who acts, and from when: nobody acts on what he has not heard to the end.

use std::time::Duration;

use super::{Action, Healer, Outcome, Role};
use crate::{
    Moment,
    job::Job,
    policy::{Cause, Policy},
    sight::Sight,
    telemetry::target,
    worker::{Course, Phase, Worker},
    workers::WorkerId,
};

impl Healer {
    /// This healer is to act, as soon as it has heard all that was said until now.
    pub(super) fn lead(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.role == Role::Standby {
            self.role = Role::Arming(now);
            out.push(Action::Look);
        }
    }

    /// Another one is to act. What is under way is left to it.
    pub(super) fn follow(&mut self, now: Moment) {
        self.role = Role::Standby;
        self.suspected.clear();
        self.healing.clear();
        for id in self.workers.ids() {
            self.listen_from(id, now);
        }
    }

    /// Everything will be said again.
    pub(super) fn rewound(&mut self, now: Moment) {
        let (events, control) = self.sight.counts();
        self.sight = Sight::new(self.policy.patience(), now);
        self.sight.partitions(crate::sight::Topic::Events, events);
        self.sight.partitions(crate::sight::Topic::Control, control);
        if self.role != Role::Standby {
            self.follow(now);
            self.role = Role::Arming(now);
        }
    }

    /// Other rules hold from now on.
    pub(super) fn adopt(&mut self, policy: Policy, now: Moment, out: &mut Vec<Action>) {
        self.sight.set_patience(policy.patience());
        self.policy = policy;
        for id in self.workers.ids() {
            let Some(worker) = self.workers.get_mut(id) else {
                continue;
            };
            let kind = self.policy.kind(target(&worker.name.producer));
            worker.kind = kind.and_then(|index| u16::try_from(index).ok());
            if matches!(worker.course, Course::LeftAlone(_)) {
                worker.said.listen_from(now);
                self.end_trouble(id, Outcome::Anew, now, out);
            }
            self.react(id, now, out);
        }
    }

    pub(super) fn arm_when_ready(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Role::Arming(since) = self.role else {
            return;
        };
        let heard = |through: Option<Moment>| through.is_some_and(|through| through >= since);
        if self.jobs_listed
            && heard(self.sight.control_through())
            && heard(self.sight.events_through())
        {
            self.role = Role::Armed;
            self.sight.begin_at(now);
            out.push(Action::Armed);
            for id in self.workers.ids() {
                self.take_over(id, now, out);
            }
        }
    }

    /// Begins to be responsible for a worker. Every deadline begins now: what was heard again says nothing about when it was said.
    fn take_over(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else {
            return;
        };
        let lately = now.since(worker.said.heard.min(worker.said.appended.unwrap_or(now))) < LATELY;
        // Whoever heard it as it was said has heard since then that the worker has not come back.
        let failed = worker.said.phase == Phase::Failed && (lately || worker.said.live);
        let sure = is_of_its_job(worker) && worker.jobs.has_one_voice();
        self.listen_from(id, now);
        if failed && sure {
            self.suspect(
                id,
                Cause::Error,
                "it had reported an error when this healer took over".to_owned(),
                now,
                out,
            );
        } else if let Some(worker) = self.workers.get_mut(id)
            && worker.said.phase != Phase::Unheard
            && !(worker.said.phase == Phase::Finished && said_of_its_job(worker))
            && (!sure || worker.said.phase == Phase::Failed)
        {
            // Nobody can tell which incarnation these words were of: this one is taken to be at work until it is silent.
            worker.said.phase = Phase::Working;
        }
        self.react(id, now, out);
    }

    fn listen_from(&mut self, id: WorkerId, now: Moment) {
        if let Some(worker) = self.workers.get_mut(id) {
            worker.said.listen_from(now);
        }
        self.set_course(id, Course::Well);
    }
}

/// An error of before then that is read again was somebody else's to heal, and its worker may have come back since, unheard.
const LATELY: Duration = Duration::from_mins(1);

/// The clocks of brokers and API servers are kept by the platform, and may still differ by so much.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);

/// Whether a worker's last word is its present Job's by its own clock. That is not enough to replace anybody, and enough not to.
fn said_of_its_job(worker: &Worker) -> bool {
    let since = worker.jobs.incumbent().one().map(|job| job.since);
    since.is_some_and(|since| worker.said.stamp.is_some_and(|stamp| stamp > since))
}

/// Whether a worker's last word is its present Job's: it was heard as it was said while the Job was known, or a broker
/// wrote it down after the Job began.
fn is_of_its_job(worker: &Worker) -> bool {
    let since = worker.jobs.incumbent().one().map(|job: &Job| job.since);
    let appended_since = |since: Moment| {
        worker
            .said
            .appended
            .is_some_and(|appended| appended > since.plus(CLOCKS_DIFFER_BY))
    };
    worker.said.live || since.is_some_and(appended_since)
}
