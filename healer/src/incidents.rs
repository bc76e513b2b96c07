//! What happened to which worker, why, on what evidence, and how it ended.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;
use temper_healer_core::{
    Decision, Moment, Name, Outcome, Verdict,
    decision::Evidence,
    policy::Cause,
    replace::{End, Passed},
};

/// So many are remembered; older ones are in the log and in Events.
const REMEMBERED: usize = 1000;

/// So many steps of one are remembered.
const STEPS: usize = 50;

/// A worker's trouble, from the first decision about it to its end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its number since this healer started, from 1.
    pub id: u64,
    /// The name that tells its worker from others.
    #[serde(skip)]
    pub worker: Name,
    /// Which queue.
    pub queue_id: Box<str>,
    /// Which worker.
    pub producer: Box<str>,
    /// Its Job when it began.
    pub job: Option<Box<str>>,
    /// What was wrong.
    pub cause: Cause,
    /// What a replacement was begun for, if one was.
    pub replaced_for: Option<Cause>,
    /// The last decision.
    pub decision: Verdict,
    /// The grounds of it, in a sentence.
    pub why: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// When it began.
    pub opened_at: Moment,
    /// When it ended.
    pub closed_at: Option<Moment>,
    /// How it ended, in words.
    pub outcome: Option<&'static str>,
    /// What was done.
    pub steps: Vec<Step>,
}

/// Something that was done.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// When.
    pub at: Moment,
    /// What.
    pub what: String,
}

/// The incidents that are remembered, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    all: VecDeque<Incident>,
    open: HashMap<Name, u64>,
    last: u64,
}

impl Incidents {
    /// Notes a decision: it opens an incident, or goes on with the one that is open.
    pub fn decided(&mut self, decision: &Decision) {
        let name = &decision.worker;
        if !self.open.contains_key(name) {
            self.open(decision);
        }
        let Some(incident) = self.of(name) else {
            return;
        };
        incident.queue_id.clone_from(&decision.queue_id);
        incident.decision = decision.decision;
        incident.cause = decision.cause;
        if decision.decision == Verdict::Heal {
            incident.replaced_for.get_or_insert(decision.cause);
        }
        incident.why.clone_from(&decision.why);
        incident.evidence = decision.evidence;
        incident.step(
            decision.at,
            format!("{}: {}", decision.decision.word(), decision.why),
        );
        let is_left_alone = matches!(decision.decision, Verdict::Observe | Verdict::Veto);
        if is_left_alone && incident.replaced_for.is_none() && incident.steps.len() == 1 {
            self.close(name, decision.at, "left alone");
        }
    }

    /// Notes what another healer decided and began, and this one goes on with.
    pub fn resumed(&mut self, decision: &Decision, now: Moment) {
        self.decided(decision);
        self.note(
            &decision.worker,
            now,
            "taken up where another healer left it",
        );
    }

    /// Notes that this healer acts no more: whatever is under way is another one's, and how it ends is not seen here.
    pub fn hand_over(&mut self, at: Moment) {
        for name in self.open.keys().cloned().collect::<Vec<_>>() {
            self.close(&name, at, "left to whoever acts now");
        }
    }

    /// Notes what a pass came to.
    pub fn passed(&mut self, name: &Name, passed: &Passed, at: Moment) {
        if let Some(incident) = self.of(name) {
            incident.step(at, spoken(passed));
        }
    }

    /// Notes how a worker's trouble ended. A successor that runs must still be heard.
    pub fn ended(&mut self, name: &Name, outcome: &Outcome, at: Moment) {
        let how = match outcome {
            Outcome::Replacement(End::Released | End::FoundReleased) => {
                return self.note(name, at, "the successor runs, and is listened to");
            }
            Outcome::Healed => "healed: the successor was heard",
            Outcome::Recovered => "it went on by itself",
            Outcome::Doubted => "nobody could be heard for a while, so it is listened to anew",
            Outcome::Anew => "it is looked at anew, because things have changed",
            Outcome::Vanished => "its Job is gone: deleted by people, or for its age",
            Outcome::LeftAlone | Outcome::Replacement(End::Refused(_) | End::NameTaken) => {
                "left alone"
            }
            Outcome::Replacement(End::Completed) => "its Job had succeeded by then",
            Outcome::Replacement(End::Gone) => "somebody else deleted its Job",
            Outcome::Replacement(End::Overtaken) => "somebody else replaced its Job",
            Outcome::Replacement(End::Vetoed(veto)) => veto.words(),
        };
        self.close(name, at, how);
    }

    /// When the worker's last incident began.
    pub fn opened(&self, name: &Name) -> Option<Moment> {
        let mut of_worker = self.newest_first();
        let last = of_worker.find(|incident| incident.worker == *name)?;
        Some(last.opened_at)
    }

    /// What the last decision about a worker's open incident rests on.
    pub fn evidence(&self, name: &Name) -> Option<Evidence> {
        let id = *self.open.get(name)?;
        let incident = self.all.get(self.index(id)?)?;
        Some(incident.evidence)
    }

    /// All that are remembered, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Incident> {
        self.all.iter().rev()
    }

    /// How many have not ended.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    fn open(&mut self, decision: &Decision) {
        self.last += 1;
        self.open.insert(decision.worker.clone(), self.last);
        self.all.push_back(Incident {
            id: self.last,
            worker: decision.worker.clone(),
            queue_id: decision.queue_id.clone(),
            producer: decision.producer.clone(),
            job: decision.job.clone(),
            cause: decision.cause,
            replaced_for: None,
            decision: decision.decision,
            why: decision.why.clone(),
            evidence: decision.evidence,
            opened_at: decision.at,
            closed_at: None,
            outcome: None,
            steps: Vec::new(),
        });
        if self.all.len() > REMEMBERED
            && let Some(forgotten) = self.all.pop_front()
        {
            self.open.retain(|_, id| *id != forgotten.id);
        }
    }

    fn note(&mut self, name: &Name, at: Moment, what: &str) {
        if let Some(incident) = self.of(name) {
            incident.step(at, what.to_owned());
        }
    }

    fn close(&mut self, name: &Name, at: Moment, how: &'static str) {
        if let Some(incident) = self.of(name) {
            incident.closed_at = Some(at);
            incident.outcome = Some(how);
        }
        self.open.remove(name);
    }

    fn of(&mut self, name: &Name) -> Option<&mut Incident> {
        let id = *self.open.get(name)?;
        let index = self.index(id)?;
        self.all.get_mut(index)
    }

    fn index(&self, id: u64) -> Option<usize> {
        let first = self.all.front()?.id;
        usize::try_from(id.checked_sub(first)?).ok()
    }
}

impl Incident {
    fn step(&mut self, at: Moment, what: String) {
        let repeated = self.steps.last().is_some_and(|last| last.what == what);
        if !repeated && self.steps.len() < STEPS {
            self.steps.push(Step { at, what });
        }
    }
}

fn spoken(passed: &Passed) -> String {
    match passed {
        Passed::Created => "created the successor, suspended".to_owned(),
        Passed::Deleted => "deleted the old Job, which goes when its pods have gone".to_owned(),
        Passed::Reprieved => "noted on the old Job that it stays".to_owned(),
        Passed::Waits(wait) => format!("waits: {wait}"),
        Passed::Troubled(trouble) => format!("the API server did not do as asked: {trouble}"),
        Passed::Over(End::Released) => "released the successor".to_owned(),
        Passed::Over(End::FoundReleased) => "found the successor released".to_owned(),
        Passed::Over(_) => "ended".to_owned(),
    }
}
