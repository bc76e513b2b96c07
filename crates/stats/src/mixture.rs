//! Mixtures of e-processes: bets on several effects at once.

use crate::numeric::{length, ln_sum_exp};

/// A uniform mixture of e-processes, kept as logarithms of their wealths.
///
/// An average of e-processes is an e-process, whatever their dependence, so nothing is paid for betting on many effects
/// but a factor of at most their number. Source: Robbins (1970); Wang & Ramdas (2022) for combining.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    ln_wealth: Vec<f64>,
}

impl Mixture {
    /// A mixture of `bets` processes, all at wealth 1.
    pub fn new(bets: usize) -> Self {
        Self {
            ln_wealth: vec![0.0; bets],
        }
    }

    /// Multiplies each process by its factor for the new data, given as a logarithm, in the order of the bets.
    ///
    /// A factor whose expectation given the past is at most 1 under the null hypothesis keeps the e-process one.
    pub fn multiply(&mut self, ln_factors: impl IntoIterator<Item = f64>) {
        for (wealth, factor) in self.ln_wealth.iter_mut().zip(ln_factors) {
            *wealth += factor;
        }
    }

    /// Logarithm of the mixture's wealth: the evidence against the null hypothesis so far.
    pub fn ln_evidence(&self) -> f64 {
        ln_sum_exp(self.ln_wealth.iter().copied()) - length(self.ln_wealth.len()).ln()
    }
}

/// Evidence with the largest value so far, from which an anytime-valid p-value follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anytime {
    ln_largest: f64,
}

impl Default for Anytime {
    /// No evidence yet: p = 1.
    fn default() -> Self {
        Self { ln_largest: 0.0 }
    }
}

impl Anytime {
    /// Takes in the evidence after a look.
    pub fn record(&mut self, ln_evidence: f64) {
        self.ln_largest = self.ln_largest.max(ln_evidence);
    }

    /// The p-value `min 1/E` over the looks so far, in (0, 1]: valid at any look, by Ville's inequality.
    pub fn p(self) -> f64 {
        (-self.ln_largest).exp()
    }

    /// Whether the evidence ever reached `1/α`.
    pub fn rejects(self, alpha: f64) -> bool {
        self.ln_largest >= -alpha.ln()
    }
}
