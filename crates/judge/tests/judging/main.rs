//! Whole verdicts over simulated rollouts, seeded.

mod world;
mod verdicts;
mod hostile;
mod pods;
mod laws;
mod rates;
