//! What every program of Temper shows of itself: a log for machines, a metrics page, and whether it lives and is ready.
//!
//! It knows nothing of what a program does: names of metrics, reasons for not being ready and further pages come from
//! its caller. It refuses to trust whoever connects: every limit of [`http::Limits`] holds for every client.

pub mod log;
pub mod metrics;
pub mod http;
