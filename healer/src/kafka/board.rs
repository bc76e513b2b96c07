//! What the threads share: the cluster as it is known, where reading begins, and a bell.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use temper_healer_core::{Moment, Topic};

use super::{
    cluster::{Cluster, Partition, Partitions},
    settings::Settings,
    wire::Wire,
};

/// What reads the healer's clock.
pub(crate) type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Shared by all threads.
pub(crate) struct Board {
    pub(crate) settings: Settings,
    pub(crate) wire: Arc<Wire>,
    clock: Clock,
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cluster: Cluster,
    beginning: Beginning,
    looks: u64,
    over: bool,
}

/// Where reading begins.
#[derive(Debug, Default)]
struct Beginning {
    /// The how-manieth reading it is.
    reading: u64,
    /// Partitions of events that are there when it begins are read from the first record of that time on; from their oldest one if it is none.
    from: Option<Moment>,
    /// How many those are, once that is known. Partitions that come later are read from their oldest record.
    known: [Option<usize>; 2],
    /// The partitions that have been told where they begin.
    given: HashSet<(Topic, i32)>,
}

/// What a partition is to be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Its oldest record.
    Oldest,
    /// The first record of that time or a later one; its end, where there is none.
    Time(Moment),
}

/// Partitions without a beginning, and what that would be.
#[derive(Debug)]
pub(crate) struct Unstarted {
    pub(crate) reading: u64,
    pub(crate) partitions: Vec<(Topic, i32, From)>,
}

impl Board {
    pub(crate) fn new(settings: Settings, wire: Arc<Wire>, clock: Clock) -> Self {
        let state = Mutex::default();
        let bell = Condvar::new();
        Self {
            settings,
            wire,
            clock,
            state,
            bell,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        (self.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock is left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a reading, `lookback` before now.
    pub(crate) fn begin(&self, reading: u64) {
        let from = match self.settings.lookback {
            Duration::MAX => None,
            lookback => Some(self.now().minus(lookback)),
        };
        let mut state = self.state();
        state.beginning = Beginning {
            reading,
            from,
            ..Beginning::default()
        };
        self.ring(&mut state);
    }

    /// Has everybody look at once.
    pub(crate) fn look(&self) {
        self.ring(&mut self.state());
    }

    /// Ends all threads.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.over = true;
        self.ring(&mut state);
    }

    fn ring(&self, state: &mut State) {
        state.looks += 1;
        self.bell.notify_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    /// How often the bell has rung.
    pub(crate) fn looks(&self) -> u64 {
        self.state().looks
    }

    /// Waits until `due`, or until the bell has rung more than `heard` times.
    pub(crate) fn rest(&self, due: Instant, heard: u64) {
        let mut state = self.state();
        while state.looks == heard {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.bell.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The cluster as it is known, less what is too old.
    pub(crate) fn cluster(&self) -> Cluster {
        // A broker that hangs costs one question; the next one is put to another.
        let age = self.settings.call_timeout * 3 + self.settings.barrier_every;
        let now = self.now();
        let mut state = self.state();
        state.cluster.forget(now, age);
        state.cluster.clone()
    }

    /// Notes what was learnt about a topic to read.
    pub(crate) fn learn(&self, topic: Topic, asked: Moment, all: Vec<Partition>) {
        let mut state = self.state();
        state.beginning.known[topic as usize].get_or_insert(all.len());
        let known = Partitions { asked, all };
        match topic {
            Topic::Events => state.cluster.events = known,
            Topic::Control => state.cluster.control = known,
        }
    }

    /// Notes what was learnt about the canary topic.
    pub(crate) fn learn_canary(&self, asked: Moment, all: Vec<Partition>) {
        self.state().cluster.canary = Partitions { asked, all };
    }

    /// Those of the partitions that have no beginning yet.
    pub(crate) fn unstarted(&self, partitions: &[(Topic, i32, Partition)]) -> Unstarted {
        let state = self.state();
        let beginning = &state.beginning;
        let without = partitions.iter().filter_map(|(topic, partition, _)| {
            let from = beginning.of(*topic, *partition)?;
            Some((*topic, *partition, from))
        });
        Unstarted {
            reading: beginning.reading,
            partitions: without.collect(),
        }
    }

    /// Claims the right to tell a partition's beginning; false if it was told, or belongs to another reading.
    pub(crate) fn claim(&self, reading: u64, topic: Topic, partition: i32) -> bool {
        let beginning = &mut self.state().beginning;
        beginning.reading == reading && beginning.given.insert((topic, partition))
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Beginning {
    fn of(&self, topic: Topic, partition: i32) -> Option<From> {
        let known = self.known[topic as usize]?;
        if self.given.contains(&(topic, partition)) {
            return None;
        }
        let was_there = usize::try_from(partition).is_ok_and(|index| index < known);
        Some(match self.from {
            // What people demanded holds until they demand something else, however long ago it was.
            Some(from) if was_there && topic == Topic::Events => From::Time(from),
            Some(_) | None => From::Oldest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LED: Partition = Partition {
        leader: Some(1),
        in_sync: 3,
    };

    fn board(lookback: Duration) -> Board {
        let settings = Settings {
            lookback,
            ..Settings::new("b:9092")
        };
        let (wire, _) = Wire::new();
        let clock = || Moment::from_unix_ms(10_000);
        let board = Board::new(settings, Arc::new(wire), Arc::new(clock));
        board.begin(1);
        board
    }

    fn learn(board: &Board, partitions: usize) -> Vec<(i32, From)> {
        board.learn(Topic::Events, board.now(), vec![LED; partitions]);
        let unstarted = board.unstarted(&board.cluster().led_by(1));
        let begin = unstarted.partitions.into_iter();
        begin
            .map(|(_, partition, from)| (partition, from))
            .collect()
    }

    #[test]
    fn partitions_that_come_later_are_read_from_their_oldest_record() {
        let board = board(Duration::from_secs(1));
        let time = From::Time(Moment::from_unix_ms(9000));
        assert_eq!(learn(&board, 1), [(0, time)]);
        assert_eq!(learn(&board, 2), [(0, time), (1, From::Oldest)]);
        board.begin(2);
        assert_eq!(
            learn(&board, 2),
            [(0, time), (1, time)],
            "now both are there"
        );
    }

    #[test]
    fn demands_are_read_from_the_oldest_one_on() {
        let board = board(Duration::from_secs(1));
        board.learn(Topic::Control, board.now(), vec![LED]);
        let unstarted = board.unstarted(&board.cluster().led_by(1));
        assert_eq!(unstarted.partitions, [(Topic::Control, 0, From::Oldest)]);
    }

    #[test]
    fn without_a_limit_everything_is_read_from_its_oldest_record() {
        assert_eq!(learn(&board(Duration::MAX), 1), [(0, From::Oldest)]);
    }

    #[test]
    fn a_beginning_is_told_once_a_reading() {
        let board = board(Duration::MAX);
        learn(&board, 1);
        assert!(board.claim(1, Topic::Events, 0));
        assert!(!board.claim(1, Topic::Events, 0));
        assert!(learn(&board, 1).is_empty());
        board.begin(2);
        assert!(
            !board.claim(1, Topic::Events, 0),
            "of a reading that is over"
        );
        assert!(board.claim(2, Topic::Events, 0));
    }
}
