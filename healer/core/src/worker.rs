//! What is remembered of one worker: some 290 bytes, and nearly as many for its names and indexes.

use std::mem;

use smallvec::SmallVec;

use crate::{
    Fingerprint, Moment,
    job::{Job, Mark, Name, State, Uid},
    policy::Cause,
    replace::Replacement,
};

/// One worker, whichever Job runs it.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) name: Name,
    /// The queue that it works for, if it was met without one and has been told of it since: its Job may not show it, or its words.
    pub(crate) queue_told: Option<Box<str>>,
    /// Index of its kind in the policy; none if the policy does not name it.
    pub(crate) kind: Option<u16>,
    pub(crate) said: Said,
    pub(crate) jobs: Jobs,
    pub(crate) course: Course,
    /// The Job that counted last: one with another uid is another incarnation.
    pub(crate) seat: Option<Mark>,
    /// The Job that was replaced last, as a pass has seen it: what a watch that lags still says of it is not true any more.
    pub(crate) replaced: Option<Mark>,
    /// When its turn comes next; an entry of the wheel that comes up earlier means nothing.
    pub(crate) timer: Option<Moment>,
}

impl Worker {
    /// The queue that it works for, as far as anybody has told.
    pub(crate) fn queue(&self) -> &str {
        self.queue_told.as_deref().unwrap_or(&self.name.queue)
    }

    /// The Job of that uid is gone, whatever a watch may still say.
    pub(crate) fn replace(&mut self, uid: &str) {
        self.jobs.remove(uid);
        self.replaced = Some(Mark::of_uid(uid));
    }

    /// Something about its Jobs speaks against replacing it, whatever it is in trouble for.
    pub(crate) fn is_barred(&self) -> bool {
        match self.jobs.incumbent() {
            Incumbent::Rivals(..) => true,
            Incumbent::One(job) => job.refusal().is_some(),
            Incumbent::Nobody => false,
        }
    }

    /// It is at work, and nothing stands against it. A Job that it once had must still run.
    pub(crate) fn is_up(&self) -> bool {
        let runs = |job: &Job| job.state == State::Active;
        let has_its_job = self.seat.is_none() || self.jobs.incumbent().one().is_some_and(runs);
        self.said.phase == Phase::Working && matches!(self.course, Course::Well) && has_its_job
    }

    /// Its Job has failed, and it has not said that it is done.
    pub(crate) fn has_failed_for_good(&self) -> bool {
        let failed = |job: &Job| job.state == State::Failed;
        self.said.phase != Phase::Finished && self.jobs.incumbent().one().is_some_and(failed)
    }

    /// Its Job was replaced a moment ago, and the watch has not told of the successor yet.
    pub(crate) fn awaits_news(&self) -> bool {
        self.replaced.is_some() && (self.seat.is_none() || self.seat == self.replaced)
    }
}

/// What the present incarnation has said, or could have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) phase: Phase,
    /// When it was last heard, or began to be listened to; on our clock.
    pub(crate) heard: Moment,
    /// When `records` last grew.
    pub(crate) progressed: Moment,
    pub(crate) records: Option<u64>,
    /// Where its last word stands in the topic.
    pub(crate) place: Option<Place>,
    /// When the last word was written, by a broker's clock; none if by the producer's.
    pub(crate) appended: Option<Moment>,
    /// Words other than `started` may still be its predecessor's, until all that was said before this has been heard.
    pub(crate) settling: Option<Moment>,
    /// It has been listened to since `heard`; otherwise that is when this healer took over.
    pub(crate) heard_since: bool,
    /// A pod of it has begun since its last word: it has the time of one that begins.
    pub(crate) fresh: bool,
    /// When it last said a word, on our clock; none if nobody heard one.
    pub(crate) spoke: Option<Moment>,
    /// When it said its last word, by its own clock, which may be wrong.
    pub(crate) stamp: Option<Moment>,
    /// Until then another incarnation may have spoken as well, and nobody can tell whose bad news it was.
    pub(crate) shared_until: Moment,
    /// The last word was heard as it was said, and not read again later.
    pub(crate) live: bool,
    pub(crate) error: Option<Fingerprint>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Partition of `queue-events`.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Unheard,
    Working,
    Finished,
    Failed,
    Interrupted,
}

