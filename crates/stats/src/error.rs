//! Why a statistic can't be computed.

use std::fmt;

/// Which of the two samples is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// The first, the canary's.
    First,
    /// The second, the stable version's.
    Second,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// Why a statistic can't be computed from the data given.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value that has no rank.
    #[error("rank a sample: value {index} of the {arm} one is not a number; leave it out")]
    NotANumber {
        /// The sample it is in.
        arm: Arm,
        /// Its index there.
        index: usize,
    },
    /// A value whose differences have no order.
    #[error("compare all pairs of values: {value} in the {arm} sample is infinite; leave it out")]
    Infinite {
        /// The sample it is in.
        arm: Arm,
        /// The value.
        value: f64,
    },
    /// A value whose ratios have no order.
    #[error("compare ratios: {value} in the {arm} sample is not above 0; compare differences")]
    NotPositive {
        /// The sample it is in.
        arm: Arm,
        /// The value.
        value: f64,
    },
    /// Fewer values than the statistic needs.
    #[error("compare two samples: the {arm} one has {values} values of {needed} needed")]
    TooFew {
        /// The sample that is too small.
        arm: Arm,
        /// Its size.
        values: u128,
        /// The smallest size that would do.
        needed: u128,
    },
    /// More values than sums of their cubes fit into 128 bits.
    #[error("compare two samples: {values} values are more than {most}; compare fewer")]
    TooMany {
        /// Values in both samples.
        values: u128,
        /// The most that would do.
        most: u128,
    },
    /// An exact law that would take too long or too much memory.
    #[error(
        "enumerate the exact law of U: {steps} steps are more than {most}; use the asymptotic tail"
    )]
    TooLarge {
        /// Steps that it would take.
        steps: u128,
        /// The most that are taken.
        most: u128,
    },
    /// Both samples are constant, or one lies wholly above the other, so that no variance can be estimated.
    #[error(
        "studentise the superiority {superiority}: its estimated variance is 0; use the exact test"
    )]
    NoVariance {
        /// `P(X > Y) + ½ P(X = Y)`.
        superiority: f64,
    },
}
