//! Statistics of two arms, a canary and the stable version it is compared with, from counts or single values.
//!
//! Everything here is a function of numbers: no clock, no files, no randomness, and no notion of what is counted.
//!
//! Two kinds of evidence are found here. A *test* gives a p-value for data that are looked at once: of events [`conditional`]
//! and [`two_proportions`], of values [`rank`] and [`brunner_munzel`]. A *sequential* procedure ([`spending`],
//! [`group_sequential`], [`tilt`], [`score`], [`block`], [`beta_binomial`]) may be looked at after every interval and keeps
//! its error rate all the same; all but the first two are e-processes: products of factors whose expectation under the null
//! hypothesis is at most 1, so that by Ville's inequality they ever exceed `1/α` with probability `α` at most.
//!
//! How large a difference is, say the intervals of those modules, [`hodges_lehmann`] for a shift or ratio of values, and
//! [`bounds`] for what holds at all looks at once. Several metrics make one answer by [`combine`].
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
