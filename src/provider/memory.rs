//! What was read and judged before: intervals are frozen, so they need not be read again.
//!
//! A pure cache. What is forgotten is read again, and the verdict is the same.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use temper_judge::window::Window;
use temper_judge::{Judge, Policy, Verdict};
use tokio::time::Instant;

use super::source::{Origin, OriginError, Source};
use super::tape::Tape;
use super::trial::Hindrance;

/// A trial of a large service keeps some 20 KB an interval and has some sixty: this is below a hundred megabytes, and a
/// controller rarely analyses more at a time.
const MOST_TRIALS: usize = 64;

/// What makes two measurements parts of the same trial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TrialKey {
    /// UID of the `AnalysisRun`.
    pub(crate) run: String,
    /// Name of the metric.
    pub(crate) metric: String,
    /// Its configuration: whoever edits it asks for another trial.
    pub(crate) configuration: Vec<u8>,
    pub(crate) anchor: Timestamp,
}

/// The trials in memory, the most recently used ones.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Trials>);

#[derive(Debug, Default)]
struct Trials {
    uses: u64,
    all: BTreeMap<TrialKey, Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    used: u64,
    series: Arc<tokio::sync::Mutex<Series>>,
}

/// What was read for one trial. Who reads holds its lock, so that nobody reads the same at the same time.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Built at the first look.
    source: Option<Arc<Source>>,
    /// What the windows of looks 1, 2, 3 and so on came to; nothing before the first.
    pub(crate) judged: Option<Judged>,
    /// Where these windows are kept, if somebody wants it.
    pub(crate) tape: Tape,
    /// When reading failed last, and why: who waited for it meanwhile need not try again.
    pub(crate) failed: Option<(Instant, Hindrance)>,
}

/// A judge with the windows it has seen, and its verdict on them.
#[derive(Debug)]
pub(crate) struct Judged {
    judge: Judge,
    /// How many windows it has seen.
    pub(crate) read: u32,
    pub(crate) verdict: Verdict,
}

impl Judged {
    /// A judge that has seen nothing.
    pub(crate) fn new(policy: &Policy) -> Self {
        let judge = Judge::new(policy.clone());
        Self {
            verdict: judge.verdict(),
            judge,
            read: 0,
        }
    }

    fn observe(&mut self, windows: &[Window]) {
        for window in windows {
            self.judge.observe(window);
            self.read = self.read.saturating_add(1);
        }
        self.verdict = self.judge.verdict();
    }
}

impl Series {
    /// The number of windows read so far.
    pub(crate) fn read(&self) -> u32 {
        self.judged.as_ref().map_or(0, |judged| judged.read)
    }

    /// Takes in the next windows.
    pub(crate) fn observe(&mut self, policy: &Policy, windows: &[Window]) {
        self.judged
            .get_or_insert_with(|| Judged::new(policy))
            .observe(windows);
    }

    /// The source of the trial.
    pub(crate) fn source(&mut self, origin: &Origin) -> Result<Arc<Source>, OriginError> {
        if let Some(source) = &self.source {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(Source::open(origin)?);
        self.source = Some(Arc::clone(&source));
        Ok(source)
    }
}

impl Memory {
    /// What is known of a trial; empty for a new one.
    pub(crate) fn series(&self, key: &TrialKey) -> Arc<tokio::sync::Mutex<Series>> {
        let mut tests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tests.uses += 1;
        let now = tests.uses;
        let remembered = tests.all.entry(key.clone()).or_default();
        remembered.used = now;
        let series = Arc::clone(&remembered.series);
        if tests.all.len() > MOST_TRIALS {
            tests.forget_the_oldest();
        }
        series
    }

    /// Forgets a trial that is over.
    pub(crate) fn forget(&self, key: &TrialKey) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all
            .remove(key);
    }
}

impl Trials {
    fn forget_the_oldest(&mut self) {
        let oldest = self
            .all
            .iter()
            .min_by_key(|(_, test)| test.used)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(run: usize) -> TrialKey {
        TrialKey {
            run: run.to_string(),
            metric: String::new(),
            configuration: Vec::new(),
            anchor: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_was_used_last() {
        let memory = Memory::default();
        let first = memory.series(&key(0));
        for run in 1..=MOST_TRIALS {
            memory.series(&key(1));
            memory.series(&key(run));
        }
        assert_eq!(memory.0.lock().unwrap().all.len(), MOST_TRIALS);
        assert!(
            !Arc::ptr_eq(&first, &memory.series(&key(0))),
            "the oldest was forgotten"
        );
    }

    #[test]
    fn a_trial_is_the_same_until_it_is_forgotten() {
        let memory = Memory::default();
        let series = memory.series(&key(7));
        assert!(Arc::ptr_eq(&series, &memory.series(&key(7))));
        memory.forget(&key(7));
        assert!(!Arc::ptr_eq(&series, &memory.series(&key(7))));
    }
}
