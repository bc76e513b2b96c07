//! Observable time: how long we can prove to have heard everything that was said, and that it could be said.
//!
//! A worker's silence means something only while both hold for every partition it may write to:
//!
//! * *We heard everything.* At a moment the end of the partition was asked for, and all records before that end have been
//!   read since: the freshness barrier. Everything written before that moment has been heard. (A consumer's lag proves nothing: it
//!   stays 0 with every broker down.)
//! * *It could be said.* A record was accepted by the partition's leader with all its replicas in sync: one of our own on a canary
//!   topic, or anybody's on the partition itself, which shows in the end of the partition moving on. (Metadata proves nothing: a
//!   surviving broker serves it stale for ever.)
//!
//! The time through which both are proven on all partitions is [`Sight::through`], and deadlines run on it. Where a proof leaves a gap
//! of more than `max_gap` to the one before it, workers may have been dumb through no fault of theirs, so no silence may begin
//! before the gap's end and a grace in which they find their way back: [`Sight::lit_from`]. An outage, a lagging or stopped healer and
//! a clock that jumps thus delay a verdict and never make one.
//!
//! Keys are not documented, so a worker may write to any partition, and one dark partition makes us blind for all workers.

use std::time::Duration;

use crate::Moment;

/// Which of the two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `queue-events`: what workers say.
    Events,
    /// `queue-control`: what is demanded of them.
    Control,
}

/// How patient observable time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Proofs further apart leave the time between them dark.
    pub max_gap: Duration,
    /// How long after darkness workers may need to be heard again.
    pub recovery_grace: Duration,
}

/// What has been proven, partition by partition.
#[derive(Clone, Debug)]
pub struct Sight {
    patience: Patience,
    events: Vec<Partition>,
    control: Vec<Partition>,
    /// Barriers asked before this moment belong to an earlier reading.
    begun: Moment,
    lit_from: Moment,
}

#[derive(Clone, Copy, Debug, Default)]
struct Partition {
    heard: Option<Moment>,
    end: Option<i64>,
    written: Option<Moment>,
}

impl Sight {
    /// Sight that has proven nothing yet, of a reading that begins at `begun`.
    pub const fn new(patience: Patience, begun: Moment) -> Self {
        Self {
            patience,
            events: Vec::new(),
            control: Vec::new(),
            begun,
            lit_from: begun,
        }
    }

    /// Notes how many partitions a topic has. New ones are dark; if there are fewer, the topic was made anew, and is to be read anew.
    pub fn partitions(&mut self, topic: Topic, count: usize) {
        let partitions = match topic {
            Topic::Events => &mut self.events,
            Topic::Control => &mut self.control,
        };
        partitions.resize(count, Partition::default());
    }

    /// Notes that everything written to a partition before `asked` has been heard, and that its end was `end` then.
    pub fn barrier(&mut self, topic: Topic, partition: usize, asked: Moment, end: i64) {
        if asked < self.begun {
            return;
        }
        let Some(known) = self.partition(topic, partition) else {
            return;
        };
        let before = (known.heard, known.end);
        known.heard = known.heard.max(Some(asked));
        known.end = known.end.max(Some(end));
        match before {
            (Some(heard), Some(last)) => {
                self.bridge(heard, asked);
                if end > last {
                    self.written(topic, partition, heard);
                }
            }
            _ => self.light(asked),
        }
    }

    /// Notes that a record which was handed over at `since` was written to a partition, or to one that has the same leader.
    pub fn written(&mut self, topic: Topic, partition: usize, since: Moment) {
        if since < self.begun {
            return;
        }
        let Some(known) = self.partition(topic, partition) else {
            return;
        };
        let before = known.written;
        known.written = before.max(Some(since));
        match (topic, before) {
            (Topic::Control, _) => {}
            (Topic::Events, Some(before)) => self.bridge(before, since),
            (Topic::Events, None) => self.light(since),
        }
    }

    /// Everything that workers said up to this moment has been heard, and they could say it; none if nothing is proven yet.
    pub fn through(&self) -> Option<Moment> {
        let events = self.events.iter().map(|p| p.heard.min(p.written));
        earliest(events).min(self.control_through())
    }

    /// Every demand made before this moment has been heard.
    pub fn control_through(&self) -> Option<Moment> {
        earliest(self.control.iter().map(|partition| partition.heard))
    }

    /// Every demand is known that was made until a moment ago, and all that was made before `since`.
    pub fn knows_demands(&self, since: Moment, now: Moment) -> bool {
        let is_recent = |through: Moment| now.since(through) <= self.patience.max_gap;
        self.control_through()
            .is_some_and(|through| through >= since && is_recent(through))
    }

    /// Every report made before this moment has been heard, whether or not anybody could have made one.
    pub fn events_through(&self) -> Option<Moment> {
        earliest(self.events.iter().map(|partition| partition.heard))
    }

    /// Whether all that was said before the reading began has been heard again.
    pub fn caught_up(&self) -> bool {
        self.control_through().is_some() && self.events_through().is_some()
    }

