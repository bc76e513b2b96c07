//! How often the judge is wrong.
//!
//! Rollouts of simulated services go through the judge look by look; a [`scenario::Scenario`] says what kind of service, and what is
//! promised of it. Everything is seeded: the same number of runs gives the same table.

#![expect(
    clippy::suboptimal_flops,
    reason = "a formula is written as its source has it; fused operations change it in the last place only"
)]

pub mod random;
pub mod world;
pub mod scenario;
pub mod list;
mod edges;
pub mod table;
