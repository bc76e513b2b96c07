//! Services with two versions, as counts per look.

use std::{collections::BTreeMap, sync::Arc};

use fastrand::Rng;
use temper_judge::window::{Arm, CellKey, Counts, Custom, Latency, Window};
use temper_stats::{normal, numeric::count};

use crate::random::{binomial, factor, gaussian, multinomial};

/// Upper bounds of classic histograms in seconds.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Buckets of native histograms: indices of schema 3, from 1 ms to 32 s.
const NATIVE: std::ops::RangeInclusive<i32> = -80..=40;

/// How requests are spread over the versions.
#[derive(Debug, Clone, Copy)]
pub enum Traffic {
    /// Requests of the canary and of the stable version in a look.
    Constant(u64, u64),
    /// So many requests a look, of which the canary gets 5 % in the first look and 90 % in the last.
    Ramp(u64),
}

/// How a service changes in time, both versions alike.
#[derive(Debug, Clone, Copy)]
pub enum Course {
    /// Not at all.
    Flat,
    /// So many times as much in looks 4 to 6.
    Incident(f64),
    /// So many times as much in the last look, growing evenly.
    Drift(f64),
    /// A level that follows the one before by this correlation, with a coefficient of variation of one half.
    Autocorrelated(f64),
}

/// Which routes there are.
#[derive(Debug, Clone, Copy)]
pub enum Routes {
    /// One, without a name.
    One,
    /// Ten, each with a tenth of the traffic; the canary's first has so many times the errors.
    Ten {
        /// Ratio of the errors of the first route.
        first: f64,
    },
    /// Two, the second of which takes four times as long. It has 10 % of the stable traffic and this share of the canary's.
    Mix {
        /// Share of the slow route in the canary's traffic.
        slow: f64,
        /// Whether requests are told apart by route.
        told_apart: bool,
    },
}

/// Requests that fail.
#[derive(Debug, Clone, Copy)]
pub struct Errors {
    /// Share of requests that fail.
    pub share: f64,
    /// The canary's share is so many times as large ...
    pub ratio: f64,
    /// ... and larger by this.
    pub increase: f64,
    /// From this look on; equal before.
    pub from: u32,
    /// Coefficient of variation of the share between pods, for as long as they live.
    pub pods_differ: f64,
    /// Whether errors come in bursts of 1 to 4.
    pub bursts: bool,
}

/// How long requests take: log-normal.
#[derive(Debug, Clone, Copy)]
pub struct Durations {
    /// Median in seconds.
    pub median: f64,
    /// Standard deviation of the logarithm.
    pub sigma: f64,
    /// The canary's requests take so many times as long.
    pub slowdown: f64,
    /// Share of the canary's requests that take ten times as long.
    pub slow: f64,
    /// Share of the canary's requests that end above every bound.
    pub beyond: f64,
    /// The canary's requests take three times as long in the first look.
    pub cold: bool,
    /// Coefficient of variation of the median between pods.
    pub pods_differ: f64,
    /// Native histograms instead of classic ones.
    pub native: bool,
}

/// A service in a rollout.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Requests a look.
    pub traffic: Traffic,
    /// Pods of the canary and of the stable version.
    pub pods: (usize, usize),
    /// How it changes in time.
    pub course: Course,
    /// Which routes there are.
    pub routes: Routes,
    /// Its errors, if they are counted.
    pub errors: Option<Errors>,
    /// Its latency, if it is measured.
    pub latency: Option<Durations>,
    /// Number of custom guards `m0`, `m1` and so on, each a pair of counters of its own with the same errors.
    pub metrics: usize,
}

/// A healthy service at 1 % of errors: 100 canary requests of 1000 a look, one pod a version.
pub const HEALTHY: World = World {
    traffic: Traffic::Constant(100, 900),
    pods: (1, 1),
    course: Course::Flat,
    routes: Routes::One,
    errors: Some(ERRORS),
    latency: None,
    metrics: 0,
};

/// As many errors in either version.
pub const ERRORS: Errors = Errors {
    share: 0.01,
    ratio: 1.0,
    increase: 0.0,
    from: 1,
    pods_differ: 0.0,
    bursts: false,
};

/// Requests that take as long in either version, in classic buckets.
pub const DURATIONS: Durations = Durations {
    median: 0.1,
    sigma: 0.8,
    slowdown: 1.0,
    slow: 0.0,
    beyond: 0.0,
    cold: false,
    pods_differ: 0.0,
    native: false,
};

/// A rollout of a service: its pods' lasting differences, and its level now.
#[derive(Debug)]
pub struct Rollout<'a> {
    world: &'a World,
    looks: u32,
    random: Rng,
    level: f64,
    /// Per arm and pod: factors of errors and of latency.
    pods: [Vec<(f64, f64)>; 2],
}

