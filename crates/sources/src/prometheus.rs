//! Windows from the Prometheus HTTP API: raw samples of raw counters, cut at exact boundaries.

use jiff::Timestamp;
use reqwest::Url;

use crate::cells::{self, Observed};
use crate::client::{Answer, Http};
use crate::custom;
use crate::increase::{LOOKBACK_MS, Span};
use crate::reply::{Data, Reply, Series};
use crate::window::{Arm, Missing, Window};
use crate::{CustomQuery, Matchers, PrometheusConfig, Query, Selector, SourceError};

/// Intervals are fetched together up to this much time, so that a restarted plugin neither asks once per interval
/// nor holds an hour of raw samples.
const CHUNK_MS: i64 = 600_000;

/// A Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    http: Http,
    endpoint: Url,
}

impl Prometheus {
    /// Checks the address; connects and reads files only at the first query.
    pub fn new(config: PrometheusConfig) -> Result<Self, SourceError> {
        let endpoint = endpoint(&config)?;
        Ok(Self {
            http: Http::new(config),
            endpoint,
        })
    }

    /// The counts of one interval (from, to].
    pub async fn window(
        &self,
        query: &Query,
        look: u32,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Window, SourceError> {
        let mut windows = self.windows(query, look, &[from, to]).await?;
        windows
            .pop()
            .ok_or_else(|| SourceError::Config("an interval needs a start before its end".into()))
    }

    /// The counts of adjacent intervals, one between each two boundaries, numbered from `first_look`.
    ///
    /// A window depends on its own interval and the lookback before it alone, not on what is asked with it.
    pub async fn windows(
        &self,
        query: &Query,
        first_look: u32,
        boundaries: &[Timestamp],
    ) -> Result<Vec<Window>, SourceError> {
        query.check()?;
        let spans = spans(boundaries)?;
        let mut windows = self.counted(query, first_look, &spans).await?;
        for (name, custom) in &query.custom {
            self.add(query, (name, custom), &spans, &mut windows)
                .await?;
        }
        Ok(windows)
    }

    /// Reads what a custom guard looks at into the windows.
    async fn add(
        &self,
        query: &Query,
        (name, custom): (&str, &CustomQuery),
        spans: &[Span],
        windows: &mut [Window],
    ) -> Result<(), SourceError> {
        if let CustomQuery::Value(text) = custom {
            for (window, span) in windows.iter_mut().zip(spans) {
                if let Some(value) = self.value(text, span.to_ms).await? {
                    custom::join_value(window, name, value);
                }
            }
        } else if let Some(alone) = custom::alone(query, custom) {
            let first = windows.first().map_or(1, |window| window.look);
            let counted = self.counted(&alone, first, spans).await?;
            for (window, counted) in windows.iter_mut().zip(counted) {
                custom::join(window, name, counted);
            }
        }
        Ok(())
    }

    /// The value of a query that gives one series, or none.
    async fn value(&self, text: &str, time_ms: i64) -> Result<Option<f64>, SourceError> {
        let series = self.query(text, time_ms, "vector").await?;
        let bad = |why: String| SourceError::BadReply {
            query: text.to_owned(),
            why,
        };
        match series.as_slice() {
            [] => Ok(None),
            [one] => {
                let Some((_, value)) = &one.value else {
                    return Err(bad("it gave a histogram; query a number".to_owned()));
                };
                let number = value
                    .parse()
                    .map_err(|error| bad(format!("{value}: {error}")))?;
                Ok(Some(number))
            }
            many => Err(bad(format!(
                "it gave {} series, and a limit is for one: aggregate them, with max() for instance",
                many.len()
            ))),
        }
    }

    async fn counted(
        &self,
        query: &Query,
        first_look: u32,
        spans: &[Span],
    ) -> Result<Vec<Window>, SourceError> {
        let mut windows = Vec::with_capacity(spans.len());
        let mut rest = spans;
        while let Some(first) = rest.first() {
            let within = rest
                .partition_point(|s| s.to_ms - first.from_ms <= CHUNK_MS)
                .max(1);
            let (chunk, later) = rest.split_at(within);
            self.chunk(query, first_look, chunk, &mut windows).await?;
            rest = later;
        }
        Ok(windows)
    }

    async fn chunk(
        &self,
        query: &Query,
        first_look: u32,
        spans: &[Span],
        windows: &mut Vec<Window>,
    ) -> Result<(), SourceError> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Ok(());
        };
        let whole = Span {
            from_ms: first.from_ms,
            to_ms: last.to_ms,
        };
        let canary = self.observe(query, &query.canary, whole).await?;
        let stable = self.observe(query, &query.stable, whole).await?;
        let absent = self
            .absent(
                query,
                whole,
                [(Arm::Canary, &canary), (Arm::Stable, &stable)],
            )
            .await?;
        for span in spans {
            let look = first_look.saturating_add(u32::try_from(windows.len()).unwrap_or(u32::MAX));
            windows.push(match &absent {
                Some(missing) => Window {
                    look,
                    content: Err(missing.clone()),
                },
                None => cells::window(look, *span, query, &canary, &stable)?,
            });
        }
        Ok(())
    }

    async fn observe(
        &self,
        query: &Query,
        arm: &Matchers,
        whole: Span,
    ) -> Result<Observed, SourceError> {
        let mut observed = Observed::default();
        if let Some((total, errors)) = &query.errors {
            observed.total = self.raw(&total.with(arm), whole).await?;
            observed.errors = self.raw(&errors.with(arm), whole).await?;
        }
        if let Some(histogram) = &query.latency {
            observed.latency = self.raw(&bucket(histogram).with(arm), whole).await?;
            let native = histogram.named(base(histogram)).with(arm);
            observed.latency.extend(self.raw(&native, whole).await?);
        }
        observed.up = self.raw(&up(arm), whole).await?;
        Ok(observed)
    }

    /// Why an arm has no series at all: the words that tell a typing error from a lack of traffic.
    async fn absent(
        &self,
        query: &Query,
        whole: Span,
        arms: [(Arm, &Observed); 2],
    ) -> Result<Option<Missing>, SourceError> {
        let total = query.errors.as_ref().map(|e| e.0.clone());
        for (arm, observed) in arms {
            for (wanted, series) in [
                (total.clone(), &observed.total),
                (query.latency.as_ref().map(bucket), &observed.latency),
            ] {
                let Some(selector) = wanted.filter(|_| series.is_empty()) else {
                    continue;
                };
                let known = self.known(&selector, whole).await?;
                return Ok(Some(Missing(absence(
                    arm,
                    &selector,
                    known,
                    !observed.up.is_empty(),
                ))));
            }
        }
        Ok(None)
    }

    async fn known(&self, selector: &Selector, whole: Span) -> Result<bool, SourceError> {
        let bare = selector.name();
        let range = whole.to_ms - whole.from_ms + LOOKBACK_MS;
        let text = format!("count(last_over_time({bare}[{range}ms]))");
        Ok(!self.query(&text, whole.to_ms, "vector").await?.is_empty())
    }

    async fn raw(&self, selector: &Selector, whole: Span) -> Result<Vec<Series>, SourceError> {
        let range = whole.to_ms - whole.from_ms + LOOKBACK_MS;
        self.query(&format!("{selector}[{range}ms]"), whole.to_ms, "matrix")
            .await
    }

    async fn query(
        &self,
        text: &str,
        time_ms: i64,
        expected: &str,
    ) -> Result<Vec<Series>, SourceError> {
        let time = format!(
            "{}.{:03}",
            time_ms.div_euclid(1000),
            time_ms.rem_euclid(1000)
        );
        let answer = self
            .http
            .post(
                self.endpoint.clone(),
                &[("query", text), ("time", &time)],
                text,
            )
            .await?;
        let reply: Result<Reply, _> = serde_json::from_slice(&answer.body);
        if answer.status != 200 {
            return Err(self.refusal(text, &answer, reply.ok()));
        }
        let bad = |why: String| SourceError::BadReply {
            query: text.to_owned(),
            why,
        };
        let reply = reply.map_err(|e| bad(e.to_string()))?;
        if !reply.warnings.is_empty() {
            return Err(SourceError::Partial {
                query: text.to_owned(),
                warning: reply.warnings.join("; "),
            });
        }
        match reply.data {
            Some(Data {
                result_type,
                result,
            }) if reply.status == "success" && result_type == expected => Ok(result),
            Some(data) => Err(bad(format!(
                "expected {expected}, got {}",
                data.result_type
            ))),
            None => Err(bad(format!(
                "status is {} and there is no data",
                reply.status
            ))),
        }
    }

    fn refusal(&self, query: &str, answer: &Answer, reply: Option<Reply>) -> SourceError {
        let text = reply.map_or_else(
            || String::from_utf8_lossy(&answer.body).into_owned(),
            |r| format!("{}: {}", r.error_type, r.error),
        );
        let text = self.http.redacted(text.trim());
        SourceError::Status {
            address: self.http.address(),
            query: query.to_owned(),
            status: answer.status,
            text: text.chars().take(200).collect(),
            hint: hint(answer.status),
        }
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed, set `address` to where it points",
        400 => "correct the selector",
        422 => "it is asked again; if this stays, narrow the selector",
        401 | 403 => "check `bearerTokenFile` and `headers`",
        404 | 405 => "check `address` and `pathPrefix`",
        408 | 429 | 499 | 500..=599 => "it may pass, the query is asked again",
        _ => "check `address`",
    }
}

