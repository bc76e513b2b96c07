//! The healer's ear for Kafka, before a cluster that is down, slow or wrong in every way that the library's mock cluster knows.
//!
//! The mock keeps 5 MiB a partition, does not move leaders and does not find records by time.

mod barriers;
mod records;
mod troubles;
mod world;
