//! The `source:` value of a template: which source, and how to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::SourceError;

/// A call without a stated deadline gets this one: longer than a healthy server needs, shorter than a step.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where windows come from.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// A Prometheus HTTP API.
    Prometheus(PrometheusConfig),
    /// The pods' own pages of metrics.
    Scrape(ScrapeConfig),
}

/// How to reach a Prometheus HTTP API.
#[derive(Clone)]
pub struct PrometheusConfig {
    /// `http://` or `https://` address.
    pub address: String,
    /// Further request headers; their values are secrets.
    pub headers: BTreeMap<String, String>,
    /// File that holds a bearer token; read again for every call.
    pub bearer_token_file: Option<PathBuf>,
    /// PEM bundle to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM client certificate chain and its key.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// Deadline of one call, from connecting to the last byte.
    pub timeout: Duration,
    /// Path before `/api/v1`.
    pub path_prefix: String,
}

/// Which pages to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeConfig {
    /// Pages of the canary's pods.
    pub canary: Vec<String>,
    /// Pages of the stable pods.
    pub stable: Vec<String>,
}

impl fmt::Debug for PrometheusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusConfig")
            .field("address", &without_user(&self.address))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl PrometheusConfig {
    /// The given address with defaults for the rest.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            headers: BTreeMap::new(),
            bearer_token_file: None,
            ca: None,
            client_identity: None,
            timeout: TIMEOUT,
            path_prefix: String::new(),
        }
    }
}

impl SourceConfig {
    /// Reads the value of `source:`. Unknown keys are refused, with the nearest known one as a hint.
    pub fn from_json(value: &Value) -> Result<Self, SourceError> {
        let source = Keys::of(value, "source", &["prometheus", "scrape"])?;
        match (source.0.get("prometheus"), source.0.get("scrape")) {
            (Some(prometheus), None) => prometheus_config(prometheus).map(Self::Prometheus),
            (None, Some(scrape)) => scrape_config(scrape).map(Self::Scrape),
            _ => Err(refuse(
                "source needs exactly one of `prometheus` and `scrape`",
            )),
        }
    }
}

const PROMETHEUS_KEYS: [&str; 8] = [
    "address",
    "headers",
    "bearerTokenFile",
    "ca",
    "clientCertificate",
    "clientKey",
    "timeout",
    "pathPrefix",
];

fn prometheus_config(value: &Value) -> Result<PrometheusConfig, SourceError> {
    let keys = Keys::of(value, "source.prometheus", &PROMETHEUS_KEYS)?;
    let address = keys
        .text("address")?
        .ok_or_else(|| refuse("source.prometheus.address is missing"))?;
    let mut config = PrometheusConfig::at(address);
    config.headers = keys.headers()?;
    config.bearer_token_file = keys.text("bearerTokenFile")?.map(PathBuf::from);
    config.ca = keys.text("ca")?.map(PathBuf::from);
    config.client_identity = match (keys.text("clientCertificate")?, keys.text("clientKey")?) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        _ => return Err(refuse("clientCertificate and clientKey go together")),
    };
    if let Some(text) = keys.text("timeout")? {
        config.timeout = duration(&text)?;
    }
    config.path_prefix = keys.text("pathPrefix")?.unwrap_or_default();
    Ok(config)
}

fn scrape_config(value: &Value) -> Result<ScrapeConfig, SourceError> {
    let keys = Keys::of(value, "source.scrape", &["canary", "stable"])?;
    Ok(ScrapeConfig {
        canary: keys.addresses("canary")?,
        stable: keys.addresses("stable")?,
    })
}

/// An object whose keys are all known.
struct Keys<'a>(&'a Map<String, Value>, &'static str);

impl<'a> Keys<'a> {
    fn of(value: &'a Value, place: &'static str, known: &[&str]) -> Result<Self, SourceError> {
        let map = value
            .as_object()
            .ok_or_else(|| refuse(format!("{place} must be an object")))?;
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(refuse(format!(
                "{place}.{key} is unknown; {}",
                hint(key, known)
            ))),
            None => Ok(Self(map, place)),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, SourceError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(refuse(format!("{}.{key} must be a non-empty text", self.1))),
        }
    }

    fn headers(&self) -> Result<BTreeMap<String, String>, SourceError> {
        let wrong = || refuse(format!("{}.headers must map names to texts", self.1));
        let Some(value) = self.0.get("headers") else {
            return Ok(BTreeMap::new());
        };
        let header =
            |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        value
            .as_object()
            .and_then(|map| map.iter().map(header).collect())
            .ok_or_else(wrong)
    }

    fn addresses(&self, key: &str) -> Result<Vec<String>, SourceError> {
        let list = self.0.get(key).and_then(Value::as_array);
        let list: Option<Vec<_>> =
            list.and_then(|l| l.iter().map(|v| v.as_str().map(str::to_owned)).collect());
        list.filter(|l| !l.is_empty())
            .ok_or_else(|| refuse(format!("{}.{key} must list at least one address", self.1)))
    }
}

fn hint(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .min_by_key(|k| distance(&key.to_lowercase(), &k.to_lowercase()));
    match nearest {
        Some(near) if distance(&key.to_lowercase(), &near.to_lowercase()) <= 3 => {
            format!("did you mean `{near}`?")
        }
        _ => format!("known keys: {}", known.join(", ")),
    }
}

/// Edit distance (Levenshtein), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, y), pair) in b.iter().enumerate().zip(row.windows(2)) {
            let substitute = pair[0] + usize::from(x != *y);
            next.push(substitute.min(pair[1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// A duration as `500ms`, `10s`, `1m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, SourceError> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => f64::NAN,
    };
    let seconds = number.parse::<f64>().map_or(f64::NAN, |n| n * scale);
    let wrong = || {
        refuse(format!(
            "source.prometheus.timeout `{text}` is no duration; write for example 10s"
        ))
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(wrong)
}

/// The address without user, password, query string and fragment: what may be shown.
pub(crate) fn without_user(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => "<unreadable address>".to_owned(),
    }
}

fn refuse(why: impl Into<String>) -> SourceError {
    SourceError::Config(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_is_read_and_secrets_are_not_shown() {
        let value = json!({"prometheus": {"address": "http://me:pass@prom:9090/x", "headers": {"X-Key": "hush"},
            "bearerTokenFile": "/t", "ca": "/ca", "clientCertificate": "/c", "clientKey": "/k", "timeout": "2.5",
            "pathPrefix": "/prom"}});
        let SourceConfig::Prometheus(config) = SourceConfig::from_json(&value).unwrap() else {
            panic!()
        };
        assert_eq!(config.timeout, Duration::from_millis(2500));
        assert_eq!(config.client_identity, Some(("/c".into(), "/k".into())));
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("hush") && !shown.contains("pass") && shown.contains("X-Key"),
            "{shown}"
        );
    }

    #[test]
    fn bad_configurations_say_what_to_write() {
        for (value, hint) in [
            (json!({"prometeus": {}}), "did you mean `prometheus`?"),
            (json!({}), "exactly one"),
            (json!({"prometheus": {}}), "address is missing"),
            (
                json!({"prometheus": {"address": "http://x", "bearertokenfile": "/t"}}),
                "`bearerTokenFile`",
            ),
            (
                json!({"prometheus": {"address": "http://x", "timeout": "soon"}}),
                "no duration",
            ),
            (
                json!({"prometheus": {"address": "http://x", "clientKey": "/k"}}),
                "go together",
            ),
            (
                json!({"scrape": {"canary": [], "stable": ["http://x"]}}),
                "at least one address",
            ),
        ] {
            let error = SourceConfig::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}