impl Said {
    /// Whose its bad news was nobody can tell: it is taken to be at work until it says otherwise, or nothing.
    pub(crate) fn doubt(&mut self) {
        if matches!(self.phase, Phase::Failed | Phase::Interrupted) {
            (self.phase, self.error) = (Phase::Working, None);
        }
    }

    /// All of its time begins now, whenever it began itself.
    pub(crate) fn listen_from(&mut self, now: Moment) {
        (self.heard, self.progressed, self.heard_since) = (now, now, false);
    }

    pub(crate) const fn nothing(since: Moment) -> Self {
        Self {
            phase: Phase::Unheard,
            heard: since,
            progressed: since,
            records: None,
            place: None,
            appended: None,
            settling: None,
            heard_since: true,
            fresh: false,
            spoke: None,
            stamp: None,
            shared_until: Moment::from_unix_ms(0),
            live: false,
            error: None,
        }
    }

    /// Of a worker that has taken the place of another one.
    pub(crate) const fn nothing_after_another(since: Moment) -> Self {
        Self {
            settling: Some(since),
            shared_until: since,
            ..Self::nothing(since)
        }
    }
}

/// How things stand with a worker.
#[derive(Clone, Debug, Default)]
pub(crate) enum Course {
    #[default]
    Well,
    /// There is reason to replace it; nothing has been done.
    Suspected(Box<Suspicion>),
    /// It is being replaced.
    Healing(Box<Healing>),
    /// Its successor runs and has not been heard yet.
    Healed,
    /// There is reason to replace it, and nothing will be done until something changes.
    LeftAlone(Box<Suspicion>),
}

#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) cause: Cause,
    pub(crate) since: Moment,
    pub(crate) why: String,
    pub(crate) error: Option<Fingerprint>,
    /// Why it has to wait, as it was last told.
    pub(crate) told: Option<Hold>,
    /// The cluster refused: not again before then.
    pub(crate) not_before: Moment,
    /// That it refused has been told; until it agrees there is nothing new to tell.
    pub(crate) refused: bool,
}

impl Suspicion {
    pub(crate) const fn new(
        cause: Cause,
        why: String,
        error: Option<Fingerprint>,
        now: Moment,
    ) -> Self {
        Self {
            cause,
            since: now,
            why,
            error,
            told: None,
            not_before: now,
            refused: false,
        }
    }
}

/// Why a replacement has to wait. Each is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Paused,
    Storm,
    Rate,
    InFlight,
    /// Until the wait between attempts has passed.
    Backoff(Moment),
    /// Until its attempts of late are so few that another one is allowed.
    Exhausted(Moment),
}

#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that was seen, and any of them can be true together"
)]
pub(crate) struct Healing {
    pub(crate) suspicion: Suspicion,
    pub(crate) replacement: Replacement,
    /// The successor was created.
    pub(crate) created: bool,
    /// The deletion of the old Job was asked for.
    pub(crate) deleted: bool,
    /// It was taken up from another healer, or an earlier life of this one, and nobody knows whether the worker is still silent.
    pub(crate) doubted: bool,
    /// A pass is under way.
    pub(crate) passing: bool,
    pub(crate) next: Moment,
    /// Passes in a row that changed nothing.
    pub(crate) idle: u32,
    pub(crate) recovered: bool,
    /// Somebody said `started` after the old Job's deletion: the successor.
    pub(crate) restarted: bool,
    pub(crate) begun: Moment,
    /// That it takes long has been told.
    pub(crate) told: bool,
}

