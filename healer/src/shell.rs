//! The one thread that decides: it polls Kafka, takes in what the cluster tells, steps the core, and hands out what is to be done.
//!
//! The core has one owner and no locks. Nothing here waits for Kubernetes: passes and Events run as tasks of the runtime beside it and come
//! back as messages.

use std::{
    ops::ControlFlow,
    sync::mpsc::{Receiver, Sender, TryRecvError},
    time::{Duration, Instant},
};

use temper_healer_core::{
    Action, Decision, Event, Healer, Moment, Name, Outcome, Place, Policy, Topic, WorkerId,
    healer::Tally,
    job::Refusal,
    policy::Fencing,
    replace::{self, End, Passed, Replacement, Trouble, Veto},
    telemetry::{Command, Report, Status, Unreadable},
};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    board::{Board, Standing},
    chronicle::Chronicle,
    cluster::{Jobs, Term, Told},
    kafka::{Heard, Record, Stamp, Telemetry},
    metrics::{self, Meters},
};

/// The board and the gauges are written this often.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// What others tell and what Kafka has is looked at by turns, this long at most where there is nothing.
const GLANCE: Duration = Duration::from_millis(10);

/// Proofs of hearing everything come twice a second. When they have not for so long, people are told that nothing is seen: within two seconds, with
/// the time it takes to show it. Nobody is judged on what is not seen in any case.
const SEEN_LATELY: Duration = Duration::from_millis(1500);

/// The clock is looked at once for so many records that come at once: some fifty microseconds' worth.
const RECORDS_A_GLANCE: u32 = 64;

/// A watch that fails is begun again after 30 s at most, and then fails again or does not.
const TROUBLE_REPEATS_WITHIN: Duration = Duration::from_mins(1);

/// So many messages are taken in before Kafka is looked at again.
const MESSAGES_A_TURN: usize = 4096;

/// One that is to act once is given so long at least to begin with that.
const TO_BEGIN: Duration = Duration::from_mins(2);

/// What is to be known of Kafka, and is not.
const BLIND: &str = "not every partition is known to be heard and to be written to";

/// One that was to act once could not.
#[derive(Debug, thiserror::Error)]
#[error("it could not act for {waited} s: {why}")]
pub struct InVain {
    waited: u64,
    why: String,
}

/// What others tell the thread that decides.
#[derive(Debug)]
pub enum Message {
    /// The cluster showed something.
    Told(Told),
    /// A pass has ended.
    Passed(WorkerId, Name, Passed),
    /// Who holds the Lease.
    Term(Term),
    /// Another policy holds from now on.
    Policy(Box<Policy>),
    /// Somebody asks whether a worker is known.
    Known(Subject),
    /// It is time to end.
    Stop,
}

/// Workers that somebody asks about, and where the answer is awaited.
#[derive(Debug)]
pub struct Subject {
    /// Of that queue; of any, without it.
    pub queue: Option<String>,
    /// With that telemetry id; with any, without it.
    pub producer: Option<String>,
    /// Whether there is one.
    pub answer: oneshot::Sender<bool>,
}

/// What the shell is made of.
pub struct Parts {
    /// Rules.
    pub policy: Policy,
    /// Kafka.
    pub telemetry: Telemetry,
    /// Kubernetes.
    pub jobs: Jobs,
    /// Where decisions are written down in the cluster.
    pub chronicle: Chronicle,
    /// Where tasks run.
    pub runtime: Handle,
    /// What others tell.
    pub inbox: Receiver<Message>,
    /// How tasks tell.
    pub outbox: Sender<Message>,
    /// What is counted.
    pub meters: Meters,
    /// What is shown.
    pub board: Board,
    /// Whether Kafka and Kubernetes are there.
    pub ready: temper_ops::http::Readiness,
    /// Our name.
    pub identity: String,
    /// Only this queue's workers are looked at.
    pub queue: Option<String>,
    /// Nothing is changed.
    pub dry_run: bool,
    /// It ends by itself when it has listened for so long and nothing is under way.
    pub once: Option<Duration>,
}

/// The thread that decides.
pub struct Shell<C> {
    parts: Parts,
    clock: C,
    core: Healer,
    standing: Standing,
    shown: Option<Instant>,
    /// When it last could act: when it began, as long as it never could.
    acted: Moment,
    armed_at: Option<Moment>,
    watch: Watch,
    tally: Tally,
}

