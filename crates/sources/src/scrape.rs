//! Direct scrapes of pods' pages of metrics, in the text exposition format: for demonstrations and small setups.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use reqwest::Url;

use crate::cells::{self, Observed};
use crate::client::Http;
use crate::config::without_user;
use crate::custom;
use crate::increase::Span;
use crate::reply::Series;
use crate::selector::Selector;
use crate::window::{Missing, Window};
use crate::{PrometheusConfig, Query, ScrapeConfig, SourceError};

/// The pages of all pods of both arms.
#[derive(Debug)]
pub struct Scrape {
    canary: Vec<(Url, Http)>,
    stable: Vec<(Url, Http)>,
}

/// What all pods showed at one moment.
#[derive(Debug)]
pub struct Snapshot {
    at: Timestamp,
    canary: Vec<Page>,
    stable: Vec<Page>,
}

/// Labels and value, as written.
type Sample = (BTreeMap<String, String>, String);

#[derive(Debug)]
struct Page {
    address: String,
    text: Result<String, SourceError>,
}

impl Scrape {
    /// Checks the addresses; connects at the first snapshot.
    pub fn new(config: &ScrapeConfig) -> Result<Self, SourceError> {
        Ok(Self {
            canary: pages(&config.canary)?,
            stable: pages(&config.stable)?,
        })
    }

    /// Fetches every page and stamps the snapshot with the given time. A pod that does not answer is kept as such.
    pub async fn snapshot(&self, at: Timestamp) -> Snapshot {
        let (canary, stable) = join(fetch_all(&self.canary), fetch_all(&self.stable)).await;
        Snapshot { at, canary, stable }
    }
}

impl Snapshot {
    /// The window from this snapshot to a later one. A pod of which either has no page makes it missing.
    pub fn window_to(&self, later: &Self, query: &Query, look: u32) -> Result<Window, SourceError> {
        query.check()?;
        let mut pages = [self, later]
            .into_iter()
            .flat_map(|s| s.canary.iter().chain(&s.stable));
        if let Some((address, error)) =
            pages.find_map(|p| Some((&p.address, p.text.as_ref().err()?)))
        {
            return Ok(Window {
                look,
                content: Err(Missing(format!("pod {address} gave no page: {error}"))),
            });
        }
        let span = Span {
            from_ms: self.at.as_millisecond(),
            to_ms: later.at.as_millisecond(),
        };
        let mut window = self.counted(later, query, span, look)?;
        for (name, custom) in &query.custom {
            let Some(alone) = custom::alone(query, custom) else {
                return Err(SourceError::Config(format!(
                    "custom.{name} is a query, and pods that are scraped directly answer none: name a counter or a histogram"
                )));
            };
            custom::join(&mut window, name, self.counted(later, &alone, span, look)?);
        }
        Ok(window)
    }

    fn counted(
        &self,
        later: &Self,
        query: &Query,
        span: Span,
        look: u32,
    ) -> Result<Window, SourceError> {
        let arm = |before, after| observed(query, [(span.from_ms, before), (span.to_ms, after)]);
        let arms = arm(&self.canary, &later.canary)
            .and_then(|canary| Ok((canary, arm(&self.stable, &later.stable)?)));
        match arms {
            Ok((canary, stable)) => cells::window(look, span, query, &canary, &stable),
            Err(lost @ SourceError::Page { .. }) => Ok(Window {
                look,
                content: Err(Missing(lost.to_string())),
            }),
            Err(error) => Err(error),
        }
    }
}

fn pages(addresses: &[String]) -> Result<Vec<(Url, Http)>, SourceError> {
    let page = |address: &String| {
        let url = Url::parse(address).map_err(|e| {
            SourceError::Config(format!("source.scrape has no address in an entry: {e}"))
        })?;
        Ok((url, Http::new(PrometheusConfig::at(address.clone()))))
    };
    addresses.iter().map(page).collect()
}

/// All at once, in order, each with its own deadline: one pod that hangs does not move the others' moment.
async fn fetch_all(targets: &[(Url, Http)]) -> Vec<Page> {
    join_all(targets.iter().map(|(url, http)| page(url, http))).await
}

async fn page(url: &Url, http: &Http) -> Page {
    Page {
        address: without_user(url.as_str()),
        text: fetch(url, http).await,
    }
}

async fn fetch(url: &Url, http: &Http) -> Result<String, SourceError> {
    let address = http.address();
    let answer = http.get(url.clone(), "metrics page").await?;
    let text = String::from_utf8(answer.body).map_err(|e| SourceError::BadReply {
        query: address.clone(),
        why: e.to_string(),
    })?;
    match answer.status {
        200 => Ok(text),
        status => Err(SourceError::Status {
            address,
            query: "metrics page".into(),
            status,
            text: text.chars().take(200).collect(),
            hint: "check the address",
        }),
    }
}

fn observed(query: &Query, moments: [(i64, &Vec<Page>); 2]) -> Result<Observed, SourceError> {
    let mut observed = Observed::default();
    let gather = |selector: &Selector| gather(query, selector, &moments);
    if let Some((total, errors)) = &query.errors {
        (observed.total, observed.errors) = (gather(total)?, gather(errors)?);
    }
    if let Some(histogram) = &query.latency {
        let base = histogram
            .name()
            .strip_suffix("_bucket")
            .unwrap_or_else(|| histogram.name());
        observed.latency = gather(&histogram.named(format!("{base}_bucket")))?;
    }
    observed.up = moments
        .iter()
        .flat_map(|(at, pages)| pages.iter().map(|page| answered(query, *at, page)))
        .collect();
    Ok(observed)
}

