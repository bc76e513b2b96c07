//! A kind of rollout, what is promised of it, and how often that happens.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use temper_judge::{Judge, Policy, State};
use temper_stats::{numeric::count, proportion::Proportion};

use crate::world::{Rollout, World};

/// A kind of rollout, and what is promised of it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is, for people.
    pub name: &'static str,
    /// The policy as JSON.
    pub policy: String,
    /// The service.
    pub world: World,
    /// What is promised.
    pub promise: Promise,
    /// Part of the runs that a full table takes: what takes long gets fewer.
    pub effort: f64,
}

/// What is promised of the judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Promise {
    /// A version within its margins is rolled back at most so often.
    RollsBackAtMost(f64),
    /// A version at the edge of its margins is proven safe at most so often.
    PassesEarlyAtMost(f64),
    /// A bad version is rolled back at least so often, in the median by this look.
    RollsBackAtLeast(f64, u32),
    /// A good version is proven safe at least so often, in the median by this look.
    PassesEarlyAtLeast(f64, u32),
    /// Nothing: it shows what a setting would cost.
    Nothing,
}

/// How the runs of a scenario ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How many there were.
    pub runs: u64,
    /// The looks at which versions were rolled back.
    pub rollbacks: Vec<u32>,
    /// The looks at which versions were proven safe.
    pub early: Vec<u32>,
    /// How many ended without an answer.
    pub inconclusive: u64,
}

impl Scenario {
    /// Runs it with seeds 1 to `runs`, on all cores.
    pub fn run(&self, runs: u64) -> Outcome {
        let policy = self.policy();
        let next = AtomicU64::new(1);
        let work = || {
            let mut outcome = Outcome::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed > runs {
                    return outcome;
                }
                outcome.add(&policy, &self.world, seed);
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .filter_map(|worker| worker.join().ok())
                .fold(Outcome::default(), Outcome::plus)
        })
    }

    /// The policy.
    ///
    /// # Panics
    ///
    /// Where the list of scenarios has one that is none.
    pub fn policy(&self) -> Policy {
        let policy = serde_json::from_str(&self.policy).ok();
        let policy = policy.and_then(|value| Policy::from_json(&value).ok());
        policy.unwrap_or_else(|| unreachable!("{}: {} is no policy", self.name, self.policy))
    }
}

impl Outcome {
    fn add(&mut self, policy: &Policy, world: &World, seed: u64) {
        let looks = policy.looks();
        let mut rollout = Rollout::new(world, looks, seed);
        let mut judge = Judge::new(policy.clone());
        self.runs += 1;
        for look in 1..=looks {
            judge.observe(&rollout.window(look));
            match judge.state() {
                State::Watching => continue,
                State::Fail => self.rollbacks.push(look),
                State::Pass if look < looks => self.early.push(look),
                State::Pass => {}
                State::Inconclusive => self.inconclusive += 1,
            }
            return;
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.inconclusive += other.inconclusive;
        self.rollbacks.extend(other.rollbacks);
        self.early.extend(other.early);
        self
    }

    /// The looks that a promise is about.
    pub fn of(&self, promise: Promise) -> &[u32] {
        match promise {
            Promise::PassesEarlyAtMost(_) | Promise::PassesEarlyAtLeast(..) => &self.early,
            Promise::RollsBackAtMost(_) | Promise::RollsBackAtLeast(..) | Promise::Nothing => {
                &self.rollbacks
            }
        }
    }

    /// Whether the runs contradict a promise with an error probability of at most `alpha`: by chance alone a promise that is kept is
    /// contradicted so rarely.
    pub fn contradicts(&self, promise: Promise, alpha: f64) -> bool {
        let (low, high) = self.limits(promise, 2.0 * alpha);
        match promise {
            Promise::RollsBackAtMost(most) | Promise::PassesEarlyAtMost(most) => low > most,
            Promise::RollsBackAtLeast(least, by) | Promise::PassesEarlyAtLeast(least, by) => {
                high < least || self.is_late(promise, by, alpha)
            }
            Promise::Nothing => false,
        }
    }

    /// Whether the rate that was seen, and the median look, are as promised.
    pub fn is_within(&self, promise: Promise) -> bool {
        let in_time = |by| self.median(promise).is_some_and(|look| look <= by);
        match promise {
            Promise::RollsBackAtMost(most) | Promise::PassesEarlyAtMost(most) => {
                self.rate(promise) <= most
            }
            Promise::RollsBackAtLeast(least, by) | Promise::PassesEarlyAtLeast(least, by) => {
                self.rate(promise) >= least && in_time(by)
            }
            Promise::Nothing => true,
        }
    }

    /// Whether the limit on the promise's bad side, missed with a probability of `alpha` at most, is within it, too.
    pub fn confirms(&self, promise: Promise, alpha: f64) -> bool {
        let (low, high) = self.limits(promise, 2.0 * alpha);
        self.is_within(promise)
            && match promise {
                Promise::RollsBackAtMost(most) | Promise::PassesEarlyAtMost(most) => high <= most,
                Promise::RollsBackAtLeast(least, _) | Promise::PassesEarlyAtLeast(least, _) => {
                    low >= least
                }
                Promise::Nothing => true,
            }
    }

    /// Whether fewer than half of the runs can have come to their end by this look.
    fn is_late(&self, promise: Promise, by: u32, alpha: f64) -> bool {
        let all = self.of(promise);
        let in_time = all.iter().filter(|look| **look <= by).count();
        let (_, high) = limits(
            in_time,
            u64::try_from(all.len()).unwrap_or(u64::MAX),
            2.0 * alpha,
        );
        high < 0.5
    }

    /// The share of runs in which what the promise is about happened.
    pub fn rate(&self, promise: Promise) -> f64 {
        let number = u64::try_from(self.of(promise).len()).unwrap_or(u64::MAX);
        count(number) / count(self.runs.max(1))
    }

    /// Limits of that share, each missed with a probability of `alpha/2` at most (Clopper & Pearson 1934).
    pub fn limits(&self, promise: Promise, alpha: f64) -> (f64, f64) {
        limits(self.of(promise).len(), self.runs, alpha)
    }

    /// The look by which half of those ended. None where none did.
    pub fn median(&self, promise: Promise) -> Option<u32> {
        let mut looks = self.of(promise).to_vec();
        looks.sort_unstable();
        looks.get(looks.len().checked_sub(1)? / 2).copied()
    }
}

fn limits(number: usize, of: u64, alpha: f64) -> (f64, f64) {
    let events = u64::try_from(number).unwrap_or(u64::MAX);
    Proportion::new(events, of).map_or((0.0, 1.0), |share| share.clopper_pearson(alpha))
}
