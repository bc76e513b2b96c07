//! What could not be done, and how often that is worth saying.

use std::{collections::HashMap, fmt, time::Duration};

use temper_healer_core::{Moment, Topic};

/// Something that could not be done.
///
/// Nothing of it ends the reading: whatever is missing is asked for again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Words of the client library: a connection refused, a wrong password, a certificate that nobody vouches for. They come
    /// nowhere else.
    Client {
        /// The library's name for the kind of trouble, like `FAIL`.
        facility: String,
        /// What it says.
        reason: String,
    },
    /// The cluster does not tell about a topic: it is not there, not ours to read, or no broker answers.
    Topic {
        /// Which, by name.
        topic: String,
        /// What was said instead.
        reason: String,
    },
    /// A partition has no leader, or too few replicas in sync to take writes.
    Unsound {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: i32,
        /// The broker that leads it.
        leader: Option<i32>,
        /// How many replicas are in sync.
        in_sync: usize,
    },
    /// The broker that leads partitions does not say where they end.
    Broker {
        /// Which.
        broker: i32,
        /// What was said instead.
        reason: String,
    },
    /// As [`Trouble::Broker`], of one partition.
    Partition {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: i32,
        /// What was said instead.
        reason: String,
    },
    /// Records were deleted before they were read.
    Outrun {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: i32,
        /// The offset that should have come next.
        from: i64,
        /// The oldest one that there is.
        to: i64,
    },
    /// A partition ends before the offset where it ended once: its topic was made anew, or records were lost.
    Shrunk {
        /// Which topic.
        topic: Topic,
        /// Which partition.
        partition: i32,
        /// Where it ended.
        from: i64,
        /// Where it ends.
        to: i64,
    },
    /// The reading itself said so.
    Reading {
        /// What it said.
        reason: String,
    },
    /// The canary record could not be written.
    Canary {
        /// The partition of the canary topic.
        partition: i32,
        /// What was said instead.
        reason: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client { facility, reason } => write!(f, "kafka client: {facility}: {reason}"),
            Self::Topic { topic, reason } => {
                write!(f, "cannot ask about topic `{topic}`: {reason}")
            }
            Self::Unsound {
                topic,
                partition,
                leader: None,
                ..
            } => {
                write!(f, "partition {partition} of {topic:?} has no leader")
            }
            Self::Unsound {
                topic,
                partition,
                in_sync,
                ..
            } => {
                write!(
                    f,
                    "partition {partition} of {topic:?} has only {in_sync} replicas in sync"
                )
            }
            Self::Broker { broker, reason } => {
                write!(
                    f,
                    "cannot ask broker {broker} where its partitions end: {reason}"
                )
            }
            Self::Partition {
                topic,
                partition,
                reason,
            } => {
                write!(
                    f,
                    "cannot ask where partition {partition} of {topic:?} ends: {reason}"
                )
            }
            Self::Outrun {
                topic,
                partition,
                from,
                to,
            } => write!(
                f,
                "records {from} to {to} of partition {partition} of {topic:?} were deleted before they were read; \
                 raise the topic's retention"
            ),
            Self::Shrunk {
                topic,
                partition,
                from,
                to,
            } => {
                write!(
                    f,
                    "partition {partition} of {topic:?} ended at {from} and ends at {to} now"
                )
            }
            Self::Reading { reason } => write!(f, "cannot read on: {reason}"),
            Self::Canary { partition, reason } => {
                write!(
                    f,
                    "cannot write to partition {partition} of the canary topic: {reason}"
                )
            }
        }
    }
}

/// What a trouble is about: two of one subject differ in their words only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Client(String),
    Topic(String),
    Unsound(Topic, i32),
    Broker(i32),
    Partition(Topic, i32),
    Reading,
    Canary(i32),
    Lost(Topic, i32),
}

impl Subject {
    fn of(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::Client { facility, .. } => Self::Client(facility.clone()),
            Trouble::Topic { topic, .. } => Self::Topic(topic.clone()),
            Trouble::Unsound {
                topic, partition, ..
            } => Self::Unsound(*topic, *partition),
            Trouble::Broker { broker, .. } => Self::Broker(*broker),
            Trouble::Partition {
                topic, partition, ..
            } => Self::Partition(*topic, *partition),
            Trouble::Outrun {
                topic, partition, ..
            }
            | Trouble::Shrunk {
                topic, partition, ..
            } => Self::Lost(*topic, *partition),
            Trouble::Reading { .. } => Self::Reading,
            Trouble::Canary { partition, .. } => Self::Canary(*partition),
        }
    }
}

/// The first repetition is worth saying after so long, each further one after twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Somebody who looks at the log now sees what has been wrong since yesterday.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Says the first trouble of a kind at once, and its repetitions ever more rarely.
#[derive(Debug, Default)]
pub(crate) struct Hush {
    said: HashMap<Subject, Said>,
}

#[derive(Debug)]
struct Said {
    at: Moment,
    pause: Duration,
}

impl Hush {
    /// Whether that is worth saying now.
    pub(crate) fn lets_through(&mut self, trouble: &Trouble, now: Moment) -> bool {
        let subject = Subject::of(trouble);
        let pause = match self.said.get(&subject) {
            Some(said) if now.since(said.at) < said.pause => return false,
            Some(said) if now.since(said.at) < said.pause * 3 => {
                (said.pause * 2).min(LONGEST_PAUSE)
            }
            Some(_) | None => FIRST_PAUSE,
        };
        self.said.insert(subject, Said { at: now, pause });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_said(every: Duration, times: u32, trouble: &Trouble) -> usize {
        let mut hush = Hush::default();
        let said = |n: &u32| hush.lets_through(trouble, Moment::default().plus(every * *n));
        (0..times).filter(said).count()
    }

    #[test]
    fn what_repeats_is_said_ever_more_rarely() {
        let trouble = Trouble::Canary {
            partition: 0,
            reason: "no right".into(),
        };
        let hour = times_said(Duration::from_millis(500), 7200, &trouble);
        assert!((10..=25).contains(&hour), "{hour}");
    }

    #[test]
    fn what_comes_anew_is_said_at_once() {
        let trouble = Trouble::Broker {
            broker: 1,
            reason: "timed out".into(),
        };
        assert_eq!(times_said(Duration::from_hours(1), 5, &trouble), 5);
    }

    #[test]
    fn each_subject_is_said_for_itself() {
        let mut hush = Hush::default();
        let of = |broker| Trouble::Broker {
            broker,
            reason: "timed out".into(),
        };
        assert!(hush.lets_through(&of(1), Moment::default()));
        assert!(hush.lets_through(&of(2), Moment::default()));
        assert!(!hush.lets_through(&of(1), Moment::default()));
    }
}
