//! The parts that the whole program is tried with: brokers, workers' Jobs, and the program itself as a process.

pub(crate) mod kafka;
pub(crate) mod program;
pub(crate) mod worker;

/// Where all Jobs are.
pub(crate) const NAMESPACE: &str = "stf";
