//! Which worker Jobs are replaced, when and how.

pub mod fingerprint;
pub mod job;
pub mod moment;
pub mod policy;
pub mod replace;
pub mod sight;
pub mod telemetry;
mod wheel;

pub use fingerprint::Fingerprint;
pub use job::Job;
pub use moment::Moment;
pub use policy::Policy;
