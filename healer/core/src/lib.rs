//! Which worker Jobs are replaced, when and how.

pub mod moment;

pub use moment::Moment;
