//! From a policy and windows of counts to a verdict with reasons.
//!
//! [`judge()`] is a pure function: the same policy and the same windows give the same verdict, byte for byte, in whatever order
//! the cells of a window come and whatever windows follow the deciding one. [`Judge`] is the same as a fold, for programs
//! that get windows one after another. Nothing here reads a clock, a file or a socket.

pub mod window;
pub mod policy;
mod duration;
mod keys;
mod judge;
mod guard;
mod signal;
mod budget;
mod pods;
mod errors;
mod latency;
mod threshold;
mod compat;
mod ratio;
mod layout;
mod verdict;
mod words;

pub use crate::{
    compat::Kayenta,
    duration::go_duration,
    judge::{Judge, judge},
    keys::{Keys, PolicyError},
    policy::{
        AtHorizon, Compat, CustomGuard, CustomKind, ErrorGuard, KEYS, LatencyGuard, Policy, Test,
        ThresholdGuard,
    },
    verdict::{Decision, GuardReport, State, Totals, Verdict},
};
