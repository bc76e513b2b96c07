//! The healer's shell: Kafka in, Kubernetes out.
//!
//! What is decided is decided in `temper-healer-core`, which knows neither. This crate reads, watches, carries out and shows.

pub mod check;
pub mod command_line;
pub mod board;
pub mod chronicle;
pub mod rules;
pub mod incidents;
pub mod metrics;
pub mod pages;
pub mod kafka;
pub mod cluster;
pub mod replay;
pub mod run;
pub mod shell;
