//! The metrics of a program, declared in one place with their help and shown on one page.
//!
//! A program declares all that it has when it starts and keeps the handles; nothing is looked up by name later.
//! Names are `<area>_<thing>_<unit>`; the page appends `_total` to counters and a full stop to help.

use std::{array, fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        family::{self, MetricConstructor},
        histogram,
    },
    registry::{Metric, Registry},
};

/// What the page is, for the header `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number that only grows. Clones count together.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// A number that goes up and down. Clones are the same gauge.
pub type Gauge = prometheus_client::metrics::gauge::Gauge<f64, AtomicU64>;
/// Observations in buckets. Clones observe together.
pub type Histogram = histogram::Histogram;

/// A counter for each combination of `N` labels.
pub type Counters<const N: usize> = Family<Counter, fn() -> Counter, N>;
/// A gauge for each combination of `N` labels.
pub type Gauges<const N: usize> = Family<Gauge, fn() -> Gauge, N>;
/// A histogram for each combination of `N` labels.
pub type Histograms<const N: usize> = Family<Histogram, Buckets, N>;

/// Upper bounds of a histogram's buckets, ascending; the last one, infinity, comes by itself.
#[derive(Debug, Clone, Copy)]
pub struct Buckets(pub &'static [f64]);

impl Buckets {
    /// Seconds from a call in memory to one that nobody waits for any more.
    pub const SECONDS: Self = Self(&[
        0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0,
    ]);
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// All metrics of a program.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics of the program that is so called; the first is `temper_build_info`, which says so.
    pub fn new(program: &str, version: &str) -> Self {
        let registry = Registry::default();
        let mut metrics = Self { registry };
        metrics
            .gauges(
                "temper_build_info",
                "Which program and version this is, always 1",
                ["program", "version"],
            )
            .with([program, version])
            .set(1.0);
        metrics
    }

    /// Declares a counter, which starts at zero.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        self.declare(name, help, Counter::default())
    }

    /// Declares a gauge, which starts at zero.
    pub fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        self.declare(name, help, Gauge::default())
    }

    /// Declares a histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: Buckets,
    ) -> Histogram {
        self.declare(name, help, buckets.new_metric())
    }

    /// Declares counters that differ in `labels`.
    pub fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Counters<N> {
        self.family(name, help, labels, Counter::default)
    }

    /// Declares gauges that differ in `labels`.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Gauges<N> {
        self.family(name, help, labels, Gauge::default)
    }

    /// Declares histograms that differ in `labels`.
    pub fn histograms<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        buckets: Buckets,
    ) -> Histograms<N> {
        self.family(name, help, labels, buckets)
    }

    /// The page in the text format of `OpenMetrics`, which Prometheus reads.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }

    fn declare<M: Metric + Clone>(
        &mut self,
        name: &'static str,
        help: &'static str,
        metric: M,
    ) -> M {
        self.registry.register(name, help, metric.clone());
        metric
    }

    fn family<M, C, const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        constructor: C,
    ) -> Family<M, C, N>
    where
        Series<M, C, N>: Metric + Clone,
    {
        let series = Series::new_with_constructor(constructor);
        let series = self.declare(name, help, series);
        Family { labels, series }
    }
}

