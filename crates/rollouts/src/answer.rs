//! Asks the provider, and makes of what it says what the controller relies on.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use temper_gob::Time;
use tokio::time::timeout;

use crate::bounds::{MESSAGE_BYTES, VALUE_BYTES, cut, cut_entries};
use crate::{
    Call, Collection, Continuation, Done, Measurement, Metric, MetricProvider, Outcome, Phase,
    Redactor, Reply, Report, Running, Subject,
};

/// On what terms a provider is asked.
pub struct Terms {
    /// The longest that a call may take. The controller sets no limit, and a call that hangs freezes its whole
    /// analysis.
    pub deadline: Duration,
    /// Tells the time.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Terms {
    /// The time by the system's clock, and 20 s for a call: less than the 30 s that a pod has to end, since a
    /// plugin that is to quit waits for its calls.
    pub fn new() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            clock: Box::new(Timestamp::now),
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Answers a call, in time, whatever the provider does.
///
/// Should the provider panic or take too long, a measurement ends with an error, after which the controller tries
/// again; what asks for no measurement gets an empty answer.
pub async fn answer<P: MetricProvider>(provider: &P, call: Call, terms: &Terms) -> Reply {
    match call {
        Call::Init => Reply::RpcError {
            error: init(provider, terms).await,
        },
        Call::Run(subject) => run(provider, *subject, terms).await,
        Call::Resume(continuation) => resume(provider, *continuation, terms).await,
        Call::Terminate(continuation) => terminate(provider, *continuation, terms).await,
        Call::GarbageCollect(collection) => garbage_collect(provider, *collection, terms).await,
        Call::Type => Reply::Text(provider.kind().to_owned()),
        Call::GetMetadata(metric) => metadata(provider, &metric, terms).await,
    }
}

async fn init<P: MetricProvider>(provider: &P, terms: &Terms) -> String {
    let done = bounded(provider.init(), terms).await;
    done.map_or_else(|failure| failure, |done| done.err().unwrap_or_default())
}

async fn run<P: MetricProvider>(provider: &P, mut subject: Subject, terms: &Terms) -> Reply {
    subject.now = (terms.clock)();
    let frame = Frame::new(&subject, Measurement::default());
    let outcome = bounded(provider.run(&subject), terms).await;
    frame.fill(outcome.unwrap_or_else(failed), (terms.clock)())
}

async fn resume<P: MetricProvider>(
    provider: &P,
    continuation: Continuation,
    terms: &Terms,
) -> Reply {
    let (mut subject, in_flight) = continuation.split();
    subject.now = (terms.clock)();
    let outcome = bounded(provider.resume(&subject, &in_flight), terms).await;
    Frame::new(&subject, in_flight).fill(outcome.unwrap_or_else(failed), (terms.clock)())
}

async fn terminate<P: MetricProvider>(
    provider: &P,
    continuation: Continuation,
    terms: &Terms,
) -> Reply {
    let (mut subject, in_flight) = continuation.split();
    subject.now = (terms.clock)();
    let done = bounded(provider.terminate(&subject, &in_flight), terms).await;
    let outcome = done.map_or_else(failed, Outcome::Done);
    Frame::new(&subject, in_flight).fill(outcome, (terms.clock)())
}

/// A failure would make the controller keep all measurements from then on, until the run can't be stored.
async fn garbage_collect<P: MetricProvider>(
    provider: &P,
    collection: Collection,
    terms: &Terms,
) -> Reply {
    let Collection {
        analysis_run,
        metric,
        limit,
    } = collection;
    let subject = Subject {
        analysis_run,
        metric,
        now: (terms.clock)(),
    };
    bounded(provider.garbage_collect(&subject, limit), terms)
        .await
        .ok();
    Reply::RpcError {
        error: String::new(),
    }
}

async fn metadata<P: MetricProvider>(provider: &P, metric: &Metric, terms: &Terms) -> Reply {
    let shown = bounded(provider.metadata(metric), terms).await;
    Reply::Map(cut_entries(shown.unwrap_or_default()))
}

/// What the future comes to, or why it came to nothing.
async fn bounded<T>(future: impl Future<Output = T>, terms: &Terms) -> Result<T, String> {
    let answered = timeout(terms.deadline, unpanicked(future)).await;
    answered.unwrap_or_else(|_| {
        Err(format!(
            "asking the metric provider: no answer within {:?}",
            terms.deadline
        ))
    })
}

/// The panic of one call must neither end the calls beside it nor take what is known of the measurement with it.
async fn unpanicked<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or_else(
            |_| {
                Poll::Ready(Err(
                    "asking the metric provider: it panicked, which is a bug; its log says where"
                        .to_owned(),
                ))
            },
            |polled| polled.map(Ok),
        )
    })
    .await
}

fn failed(message: String) -> Outcome {
    Done::error(message).into()
}

/// What of a measurement does not depend on its outcome.
struct Frame {
    redactor: Redactor,
    started_at: Time,
    metadata: BTreeMap<String, String>,
}

impl Frame {
    fn new(subject: &Subject, in_flight: Measurement) -> Self {
        let started = in_flight
            .started_at
            .filter(|start| *start != Time::default());
        Self {
            redactor: Redactor::of(&subject.analysis_run),
            started_at: started.map_or_else(|| time(subject.now), in_utc),
            metadata: in_flight.metadata,
        }
    }

    fn fill(self, outcome: Outcome, now: Timestamp) -> Reply {
        let measurement = match outcome {
            Outcome::Running(Running { resume_at, report }) => Measurement {
                phase: Phase::Running,
                resume_at: Some(whole_second(resume_at, now)),
                ..self.with(report)
            },
            Outcome::Done(Done { conclusion, report }) => Measurement {
                phase: conclusion.into(),
                finished_at: Some(time(now)),
                ..self.with(report)
            },
        };
        Reply::Measurement(Box::new(measurement))
    }

    /// Redacts before it cuts: the rest of a secret that was cut through would not be recognised.
    fn with(self, report: Report) -> Measurement {
        let Self {
            redactor,
            started_at,
            mut metadata,
        } = self;
        let clean =
            |(key, value): (String, String)| (redactor.redact(&key), redactor.redact(&value));
        metadata.extend(cut_entries(
            report.metadata.into_iter().map(clean).collect(),
        ));
        Measurement {
            message: cut(redactor.redact(&report.message), MESSAGE_BYTES),
            value: cut(redactor.redact(&report.value), VALUE_BYTES),
            started_at: Some(started_at),
            metadata: metadata.into_iter().map(clean).collect(),
            ..Measurement::default()
        }
    }
}

/// The same instant in UTC: some of the offsets that one can receive can't be sent.
fn in_utc(time: Time) -> Time {
    Time::utc(time.unix_seconds, time.nanos)
}

fn time(at: Timestamp) -> Time {
    Time::utc(at.as_second(), at.subsec_nanosecond().unsigned_abs())
}

/// The first whole second that is neither before `at` nor before the second after `now`.
///
/// The controller stores whole seconds: a fraction would be cut off, and we be asked too early, again and again.
fn whole_second(at: Timestamp, now: Timestamp) -> Time {
    let second = if at.subsec_nanosecond() > 0 {
        at.as_second().saturating_add(1)
    } else {
        at.as_second()
    };
    Time::utc(second.max(now.as_second().saturating_add(1)), 0)
}
