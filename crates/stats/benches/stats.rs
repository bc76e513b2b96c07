//! What a look costs: `cargo bench -p temper-stats`.

use std::hint::black_box;

use divan::Bencher;
use temper_stats::{
    brunner_munzel::{BrunnerMunzel, Reference},
    conditional::Events,
    group_sequential::Boundary,
    hodges_lehmann,
    rank::{Alternative, Continuity, MannWhitney, exact::Exact},
    samples::Samples,
    score::Past,
    spending::{Schedule, Spending},
    tilt::{Interval, Margin, Tilt, WORSE, ratio_interval},
};

fn main() {
    divan::main();
}

/// Counts of a bell over all buckets, about `requests` of them.
fn bell(buckets: u64, requests: u64) -> Vec<u64> {
    let weight = |bucket: u64| (bucket + 1) * (buckets - bucket);
    let all: u64 = (0..buckets).map(weight).sum();
    (0..buckets)
        .map(|bucket| weight(bucket) * requests / all)
        .collect()
}

#[divan::bench(args = [12, 112])]
fn mann_whitney(bencher: Bencher<'_, '_>, buckets: u64) {
    let (canary, stable) = (bell(buckets, 100_000), bell(buckets, 900_000));
    bencher.bench(|| {
        let test = MannWhitney::from_counts(black_box(&canary), black_box(&stable));
        test.map(|test| test.tail(Alternative::Greater, Continuity::Corrected))
    });
}

#[divan::bench(args = [12, 112])]
fn brunner_munzel(bencher: Bencher<'_, '_>, buckets: u64) {
    let (canary, stable) = (bell(buckets, 100_000), bell(buckets, 900_000));
    bencher.bench(|| {
        let test = BrunnerMunzel::from_counts(black_box(&canary), black_box(&stable));
        test.and_then(|test| test.tail(Alternative::Greater, Reference::Student))
    });
}

/// One value in ten is the canary's.
fn samples(values: usize) -> Option<Samples> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut sample = |values| (0..values).map(|_| rng.f64()).collect::<Vec<_>>();
    Samples::new(&sample(values / 10), &sample(values - values / 10)).ok()
}

#[divan::bench(args = [1_000, 100_000])]
fn hodges_lehmann_shift(bencher: Bencher<'_, '_>, values: usize) {
    let samples = samples(values);
    let samples = samples.as_ref();
    bencher.bench(|| black_box(samples).map(|samples| hodges_lehmann::shift(samples, 0.05)));
}

#[divan::bench(args = [20, 100, 500])]
fn exact_law(bencher: Bencher<'_, '_>, values: usize) {
    let samples = samples(values);
    let samples = samples.as_ref();
    bencher.bench(|| black_box(samples).map(Exact::from_samples));
}

#[divan::bench(args = [10, 60])]
fn gaussian_boundary(bencher: Bencher<'_, '_>, looks: u32) {
    let schedule = Schedule::pocock(0.05, looks);
    bencher.bench(|| {
        let mut boundary = Boundary::default();
        let look = |look| boundary.look(f64::from(look), schedule.spent_by(look));
        (1..=looks).filter_map(look).last()
    });
}

#[divan::bench(args = [12, 112])]
fn latency_look(bencher: Bencher<'_, '_>, buckets: u64) {
    let (canary, stable) = (bell(buckets, 1_000), bell(buckets, 9_000));
    let mut past = Past::default();
    past.absorb(&stable);
    bencher.bench(|| past.ln_factors(black_box(&canary), black_box(&stable), 0.0));
}

fn interval() -> Interval {
    Interval {
        canary: 12,
        canary_exposure: 1_000,
        stable: 95,
        stable_exposure: 9_000,
    }
}

fn events(look: &Interval) -> Events {
    Events {
        first: look.canary,
        first_exposure: look.canary_exposure,
        second: look.stable,
        second_exposure: look.stable_exposure,
    }
}

#[divan::bench]
fn error_evidence_look(bencher: Bencher<'_, '_>) {
    let margin = Margin {
        ratio: 1.5,
        increase: 0.0,
    };
    let tilt = Tilt::new(margin, &WORSE);
    bencher.with_inputs(|| tilt.clone()).bench_refs(|tilt| {
        tilt.observe(black_box(&interval()));
        tilt.ln_evidence()
    });
}

/// The look after 59 others, with this many errors in each.
#[divan::bench(args = [100, 2_000])]
fn sixtieth_spending_look(bencher: Bencher<'_, '_>, errors: u64) {
    let schedule = Schedule::new(0.05, 60);
    let mut test = Spending::default();
    for look in 1..60 {
        test.look(errors / 10, errors, 0.1, schedule.spent_by(look));
    }
    bencher
        .with_inputs(|| test.clone())
        .bench_refs(|test| test.look(errors / 10, black_box(errors), 0.1, schedule.spent_by(60)));
}

#[divan::bench(args = [1, 60])]
fn ratio_confidence_sequence(bencher: Bencher<'_, '_>, looks: usize) {
    let intervals = vec![interval(); looks];
    bencher.bench(|| ratio_interval(black_box(&intervals), 0.05));
}

#[divan::bench(args = [1, 100])]
fn clopper_pearson(bencher: Bencher<'_, '_>, times: u64) {
    let look = interval();
    let more = Events {
        first: times * look.canary,
        second: times * look.stable,
        ..events(&look)
    };
    bencher.bench(|| black_box(&more).rate_ratio_interval(0.05));
}