/// How the watch of Jobs fares.
#[derive(Debug, Default)]
struct Watch {
    listed: bool,
    /// When it last failed, if nothing came since.
    troubled: Option<Instant>,
}

impl<C: Fn() -> Moment> Shell<C> {
    /// A shell that has heard nothing yet.
    pub fn new(parts: Parts, clock: C) -> Self {
        let began = clock();
        let core = Healer::new(parts.policy.clone(), began);
        let standing = Standing {
            identity: parts.identity.clone(),
            dry_run: parts.dry_run,
            ..Standing::default()
        };
        Self {
            parts,
            clock,
            core,
            standing,
            shown: None,
            acted: began,
            armed_at: None,
            watch: Watch::default(),
            tally: Tally::default(),
        }
    }

    /// Decides until it is told to stop, or has done what it was started for, or could not.
    pub fn run(mut self) -> Result<(), InVain> {
        loop {
            if let ControlFlow::Break(end) = self.turn() {
                return end;
            }
        }
    }

    fn turn(&mut self) -> ControlFlow<Result<(), InVain>> {
        self.listen();
        for _ in 0..MESSAGES_A_TURN {
            match self.parts.inbox.try_recv() {
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => {
                    return ControlFlow::Break(Ok(()));
                }
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => break,
            }
        }
        self.step(Event::Tick);
        self.show();
        self.end_of_once()
    }

    fn listen(&mut self) {
        let patience = self.core.patience().min(GLANCE);
        let Self {
            parts, core, clock, ..
        } = self;
        let mut actions = Vec::new();
        let queue = parts.queue.as_deref();
        let (meters, ready) = (&parts.meters, &parts.ready);
        let (mut heard_so_far, mut now) = (0_u32, Moment::default());
        parts.telemetry.poll(patience, &mut |heard| {
            if heard_so_far.is_multiple_of(RECORDS_A_GLANCE) {
                now = clock();
            }
            heard_so_far = heard_so_far.wrapping_add(1);
            if let Some(event) = understand(heard, queue, meters, ready) {
                core.step(event, now, &mut actions);
            }
        });
        self.carry_out(actions);
        self.begin_anew_if_needed();
    }

    /// It does not act any more, for a while or for good.
    fn rests(&mut self) {
        let now = (self.clock)();
        self.armed_at = None;
        self.parts
            .board
            .write(|notes| notes.incidents.hand_over(now));
    }

    /// What is written anew must not be taken for what is said now.
    fn begin_anew_if_needed(&mut self) {
        if !self.parts.telemetry.is_astray() {
            return;
        }
        tracing::warn!("a topic was made anew, or has lost records: everything is read again");
        match self.parts.telemetry.rewind() {
            Ok(()) => {
                self.rests();
                self.step(Event::Rewound);
            }
            Err(error) => tracing::error!(%error, "reading anew"),
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Told(told) => self.told(told),
            Message::Passed(worker, name, passed) => self.passed(worker, &name, passed),
            Message::Term(term) => self.term(term),
            Message::Policy(policy) => self.step(Event::Policy(policy)),
            Message::Known(Subject {
                queue,
                producer,
                answer,
            }) => {
                let known = self.core.knows(queue.as_deref(), producer.as_deref());
                // Whoever asked may have gone.
                answer.send(known).ok();
            }
            Message::Stop => {}
        }
    }

    fn told(&mut self, told: Told) {
        self.watches(&told);
        match told {
            Told::Job(name, _)
                if self
                    .parts
                    .queue
                    .as_deref()
                    .is_some_and(|queue| queue != &*name.queue) => {}
            // It changes nothing, so there is nothing that it could go on with.
            Told::Job(_, job) if self.parts.dry_run && job.is_waiting_successor() => {}
            Told::Job(name, job) => self.step(Event::Job { name, job: *job }),
            Told::Gone(uid) => self.step(Event::JobGone {
                uid: &uid.to_string(),
            }),
            Told::Listed => self.step(Event::JobsListed),
            Told::Nameless(count) => self.parts.meters.nameless(count),
            Told::Trouble(why) => {
                tracing::warn!(why, "watching Jobs");
                self.parts.ready.set("kubernetes", Err(&why));
            }
        }
    }

