//! The judge as a metric provider: Argo's calls in, windows read, verdicts out.
//!
//! A verdict is a function of the metric, the run's creation and the frozen intervals since then, which are read
//! anew whenever they are not in memory. So it does not matter how often, when and by which process one is asked.
//!
//! Argo has two ways to ask. *Watch*: a metric without `interval` is one measurement, which runs until the trial is decided. *Look*:
//! a metric with `interval` is measured again and again; each measurement is a look at everything since the start and
//! succeeds as long as no harm is proven. The last one of `count` looks runs on until the trial is decided.

pub(crate) mod settings;
pub(crate) mod timeline;
pub(crate) mod source;
mod recording;
mod tape;
mod memory;
mod report;
mod trial;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use temper_judge::State;
use temper_rollouts::{Conclusion, Done, Measurement, Metric, MetricProvider, Outcome, Subject};
use tokio::time::{Instant, timeout_at};

use self::memory::Memory;
use self::settings::Settings;
use self::trial::{Hindrance, Standing, Trial};

/// The most time that one call spends on reading. It is below the deadline of a call, so that a source that hangs makes
/// for a measurement that goes on, not for an error.
const READING_TIME: Duration = Duration::from_secs(10);
/// The same for a measurement that is terminated: its rollout goes another way already, and waits for us only.
const READING_TIME_AT_THE_END: Duration = Duration::from_secs(2);

/// The judge behind the plugin.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    memory: Memory,
}

impl MetricProvider for Judge {
    /// Nothing is built before it is needed: the controller waits.
    async fn init(&self) -> Result<(), String> {
        Ok(())
    }

    async fn run(&self, subject: &Subject) -> Outcome {
        self.measure(subject, None).await
    }

    async fn resume(&self, subject: &Subject, in_flight: &Measurement) -> Outcome {
        self.measure(subject, Some(in_flight)).await
    }

    async fn terminate(&self, subject: &Subject, in_flight: &Measurement) -> Done {
        match Trial::of(subject, Some(in_flight)) {
            Ok(trial) => self.terminated(&trial).await,
            Err(error) => Done::error(chain(&error)),
        }
    }

    /// Old measurements hold nothing of ours.
    async fn garbage_collect(&self, _: &Subject, _: i64) {}

    fn kind(&self) -> &'static str {
        "Temper"
    }

    async fn metadata(&self, metric: &Metric) -> BTreeMap<String, String> {
        Settings::of(metric)
            .map(|settings| report::configured(&settings))
            .unwrap_or_default()
    }
}

impl Judge {
    async fn measure(&self, subject: &Subject, in_flight: Option<&Measurement>) -> Outcome {
        let trial = match Trial::of(subject, in_flight) {
            Ok(trial) => trial,
            Err(error) => return Done::error(chain(&error)).into(),
        };
        let standing = self.standing(&trial, READING_TIME).await;
        if standing.verdict.state != State::Watching {
            self.memory.forget(&trial.key);
        }
        trial.outcome(&standing)
    }

    /// The analysis ends for another reason. Harm that is proven is said; without it, this is no verdict, and nothing
    /// that would hold up a rollout.
    async fn terminated(&self, trial: &Trial) -> Done {
        let Standing { verdict, .. } = self.standing(trial, READING_TIME_AT_THE_END).await;
        self.memory.forget(&trial.key);
        match verdict.state {
            State::Fail => trial.done(Conclusion::Failed, &verdict),
            State::Pass | State::Inconclusive | State::Watching => {
                trial.done(Conclusion::Successful, &verdict)
            }
        }
    }

    /// Reads what there is to read by now, and judges it.
    async fn standing(&self, trial: &Trial, within: Duration) -> Standing {
        let asked = Instant::now();
        let series = self.memory.series(&trial.key);
        let Ok(mut series) = timeout_at(asked + within, series.lock()).await else {
            return Standing::of(trial, None, Some(Hindrance::Behind));
        };
        let hindrance = trial.read(&mut series, asked, within).await;
        Standing::of(trial, series.judged.as_ref(), hindrance)
    }
}

/// An error and what it comes from, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |&error| error.source())
        .fold(error.to_string(), |text, error| format!("{text}: {error}"))
}
