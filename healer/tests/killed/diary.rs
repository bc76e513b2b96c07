//! What is true of the workers, whatever anybody believes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// All that workers have said and what has become of them; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Diary(Arc<Mutex<Vec<Life>>>);

/// Times in it are ms since 1970, by the clock that healers have as well.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    began: u64,
    /// When its words were written.
    words: Vec<u64>,
    /// When it went wrong, if it did.
    pub(crate) trouble: Option<u64>,
}

impl Diary {
    pub(crate) fn of(workers: usize) -> Self {
        let life = Life {
            began: now(),
            words: Vec::new(),
            trouble: None,
        };
        Self(Arc::new(Mutex::new(vec![life; workers])))
    }

    pub(crate) fn note_word(&self, worker: usize) {
        self.lives()[worker].words.push(now());
    }

    pub(crate) fn note_trouble(&self, worker: usize) {
        self.lives()[worker].trouble.get_or_insert_with(now);
    }

    pub(crate) fn life(&self, worker: usize) -> Life {
        self.lives()[worker].clone()
    }

    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    /// How many words were written.
    pub(crate) fn words(&self) -> usize {
        self.words.len()
    }

    /// The longest time without a word, in ms, that had not ended at `then`, or had so lately that a healer need not have heard of it.
    pub(crate) fn silence(&self, then: u64) -> u64 {
        let begins = [self.began].into_iter().chain(self.words.iter().copied());
        let ends = self.words.iter().copied().chain([u64::MAX]);
        begins
            .zip(ends)
            .filter(|(begin, end)| *begin < then && end.saturating_add(UNHEARD) > then)
            .map(|(begin, end)| end.min(then) - begin)
            .max()
            .unwrap_or_default()
    }
}

/// A healer that decides has heard everything up to less than `maxGap` of its policy ago, ms.
const UNHEARD: u64 = 2_000;

pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}