    /// A watch that has been begun again after trouble does not say so: it tells something, or there is no more trouble.
    fn watches(&mut self, told: &Told) {
        let watch = &mut self.watch;
        match told {
            Told::Trouble(_) => watch.troubled = Some(Instant::now()),
            Told::Listed => (watch.listed, watch.troubled) = (true, None),
            Told::Job(..) | Told::Gone(_) | Told::Nameless(_) => watch.troubled = None,
        }
        self.show_watch();
    }

    fn show_watch(&mut self) {
        let passed = |since: Instant| since.elapsed() > TROUBLE_REPEATS_WITHIN;
        self.watch.troubled = self.watch.troubled.filter(|since| !passed(*since));
        if self.watch.listed && self.watch.troubled.is_none() {
            self.parts.ready.set("kubernetes", Ok(()));
        }
    }

    fn passed(&mut self, worker: WorkerId, name: &Name, passed: Passed) {
        let now = (self.clock)();
        if let Passed::Troubled(trouble) = &passed {
            self.parts.meters.troubled(trouble);
            tracing::warn!(producer = %name.producer, %trouble, "replacing a Job");
        } else {
            tracing::info!(producer = %name.producer, passed = ?passed, "replacing a Job");
        }
        self.parts
            .board
            .write(|notes| notes.incidents.passed(name, &passed, now));
        self.step(Event::Passed { worker, passed });
    }

    fn term(&mut self, term: Term) {
        let leads = term == Term::Held;
        (self.standing.leader, self.standing.leader_pages) = match term {
            Term::Held => (Some(self.parts.identity.clone()), None),
            Term::By { holder, pages } => (Some(holder), pages),
            Term::Unknown(why) => {
                tracing::warn!(why, "nobody can tell who holds the Lease");
                (None, None)
            }
        };
        if leads != self.standing.leads {
            self.standing.leads = leads;
            tracing::info!(leads, "the Lease");
            if !leads {
                self.rests();
            }
            self.step(if leads { Event::Lead } else { Event::Follow });
        }
    }

