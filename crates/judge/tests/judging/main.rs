//! Whole verdicts over simulated rollouts, seeded.

mod world;
mod verdicts;
mod hostile;
mod pods;
mod kayenta;
mod laws;
mod rates;
