//! What the threads that ask and write tell the one that reads.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use temper_healer_core::{Moment, Topic};

use super::trouble::Trouble;

/// Something said over the wire.
#[derive(Debug)]
pub(crate) enum Word {
    /// Records are there to be read.
    Ready,
    /// A topic has so many partitions.
    Count { topic: Topic, count: usize },
    /// A partition is to be read from here on.
    Start {
        reading: u64,
        topic: Topic,
        partition: i32,
        offset: i64,
    },
    /// A partition ended here when that was asked; `sound` if it could take writes then.
    End {
        topic: Topic,
        partition: i32,
        asked: Moment,
        high: i64,
        sound: bool,
    },
    /// The oldest record of a partition is this one, or none is there and this the next one.
    Floor {
        topic: Topic,
        partition: i32,
        low: i64,
    },
    /// A record handed over at `since` was written where this partition of the events has its leader.
    Written { partition: i32, since: Moment },
    /// Something could not be done.
    Trouble(Trouble),
}

/// So many words may wait. Nobody reads them while the process is stopped or starved: what is then lost is asked again.
const BACKLOG: usize = 8192;

/// The speaking end.
#[derive(Debug)]
pub(crate) struct Wire {
    words: Sender<Word>,
    waiting: AtomicUsize,
    called: AtomicBool,
}

impl Wire {
    /// A wire, and the end where it is listened to.
    pub(crate) fn new() -> (Self, Receiver<Word>) {
        let (words, heard) = mpsc::channel();
        let wire = Self {
            words,
            waiting: AtomicUsize::new(0),
            called: AtomicBool::new(false),
        };
        (wire, heard)
    }

    /// Says what must not be lost. The few words of that kind are bounded by the number of partitions.
    pub(crate) fn say(&self, word: Word) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Nobody listens any more only while everything ends.
        drop(self.words.send(word));
    }

    /// Says what will be said again.
    pub(crate) fn offer(&self, word: Word) {
        if self.waiting.load(Ordering::Relaxed) < BACKLOG {
            self.say(word);
        }
    }

    /// Says that records are there, once until that was heard.
    pub(crate) fn call(&self) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.say(Word::Ready);
        }
    }

    /// The next word; none when none comes within `patience`.
    pub(crate) fn listen(&self, heard: &Receiver<Word>, patience: Duration) -> Option<Word> {
        let word = match patience {
            Duration::ZERO => heard.try_recv().ok(),
            patience => heard.recv_timeout(patience).ok(),
        }?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if matches!(word, Word::Ready) {
            self.called.store(false, Ordering::Release);
        }
        Some(word)
    }
}
