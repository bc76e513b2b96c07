//! Partitions that workers write to and healers read.

use fastrand::Rng;

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
    pub(crate) log_append_time: bool,
    pub(crate) outages: u64,
}

impl Kafka {
    pub(crate) fn new(random: &mut Rng) -> Self {
        Self {
            events: vec![Partition::default(); random.usize(1..=3)],
            control: Partition::default(),
            log_append_time: random.bool(),
            outages: 0,
        }
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
