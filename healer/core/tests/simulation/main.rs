//! A whole world in which everything goes wrong, and one thing must not: a worker lost, doubled, blamed for our blindness, or touched against people's will.
//!
//! Producers, partitions with outages, a broker that still answers and no longer writes, clocks of workers and healers that are off by an hour, lagging and frozen healers, two of
//! them at once, an API server that fails before and after it did what was asked and refuses, watches that fall behind, evictions, and people who stop queues and
//! suspend, mark, delete and replace Jobs by hand. The healers in it are the real core and the real protocol; only time and the world are made up.
//!
//! `TEMPER_SIM_RUNS=1000000 cargo test --release -p temper-healer-core --test simulation -- --nocapture` runs it at length, `TEMPER_SIM_SEED` from
//! another seed on; a seed alone tells what happens in that run.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "all of it is a test: it may panic, print, and be told by the environment how long to run"
)]

mod healer;
mod kafka;
mod kill_points;
mod kube;
mod workers;
mod world;

use std::sync::LazyLock;

use world::{Mutation, Summary, World};

/// Runs with seeds from `first` on, until one breaks a law; `Ok` is what happened in all of them.
fn run(first: u64, runs: u64, mutation: Mutation) -> Result<Summary, String> {
    let mut all = Summary::default();
    for seed in first..first + runs {
        let summary = World::new(seed, mutation)
            .live()
            .map_err(|law| format!("seed {seed}: {law}"))?;
        all += summary;
    }
    Ok(all)
}

/// One run that is named by its seed tells what happens in it.
fn tells() -> bool {
    static TELLS: LazyLock<bool> = LazyLock::new(|| {
        number("TEMPER_SIM_SEED").is_some() && number("TEMPER_SIM_RUNS").is_none()
    });
    *TELLS
}

/// The first seed, and how many.
fn seeds() -> (u64, u64) {
    let (seed, runs) = (number("TEMPER_SIM_SEED"), number("TEMPER_SIM_RUNS"));
    let usual = if seed.is_some() { 1 } else { 2_000 };
    (seed.unwrap_or(0), runs.unwrap_or(usual))
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a seed and the runs are numbers"))
}

#[test]
fn no_worker_is_lost_doubled_or_blamed_for_our_blindness() {
    let (first, runs) = seeds();
    let summary = run(first, runs, Mutation::None).unwrap_or_else(|law| panic!("{law}"));
    println!("{runs} runs: {summary:?}");
    if runs >= 800 {
        assert!(
            summary.released > 0 && summary.outages > 0 && summary.crashes > 0,
            "the world must be eventful: {summary:?}"
        );
    }
}

#[track_caller]
fn is_found_out(mutation: Mutation, law: &str) {
    let broken = run(0, 1500, mutation).expect_err("a world without this protection breaks a law");
    assert!(broken.contains(law), "{broken}");
}

#[test]
fn without_the_freshness_barrier_workers_are_blamed() {
    is_found_out(Mutation::NoBarrier, "blamed");
}

#[test]
fn without_evidence_of_writes_workers_are_blamed() {
    is_found_out(Mutation::NoWriteEvidence, "blamed");
}

#[test]
fn without_a_suspended_successor_workers_are_doubled() {
    is_found_out(Mutation::SuccessorRuns, "doubled");
}

#[test]
fn without_deletion_in_the_foreground_old_pods_never_end_and_nobody_is_released() {
    is_found_out(Mutation::Orphans, "unfinished");
}
