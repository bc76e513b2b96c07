//! A sequential rank test with tails: an e-process from scores of buckets.
//!
//! Null hypothesis, in every interval: for each score `g`, which rises with the bucket and lies in [0, 1], the canary's mean
//! is at most the stable one's plus `δ`. That holds for all of them at once when the canary's values are stochastically no
//! larger. The factor of an interval for the bet `ε` is
//! `Σ_j c_j ln(1 + ε(g_j − ḡ)) + s_j ln(1 − εκ(g_j − ḡ)) − N_c·ε·δ` as a logarithm, with `κ = N_c/N_s`.
//!
//! Scores, centre and bets come from the past alone; that is what makes the product an e-process. Bets on ridits are a
//! sequential Mann-Whitney test; bets on exceeding past quantiles see a tail that ranks are blind to. Related: Shekhar &
//! Ramdas (2021), Waudby-Smith & Ramdas (2024). Assumes A1 to A3 of the crate.

use crate::numeric::count;

/// Effects that are bet on, in units of two standard deviations of the score.
const EFFECTS: [f64; 6] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32];

/// Quantiles of the past beyond which a value is in the tail.
const TAILS: [f64; 3] = [0.5, 0.9, 0.99];

/// Number of scores: ridits and three tails.
pub const SCORES: usize = 1 + TAILS.len();

/// Number of bets: six effects for each score.
pub const BETS: usize = SCORES * EFFECTS.len();

/// Number of bets on safety, for each bucket's bound.
pub const SAFETY_BETS: usize = EFFECTS.len();

/// Share of the largest bet that could lose everything in one interval. All of it would risk a wealth of 0.
const BOLDNESS: f64 = 0.9;

/// Two quantiles that differ by less are one: sums of the same counts in another order must choose the same bucket.
const TIE: f64 = 1e-12;

/// Logarithm of the factor of an interval.
///
/// `canary`, `stable` and `scores` have one entry per bucket. A positive `bet` gathers evidence that the canary's mean score
/// exceeds the stable one's by more than `margin`, a negative one that it exceeds it by less. 0 where an arm is empty; NaN
/// where the bet is so bold that a value seen loses more than everything.
pub fn ln_factor(
    canary: &[u64],
    stable: &[u64],
    scores: &[f64],
    centre: f64,
    bet: f64,
    margin: f64,
) -> f64 {
    Scored::new(canary, stable, scores, centre).map_or(0.0, |scored| scored.ln_factor(bet, margin))
}

/// An interval with both arms in it, by score.
#[derive(Debug)]
struct Scored {
    canary: f64,
    /// κ: exposure of the canary over that of the stable version.
    ratio: f64,
    levels: Vec<Level>,
}

/// Counts of the buckets that share a score.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// g − ḡ.
    score: f64,
    canary: f64,
    stable: f64,
}

impl Scored {
    /// None where an arm is empty. Buckets next to each other with one score become one level, of which the score of a tail
    /// has two however many buckets there are.
    fn new(canary: &[u64], stable: &[u64], scores: &[f64], centre: f64) -> Option<Self> {
        let (n_canary, n_stable) = (total(canary), total(stable));
        let mut levels: Vec<Level> = Vec::new();
        for (bucket, score) in scores.iter().enumerate() {
            let at = |counts: &[u64]| counts.get(bucket).map_or(0.0, |n| count(*n));
            let level = Level {
                score: score - centre,
                canary: at(canary),
                stable: at(stable),
            };
            match levels.last_mut() {
                Some(last) if last.score.total_cmp(&level.score).is_eq() => last.add(level),
                _ => levels.push(level),
            }
        }
        (n_canary > 0.0 && n_stable > 0.0).then(|| Self {
            canary: n_canary,
            ratio: n_canary / n_stable,
            levels,
        })
    }

    fn ln_factor(&self, bet: f64, margin: f64) -> f64 {
        let levels = self.levels.iter().map(|level| {
            let tilt = bet * level.score;
            times(level.canary, tilt) + times(level.stable, -self.ratio * tilt)
        });
        levels.sum::<f64>() - self.canary * bet * margin
    }

