//! Which worker Jobs are replaced, when and how.
//!
//! Everything here is a function of its inputs: no clock is read, no socket opened, nothing is random. The shell around it reads Kafka,
//! watches Kubernetes and carries out what is decided here; a simulation does the same with a world in which everything goes wrong.
//!
//! To read it, begin with [`healer`], then [`sight`] for what silence is worth and [`replace`] for how a Job is replaced.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod healer;

pub mod decision;
pub mod fingerprint;
pub mod job;
pub mod moment;
pub mod policy;
pub mod replace;
pub mod sight;
pub mod telemetry;

mod budget;
mod guards;
mod wheel;
mod worker;
mod workers;

pub use decision::{Decision, Verdict};
pub use fingerprint::Fingerprint;
pub use healer::{Action, Event, Healer, Outcome};
pub use job::{Job, Name};
pub use moment::Moment;
pub use policy::Policy;
pub use sight::Topic;
pub use worker::Place;
pub use workers::WorkerId;