fn absence(arm: Arm, selector: &Selector, known: bool, up: bool) -> String {
    let name = selector.name();
    match (known, up) {
        (false, false) => format!(
            "no series is named {name}, and no pod of {arm} is scraped: check the metric's name and the arm's matchers"
        ),
        (false, true) => format!(
            "no series is named {name}, though pods of {arm} are scraped: check the name, or there was no traffic yet"
        ),
        (true, false) => format!(
            "{name} exists, but the matchers of {arm} select no series of it: check them, or its pods are not scraped yet"
        ),
        (true, true) => {
            format!("pods of {arm} are scraped but show no {name}: no traffic reached them yet")
        }
    }
}

fn base(histogram: &Selector) -> String {
    histogram
        .name()
        .strip_suffix("_bucket")
        .unwrap_or_else(|| histogram.name())
        .to_owned()
}

fn bucket(histogram: &Selector) -> Selector {
    histogram.named(format!("{}_bucket", base(histogram)))
}

fn up(arm: &Matchers) -> Selector {
    Selector::named_up().with(arm)
}

fn endpoint(config: &PrometheusConfig) -> Result<Url, SourceError> {
    let refuse = |why: &str| {
        SourceError::Config(format!(
            "source.prometheus.address {why}; write for example http://prometheus:9090"
        ))
    };
    let mut url =
        Url::parse(&config.address).map_err(|e| refuse(&format!("is no address: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refuse("is neither http nor https"));
    }
    let path = format!(
        "{}/{}",
        url.path().trim_matches('/'),
        config.path_prefix.trim_matches('/')
    );
    url.set_path(&format!("{}/api/v1/query", path.trim_matches('/')));
    url.set_query(None);
    Ok(url)
}

fn spans(boundaries: &[Timestamp]) -> Result<Vec<Span>, SourceError> {
    let pairs = boundaries.iter().zip(boundaries.iter().skip(1));
    let span = |(from, to): (&Timestamp, &Timestamp)| Span {
        from_ms: from.as_millisecond(),
        to_ms: to.as_millisecond(),
    };
    let spans: Vec<_> = pairs.map(span).collect();
    if spans.iter().any(|s| s.from_ms >= s.to_ms) {
        return Err(SourceError::Config(
            "the boundaries of intervals must rise".into(),
        ));
    }
    Ok(spans)
}