type Series<M, C, const N: usize> = family::Family<[(&'static str, String); N], M, C>;

/// Metrics of one name that differ in the values of `N` labels. Clones share them.
#[derive(Debug, Clone)]
pub struct Family<M, C, const N: usize> {
    labels: [&'static str; N],
    series: Series<M, C, N>,
}

impl<M: Clone, C: MetricConstructor<M>, const N: usize> Family<M, C, N> {
    /// The metric with these values, in the order in which the labels were declared; it is on the page from now on.
    ///
    /// Keep the answer where it is wanted often. Each combination stays until it is removed: a value from outside,
    /// such as the name of a Job, must be bounded by the caller.
    pub fn with(&self, values: [&str; N]) -> M {
        self.series.get_or_create_owned(&self.set(values))
    }

    /// Takes the metric with these values off the page; whether it was there.
    pub fn remove(&self, values: [&str; N]) -> bool {
        self.series.remove(&self.set(values))
    }

    fn set(&self, values: [&str; N]) -> [(&'static str, String); N] {
        array::from_fn(|i| (self.labels[i], values[i].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_parse::{Scrape, Value};

    use super::*;

    /// The page as somebody else reads it; that reader drops what it can't read, so lines are counted.
    fn samples(metrics: &Metrics) -> Vec<prometheus_parse::Sample> {
        let page = metrics.page().unwrap();
        assert!(page.ends_with("# EOF\n"), "{page}");
        let lines = page.lines().map(|line| Ok(line.to_owned()));
        let samples = Scrape::parse(lines).unwrap().samples;
        let stated = page.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(samples.len(), stated, "{page}");
        samples
    }

    fn value(samples: &[prometheus_parse::Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&prometheus_parse::Sample| {
            sample.metric == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(label) == Some(value))
        };
        match samples.iter().find(fits).map(|sample| &sample.value) {
            Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
            other => panic!("{name}: {other:?} in {samples:#?}"),
        }
    }

    #[test]
    fn the_page_says_which_build_this_is() {
        let metrics = Metrics::new("temper-healer", "1.2.3");
        let labels = [("program", "temper-healer"), ("version", "1.2.3")];
        assert!(
            (value(&samples(&metrics), "temper_build_info", &labels) - 1.0).abs() < f64::EPSILON
        );
    }

    #[test]
    fn clones_of_a_metric_count_together_and_are_read_by_prometheus() {
        let mut metrics = Metrics::new("p", "v");
        let events = metrics.counters("healer_events", "Events read", ["kind", "type"]);
        events.with(["loader", "error"]).inc();
        events.clone().with(["loader", "error"]).inc_by(2);
        metrics.gauge("healer_lag_seconds", "Behind").set(0.25);

        let samples = samples(&metrics);
        let labels = [("kind", "loader"), ("type", "error")];
        let counted = value(&samples, "healer_events_total", &labels);
        assert!((counted - 3.0).abs() < f64::EPSILON);
        assert!((value(&samples, "healer_lag_seconds", &[]) - 0.25).abs() < f64::EPSILON);
    }

    #[test]
    fn a_histogram_has_a_bucket_for_each_bound_and_one_for_the_rest() {
        let mut metrics = Metrics::new("p", "v");
        let calls =
            metrics.histograms("kube_call_seconds", "Calls", ["verb"], Buckets(&[0.1, 1.0]));
        calls.with(["get"]).observe(0.05);
        calls.with(["get"]).observe(5.0);
        let page = metrics.page().unwrap();
        for line in [
            "kube_call_seconds_bucket{le=\"0.1\",verb=\"get\"} 1",
            "kube_call_seconds_bucket{le=\"1.0\",verb=\"get\"} 1",
            "kube_call_seconds_bucket{le=\"+Inf\",verb=\"get\"} 2",
            "kube_call_seconds_count{verb=\"get\"} 2",
        ] {
            assert!(page.contains(line), "{line} in\n{page}");
        }
    }

    #[test]
    fn values_from_outside_cannot_break_the_page() {
        let mut metrics = Metrics::new("p", "v");
        let workers = metrics.gauges("healer_workers", "Workers", ["queue"]);
        workers.with(["a\"} 1\nother_metric{x=\"\\"]).set(1.0);
        let page = metrics.page().unwrap();
        let line = r#"healer_workers{queue="a\"} 1\nother_metric{x=\"\\"} 1.0"#;
        assert!(page.lines().any(|found| found == line), "{page}");
    }

    #[test]
    fn what_is_removed_is_off_the_page() {
        let mut metrics = Metrics::new("p", "v");
        let workers = metrics.gauges("healer_workers", "Workers", ["queue"]);
        workers.with(["q1"]).set(1.0);
        assert!(workers.remove(["q1"]));
        assert!(!workers.remove(["q1"]));
        assert!(!metrics.page().unwrap().contains("q1"));
    }
}
