//! Where windows of counts come from: the Prometheus HTTP API, direct scrapes and recordings.
//!
//! A window holds the exact increase of raw counters over one frozen interval, per arm, stratum and pod. This crate
//! never asks a server for `rate()` or `increase()`: both extrapolate, and both miss the first error of a fresh pod.
//! It judges nothing; what could not be read is said in words and never becomes a zero.

pub mod config;
pub mod selector;
pub mod error;
pub use temper_judge::window;
pub mod increase;
pub mod reply;
mod cells;
mod custom;
mod client;
pub mod prometheus;
pub mod scrape;
pub mod recording;

pub use config::{PrometheusConfig, ScrapeConfig, SourceConfig};
pub use error::SourceError;
pub use prometheus::Prometheus;
pub use recording::{Recording, RecordingError};
pub use scrape::{Scrape, Snapshot};
pub use selector::{CustomQuery, Matchers, Query, Selector};