impl Healing {
    pub(crate) fn new(suspicion: Suspicion, replacement: Replacement, now: Moment) -> Self {
        Self {
            suspicion,
            replacement,
            created: false,
            deleted: false,
            restarted: false,
            begun: now,
            doubted: false,
            passing: false,
            next: now,
            idle: 0,
            recovered: false,
            told: false,
        }
    }
}

/// The Jobs that claim to be a worker's. Nearly always one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs(SmallVec<[Job; 1]>);

/// Which of a worker's Jobs counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incumbent<'a> {
    Nobody,
    One(&'a Job),
    /// More than one runs, and nobody can say whose words are whose.
    Rivals(&'a Job, &'a Job),
}

/// What has begun with a change of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It runs, and did not before.
    Job,
    /// A pod has failed, and its controller starts another one.
    AnotherPod,
    /// A pod runs and none did.
    Pod,
}

impl Jobs {
    /// Notes a Job as it is now, and says what has begun with that.
    pub(crate) fn put(&mut self, mut job: Job) -> Option<Begun> {
        let runs = job.state == State::Active;
        let Some(known) = self.0.iter_mut().find(|known| known.uid == job.uid) else {
            self.0.push(job);
            return runs.then_some(Begun::Job);
        };
        let failed = known.failures < job.failures;
        let runs_now = job.has_run && !known.has_run;
        // One that is not ready for a while is no other one.
        let goes_on = runs && known.state == State::Active && !failed;
        job.has_run |= known.has_run && goes_on;
        let known = mem::replace(known, job);
        match (runs, known.state == State::Active) {
            (true, false) => Some(Begun::Job),
            (true, true) if failed => Some(Begun::AnotherPod),
            (true, true) if runs_now => Some(Begun::Pod),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, uid: &str) {
        let uid = Uid::of(uid);
        self.0.retain(|job| job.uid != uid);
    }

    /// A Job that does not count any more is still on its way out.
    pub(crate) fn somebody_leaves(&self) -> bool {
        let leaves = |job: &Job| job.state == State::Deleting;
        self.0.len() > 1 && self.0.iter().any(leaves)
    }

    /// A pod of that Job has been seen to run, whatever the Job's status says: it may not be ready.
    pub(crate) fn note_running(&mut self, uid: &str) {
        let uid = Uid::of(uid);
        if let Some(job) = self.0.iter_mut().find(|job| job.uid == uid) {
            job.has_run = true;
        }
    }

    /// There is none beside the one that counts but such as have never run: the last words can't be another one's.
    pub(crate) fn has_one_voice(&self) -> bool {
        let has_run = |job: &&Job| !job.is_waiting_successor();
        self.0.iter().filter(has_run).count() < 2
    }

    /// More than one runs.
    pub(crate) fn are_rivals(&self) -> bool {
        matches!(self.incumbent(), Incumbent::Rivals(..))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The Job that waits to take the worker's place.
    pub(crate) fn waiting_successor(&self) -> Option<&Job> {
        self.0.iter().find(|job| job.is_waiting_successor())
    }

    /// The Job that runs, else the one that was suspended by others, else the one that ended last.
    pub(crate) fn incumbent(&self) -> Incumbent<'_> {
        let mut active = self.0.iter().filter(|job| job.state == State::Active);
        match (active.next(), active.next()) {
            (Some(one), Some(other)) => Incumbent::Rivals(one, other),
            (Some(one), None) => Incumbent::One(one),
            (None, _) => self.at_rest().map_or(Incumbent::Nobody, Incumbent::One),
        }
    }

    fn at_rest(&self) -> Option<&Job> {
        let resting = self.0.iter().filter(|job| !job.is_waiting_successor());
        resting.max_by_key(|job| job.since)
    }
}

impl<'a> Incumbent<'a> {
    pub(crate) const fn one(self) -> Option<&'a Job> {
        match self {
            Self::One(job) => Some(job),
            Self::Nobody | Self::Rivals(..) => None,
        }
    }
}