    /// How many partitions the topics have: of events, and of control.
    pub const fn counts(&self) -> (usize, usize) {
        (self.events.len(), self.control.len())
    }

    /// Lets no silence begin before `now`.
    pub fn begin_at(&mut self, now: Moment) {
        self.light(now);
    }

    /// Changes how patient observable time is.
    pub const fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// No silence begins before this moment.
    pub const fn lit_from(&self) -> Moment {
        self.lit_from
    }

    /// Whether proofs have stopped coming.
    pub fn blind(&self, now: Moment) -> bool {
        self.through()
            .is_none_or(|through| now.since(through) > self.patience.max_gap)
    }

    /// The partitions of which there has been no proof for longer than `limit`, for people.
    pub fn dark(&self, now: Moment, limit: Duration) -> Vec<usize> {
        let is_dark = |at: Option<Moment>| at.is_none_or(|at| now.since(at) > limit);
        let partitions = self.events.iter().enumerate();
        partitions
            .filter(|(_, partition)| is_dark(partition.heard.min(partition.written)))
            .map(|(index, _)| index)
            .collect()
    }

    /// A proof at `earlier` and the next at `later`: too far apart, and the time between them is dark.
    fn bridge(&mut self, earlier: Moment, later: Moment) {
        if later.since(earlier) > self.patience.max_gap {
            self.light(later.plus(self.patience.recovery_grace));
        }
    }

    fn light(&mut self, from: Moment) {
        self.lit_from = self.lit_from.max(from);
    }

    fn partition(&mut self, topic: Topic, partition: usize) -> Option<&mut Partition> {
        match topic {
            Topic::Events => self.events.get_mut(partition),
            Topic::Control => self.control.get_mut(partition),
        }
    }
}

/// The earliest of all; none as soon as one is none, and of nothing.
fn earliest(moments: impl Iterator<Item = Option<Moment>>) -> Option<Moment> {
    moments.min().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        max_gap: Duration::from_secs(5),
        recovery_grace: Duration::from_mins(1),
    };

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_ms(seconds * 1000)
    }

    /// Two partitions of events and one of control, all proven at second 100.
    fn lit() -> Sight {
        let mut sight = Sight::new(PATIENCE, at(90));
        sight.partitions(Topic::Events, 2);
        sight.partitions(Topic::Control, 1);
        prove(&mut sight, 100);
        sight
    }

    fn prove(sight: &mut Sight, second: u64) {
        for partition in 0..2 {
            sight.barrier(Topic::Events, partition, at(second), 7);
            sight.written(Topic::Events, partition, at(second));
        }
        sight.barrier(Topic::Control, 0, at(second), 0);
    }

    #[test]
    fn one_partition_without_proof_holds_time_back() {
        let mut sight = lit();
        sight.barrier(Topic::Events, 0, at(103), 7);
        sight.written(Topic::Events, 0, at(103));
        sight.barrier(Topic::Control, 0, at(103), 0);
        assert_eq!(sight.through(), Some(at(100)));
        assert_eq!(sight.dark(at(107), Duration::from_secs(5)), [1]);
    }

    #[test]
    fn a_barrier_alone_does_not_show_that_anything_could_be_said() {
        let mut sight = lit();
        for second in 101..110 {
            for partition in 0..2 {
                sight.barrier(Topic::Events, partition, at(second), 7);
            }
            sight.barrier(Topic::Control, 0, at(second), 0);
        }
        assert_eq!(sight.through(), Some(at(100)));
        assert!(sight.blind(at(109)));
    }

    #[test]
    fn an_end_that_moves_on_shows_that_somebody_could_speak() {
        let mut sight = lit();
        for partition in 0..2 {
            sight.barrier(Topic::Events, partition, at(102), 7);
            sight.barrier(Topic::Events, partition, at(104), 8);
        }
        sight.barrier(Topic::Control, 0, at(104), 0);
        assert_eq!(
            sight.through(),
            Some(at(102)),
            "written after 102, but who knows when"
        );
    }

    #[test]
    fn a_gap_moves_the_beginning_of_every_silence_behind_the_grace() {
        let mut sight = lit();
        assert_eq!(sight.lit_from(), at(100));
        prove(&mut sight, 105);
        assert_eq!(sight.lit_from(), at(100), "five seconds are no gap");
        prove(&mut sight, 111);
        assert_eq!(sight.lit_from(), at(171));
    }

    #[test]
    fn a_gap_of_one_partition_is_seen_although_another_held_time_back() {
        let mut sight = lit();
        sight.written(Topic::Events, 0, at(120));
        assert_eq!(sight.lit_from(), at(180));
    }

    #[test]
    fn what_was_asked_before_the_reading_began_proves_nothing() {
        let mut sight = Sight::new(PATIENCE, at(90));
        sight.partitions(Topic::Events, 1);
        sight.partitions(Topic::Control, 1);
        sight.barrier(Topic::Events, 0, at(89), 7);
        sight.barrier(Topic::Control, 0, at(91), 7);
        assert!(!sight.caught_up());
        assert_eq!(sight.through(), None);
    }
}
