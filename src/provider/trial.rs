//! One trial: what has to be read for it by now, and what becomes of its measurement.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use temper_go_plugin::hclog;
use temper_judge::window::Window;
use temper_judge::{State, Verdict};
use temper_rollouts::{
    Conclusion, Done, IntOrString, Measurement, Outcome, Redactor, Report, Running, Subject,
};
use temper_sources::recording::Header;
use tokio::time::{Instant, timeout_at};

use super::memory::{Judged, Series, TrialKey};
use super::settings::{Settings, SettingsError};
use super::source::OriginError;
use super::tape::{self, Tape};
use super::timeline::{Timeline, anchor, later};
use super::{chain, report};

/// So many intervals are read at once when some were missed. What was read is kept if the time is up before the rest.
const BATCH: usize = 20;
/// After so long a source that is down is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// One trial: how a metric is to be judged in one run, and what the controller wants to know of it now.
pub(super) struct Trial {
    /// Namespace and name of the `AnalysisRun`.
    run: String,
    pub(super) key: TrialKey,
    settings: Settings,
    timeline: Timeline,
    /// The file in which to keep what is judged.
    recording: Option<PathBuf>,
    mode: Mode,
    now: Timestamp,
    /// For what did not pass through the contract's own yet, and for what it can't know.
    redactor: Redactor,
}

/// When to answer while nothing is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not before it is decided.
    Watch,
    /// Now, if there was anything to look at.
    Look,
}

/// Why a trial does not know all that there is to know by now.
#[derive(Clone, Debug)]
pub(super) enum Hindrance {
    /// There is much to read, and it goes on.
    Behind,
    /// The source does not answer.
    Down(String),
    /// The source answers what can't be judged, and will go on to do so.
    Wrong(String),
}

/// Where a trial stands after the intervals that could be read.
pub(super) struct Standing {
    pub(super) verdict: Verdict,
    read: u32,
    hindrance: Option<Hindrance>,
}

impl Standing {
    pub(super) fn of(trial: &Trial, judged: Option<&Judged>, hindrance: Option<Hindrance>) -> Self {
        let (verdict, read) = match judged {
            Some(judged) => (judged.verdict.clone(), judged.read),
            None => (Judged::new(&trial.settings.policy).verdict, 0),
        };
        Self {
            verdict,
            read,
            hindrance,
        }
    }
}

impl Trial {
    pub(super) fn of(
        subject: &Subject,
        in_flight: Option<&Measurement>,
    ) -> Result<Self, SettingsError> {
        let metric = &subject.metric;
        let settings = Settings::of(metric)?;
        let delay = metric.initial_delay.duration()?.unwrap_or_default();
        let timeline = Timeline {
            anchor: anchor(subject, in_flight, delay),
            step: settings.policy.step,
            looks: settings.policy.looks(),
            settle: settings.settle,
        };
        let meta = &subject.analysis_run.object_meta;
        let key = TrialKey {
            run: meta.uid.clone(),
            metric: metric.name.clone(),
            configuration: metric.provider.plugin.values().flatten().copied().collect(),
            anchor: timeline.anchor,
        };
        let redactor = Redactor::of(&subject.analysis_run).and(settings.secrets.iter().cloned());
        let run = format!("{}/{}", meta.namespace, meta.name);
        let folder = settings.record.as_deref();
        let recording =
            folder.map(|folder| tape::path(folder, &meta.namespace, &meta.name, &metric.name));
        Ok(Self {
            run,
            key,
            settings,
            timeline,
            recording,
            mode: Mode::of(subject),
            now: subject.now,
            redactor,
        })
    }

    /// Reads the frozen intervals that are not in memory yet, in their order, as long as there is time.
    pub(super) async fn read(
        &self,
        series: &mut Series,
        asked: Instant,
        within: Duration,
    ) -> Option<Hindrance> {
        if let Some((_, hindrance)) = series.failed.as_ref().filter(|(when, _)| *when >= asked) {
            return Some(hindrance.clone());
        }
        let before = series.read();
        let hindrance = match timeout_at(asked + within, self.read_all(series)).await {
            Ok(Ok(())) => return None,
            Err(_) if series.read() > before => return Some(Hindrance::Behind),
            Err(_) => Hindrance::Down(format!("no answer within {within:?}")),
            Ok(Err(error)) if error.is_transient() => Hindrance::Down(chain(&error)),
            Ok(Err(error)) => Hindrance::Wrong(chain(&error)),
        };
        series.failed = Some((Instant::now(), hindrance.clone()));
        Some(hindrance)
    }