    /// The bet in the direction of `sign` at which some score, seen or not, would lose everything.
    fn boldest(&self, sign: f64) -> f64 {
        let furthest = |side: f64| {
            let distances = self.levels.iter().map(|level| side * level.score);
            distances.fold(0.0, f64::max)
        };
        let (ahead, behind) = (furthest(sign), furthest(-sign));
        (1.0 / (self.ratio * ahead)).min(1.0 / behind)
    }
}

impl Level {
    fn add(&mut self, other: Self) {
        self.canary += other.canary;
        self.stable += other.stable;
    }
}

/// `n · ln(1 + tilt)`, and 0 for no values, which can't lose.
fn times(n: f64, tilt: f64) -> f64 {
    if n > 0.0 { n * tilt.ln_1p() } else { 0.0 }
}

fn total(counts: &[u64]) -> f64 {
    counts.iter().map(|n| count(*n)).sum()
}

/// What is known of a distribution from the past: relative frequencies of buckets, both arms together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    counts: Vec<u64>,
}

/// A score with its mean and variance under the past's distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    by_bucket: Vec<f64>,
    centre: f64,
    variance: f64,
}

/// The scores of an interval, all from its past.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores([Score; SCORES]);

/// An interval of one stratum, for evidence of safety.
#[derive(Debug, Clone, Copy)]
pub struct Stratum<'a> {
    /// What was seen of the stratum before.
    pub past: &'a Past,
    /// The canary's counts per bucket.
    pub canary: &'a [u64],
    /// The stable version's.
    pub stable: &'a [u64],
}

impl Past {
    /// Adds counts per bucket to the past.
    pub fn absorb(&mut self, counts: &[u64]) {
        if counts.len() > self.counts.len() {
            self.counts.resize(counts.len(), 0);
        }
        for (sum, new) in self.counts.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*new);
        }
    }

    /// The same past in other buckets.
    #[must_use]
    pub fn coarsened(&self, coarsen: impl Fn(&[u64]) -> Vec<u64>) -> Self {
        Self {
            counts: coarsen(&self.counts),
        }
    }

    /// Whether there is no past to bet by.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Logarithms of the factors of an interval for evidence that the canary is slower by more than `margin`, a bet each. All
    /// 0 while there is no past.
    pub fn ln_factors(&self, canary: &[u64], stable: &[u64], margin: f64) -> [f64; BETS] {
        self.scores(canary.len().max(stable.len()))
            .map_or([0.0; BETS], |scores| {
                scores.ln_factors(canary, stable, [margin; SCORES])
            })
    }

    /// As [`ln_factors`](Self::ln_factors), and absorbs both arms afterwards: no interval is scored by itself.
    pub fn observe(&mut self, canary: &[u64], stable: &[u64], margin: f64) -> [f64; BETS] {
        let factors = self.ln_factors(canary, stable, margin);
        self.absorb(canary);
        self.absorb(stable);
        factors
    }

    /// Ridits, then exceedance of the tails, over so many buckets. None while there is no past to score by.
    pub fn scores(&self, buckets: usize) -> Option<Scores> {
        if self.is_empty() {
            return None;
        }
        let [median, ninth, last] = TAILS.map(|tail| self.exceedance(self.quantile(tail), buckets));
        Some(Scores([self.ridit(buckets), median, ninth, last]))
    }

    /// Share of the past below a bucket, and half of that in it: the ridit of Bross (1958).
    fn ridit(&self, buckets: usize) -> Score {
        let all = total(&self.counts);
        let mut below = 0.0;
        let by_bucket = self.padded(buckets).map(|n| {
            let here = count(n) / all;
            let ridit = 0.5f64.mul_add(here, below);
            below += here;
            ridit.min(1.0)
        });
        self.score(by_bucket.collect())
    }

    fn exceedance(&self, above: usize, buckets: usize) -> Score {
        let buckets = buckets.max(self.counts.len());
        self.score(
            (0..buckets)
                .map(|bucket| if bucket > above { 1.0 } else { 0.0 })
                .collect(),
        )
    }

    /// The bucket that holds a quantile of the past.
    fn quantile(&self, share: f64) -> usize {
        let wanted = total(&self.counts) * (share - TIE);
        let mut sum = 0.0;
        let reached = |n: &u64| {
            sum += count(*n);
            sum >= wanted
        };
        self.counts.iter().position(reached).unwrap_or(0)
    }

    fn padded(&self, buckets: usize) -> impl Iterator<Item = u64> + '_ {
        let missing = buckets.saturating_sub(self.counts.len());
        self.counts
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0, missing))
    }

    fn score(&self, by_bucket: Vec<f64>) -> Score {
        let all = total(&self.counts);
        let mean = |value: &dyn Fn(f64) -> f64| {
            let weighted = by_bucket
                .iter()
                .zip(&self.counts)
                .map(|(g, n)| value(*g) * count(*n));
            weighted.sum::<f64>() / all
        };
        let centre = mean(&|g| g);
        let variance = mean(&|g| (g - centre) * (g - centre));
        let variance = at_least_one(variance, all);
        Score {
            by_bucket,
            centre,
            variance,
        }
    }
}

