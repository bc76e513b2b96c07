//! The program itself, killed with SIGKILL where it hurts, and what is true nevertheless: no worker lost, none doubled, none blamed.
//!
//! The built `temper-healer` runs as a process between the library's mock brokers and an API server in memory that fails before and after
//! it has done what was asked, forgets, and interrupts watches. Workers speak, hang, fail, die and end in pods of a Job controller that takes
//! its time. A healer is killed while a request of its is on its way (which is then lost, done and never answered, or done much later), the
//! next one as well, and at times there are two who both believe that they lead. Laws are stated over everything that ever happened.
//!
//! `TEMPER_FUZZ_RUNS=441 cargo test -p temper-healer --test killed -- --nocapture` kills at each pair of places once; `TEMPER_FUZZ_SEED=n`
//! repeats one run and shows what the healers said.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is a test"
)]

mod diary;
mod fleet;
mod laws;
mod plan;
mod world;

#[path = "../stage/lib.rs"]
mod stage;

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use world::{Summary, World};

/// So many worlds live at a time: each of them mostly waits.
const AT_A_TIME: u64 = 8;

/// So many runs are among the tests.
const RUNS: u64 = 6;

#[test]
fn wherever_it_is_killed_no_worker_is_lost_doubled_or_blamed() {
    let (first, runs) = match number("TEMPER_FUZZ_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("TEMPER_FUZZ_RUNS").unwrap_or(RUNS)),
    };
    let next = AtomicU64::new(first);
    let seeds = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < first + runs);
    let summaries = thread::scope(|scope| {
        let live = || -> Summary { std::iter::from_fn(seeds).map(live).sum() };
        let threads: Vec<_> = (0..AT_A_TIME.min(runs))
            .map(|_| scope.spawn(live))
            .collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.collect::<Result<Vec<_>, _>>()
    });
    let Ok(summaries) = summaries else {
        panic!("a law is broken: see above");
    };
    let all: Summary = summaries.into_iter().sum();
    println!("{runs} runs: {all:?}");
    assert!(
        runs < RUNS || all.deaths > runs && all.replaced > runs,
        "the worlds must be eventful: {all:?}"
    );
}

fn live(seed: u64) -> Summary {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let lived = runtime.unwrap().block_on(World::new(seed).live());
    lived.unwrap_or_else(|law| panic!("seed {seed}: {law}"))
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}
