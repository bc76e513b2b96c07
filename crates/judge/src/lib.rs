//! From a policy and windows of counts to a verdict with reasons.

pub mod window;
pub mod policy;
mod duration;
mod keys;
mod verdict;

pub use crate::{
    duration::go_duration,
    keys::{Keys, PolicyError},
    policy::{AtHorizon, ErrorGuard, LatencyGuard, Policy, Test},
    verdict::{Decision, GuardReport, State, Totals, Verdict},
};
