//! One pod of the demonstration's queue-manager: a real HTTP server with a real `/metrics` page.
//!
//! Nothing is announced in advance: a counter's series is born with its first request, as it is in services whose
//! client library creates labelled children on first use.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{
    Method, Request, Response, StatusCode, body::Bytes, body::Incoming, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// Upper bounds of the histogram in seconds, the default of Prometheus' client libraries.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How one version of the service behaves, on average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// Median time that a request takes.
    pub(crate) median: Duration,
    /// Share of requests that end in an error, in [0, 1].
    pub(crate) error_ratio: f64,
    /// Share of requests that take [`Behaviour::SLOW_FACTOR`] times as long, in [0, 1].
    pub(crate) slow_ratio: f64,
}

impl Behaviour {
    /// Standard deviation of the logarithm of a request's duration: p99 is 3.2 times the median.
    const SPREAD: f64 = 0.5;
    /// How much longer a slow request takes.
    const SLOW_FACTOR: f64 = 10.0;

    /// Draws how long a request takes and whether it fails.
    fn draw(&self, random: &mut fastrand::Rng) -> (Duration, bool) {
        // Box and Muller's transform: one normal deviate from two uniform ones.
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.f64()).cos();
        let slow = if random.f64() < self.slow_ratio {
            Self::SLOW_FACTOR
        } else {
            1.0
        };
        let duration = self.median.mul_f64((Self::SPREAD * normal).exp() * slow);
        (duration, random.f64() < self.error_ratio)
    }
}

/// A running pod; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Pod {
    /// Name, as the label `pod` would have it.
    pub(crate) name: String,
    /// Where it listens: loopback, a free port.
    pub(crate) address: SocketAddr,
    _server: JoinSet<()>,
}

impl Pod {
    /// Starts a pod on a free loopback port; `seed` decides all that is random in it.
    pub(crate) async fn start(name: String, behaviour: Behaviour, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            behaviour,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            metrics: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, shared));
        Ok(Self {
            name,
            address,
            _server: server,
        })
    }

    /// Where the metrics page is.
    pub(crate) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

struct Shared {
    behaviour: Behaviour,
    random: Mutex<fastrand::Rng>,
    metrics: Mutex<Metrics>,
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that died before it was accepted is the caller's affair.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(TokioIo::new(stream), Arc::clone(&shared)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TokioIo<tokio::net::TcpStream>, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
    // An error here is a caller that hung up; it has nobody to be told to.
    let _hung_up = hyper::server::conn::http1::Builder::new()
        .serve_connection(stream, service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let handler = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => return Ok(page(&shared)),
        (&Method::GET, "/queues") => "GET /queues",
        (&Method::POST, "/queues") => "POST /queues",
        _ => {
            return Ok(reply(
                StatusCode::NOT_FOUND,
                "try GET /queues or GET /metrics\n".to_owned(),
            ));
        }
    };
    let started = Instant::now();
    let (duration, failed) = shared.behaviour.draw(&mut lock(&shared.random));
    tokio::time::sleep(duration).await;
    lock(&shared.metrics).record(handler, started.elapsed(), failed);
    Ok(if failed {
        reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the queue could not be read\n".to_owned(),
        )
    } else {
        reply(StatusCode::OK, "[]\n".to_owned())
    })
}

fn page(shared: &Shared) -> Response<Full<Bytes>> {
    reply(StatusCode::OK, lock(&shared.metrics).render())
}

fn reply(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    *response.status_mut() = status;
    response
}

/// What is behind these locks stays whole even where a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counters and histograms since the pod started, one entry per handler.
#[derive(Default)]
struct Metrics {
    handlers: std::collections::BTreeMap<&'static str, Handler>,
}

#[derive(Default)]
struct Handler {
    succeeded: u64,
    failed: u64,
    /// Requests per bucket, not cumulative; the last one is above every bound.
    buckets: [u64; BOUNDS.len() + 1],
    seconds: f64,
}