    async fn read_all(&self, series: &mut Series) -> Result<(), OriginError> {
        let frozen = self.timeline.frozen(self.now);
        for first in (series.read().saturating_add(1)..=frozen).step_by(BATCH) {
            let source = series.source(&self.settings.origin)?;
            let boundaries: Vec<_> = self
                .timeline
                .boundaries(first, frozen)
                .take(BATCH + 1)
                .collect();
            let windows = source.windows(first, &boundaries).await?;
            series.observe(&self.settings.policy, &windows);
            self.record(&mut series.tape, &windows);
        }
        Ok(())
    }

    /// Keeps the windows, if that is wanted. The verdict does not depend on whether it succeeds.
    fn record(&self, tape: &mut Tape, windows: &[Window]) {
        let Some(path) = &self.recording else {
            return;
        };
        let header = |bounds| Header {
            start: self.timeline.anchor,
            step: self.timeline.step,
            bounds,
        };
        if let Err(error) = tape.record(path, header, windows) {
            let path = path.display();
            let message =
                format!("recording what is judged to {path}: {error}; it goes on unrecorded");
            self.log(hclog::Level::Warn, &message);
        }
    }

    pub(super) fn outcome(&self, standing: &Standing) -> Outcome {
        let verdict = &standing.verdict;
        match verdict.state {
            State::Pass => self.done(Conclusion::Successful, verdict).into(),
            State::Fail => self.done(Conclusion::Failed, verdict).into(),
            State::Inconclusive => self.done(Conclusion::Inconclusive, verdict).into(),
            State::Watching => self.undecided(standing),
        }
    }

    fn undecided(
        &self,
        Standing {
            verdict,
            read,
            hindrance,
        }: &Standing,
    ) -> Outcome {
        let next = self.timeline.due(read.saturating_add(1));
        match hindrance {
            Some(Hindrance::Down(why)) => self.down(verdict, next, why),
            Some(Hindrance::Wrong(why)) => self.error(
                verdict,
                &format!("reading {}: {why}", self.settings.origin.kind()),
            ),
            Some(Hindrance::Behind) => self
                .running(self.now, verdict, "reading what was missed")
                .into(),
            None if self.mode == Mode::Look && *read > 0 => {
                self.done(Conclusion::Successful, verdict).into()
            }
            None => self.running(next, verdict, &verdict.reason).into(),
        }
    }

    /// A source that is down delays a verdict: what it missed is read later. Only when the next interval has been due for
    /// longer than one has patience, the measurement gives up, and the controller decides how often it tries again.
    fn down(&self, verdict: &Verdict, due: Timestamp, why: &str) -> Outcome {
        let (source, patience) = (self.settings.origin.kind(), self.settings.patience);
        if self.now > later(due, patience) {
            let message =
                format!("waiting for {source} for longer than {patience:?} (`patience`): {why}");
            return self.error(verdict, &message);
        }
        let message = format!("waiting for {source}, nothing is decided meanwhile: {why}");
        self.log(hclog::Level::Warn, &message);
        self.running(later(self.now, RETRY), verdict, &message)
            .into()
    }

    fn error(&self, verdict: &Verdict, message: &str) -> Outcome {
        self.log(hclog::Level::Error, message);
        Done {
            conclusion: Conclusion::Error,
            report: self.report(verdict, message),
        }
        .into()
    }

    fn running(&self, resume_at: Timestamp, verdict: &Verdict, message: &str) -> Running {
        Running {
            resume_at,
            report: self.report(verdict, message),
        }
    }

    pub(super) fn done(&self, conclusion: Conclusion, verdict: &Verdict) -> Done {
        if verdict.state != State::Watching {
            self.log(hclog::Level::Info, &verdict.reason);
        }
        Done {
            conclusion,
            report: self.report(verdict, &verdict.reason),
        }
    }

    fn report(&self, verdict: &Verdict, message: &str) -> Report {
        let Report {
            value,
            message,
            metadata,
        } = report::of(verdict, self.timeline.anchor, message);
        let clean = |(key, value): (String, String)| (key, self.redactor.redact(&value));
        let metadata = metadata.into_iter().map(clean).collect();
        Report {
            value,
            message: self.redactor.redact(&message),
            metadata,
        }
    }

    fn log(&self, level: hclog::Level, message: &str) {
        let (run, metric) = (&self.run, &self.key.metric);
        hclog::write(
            level,
            &self.redactor.redact(message),
            &[("run", run), ("metric", metric)],
        );
    }
}

impl Mode {
    fn of(subject: &Subject) -> Self {
        let metric = &subject.metric;
        let taken = subject
            .analysis_run
            .result_of(&metric.name)
            .map_or(0, |result| result.count);
        let count = metric
            .count
            .as_ref()
            .and_then(IntOrString::number)
            .filter(|count| *count > 0);
        let is_last = count.is_some_and(|count| taken.saturating_add(1) >= count);
        if metric.interval.0.is_empty() || is_last {
            Self::Watch
        } else {
            Self::Look
        }
    }
}
