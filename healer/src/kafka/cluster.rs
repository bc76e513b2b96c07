//! Who leads which partition, as far as is known.

use std::time::Duration;

use rdkafka::metadata::MetadataPartition;
use temper_healer_core::{Moment, Topic};

/// A partition, as a broker described it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The broker that leads it.
    pub(crate) leader: Option<i32>,
    /// How many replicas are in sync.
    pub(crate) in_sync: usize,
}

impl Partition {
    /// From what the client library makes of the description.
    pub(crate) fn described(description: &MetadataPartition) -> Self {
        let leader = Some(description.leader()).filter(|id| *id >= 0);
        Self {
            leader,
            // The list of a partition without a leader may be missing, which the binding does not expect.
            in_sync: leader.map_or(0, |_| description.isr().len()),
        }
    }

    /// Whether it can take writes.
    pub(crate) const fn is_sound(self, min_isr: usize) -> bool {
        self.leader.is_some() && self.in_sync >= min_isr
    }
}

/// The partitions of a topic, in their order, and when that was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partitions {
    pub(crate) asked: Moment,
    pub(crate) all: Vec<Partition>,
}

impl Partitions {
    /// Forgets what is older than `age`.
    fn forget(&mut self, now: Moment, age: Duration) {
        if now.since(self.asked) > age {
            self.all.clear();
        }
    }

    fn led_by(&self, broker: i32) -> impl Iterator<Item = (i32, Partition)> + '_ {
        let led = move |(_, partition): &(i32, Partition)| partition.leader == Some(broker);
        (0..).zip(self.all.iter().copied()).filter(led)
    }

    /// That partition.
    fn partition(&self, partition: i32) -> Option<Partition> {
        let index = usize::try_from(partition).ok()?;
        self.all.get(index).copied()
    }
}

/// Everything that is known about the three topics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) events: Partitions,
    pub(crate) control: Partitions,
    pub(crate) canary: Partitions,
}

impl Cluster {
    /// What is known of a topic.
    pub(crate) const fn of(&self, topic: Topic) -> &Partitions {
        match topic {
            Topic::Events => &self.events,
            Topic::Control => &self.control,
        }
    }

    /// Forgets what nobody has confirmed for so long.
    pub(crate) fn forget(&mut self, now: Moment, age: Duration) {
        for partitions in [&mut self.events, &mut self.control, &mut self.canary] {
            partitions.forget(now, age);
        }
    }

    /// The partitions to read that this broker leads.
    pub(crate) fn led_by(&self, broker: i32) -> Vec<(Topic, i32, Partition)> {
        let of = |topic| {
            let led = self.of(topic).led_by(broker);
            led.map(move |(number, partition)| (topic, number, partition))
        };
        of(Topic::Events).chain(of(Topic::Control)).collect()
    }

    /// The brokers that lead partitions to read, each once.
    pub(crate) fn leaders(&self) -> Vec<i32> {
        let all = self.events.all.iter().chain(&self.control.all);
        let mut leaders: Vec<i32> = all.filter_map(|partition| partition.leader).collect();
        leaders.sort_unstable();
        leaders.dedup();
        leaders
    }

    /// The partitions of the events topic that the broker leads which leads this canary partition, and led it when `leader` was
    /// noted. None if the lead has moved between: nobody knows then who acknowledged. And none if the canary partition has fewer replicas
    /// in sync than `min_isr`: what is acknowledged by fewer shows less.
    pub(crate) fn proved_by(&self, canary: i32, leader: i32, min_isr: usize) -> Vec<i32> {
        let is_sound =
            |partition: Partition| partition.leader == Some(leader) && partition.is_sound(min_isr);
        if self.canary.partition(canary).is_some_and(is_sound) {
            self.events
                .led_by(leader)
                .map(|(number, _)| number)
                .collect()
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(leaders: &[i32]) -> Partitions {
        let partition = |leader: &i32| Partition {
            leader: Some(*leader).filter(|id| *id >= 0),
            in_sync: 2,
        };
        Partitions {
            asked: Moment::from_unix_ms(1000),
            all: leaders.iter().map(partition).collect(),
        }
    }

    fn cluster() -> Cluster {
        Cluster {
            events: led(&[1, 2, -1, 1]),
            control: led(&[3]),
            canary: led(&[1, 2, 3]),
        }
    }

    #[test]
    fn a_canary_proves_what_its_leader_leads() {
        let cluster = cluster();
        assert_eq!(cluster.proved_by(0, 1, 2), [0, 3]);
        assert_eq!(cluster.proved_by(1, 2, 2), [1]);
        assert!(cluster.proved_by(2, 3, 2).is_empty());
        assert!(cluster.proved_by(0, 2, 2).is_empty(), "the lead has moved");
        assert!(cluster.proved_by(7, 1, 2).is_empty());
        assert!(
            cluster.proved_by(0, 1, 3).is_empty(),
            "two replicas are too few"
        );
    }

    #[test]
    fn what_nobody_confirms_is_forgotten() {
        let mut cluster = cluster();
        cluster.forget(Moment::from_unix_ms(3000), Duration::from_secs(2));
        assert_eq!(cluster.leaders(), [1, 2, 3]);
        cluster.forget(Moment::from_unix_ms(3001), Duration::from_secs(2));
        assert!(cluster.leaders().is_empty());
    }

    #[test]
    fn a_partition_is_sound_with_a_leader_and_enough_replicas() {
        let sound = |leader, in_sync| Partition { leader, in_sync }.is_sound(2);
        assert!(sound(Some(1), 2) && !sound(Some(1), 1) && !sound(None, 3));
    }
}
