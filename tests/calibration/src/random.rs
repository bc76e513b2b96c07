//! Random numbers of the distributions that services have, exactly: an approximation would be what is measured.

use fastrand::Rng;
use temper_stats::{
    binomial::ln_probability,
    normal,
    numeric::{count, floor_count},
};

/// A binomial number: how many of `n` requests something happens to, of probability `p` each.
///
/// By inversion, starting at the mode and going outwards in both directions, so that it takes some standard deviations of steps.
pub fn binomial(n: u64, p: f64, random: &mut Rng) -> u64 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    let odds = p / (1.0 - p);
    let mode = floor_count(count(n + 1) * p).min(n);
    let peak = ln_probability(mode, n, p).exp();
    let mut left = random.f64() - peak;
    let (mut below, mut above) = ((mode, peak), (mode, peak));
    while left > 0.0 && (below.0 > 0 || above.0 < n) {
        if above.0 < n {
            let (k, probability) = above;
            above = (k + 1, probability * odds * count(n - k) / count(k + 1));
            left -= above.1;
            if left <= 0.0 {
                return above.0;
            }
        }
        if below.0 > 0 {
            let (k, probability) = below;
            below = (k - 1, probability * count(k) / (count(n - k + 1) * odds));
            left -= below.1;
            if left <= 0.0 {
                return below.0;
            }
        }
        // What is left over is lost to rounding.
        if above.1 + below.1 < 1e-18 {
            break;
        }
    }
    mode
}

/// How `n` requests fall into buckets of these probabilities, whose sum is 1.
pub fn multinomial(n: u64, probabilities: &[f64], random: &mut Rng) -> Vec<u64> {
    let (mut requests, mut rest) = (n, 1.0);
    probabilities
        .iter()
        .map(|probability| {
            let here = binomial(requests, (probability / rest).min(1.0), random);
            requests -= here;
            rest -= probability;
            here
        })
        .collect()
}

/// A standard normal number.
pub fn gaussian(random: &mut Rng) -> f64 {
    normal::upper_quantile(1.0 - random.f64().max(1e-300))
}

/// A factor whose mean is 1 and whose coefficient of variation is `cv`: log-normal.
pub fn factor(cv: f64, random: &mut Rng) -> f64 {
    let variance = (cv * cv).ln_1p();
    (variance.sqrt() * gaussian(random) - variance / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_numbers_have_their_mean_and_variance() {
        let mut random = Rng::with_seed(1);
        for (n, p) in [(10, 0.3), (1000, 0.01), (9000, 0.4), (50, 0.99)] {
            let drawn: Vec<f64> = (0..20_000)
                .map(|_| count(binomial(n, p, &mut random)))
                .collect();
            let mean = drawn.iter().sum::<f64>() / 20_000.0;
            let variance = drawn.iter().map(|k| (k - mean) * (k - mean)).sum::<f64>() / 20_000.0;
            let (expected, spread) = (count(n) * p, count(n) * p * (1.0 - p));
            assert!(
                (mean - expected).abs() < 5.0 * (spread / 20_000.0).sqrt(),
                "{n} {p}: {mean}"
            );
            assert!(
                (variance / spread - 1.0).abs() < 0.06,
                "{n} {p}: {variance}"
            );
        }
    }

    #[test]
    fn no_request_is_lost_among_buckets() {
        let mut random = Rng::with_seed(2);
        let counts = multinomial(1000, &[0.5, 0.0, 0.3, 0.2], &mut random);
        assert_eq!(counts.iter().sum::<u64>(), 1000);
        assert_eq!(counts[1], 0);
    }

    #[test]
    fn factors_have_mean_one() {
        let mut random = Rng::with_seed(3);
        let mean = (0..50_000).map(|_| factor(0.5, &mut random)).sum::<f64>() / 50_000.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
