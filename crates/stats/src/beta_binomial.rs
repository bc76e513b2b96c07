//! An e-process for the share of events that falls to one arm, where that share is constant under the null hypothesis.
//!
//! The conjugate form of [`tilt`](crate::tilt): the mixture over alternatives is a Beta distribution instead of a grid, so that the evidence
//! has a closed form in the totals. It needs constant traffic weights, which the grid does not. Source: Lindon & Malek
//! (2022), for two outcomes. Assumes A1 to A3 of the crate.

use crate::special::{ln_beta, ln_beta_upper};

/// A Beta prior of the share, both parameters above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Weight of the arm in question, as if so many of its events had been seen.
    pub first: f64,
    /// Weight of the other arm.
    pub second: f64,
}

impl Prior {
    /// Logarithm of the evidence against "the share is `share`" after `first` events of the arm and `second` of the other.
    /// 0 without events. `share` lies strictly between 0 and 1.
    pub fn ln_evidence(self, share: f64, first: f64, second: f64) -> f64 {
        let after = self.after(first, second);
        let null = first * share.ln() + second * (-share).ln_1p();
        ln_beta(after.first, after.second) - ln_beta(self.first, self.second) - null
    }

    /// The same against "the share is at most `share`": the prior is cut off below it.
    pub fn ln_evidence_greater(self, share: f64, first: f64, second: f64) -> f64 {
        let above = |prior: Self| ln_beta_upper(prior.first, prior.second, share);
        self.ln_evidence(share, first, second) + above(self.after(first, second)) - above(self)
    }

    fn after(self, first: f64, second: f64) -> Self {
        Self {
            first: self.first + first,
            second: self.second + second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{binomial::ln_probability, numeric::count};

    #[test]
    fn nothing_is_won_when_the_share_is_what_the_null_hypothesis_says() {
        for prior in
            [(1.0, 1.0), (0.5, 0.5), (2.0, 9.0)].map(|(first, second)| Prior { first, second })
        {
            for share in [0.01, 0.1, 0.5] {
                for n in [0, 1, 10, 60] {
                    let expectation = |evidence: &dyn Fn(f64, f64) -> f64, share: f64| -> f64 {
                        let outcomes = (0..=n).map(|k| {
                            ln_probability(k, n, share) + evidence(count(k), count(n - k))
                        });
                        outcomes.map(f64::exp).sum()
                    };
                    let both = expectation(&|c, s| prior.ln_evidence(share, c, s), share);
                    let greater = |c: f64, s: f64| prior.ln_evidence_greater(share, c, s);
                    assert!((both - 1.0).abs() < 1e-9, "{both}");
                    assert!((expectation(&greater, share) - 1.0).abs() < 1e-9);
                    assert!(expectation(&greater, share / 2.0) <= 1.0 + 1e-9);
                }
            }
        }
    }
}
