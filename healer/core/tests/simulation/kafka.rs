//! Partitions that workers write to and healers read.

use fastrand::Rng;
use temper_healer_core::Moment;

/// Clocks of workers are off by this much at most, ms.
const WORKERS_OFF_BY: i64 = 3_600_000;

/// And those of brokers, compared with the API server's.
const BROKERS_OFF_BY: i64 = 4_000;

/// What a record says. Reports carry what the core needs; everything else is the parser's affair.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Report {
        worker: usize,
        status: temper_healer_core::telemetry::Status,
    },
    Stop {
        queue: usize,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) at: u64,
    pub(crate) said: Said,
}

/// One partition, and whether it can be read and written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partition {
    pub(crate) log: Vec<Record>,
    /// No leader until then: nothing is read, written or answered.
    pub(crate) dark_until: u64,
    /// The survivor answers and reads, and acknowledges no write.
    pub(crate) mute_until: u64,
}

impl Partition {
    pub(crate) fn readable(&self, now: u64) -> bool {
        now >= self.dark_until
    }

    pub(crate) fn writable(&self, now: u64) -> bool {
        self.readable(now) && now >= self.mute_until
    }
}

/// The topics: some partitions of events, one of control.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    pub(crate) events: Vec<Partition>,
    pub(crate) control: Partition,
    /// Brokers write down when a record came; otherwise nobody's clock can be trusted.
    log_append_time: bool,
    brokers_ahead_ms: i64,
    workers_ahead_ms: [i64; 5],
    pub(crate) outages: u64,
}

impl Kafka {
    pub(crate) fn new(random: &mut Rng) -> Self {
        Self {
            events: vec![Partition::default(); random.usize(1..=3)],
            control: Partition::default(),
            log_append_time: random.bool(),
            brokers_ahead_ms: random.i64(-BROKERS_OFF_BY..=BROKERS_OFF_BY),
            workers_ahead_ms: std::array::from_fn(|_| random.i64(-WORKERS_OFF_BY..=WORKERS_OFF_BY)),
            outages: 0,
        }
    }

    /// When a record came, by the broker's clock, if it writes that down.
    pub(crate) fn appended(&self, at: u64) -> Option<Moment> {
        let appended = Moment::from_unix_ms(at.saturating_add_signed(self.brokers_ahead_ms));
        self.log_append_time.then_some(appended)
    }

    /// When a worker said something, by its own clock.
    pub(crate) fn stamp(&self, worker: usize, at: u64) -> Moment {
        Moment::from_unix_ms(at.saturating_add_signed(self.workers_ahead_ms[worker]))
    }

    /// Breaks something now and then, for a while.
    pub(crate) fn disturb(&mut self, now: u64, random: &mut Rng) {
        let length = random.u64(500..40_000);
        let which = random.usize(0..self.events.len() * 2 + 2);
        self.outages += 1;
        match which.checked_sub(self.events.len() * 2) {
            None if which.is_multiple_of(2) => self.events[which / 2].dark_until = now + length,
            None => self.events[which / 2].mute_until = now + length,
            Some(0) => self.control.dark_until = now + length,
            Some(_) => {
                for partition in self.events.iter_mut().chain([&mut self.control]) {
                    partition.dark_until = now + length;
                }
            }
        }
    }
}
