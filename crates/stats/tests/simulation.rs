//! Rollouts from a seeded generator: what is promised about repeated looks, counted. Both arms drift and the canary's weight
//! rises, as in a real rollout, unless a test says otherwise.

#![expect(
    clippy::suboptimal_flops,
    reason = "a simulation is written to be read"
)]

use fastrand::Rng;
use temper_stats::{
    conditional::Events,
    mixture::{Anytime, Mixture},
    numeric::count,
    score::{BETS, Past},
    spending::{Schedule, Spending},
    tilt::{Interval, Margin, Tilt, WORSE},
};

const ALPHA: f64 = 0.05;
const RUNS: u32 = 1000;
const LOOKS: u32 = 30;

/// What a share of the runs may exceed `ALPHA` by for chance alone, once in a thousand seeds.
fn limit(runs: u32) -> f64 {
    ALPHA + 3.1 * (ALPHA * (1.0 - ALPHA) / f64::from(runs)).sqrt()
}

fn share_of_runs(runs: u32, rejects: impl Fn(&mut Rng) -> bool) -> f64 {
    let mut rng = Rng::with_seed(20_240_917);
    let rejected: u32 = (0..runs).map(|_| u32::from(rejects(&mut rng))).sum();
    f64::from(rejected) / f64::from(runs)
}

/// By counting arrivals of a unit-rate process: for small means.
fn poisson(rng: &mut Rng, mean: f64) -> u64 {
    let arrivals = std::iter::repeat_with(|| -(1.0 - rng.f64()).ln());
    let mut time = 0.0;
    let before = arrivals.take_while(|gap| {
        time += gap;
        time < mean
    });
    u64::try_from(before.count()).expect("few arrivals")
}

/// Errors of a look at a healthy service whose error rate triples in the course of the rollout, the canary's `times` as many.
fn look_at_errors(rng: &mut Rng, look: u32, times: f64) -> Interval {
    let progress = f64::from(look) / f64::from(LOOKS);
    let rate = 0.01 * (1.0 + 2.0 * progress);
    let canary_exposure = 50 + 10 * u64::from(look);
    let stable_exposure = 900 - canary_exposure;
    Interval {
        canary: poisson(rng, times * rate * count(canary_exposure)),
        canary_exposure,
        stable: poisson(rng, rate * count(stable_exposure)),
        stable_exposure,
    }
}

fn spending_rejects(rng: &mut Rng, schedule: Schedule, times: f64) -> bool {
    let mut test = Spending::default();
    (1..=LOOKS).any(|look| {
        let errors = look_at_errors(rng, look, times);
        let events = Events {
            first: errors.canary,
            first_exposure: errors.canary_exposure,
            second: errors.stable,
            second_exposure: errors.stable_exposure,
        };
        let all = errors.canary + errors.stable;
        let allowed = schedule.spent_by(look);
        test.look(errors.canary, all, events.share(1.0), allowed)
            .rejects
    })
}

fn tilt_rejects(rng: &mut Rng, times: f64) -> bool {
    let margin = Margin {
        ratio: 1.0,
        increase: 0.0,
    };
    let mut process = Tilt::new(margin, &WORSE);
    let mut anytime = Anytime::default();
    (1..=LOOKS).any(|look| {
        process.observe(&look_at_errors(rng, look, times));
        anytime.record(process.ln_evidence());
        anytime.rejects(ALPHA)
    })
}

/// Latencies of `n` requests in buckets a factor of about two apart, all requests slower by `slower` buckets and `tail` of them by
/// three more.
fn latencies(rng: &mut Rng, n: u64, slower: f64, tail: f64) -> Vec<u64> {
    let mut counts = vec![0; 12];
    for _ in 0..n {
        let bell: f64 = (0..6).map(|_| rng.f64()).sum();
        let hit = if rng.f64() < tail { 3.0 } else { 0.0 };
        let place = 1.5 * bell + slower + hit;
        let bucket = (0..11_u32).take_while(|bucket| f64::from(bucket + 1) <= place);
        counts[bucket.count()] += 1;
    }
    counts
}

/// Both arms become slower by two buckets in the course of the rollout, the canary by `slower` and in its tail more.
fn score_rejects(rng: &mut Rng, looks: u32, slower: f64, tail: f64) -> bool {
    let mut past = Past::default();
    past.absorb(&latencies(rng, 500, 0.0, 0.0));
    let mut mixture = Mixture::new(BETS);
    let mut anytime = Anytime::default();
    (1..=looks).any(|look| {
        let drift = 2.0 * f64::from(look) / f64::from(looks);
        let canary = latencies(rng, 20 + 10 * u64::from(look), drift + slower, tail);
        let stable = latencies(rng, 500, drift, 0.0);
        mixture.multiply(past.observe(&canary, &stable, 0.0));
        anytime.record(mixture.ln_evidence());
        anytime.rejects(ALPHA)
    })
}

#[test]
fn spending_rolls_back_no_more_healthy_canaries_than_it_may() {
    for schedule in [
        Schedule::new(ALPHA, LOOKS),
        Schedule::open_ended(ALPHA),
        Schedule::pocock(ALPHA, LOOKS),
    ] {
        let rolled_back = share_of_runs(RUNS, |rng| spending_rejects(rng, schedule, 1.0));
        assert!(rolled_back <= limit(RUNS), "{rolled_back} by {schedule:?}");
    }
}

#[test]
fn spending_finds_three_times_the_errors() {
    let schedule = Schedule::new(ALPHA, LOOKS);
    let found = share_of_runs(200, |rng| spending_rejects(rng, schedule, 3.0));
    assert!(found >= 0.99, "{found}");
}

#[test]
fn the_error_e_process_rolls_back_few_healthy_canaries_and_finds_bad_ones() {
    let rolled_back = share_of_runs(RUNS, |rng| tilt_rejects(rng, 1.0));
    assert!(rolled_back <= limit(RUNS), "{rolled_back}");
    let found = share_of_runs(200, |rng| tilt_rejects(rng, 3.0));
    assert!(found >= 0.99, "{found}");
}

#[test]
fn the_latency_e_process_rolls_back_few_healthy_canaries_under_drift() {
    let rolled_back = share_of_runs(300, |rng| score_rejects(rng, 20, 0.0, 0.0));
    assert!(rolled_back <= limit(300), "{rolled_back}");
}

#[test]
fn the_latency_e_process_finds_a_shift_and_a_tail() {
    let shift = share_of_runs(50, |rng| score_rejects(rng, 20, 0.5, 0.0));
    assert!(shift >= 0.98, "shift: {shift}");
    let tail = share_of_runs(50, |rng| score_rejects(rng, 20, 0.0, 0.05));
    assert!(tail >= 0.98, "tail: {tail}");
}
