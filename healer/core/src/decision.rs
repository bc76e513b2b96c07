//! What was decided, and on what evidence: for people, and for whoever replays yesterday.

use serde::{Serialize, Serializer};

use crate::{Moment, job::Name, policy::Cause, worker::Place};

/// A decision about one worker. As JSON it is a line of `temper-healer replay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    pub at: Moment,
    /// About which worker: the name that tells it from others.
    #[serde(skip)]
    pub worker: Name,
    /// Its telemetry id.
    pub producer: Box<str>,
    /// The queue that it works for, as far as that was told.
    pub queue_id: Box<str>,
    /// What.
    pub decision: Verdict,
    /// On what grounds.
    pub cause: Cause,
    /// In a sentence.
    pub why: String,
    /// The Job that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Box<str>>,
    /// Its uid.
    #[serde(skip)]
    pub job_uid: Option<Box<str>>,
    /// What was known.
    pub evidence: Evidence,
}

/// What is done about a worker in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is replaced.
    Heal,
    /// It is not replaced, and that is all there is to say.
    Observe,
    /// People demanded otherwise.
    Veto,
    /// A guard holds it back, for now or for good.
    Suppress,
}

impl Verdict {
    /// The word for it in files and labels.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Heal => "heal",
            Self::Observe => "observe",
            Self::Veto => "veto",
            Self::Suppress => "suppress",
        }
    }
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// When the worker was last heard; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<Moment>,
    /// Partition and offset of its last word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_record: Option<Place>,
    /// How many records it had written by its own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_written: Option<u64>,
    /// All that was said up to then had been heard, and could be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_through: Option<Moment>,
    /// Without a gap since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_from: Option<Moment>,
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}@{}", self.partition, self.offset))
    }
}
