//! Whole verdicts over simulated rollouts, seeded.

mod world;
mod verdicts;
mod laws;
mod rates;