impl Metrics {
    fn record(&mut self, handler: &'static str, duration: Duration, failed: bool) {
        let entry = self.handlers.entry(handler).or_default();
        if failed {
            entry.failed += 1;
        } else {
            entry.succeeded += 1;
        }
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = entry.buckets.get_mut(bucket) {
            *count += 1;
        }
        entry.seconds += seconds;
    }

    /// The page in Prometheus' text exposition format.
    fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail, so the results below carry nothing.
        let _written = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        page.push_str("# HELP queue_requests_total Requests to the queue-manager.\n");
        page.push_str("# TYPE queue_requests_total counter\n");
        for (name, handler) in &self.handlers {
            for (status, count) in [("ok", handler.succeeded), ("error", handler.failed)] {
                if count > 0 {
                    writeln!(
                        page,
                        r#"queue_requests_total{{handler="{name}",status="{status}"}} {count}"#
                    )?;
                }
            }
        }
        page.push_str("# HELP http_request_duration_seconds Time to answer a request.\n");
        page.push_str("# TYPE http_request_duration_seconds histogram\n");
        for (name, handler) in &self.handlers {
            handler.write(page, name)?;
        }
        Ok(())
    }
}

impl Handler {
    fn write(&self, page: &mut String, name: &str) -> std::fmt::Result {
        let mut total = 0;
        let bounds = BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(self.buckets) {
            total += count;
            writeln!(
                page,
                r#"http_request_duration_seconds_bucket{{handler="{name}",le="{bound}"}} {total}"#
            )?;
        }
        let seconds = self.seconds;
        writeln!(
            page,
            r#"http_request_duration_seconds_sum{{handler="{name}"}} {seconds}"#
        )?;
        writeln!(
            page,
            r#"http_request_duration_seconds_count{{handler="{name}"}} {total}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_each_request_once_and_buckets_are_cumulative() {
        let mut metrics = Metrics::default();
        metrics.record("GET /queues", Duration::from_millis(5), false);
        metrics.record("GET /queues", Duration::from_millis(30), true);
        metrics.record("GET /queues", Duration::from_secs(11), false);
        let page = metrics.render();
        for line in [
            r#"queue_requests_total{handler="GET /queues",status="ok"} 2"#,
            r#"queue_requests_total{handler="GET /queues",status="error"} 1"#,
            r#"http_request_duration_seconds_bucket{handler="GET /queues",le="0.005"} 1"#,
            r#"http_request_duration_seconds_bucket{handler="GET /queues",le="0.05"} 2"#,
            r#"http_request_duration_seconds_bucket{handler="GET /queues",le="10"} 2"#,
            r#"http_request_duration_seconds_bucket{handler="GET /queues",le="+Inf"} 3"#,
            r#"http_request_duration_seconds_count{handler="GET /queues"} 3"#,
        ] {
            assert!(
                page.lines().any(|got| got == line),
                "{line} is missing in\n{page}"
            );
        }
    }

    #[test]
    fn an_error_series_is_born_with_its_first_error() {
        let mut metrics = Metrics::default();
        metrics.record("GET /queues", Duration::from_millis(5), false);
        assert!(!metrics.render().contains(r#"status="error""#));
    }

    #[test]
    fn draws_follow_the_behaviour() {
        let behaviour = Behaviour {
            median: Duration::from_millis(20),
            error_ratio: 0.1,
            slow_ratio: 0.0,
        };
        let mut random = fastrand::Rng::with_seed(7);
        let draws: Vec<_> = (0..10_000).map(|_| behaviour.draw(&mut random)).collect();
        let failed = draws.iter().filter(|(_, failed)| *failed).count();
        assert!((900..1100).contains(&failed), "{failed} of 10000 failed");
        let below = draws
            .iter()
            .filter(|(duration, _)| *duration < behaviour.median)
            .count();
        assert!(
            (4800..5200).contains(&below),
            "{below} of 10000 were below the median"
        );
    }
}