impl<'a> Rollout<'a> {
    /// A rollout over so many looks.
    pub fn new(world: &'a World, looks: u32, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let errors = world.errors.map_or(0.0, |errors| errors.pods_differ);
        let latency = world.latency.map_or(0.0, |latency| latency.pods_differ);
        let mut pods = |number| {
            (0..number)
                .map(|_| (factor(errors, &mut random), factor(latency, &mut random)))
                .collect()
        };
        let pods = [pods(world.pods.0), pods(world.pods.1)];
        Self {
            world,
            looks,
            level: 0.0,
            pods,
            random,
        }
    }

    /// The next look.
    pub fn window(&mut self, look: u32) -> Window {
        let level = self.level(look);
        let mut cells = BTreeMap::new();
        let (canary, stable) = self.requests(look);
        for (arm, requests) in [(Arm::Canary, canary), (Arm::Stable, stable)] {
            for (name, share, errors, slower) in self.routes(arm) {
                let of_route = binomial(requests, share, &mut self.random);
                for (pod, of_pod) in self.split(arm, of_route) {
                    let key = CellKey {
                        arm,
                        stratum: name.clone(),
                        pod: format!("{arm}-{pod}"),
                    };
                    let counts = self.cell(arm, look, pod, of_pod, level, errors, slower);
                    add(cells.entry(key).or_default(), counts);
                }
            }
        }
        Window {
            look,
            content: Ok(cells),
        }
    }

    fn requests(&self, look: u32) -> (u64, u64) {
        match self.world.traffic {
            Traffic::Constant(canary, stable) => (canary, stable),
            Traffic::Ramp(all) => {
                let done = f64::from(look - 1) / f64::from(self.looks.max(2) - 1);
                let canary = temper_stats::numeric::floor_count(count(all) * (0.05 + 0.85 * done));
                (canary, all - canary)
            }
        }
    }

    fn level(&mut self, look: u32) -> f64 {
        match self.world.course {
            Course::Incident(times) if (4..=6).contains(&look) => times,
            Course::Flat | Course::Incident(_) => 1.0,
            Course::Drift(times) => 1.0 + (times - 1.0) * f64::from(look) / f64::from(self.looks),
            Course::Autocorrelated(rho) => {
                let fresh = gaussian(&mut self.random);
                self.level = rho * self.level + (1.0 - rho * rho).sqrt() * fresh;
                (0.5 * self.level).exp()
            }
        }
    }

    /// Name, share of the traffic, ratio of errors and of latency of each route.
    fn routes(&self, arm: Arm) -> Vec<(String, f64, f64, f64)> {
        match self.world.routes {
            Routes::One => vec![(String::new(), 1.0, 1.0, 1.0)],
            Routes::Ten { first } => (0..10)
                .map(|route| {
                    let worse = if route == 0 && arm == Arm::Canary {
                        first
                    } else {
                        1.0
                    };
                    (format!("GET /{route}"), 0.1, worse, 1.0)
                })
                .collect(),
            Routes::Mix { slow, told_apart } => {
                let slow = if arm == Arm::Canary { slow } else { 0.1 };
                let name = |name: &str| {
                    if told_apart {
                        name.to_owned()
                    } else {
                        String::new()
                    }
                };
                vec![
                    (name("fast"), 1.0 - slow, 1.0, 1.0),
                    (name("slow"), slow, 1.0, 4.0),
                ]
            }
        }
    }

    /// Requests of each pod of an arm, as evenly as they go.
    fn split(&self, arm: Arm, requests: u64) -> Vec<(usize, u64)> {
        let pods = match arm {
            Arm::Canary => self.world.pods.0,
            Arm::Stable => self.world.pods.1,
        };
        let number = u64::try_from(pods).unwrap_or(1).max(1);
        (0..pods)
            .zip(0..number)
            .map(|(pod, at)| (pod, requests / number + u64::from(at < requests % number)))
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "a cell has as many properties")]
    fn cell(
        &mut self,
        arm: Arm,
        look: u32,
        pod: usize,
        requests: u64,
        level: f64,
        worse: f64,
        slower: f64,
    ) -> Counts {
        let [canary, stable] = &self.pods;
        let pods = if arm == Arm::Canary { canary } else { stable };
        let (of_errors, of_latency) = pods.get(pod).copied().unwrap_or((1.0, 1.0));
        let mut counts = Counts {
            requests,
            ..Counts::default()
        };
        if let Some(errors) = self.world.errors {
            let share = errors.share(arm, look) * level * worse * of_errors;
            counts.errors = errors.count(requests, share.min(1.0), &mut self.random);
            for metric in 0..self.world.metrics {
                let events = errors.count(requests, share.min(1.0), &mut self.random);
                let total = requests;
                counts
                    .custom
                    .insert(format!("m{metric}"), Custom::Events { total, events });
            }
        }
        if let Some(durations) = self.world.latency {
            let median = durations.median * level * slower * of_latency;
            counts.latency = Some(durations.count(arm, look, median, requests, &mut self.random));
        }
        counts
    }
}

