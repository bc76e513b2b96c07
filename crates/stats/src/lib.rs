//! Statistics of two arms, a canary and the stable version it is compared with, from counts.
//!
//! Everything here is a function of numbers: no clock, no files, no randomness, and no notion of what is counted.
//!
//! Two kinds of evidence are found here. A *test* ([`rank`], [`conditional`]) gives a p-value for data that are looked at
//! once. A *sequential* procedure ([`spending`], [`tilt`], [`score`], [`block`], [`beta_binomial`]) may be looked at after every
//! interval and keeps its error rate all the same; all but the first are e-processes: products of factors whose expectation under the null
//! hypothesis is at most 1, so that by Ville's inequality they ever exceed `1/α` with probability `α` at most.
//!
//! Assumptions shared by the sequential procedures, named where they are used:
//!
//! - **A1** Given the past and the exposure of the interval, the arms are independent.
//! - **A2** Within an arm, requests are independent or negatively dependent.
//! - **A3** The null hypothesis holds in every interval, for the averages of that interval.
//!
//! Not needed: identical requests, rates that stay constant, traffic weights that stay constant.

#![expect(
    clippy::suboptimal_flops,
    reason = "a formula is written as its source has it; fused operations change it in the last place only"
)]

pub mod normal;
pub mod binomial;
pub mod conditional;
pub mod proportion;
pub mod two_proportions;
pub mod spending;
pub mod group_sequential;
pub mod tilt;
pub mod score;
pub mod block;
pub mod beta_binomial;
pub mod mixture;
pub mod combine;
pub mod samples;
pub mod rank;
pub mod brunner_munzel;
pub mod hodges_lehmann;
pub mod bounds;
pub mod error;
mod hypergeometric;
mod special;
pub mod numeric;