    fn step(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.core.step(event, (self.clock)(), &mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Look => self.parts.telemetry.look_now(),
                Action::Pass {
                    worker,
                    replacement,
                    veto,
                } => self.begin_pass(worker, *replacement, veto),
                Action::Decide(decision) => self.decided(&decision),
                Action::Resume(decision) => self.resumed(&decision),
                Action::Ended { at, name, outcome } => self.ended(at, &name, &outcome),
                Action::Armed => {
                    self.armed_at = Some((self.clock)());
                    tracing::info!("everything that was said has been heard: this healer acts");
                }
            }
        }
    }

    fn begin_pass(&self, worker: WorkerId, replacement: Replacement, veto: Option<Veto>) {
        let reads_nodes = matches!(replacement.fencing, Fencing::BestEffort(_));
        let jobs = self.parts.jobs.clone().that_reads_nodes(reads_nodes);
        let (outbox, chronicle) = (self.parts.outbox.clone(), self.parts.chronicle.clone());
        let name = &replacement.worker;
        let board = &self.parts.board;
        let evidence = board.read(|notes| notes.incidents.evidence(name));
        let (now, dry_run) = ((self.clock)(), self.parts.dry_run);
        self.parts.runtime.spawn(async move {
            let passed = replace::pass(&jobs, &replacement, veto, now).await;
            let passed = if dry_run { unchanged(passed) } else { passed };
            // Nobody listens any more when the healer ends; another one goes on.
            outbox
                .send(Message::Passed(
                    worker,
                    replacement.worker.clone(),
                    passed.clone(),
                ))
                .ok();
            chronicle
                .passed(&jobs, &replacement, &passed, evidence)
                .await;
        });
    }

    fn decided(&self, decision: &Decision) {
        tracing::info!(
            producer = %decision.producer, queue = %decision.queue_id, job = decision.job.as_deref(),
            decision = decision.decision.word(), cause = decision.cause.word(), why = decision.why,
            "decided"
        );
        self.parts.meters.decided(decision);
        self.parts
            .board
            .write(|notes| notes.incidents.decided(decision));
        self.parts.chronicle.decided(decision, self.parts.dry_run);
    }

    fn resumed(&self, decision: &Decision) {
        tracing::info!(
            producer = %decision.producer, queue = %decision.queue_id, cause = decision.cause.word(), why = decision.why,
            "going on where another healer left it"
        );
        let now = (self.clock)();
        self.parts
            .board
            .write(|notes| notes.incidents.resumed(decision, now));
    }

    fn ended(&self, at: Moment, name: &Name, outcome: &Outcome) {
        tracing::info!(producer = %name.producer, queue = %name.queue, ?outcome, "ended");
        self.parts.meters.ended(outcome);
        let opened = self.parts.board.write(|notes| {
            notes.incidents.ended(name, outcome, at);
            notes.incidents.opened(name)
        });
        if let (Outcome::Replacement(End::Released), Some(opened)) = (outcome, opened) {
            self.parts
                .meters
                .replacement_seconds
                .observe(at.since(opened).as_secs_f64());
        }
    }

    /// Writes the board and the gauges, now and then.
    fn show(&mut self) {
        if self.shown.is_some_and(|shown| shown.elapsed() < SHOW_EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let now = (self.clock)();
        let census = self.core.census();
        let through = self.core.sight().through();
        self.standing.armed = self.core.is_armed();
        self.show_watch();
        let age = through.map(|through| now.since(through));
        self.standing.blind = age.is_none_or(|age| age > SEEN_LATELY);
        self.standing.storm = self.core.storms(now);
        self.standing.dark_partitions = self.core.sight().dark(now, SEEN_LATELY);
        self.standing.sight_age_ms =
            age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        // Being ready is not given up for a hiccup.
        let kafka = if self.core.is_blind(now) {
            Err(BLIND)
        } else {
            Ok(())
        };
        self.parts.ready.set("kafka", kafka);
        let positions: Vec<_> = self.parts.telemetry.positions().collect();
        self.parts.meters.show(&self.standing, &census, &positions);
        let before = std::mem::replace(&mut self.tally, self.core.tally());
        self.parts.meters.tallied(before, self.tally);
        self.parts.board.write(|notes| {
            (notes.as_of, notes.census, notes.positions) = (now, census, positions);
            notes.standing.clone_from(&self.standing);
        });
    }

    fn end_of_once(&mut self) -> ControlFlow<Result<(), InVain>> {
        let Some(listen_for) = self.parts.once else {
            return ControlFlow::Continue(());
        };
        let now = (self.clock)();
        // Only what is seen is listened to.
        let since = self.armed_at.filter(|_| !self.core.is_blind(now));
        let acts_for = since.map(|since| now.since(since.max(self.core.sight().lit_from())));
        if acts_for.is_some() {
            self.acted = now;
        }
        let in_vain_for = now.since(self.acted);
        match once(listen_for, in_vain_for, acts_for, || self.is_idle()) {
            Once::GoesOn => ControlFlow::Continue(()),
            Once::Done => ControlFlow::Break(Ok(())),
            Once::InVain => ControlFlow::Break(Err(InVain {
                waited: in_vain_for.as_secs(),
                why: self.why_it_does_not_act(),
            })),
        }
    }

    /// Nothing is under way, and nothing will be within minutes.
    fn is_idle(&self) -> bool {
        let census = self.core.census();
        census.healing + census.unheard_successors == 0 && census.suspected == census.held
    }

    fn why_it_does_not_act(&self) -> String {
        let standing = &self.standing;
        match &standing.leader {
            _ if standing.leads && standing.blind => BLIND.to_owned(),
            _ if standing.leads => "not everything that was said has been heard".to_owned(),
            Some(leader) => format!("{leader} holds the Lease, and acts"),
            None => "nobody can tell who holds the Lease".to_owned(),
        }
    }
}

/// Whether one that is to act once goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once {
    GoesOn,
    Done,
    InVain,
}

fn once(
    listen_for: Duration,
    in_vain_for: Duration,
    acts_for: Option<Duration>,
    is_idle: impl FnOnce() -> bool,
) -> Once {
    match acts_for {
        None if in_vain_for >= listen_for.max(TO_BEGIN) => Once::InVain,
        Some(acts_for) if acts_for >= listen_for && is_idle() => Once::Done,
        None | Some(_) => Once::GoesOn,
    }
}