impl Errors {
    fn share(&self, arm: Arm, look: u32) -> f64 {
        if arm == Arm::Canary && look >= self.from {
            self.ratio * self.share + self.increase
        } else {
            self.share
        }
    }

    fn count(&self, requests: u64, share: f64, random: &mut Rng) -> u64 {
        if !self.bursts {
            return binomial(requests, share, random);
        }
        let bursts = binomial(requests, share / 2.5, random);
        let errors: u64 = (0..bursts).map(|_| random.u64(1..=4)).sum();
        errors.min(requests)
    }
}

impl Durations {
    fn count(&self, arm: Arm, look: u32, median: f64, requests: u64, random: &mut Rng) -> Latency {
        let canary = arm == Arm::Canary;
        let cold = if canary && self.cold && look == 1 {
            3.0
        } else {
            1.0
        };
        let median = median * cold * if canary { self.slowdown } else { 1.0 };
        let slow = if canary { self.slow } else { 0.0 };
        let beyond = if canary { self.beyond } else { 0.0 };
        let above = |bound: f64| {
            let above = |median: f64| normal::upper_tail((bound / median).ln() / self.sigma);
            let mixed = (1.0 - slow) * above(median) + slow * above(10.0 * median);
            beyond + (1.0 - beyond) * mixed
        };
        if self.native {
            native(requests, above, random)
        } else {
            classic(requests, above, random)
        }
    }
}

/// Shares of requests between bounds, the last above all of them.
fn between(bounds: impl Iterator<Item = f64>, above: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut before = 1.0;
    let mut shares: Vec<_> = bounds
        .map(|bound| {
            let here = before - above(bound);
            before -= here;
            here.max(0.0)
        })
        .collect();
    shares.push(before.max(0.0));
    shares
}

fn classic(requests: u64, above: impl Fn(f64) -> f64, random: &mut Rng) -> Latency {
    let shares = between(BOUNDS.into_iter(), above);
    Latency::Classic {
        bounds: Arc::from(BOUNDS.as_slice()),
        counts: multinomial(requests, &shares, random),
    }
}

fn native(requests: u64, above: impl Fn(f64) -> f64, random: &mut Rng) -> Latency {
    let bound = |index: i32| (f64::from(index) / 8.0).exp2();
    let shares = between(NATIVE.map(bound), above);
    let counts = multinomial(requests, &shares, random);
    let last = NATIVE.end() + 1;
    Latency::Native {
        schema: 3,
        zero_threshold: 1e-128,
        zero: 0,
        buckets: NATIVE
            .chain([last])
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect(),
    }
}

/// Routes that are not told apart share a cell.
fn add(sum: &mut Counts, more: Counts) {
    let latency = match (sum.latency.take(), more.latency) {
        (
            Some(Latency::Classic { bounds, counts }),
            Some(Latency::Classic { counts: others, .. }),
        ) => Some(Latency::Classic {
            bounds,
            counts: counts.iter().zip(&others).map(|(a, b)| a + b).collect(),
        }),
        (one, other) => one.or(other),
    };
    sum.requests += more.requests;
    sum.errors += more.errors;
    sum.latency = latency;
    sum.custom.extend(more.custom);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(window: &Window, arm: Arm) -> u64 {
        let cells = window.content.as_ref().unwrap();
        cells
            .iter()
            .filter(|(key, _)| key.arm == arm)
            .map(|(_, counts)| counts.requests)
            .sum()
    }

    #[test]
    fn the_same_seed_is_the_same_rollout_and_no_request_is_lost() {
        let world = World {
            pods: (3, 9),
            routes: Routes::Ten { first: 5.0 },
            latency: Some(DURATIONS),
            ..HEALTHY
        };
        let looks = |seed| {
            let mut rollout = Rollout::new(&world, 3, seed);
            (1..=3).map(|look| rollout.window(look)).collect::<Vec<_>>()
        };
        assert_eq!(looks(7), looks(7));
        assert_ne!(looks(7), looks(8));
    }

    #[test]
    fn a_ramp_goes_from_a_twentieth_to_nine_tenths() {
        let world = World {
            traffic: Traffic::Ramp(1000),
            ..HEALTHY
        };
        let mut rollout = Rollout::new(&world, 10, 1);
        let shares: Vec<_> = (1..=10)
            .map(|look| requests(&rollout.window(look), Arm::Canary))
            .collect();
        assert_eq!((shares[0], shares[9]), (50, 900));
    }
}
