//! Two versions of the queue-manager side by side, and the traffic that reaches them.

use std::{io, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{task::JoinSet, time::MissedTickBehavior};

use super::pod::{Behaviour, Pod};

/// What is wrong with the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Regression {
    /// Nothing: it behaves as the old one.
    None,
    /// It fails five times as often.
    Errors,
    /// Every request takes 40 % longer.
    Latency,
    /// One request in twenty takes ten times as long; the median stays where it was.
    Tail,
    /// One of its pods fails a fifth of its requests; the others are healthy.
    OneBadPod,
}

impl Regression {
    /// Every regression with the word that chooses it and a sentence that says what it is.
    pub(crate) const ALL: [(Self, &str, &str); 5] = [
        (Self::None, "none", "the new version behaves as the old one"),
        (
            Self::Errors,
            "errors",
            "the new version fails five times as often",
        ),
        (
            Self::Latency,
            "latency",
            "the new version takes 40 % longer for every request",
        ),
        (
            Self::Tail,
            "tail",
            "one request in twenty takes ten times as long; the median does not move",
        ),
        (
            Self::OneBadPod,
            "one-bad-pod",
            "one pod of the new version fails a fifth of its requests",
        ),
    ];

    /// The regression that a word chooses.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, name, _)| *name == word)
            .map(|(regression, ..)| regression)
    }

    /// What it is, in a sentence.
    pub(crate) fn sentence(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(regression, ..)| *regression == self)
            .map_or("", |(_, _, sentence)| sentence)
    }

    /// How pod number `index` of the new version behaves.
    fn canary(self, index: usize) -> Behaviour {
        match self {
            Self::Errors => Behaviour {
                error_ratio: 5.0 * HEALTHY.error_ratio,
                ..HEALTHY
            },
            Self::Latency => Behaviour {
                median: HEALTHY.median.mul_f64(1.4),
                ..HEALTHY
            },
            Self::Tail => Behaviour {
                slow_ratio: 0.05,
                ..HEALTHY
            },
            Self::OneBadPod if index == 0 => Behaviour {
                error_ratio: 0.2,
                ..HEALTHY
            },
            Self::None | Self::OneBadPod => HEALTHY,
        }
    }
}

/// The old version: 20 ms in the middle, one request in a hundred fails.
const HEALTHY: Behaviour = Behaviour {
    median: Duration::from_millis(20),
    error_ratio: 0.01,
    slow_ratio: 0.0,
};

/// How large the fleet is and what it is asked to do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Pods of the old version.
    pub(crate) stable_pods: usize,
    /// Pods of the new version.
    pub(crate) canary_pods: usize,
    /// What is wrong with the new version.
    pub(crate) regression: Regression,
    /// Requests a second, over the whole fleet.
    pub(crate) rate: f64,
    /// Share of the requests that the new version gets, in [0, 1].
    pub(crate) canary_weight: f64,
    /// Decides all that is random.
    pub(crate) seed: u64,
}

/// A running fleet under traffic; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// Pods of the old version.
    pub(crate) stable: Vec<Pod>,
    /// Pods of the new version.
    pub(crate) canary: Vec<Pod>,
    _traffic: JoinSet<()>,
}

impl Fleet {
    /// Starts the pods, then the traffic.
    pub(crate) async fn start(plan: &Plan) -> io::Result<Self> {
        let mut seeds = fastrand::Rng::with_seed(plan.seed);
        let mut stable = Vec::new();
        for index in 0..plan.stable_pods {
            stable.push(Pod::start(format!("qm-stable-{index}"), HEALTHY, seeds.u64(..)).await?);
        }
        let mut canary = Vec::new();
        for index in 0..plan.canary_pods {
            let behaviour = plan.regression.canary(index);
            canary.push(Pod::start(format!("qm-canary-{index}"), behaviour, seeds.u64(..)).await?);
        }
        let users = Users {
            stable: queue_urls(&stable),
            canary: queue_urls(&canary),
            canary_weight: plan.canary_weight,
            random: seeds,
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        let mut traffic = JoinSet::new();
        traffic.spawn(users.arrive(plan.rate));
        Ok(Self {
            stable,
            canary,
            _traffic: traffic,
        })
    }
}

fn queue_urls(pods: &[Pod]) -> Vec<String> {
    pods.iter()
        .map(|pod| format!("http://{}/queues", pod.address))
        .collect()
}

/// People who use the service: they arrive at random and do not wait for one another.
struct Users {
    stable: Vec<String>,
    canary: Vec<String>,
    canary_weight: f64,
    random: fastrand::Rng,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Users {
    /// How often arrivals are drawn: well below the time that a request takes.
    const TICK: Duration = Duration::from_millis(5);
    /// Share of requests that create a queue instead of listing them.
    const WRITES: f64 = 0.2;

    async fn arrive(mut self, rate: f64) {
        let mut ticks = tokio::time::interval(Self::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        let per_tick = rate * Self::TICK.as_secs_f64();
        loop {
            ticks.tick().await;
            while requests.try_join_next().is_some() {}
            for _ in 0..self.arrivals(per_tick) {
                if let Some(request) = self.request() {
                    requests.spawn(send(self.client.clone(), request));
                }
            }
        }
    }

    /// Draws the number of arrivals in a tick: Poisson, by counting exponential gaps.
    fn arrivals(&mut self, mean: f64) -> usize {
        let mut elapsed = 0.0;
        let mut count = 0;
        loop {
            elapsed -= (1.0 - self.random.f64()).ln();
            if elapsed > mean {
                return count;
            }
            count += 1;
        }
    }

    fn request(&mut self) -> Option<Request<Empty<Bytes>>> {
        let to_canary = self.random.f64() < self.canary_weight;
        let urls = if to_canary {
            &self.canary
        } else {
            &self.stable
        };
        let url = self.random.choice(urls)?;
        let method = if self.random.f64() < Self::WRITES {
            Method::POST
        } else {
            Method::GET
        };
        Request::builder()
            .method(method)
            .uri(url)
            .body(Empty::new())
            .ok()
    }
}

async fn send(client: Client<HttpConnector, Empty<Bytes>>, request: Request<Empty<Bytes>>) {
    // Like a browser's user: a failure is seen by the service's own counters, and the body is read to the end so
    // that the connection can serve again.
    if let Ok(response) = client.request(request).await {
        let _body = response.into_body().collect().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_chooses_the_regression_that_it_stands_for() {
        for (regression, word, _) in Regression::ALL {
            assert_eq!(Regression::named(word), Some(regression));
        }
        assert_eq!(Regression::named("everything"), None);
    }

    #[test]
    fn only_the_first_canary_is_the_bad_pod() {
        assert!(Regression::OneBadPod.canary(0).error_ratio > HEALTHY.error_ratio);
        assert!((Regression::OneBadPod.canary(1).error_ratio - HEALTHY.error_ratio).abs() < 1e-12);
    }
}