fn answered(query: &Query, at_ms: i64, page: &Page) -> Series {
    let metric = BTreeMap::from([(query.pod.clone(), page.address.clone())]);
    Series {
        metric,
        values: vec![(seconds(at_ms), "1".to_owned())],
        ..Series::default()
    }
}

fn gather(
    query: &Query,
    selector: &Selector,
    moments: &[(i64, &Vec<Page>)],
) -> Result<Vec<Series>, SourceError> {
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, String)>> = BTreeMap::new();
    for (at, pages) in moments {
        for page in *pages {
            for (mut labels, value) in samples(page, selector)? {
                // The target names the pod, whatever the page says: two pods never share a series.
                labels.insert(query.pod.clone(), page.address.clone());
                series
                    .entry(labels)
                    .or_default()
                    .push((seconds(*at), value));
            }
        }
    }
    Ok(series
        .into_iter()
        .map(|(metric, values)| Series {
            metric,
            values,
            ..Series::default()
        })
        .collect())
}

/// The samples of a page that a selector selects. A line of its metric that the parser drops or changes is an error,
/// never left out: a lost line would be a lost count.
fn samples(page: &Page, selector: &Selector) -> Result<Vec<Sample>, SourceError> {
    let Ok(text) = &page.text else {
        return Ok(Vec::new());
    };
    let lines: Vec<_> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| about(line, selector.name()))
        .collect();
    let read: Vec<_> = lines.iter().filter_map(|(_, line)| sample(line)).collect();
    if let Some((line, _)) = lines.iter().find(|(_, line)| sample(line).is_none()) {
        return Err(SourceError::Page {
            address: page.address.clone(),
            metric: selector.name().to_owned(),
            line: *line,
            unread: lines.len() - read.len(),
            lines: lines.len(),
        });
    }
    let mut found = Vec::new();
    for (labels, value) in read {
        if selector.matchers().select(&labels)? {
            found.push((labels, value));
        }
    }
    Ok(found)
}

/// Whether the line holds a sample of the metric.
fn about(line: &str, name: &str) -> bool {
    let rest = line.trim().strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with(['{', ' ', '\t']))
}

/// What prometheus-parse makes of one line, if it is what the line says.
fn sample(line: &str) -> Option<Sample> {
    let lines = std::iter::once(Ok(line.to_owned()));
    let mut samples = prometheus_parse::Scrape::parse(lines).ok()?.samples;
    let sample = samples.pop().filter(|s| faithful(line, &s.labels))?;
    let prometheus_parse::Value::Untyped(value) = sample.value else {
        return None;
    };
    let own = |(k, v): (&String, &String)| (k.clone(), v.clone());
    let mut labels: BTreeMap<_, _> = sample.labels.iter().map(own).collect();
    labels.insert("__name__".to_owned(), sample.metric);
    Some((labels, value.to_string()))
}

/// The parser takes `,`, `=`, `}` and `\` in a value for syntax, and drops or cuts such labels without a word. Labels
/// that it read whole are as long when written back.
fn faithful(line: &str, labels: &prometheus_parse::Labels) -> bool {
    let written = line
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'))
        .map_or("", |(inside, _)| inside.trim_end_matches(','));
    written.len() == labels.to_string().len() && !written.contains('\\')
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since the epoch stay below 2^53"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matchers;
    use crate::window::Arm;

    fn snapshot(at: i64, canary: &str, stable: &str) -> Snapshot {
        let page = |address: &str, text: &str| {
            vec![Page {
                address: address.into(),
                text: Ok(text.into()),
            }]
        };
        Snapshot {
            at: Timestamp::from_second(at).unwrap(),
            canary: page("c", canary),
            stable: page("s", stable),
        }
    }

    fn query() -> Query {
        let errors = (
            Selector::parse("r_total").unwrap(),
            Selector::parse("r_total{code!=\"200\"}").unwrap(),
        );
        Query {
            errors: Some(errors),
            latency: None,
            custom: Vec::new(),
            canary: Matchers::default(),
            stable: Matchers::default(),
            strata: vec!["route".into()],
            pod: "pod".into(),
        }
    }

    #[test]
    fn two_snapshots_make_a_window_with_births() {
        let old = "# TYPE r_total counter\nr_total{route=\"/u\",code=\"200\"} 5\n";
        let new = "r_total{route=\"/u\",code=\"200\"} 9\nr_total{route=\"/u\",code=\"500\"} 2 17\n";
        let window = snapshot(0, old, old)
            .window_to(&snapshot(30, new, old), &query(), 1)
            .unwrap();
        let cells = window.content.unwrap();
        let canary: Vec<_> = cells
            .iter()
            .filter(|(k, _)| k.arm == Arm::Canary)
            .map(|(k, c)| (k.stratum.as_str(), c.requests, c.errors))
            .collect();
        assert_eq!(canary, [("/u", 6, 2)]);
    }

    #[test]
    fn a_line_that_the_parser_loses_or_changes_makes_the_window_missing() {
        for labels in [
            r#"route="x"#,
            r#"route="/u/{id}",code="200""#,
            r#"route="a,b",code="200""#,
            r#"route="a=b",code="200""#,
            r#"route="a\"b",code="200""#,
        ] {
            let bad = format!("r_total{{code=\"200\"}} 5\nr_total{{{labels}}} 5\n");
            let window = snapshot(0, &bad, &bad)
                .window_to(&snapshot(30, &bad, &bad), &query(), 1)
                .unwrap();
            let missing = window.content.unwrap_err().0;
            for said in ["r_total", "line 2", "1 of 2"] {
                assert!(missing.contains(said), "{missing}");
            }
        }
    }
}