impl Scores {
    /// Logarithms of the factors of an interval, a bet each, with a margin for each score: the tolerated difference of its
    /// means.
    pub fn ln_factors(
        &self,
        canary: &[u64],
        stable: &[u64],
        margins: [f64; SCORES],
    ) -> [f64; BETS] {
        let scores = self.0.iter().zip(margins);
        let by_score =
            scores.flat_map(|(score, margin)| score.ln_factors(canary, stable, EFFECTS, margin));
        let mut factors = [0.0; BETS];
        for (place, factor) in factors.iter_mut().zip(by_score) {
            *place = factor;
        }
        factors
    }

    /// Ridits, then the tails from the median outwards.
    pub const fn each(&self) -> &[Score; SCORES] {
        &self.0
    }
}

/// Logarithms of the factors of an interval for evidence that, over all strata, the share of the canary's requests above a
/// bucket exceeds the stable one by *less* than `margin`: for each bucket but the last, a bet for each effect.
///
/// One bet `ε < 0` is made on all strata alike, which makes the claim one about the canary's traffic as it is:
/// `Σ N_c (μ_c − μ_s − δ) ≥ 0` is refuted. A product of bets chosen for each stratum would let a good one hide a bad one.
/// 0 while a stratum has no past, for its part. Takes time in proportion to the number of buckets.
pub fn ln_safety_factors(strata: &[Stratum<'_>], margin: f64) -> Vec<[f64; SAFETY_BETS]> {
    let mut tails: Vec<_> = strata.iter().filter_map(Tail::new).collect();
    let buckets = strata.iter().map(|stratum| stratum.canary.len()).max();
    let mut factors: Vec<[f64; SAFETY_BETS]> = Vec::new();
    for bucket in 0..buckets.unwrap_or(0).saturating_sub(1) {
        let mut moved = false;
        for tail in &mut tails {
            moved |= tail.move_past(bucket);
        }
        let same = factors.last().copied().filter(|_| !moved);
        factors.push(same.unwrap_or_else(|| safety_bets(&tails, margin)));
    }
    factors
}

fn safety_bets(tails: &[Tail<'_>], margin: f64) -> [f64; SAFETY_BETS] {
    let scored: Vec<_> = tails.iter().map(Tail::scored).collect();
    // The average variance and traffic ratio over the canary's requests; each stratum bounds the bet.
    let weighted = scored
        .iter()
        .map(|(variance, one)| one.canary * variance.sqrt() * (1.0 + one.ratio));
    let requests: f64 = scored.iter().map(|(_, one)| one.canary).sum();
    let spread = weighted.sum::<f64>() / requests;
    let boldest = scored.iter().map(|(_, one)| one.boldest(-1.0));
    let most = BOLDNESS * boldest.fold(f64::INFINITY, f64::min);
    EFFECTS.map(|effect| {
        let bet = -(2.0 * effect / spread).min(most);
        scored
            .iter()
            .map(|(_, one)| one.ln_factor(bet, margin))
            .sum()
    })
}

/// A stratum on both sides of a bound: how many are above it.
#[derive(Debug)]
struct Tail<'a> {
    stratum: &'a Stratum<'a>,
    /// All, of the past, the canary and the stable version.
    all: [f64; 3],
    above: [f64; 3],
}

impl<'a> Tail<'a> {
    /// None where there is no past, or an arm is empty.
    fn new(stratum: &'a Stratum<'a>) -> Option<Self> {
        let all = [&*stratum.past.counts, stratum.canary, stratum.stable].map(total);
        let known = all.iter().all(|all| *all > 0.0);
        known.then_some(Self {
            stratum,
            all,
            above: all,
        })
    }

    /// Moves the bound above a bucket. Tells whether that changes anything.
    fn move_past(&mut self, bucket: usize) -> bool {
        let Stratum {
            past,
            canary,
            stable,
        } = self.stratum;
        let mut moved = false;
        for (above, counts) in self.above.iter_mut().zip([&*past.counts, *canary, *stable]) {
            let here = counts.get(bucket).copied().unwrap_or(0);
            *above -= count(here);
            moved |= here > 0;
        }
        moved
    }

    /// The variance of the score 1 above and 0 below, and the interval by it.
    fn scored(&self) -> (f64, Scored) {
        let [past, n_canary, n_stable] = self.all;
        let [past_above, canary, stable] = self.above;
        let centre = past_above / past;
        let below = Level {
            score: -centre,
            canary: n_canary - canary,
            stable: n_stable - stable,
        };
        let above = Level {
            score: 1.0 - centre,
            canary,
            stable,
        };
        let scored = Scored {
            canary: n_canary,
            ratio: n_canary / n_stable,
            levels: vec![below, above],
        };
        (at_least_one(centre * (1.0 - centre), past), scored)
    }
}

/// A past that has seen one value only does not say that there is no other: one request more, half of it there.
fn at_least_one(variance: f64, past: f64) -> f64 {
    variance.max(0.25 / (past + 1.0))
}

impl Score {
    /// Difference of the mean score of some requests from that of others, and the variance of the score among the latter (half
    /// a request is taken to be elsewhere, so that it is never 0). None without requests in either.
    pub fn difference(&self, some: &[u64], others: &[u64]) -> Option<(f64, f64)> {
        let moment = |counts: &[u64], value: &dyn Fn(f64) -> f64| {
            let weighted = self.by_bucket.iter().zip(counts);
            let sum: f64 = weighted.map(|(score, n)| value(*score) * count(*n)).sum();
            sum / total(counts)
        };
        let (n, m) = (total(some), total(others));
        let mean = moment(others, &|score| score);
        let variance = moment(others, &|score| (score - mean) * (score - mean));
        (n > 0.0 && m > 0.0).then(|| {
            let difference = moment(some, &|score| score) - mean;
            (difference, at_least_one(variance, m))
        })
    }

    /// The factors for some effects, whose sign is the direction of the bet.
    ///
    /// The bet `Δ·2√v/(v(1 + κ))` is the one that grows fastest when the effect is Δ·2√v, kept within what can't lose all.
    fn ln_factors<const N: usize>(
        &self,
        canary: &[u64],
        stable: &[u64],
        effects: [f64; N],
        margin: f64,
    ) -> [f64; N] {
        let Some(scored) = Scored::new(canary, stable, &self.by_bucket, self.centre) else {
            return [0.0; N];
        };
        effects.map(|effect| {
            let wished = 2.0 * effect / (self.variance.sqrt() * (1.0 + scored.ratio));
            let most = BOLDNESS * scored.boldest(wished.signum());
            scored.ln_factor(wished.clamp(-most, most), margin)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binomial::ln_probability;

    #[test]
    fn without_a_past_nothing_is_bet() {
        let factors = Past::default().ln_factors(&[5, 5], &[50, 50], 0.0);
        assert!(factors.iter().all(|factor| factor.abs() < f64::EPSILON));
    }

    #[test]
    fn an_interval_is_scored_before_it_is_learnt_from() {
        let (canary, stable) = ([1, 2, 30], [500, 400, 90]);
        let mut past = Past::default();
        let unscored = past.observe(&canary, &stable, 0.0);
        assert!(unscored.iter().all(|factor| factor.abs() < f64::EPSILON));
        let mut both = Past::default();
        both.absorb(&[501, 402, 120]);
        assert_eq!(past, both);
        let expected = both.ln_factors(&stable, &canary, 0.0).map(f64::to_bits);
        assert_eq!(
            past.observe(&stable, &canary, 0.0).map(f64::to_bits),
            expected
        );
    }

    #[test]
    fn a_past_in_one_bucket_still_bets_on_what_leaves_it() {
        let mut past = Past::default();
        past.absorb(&[0, 100]);
        let best = |canary: &[u64]| {
            let factors = past.ln_factors(canary, &[0, 50, 0], 0.0);
            factors.into_iter().fold(f64::NEG_INFINITY, f64::max)
        };
        assert!(best(&[0, 0, 5]) > 1.0);
        assert!(best(&[0, 5, 0]).abs() < f64::EPSILON);
    }

    #[test]
    fn a_good_stratum_does_not_hide_a_bad_one() {
        let mut past = Past::default();
        past.absorb(&[900, 100]);
        let stable = [9000, 1000];
        let stratum = |canary| Stratum {
            past: &past,
            canary,
            stable: &stable,
        };
        let evidence = |strata: &[Stratum<'_>]| {
            let factors = ln_safety_factors(strata, 0.05)[0];
            factors.into_iter().fold(f64::NEG_INFINITY, f64::max)
        };
        let (good, bad) = ([950, 50], [700, 300]);
        assert!(evidence(&[stratum(&good)]) > 5.0);
        assert!(evidence(&[stratum(&good), stratum(&bad)]) < 0.0);
    }

    #[test]
    fn a_slower_canary_gathers_evidence_and_a_faster_one_loses_it() {
        let mut past = Past::default();
        past.absorb(&[500, 400, 90, 10]);
        let best = |factors: [f64; BETS]| factors.into_iter().fold(f64::NEG_INFINITY, f64::max);
        assert!(best(past.ln_factors(&[20, 40, 30, 10], &[500, 400, 90, 10], 0.0)) > 5.0);
        assert!(best(past.ln_factors(&[80, 18, 2, 0], &[500, 400, 90, 10], 0.0)) < 0.0);
    }

    /// Expectation of a factor under a common distribution over three buckets, by enumeration of both arms.
    fn expectation(past: &Past, n_canary: u64, n_stable: u64, p: [f64; 3], bet: usize) -> f64 {
        let mut sum = 0.0;
        for (canary, ln_canary) in outcomes(n_canary, p) {
            for (stable, ln_stable) in outcomes(n_stable, p) {
                let factor = past.ln_factors(&canary, &stable, 0.0)[bet];
                sum += (ln_canary + ln_stable + factor).exp();
            }
        }
        sum
    }

    /// Every way in which `n` values fall into three buckets, with the logarithm of its probability.
    fn outcomes(n: u64, [low, middle, high]: [f64; 3]) -> Vec<([u64; 3], f64)> {
        let mut all = Vec::new();
        for a in 0..=n {
            for b in 0..=n - a {
                let first = ln_probability(a, n, low);
                let second = ln_probability(b, n - a, middle / (middle + high));
                all.push(([a, b, n - a - b], first + second));
            }
        }
        all
    }

    #[test]
    fn no_bet_is_expected_to_win_when_both_arms_are_alike() {
        let mut largest = f64::NEG_INFINITY;
        for counts in [[50, 40, 10], [1, 1, 1], [97, 2, 1]] {
            let mut past = Past::default();
            past.absorb(&counts);
            for p in [[0.5, 0.4, 0.1], [0.1, 0.2, 0.7], [0.98, 0.01, 0.01]] {
                for (n_canary, n_stable) in [(2, 6), (5, 5), (6, 1)] {
                    for bet in 0..BETS {
                        let expected = expectation(&past, n_canary, n_stable, p, bet);
                        largest = largest.max(expected.ln());
                    }
                }
            }
        }
        assert!(largest <= 1e-9, "{largest}");
    }

    #[test]
    fn safety_is_never_expected_to_be_proven_at_the_margin() {
        let mut past = Past::default();
        past.absorb(&[80, 20]);
        // The canary exceeds the first bucket in 30 % of its requests, the stable version in 20 %: the margin is used up.
        for bet in 0..EFFECTS.len() {
            let mut sum = 0.0;
            for slow_canary in 0..=8_u64 {
                for slow_stable in 0..=12_u64 {
                    let ln_p =
                        ln_probability(slow_canary, 8, 0.3) + ln_probability(slow_stable, 12, 0.2);
                    let canary = [8 - slow_canary, slow_canary];
                    let stable = [12 - slow_stable, slow_stable];
                    let stratum = Stratum {
                        past: &past,
                        canary: &canary,
                        stable: &stable,
                    };
                    let factor = ln_safety_factors(&[stratum], 0.1)[0][bet];
                    sum += (ln_p + factor).exp();
                }
            }
            assert!(sum.ln() <= 1e-9, "{sum}");
        }
    }
}