/// In a dry run a pass changes nothing, so it has not created what it seems to have created.
fn unchanged(passed: Passed) -> Passed {
    match passed {
        Passed::Troubled(Trouble::Denied(why)) => Passed::Troubled(Trouble::Denied(why)),
        Passed::Over(End::Released) | Passed::Created | Passed::Deleted | Passed::Reprieved => {
            Passed::Over(End::Refused(Refusal::DryRun))
        }
        other => other,
    }
}

/// What was heard, as the core wants to know it.
fn understand<'a>(
    heard: Heard<'a>,
    queue: Option<&str>,
    meters: &Meters,
    ready: &temper_ops::http::Readiness,
) -> Option<Event<'a>> {
    match heard {
        Heard::Record(record) => {
            let topic = name(record.topic);
            let event = read(record, meters).unwrap_or_else(|unreadable| {
                let earlier = meters.unreadable.with([topic, unreadable.label()]).inc();
                say_unreadable(&unreadable, record, earlier);
                None
            });
            event.filter(|event| concerns(event, queue))
        }
        Heard::Partitions { topic, count } => Some(Event::Partitions { topic, count }),
        Heard::Barrier {
            topic,
            partition,
            asked,
            high,
        } => {
            let partition = usize::try_from(partition).ok()?;
            Some(Event::Barrier {
                topic,
                partition,
                asked,
                end: high,
            })
        }
        Heard::Written { partition, since } => Some(Event::Written {
            partition: usize::try_from(partition).ok()?,
            since,
        }),
        Heard::Trouble(trouble) => {
            tracing::warn!(%trouble, "kafka");
            meters.kafka_trouble.with([metrics::kind(&trouble)]).inc();
            ready.set("kafka", Err(&trouble.to_string()));
            None
        }
    }
}

/// What can't be read is told, and ever more rarely when it goes on: the first, the second, the fourth, the eighth time and so on.
fn say_unreadable(unreadable: &Unreadable, record: Record<'_>, earlier: u64) {
    if (earlier + 1).is_power_of_two() {
        tracing::warn!(
            topic = name(record.topic), partition = record.partition, offset = record.offset, %unreadable, times = earlier + 1,
            "passing over a message"
        );
    }
}

fn read<'a>(record: Record<'a>, meters: &Meters) -> Result<Option<Event<'a>>, Unreadable> {
    let payload = record.payload.unwrap_or_default();
    match record.topic {
        Topic::Control => Command::parse(payload).map(|command| Some(Event::Demanded(command))),
        Topic::Events => {
            let report = Report::parse(payload)?;
            meters.reports.with([status(report.status)]).inc();
            let appended = match record.stamp {
                Stamp::Appended(ms) => u64::try_from(ms).ok().map(Moment::from_unix_ms),
                Stamp::Created(_) | Stamp::None => None,
            };
            let place = Place {
                partition: record.partition,
                offset: record.offset,
            };
            Ok(Some(Event::Said {
                report,
                place,
                appended,
            }))
        }
    }
}

/// A sidecar looks at one queue only.
fn concerns(event: &Event<'_>, queue: Option<&str>) -> bool {
    match (event, queue) {
        (Event::Said { report, .. }, Some(queue)) => {
            report.queue.is_empty() || report.queue == queue
        }
        _ => true,
    }
}

const fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Events => "events",
        Topic::Control => "control",
    }
}

const fn status(status: Status) -> &'static str {
    match status {
        Status::Started => "started",
        Status::Loading => "loading",
        Status::Finished => "finished",
        Status::Error => "error",
        Status::Interrupted => "interrupted",
        Status::Pong => "pong",
        Status::Other => "other",
        Status::OfQueue => "of_queue",
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl<C> std::fmt::Debug for Shell<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_acts_once_ends_when_it_has_listened_and_is_idle_or_could_not_begin() {
        let seconds = Duration::from_secs;
        let end = |runs, acts: Option<u64>, idle| {
            once(seconds(60), seconds(runs), acts.map(seconds), || idle)
        };
        assert_eq!(end(59, Some(50), true), Once::GoesOn);
        assert_eq!(end(75, Some(60), true), Once::Done);
        assert_eq!(end(900, Some(890), false), Once::GoesOn);
        assert_eq!(end(119, None, true), Once::GoesOn);
        assert_eq!(end(120, None, true), Once::InVain);
        assert_eq!(
            once(seconds(300), seconds(299), None, || true),
            Once::GoesOn
        );
    }
}
