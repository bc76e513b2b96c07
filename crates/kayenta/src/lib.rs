//! The verdict that Kayenta's `NetflixACAJudge` gives, for people who come from there.
//!
//! Kayenta compares time series of points: each point is what a metric was in one interval, whatever number of requests is
//! behind it. Its classifier is the interval of R's `wilcox.test(conf.int = TRUE)` for the difference in location. All of
//! it is written here from a description of its behaviour, with the defects that its verdicts depend on:
//!
//! - The tolerance is a share of the *estimated difference*, not of the baseline, so it is no margin: with points enough any
//!   difference is `High`, and with many ties a large one is `Pass`.
//! - Roots are found to within 10⁻⁴ *absolute*, so the interval means nothing for metrics of that size, and a verdict depends
//!   on the unit.
//! - Repeated looks are not paid for, and points are taken to be independent.
//! - What can't be computed is an `Error` that counts for nothing: metrics that are all in error score 100.
//!
//! Where Kayenta draws random noise (two constant arms), a fixed spread of the same size is taken, so that the same data
//! have the same verdict. No clock, no IO, no randomness.

#![expect(
    clippy::suboptimal_flops,
    reason = "verdicts are replayed to the last place: a formula is computed as its source computes it"
)]
#![expect(
    clippy::float_cmp,
    reason = "points are compared as they are: equal values are ties, and equal brackets are one"
)]

pub mod descriptive;
pub mod transform;
pub mod detector;
pub mod effect;
mod zero;
pub mod mann_whitney;
pub mod classifier;
pub mod score;
pub mod judge;

pub use crate::{
    classifier::{Classification, Direction, Label, NanStrategy},
    effect::Measure,
    judge::{Judgement, Metric, judge},
    score::ScoreClass,
};
