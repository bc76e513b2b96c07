//! The `source:` value of a template: which source, and how to reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use temper_judge::{Keys, PolicyError};

use crate::SourceError;

/// A call without a stated deadline gets this one: longer than a healthy server needs, shorter than a step.
const TIMEOUT: Duration = Duration::from_secs(8);

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
        let source =
            Keys::open("source", value, &["prometheus", "scrape"]).map_err(|e| config(&e))?;
        let prometheus = source
            .object("prometheus", &PROMETHEUS_KEYS)
            .map_err(|e| config(&e))?;
        let scrape = source
            .object("scrape", &["canary", "stable"])
            .map_err(|e| config(&e))?;
        match (prometheus, scrape) {
            (Some(keys), None) => prometheus_config(&keys)
                .map(Self::Prometheus)
                .map_err(|e| config(&e)),
            (None, Some(keys)) => scrape_config(&keys)
                .map(Self::Scrape)
                .map_err(|e| config(&e)),
            _ => Err(SourceError::Config(
                "source needs exactly one of `prometheus` and `scrape`".into(),
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

fn prometheus_config(keys: &Keys<'_>) -> Result<PrometheusConfig, PolicyError> {
    let mut config = PrometheusConfig::at(keys.text("address")?);
    config.headers = headers(keys)?;
    config.bearer_token_file = optional(keys, "bearerTokenFile")?.map(PathBuf::from);
    config.ca = optional(keys, "ca")?.map(PathBuf::from);
    config.client_identity = client_identity(keys)?;
    config.timeout = timeout(keys)?;
    config.path_prefix = optional(keys, "pathPrefix")?.unwrap_or_default();
    Ok(config)
}

fn client_identity(keys: &Keys<'_>) -> Result<Option<(PathBuf, PathBuf)>, PolicyError> {
    let certificate = optional(keys, "clientCertificate")?;
    match (certificate, optional(keys, "clientKey")?) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.into(), key.into()))),
        (None, None) => Ok(None),
        _ => Err(keys.error("clientCertificate", "and clientKey go together")),
    }
}

fn timeout(keys: &Keys<'_>) -> Result<Duration, PolicyError> {
    match keys.duration("timeout")? {
        Some(Duration::ZERO) => Err(keys.error("timeout", "must be longer than 0")),
        stated => Ok(stated.unwrap_or(TIMEOUT)),
    }
}

fn scrape_config(keys: &Keys<'_>) -> Result<ScrapeConfig, PolicyError> {
    Ok(ScrapeConfig {
        canary: addresses(keys, "canary")?,
        stable: addresses(keys, "stable")?,
    })
}

fn optional(keys: &Keys<'_>, key: &str) -> Result<Option<String>, PolicyError> {
    keys.value(key).map(|_| keys.text(key)).transpose()
}

/// The values are secrets, so an error does not show them.
fn headers(keys: &Keys<'_>) -> Result<BTreeMap<String, String>, PolicyError> {
    let Some(value) = keys.value("headers") else {
        return Ok(BTreeMap::new());
    };
    let refuse = |why: &str| keys.error("headers", why);
    let map = value.as_object().ok_or_else(|| refuse(NO_HEADERS))?;
    map.iter()
        .map(|(name, value)| header(name, value).map_err(refuse))
        .collect()
}

const NO_HEADERS: &str = "must map names to texts";

fn header(name: &str, value: &Value) -> Result<(String, String), &'static str> {
    let value = value.as_str().ok_or(NO_HEADERS)?;
    if HeaderName::try_from(name).is_err() {
        return Err("a name has a character that no header's may have, such as a space or a colon");
    }
    if HeaderValue::try_from(value).is_err() {
        return Err(
            "a value has a character that none may have; does its Secret end in a line break?",
        );
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn addresses(keys: &Keys<'_>, key: &str) -> Result<Vec<String>, PolicyError> {
    let list = keys.value(key).and_then(Value::as_array);
    let list: Option<Vec<_>> =
        list.and_then(|l| l.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    list.filter(|l| !l.is_empty())
        .ok_or_else(|| keys.error(key, "must list at least one address"))
}

fn config(error: &PolicyError) -> SourceError {
    SourceError::Config(error.to_string())
}

/// The address without user, password, query string and fragment: what may be shown.
pub(crate) fn without_user(address: &str) -> String {
    match reqwest::Url::parse(address) {
        Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
        Err(_) => "<unreadable address>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_is_read_and_secrets_are_not_shown() {
        let value = json!({"prometheus": {"address": "http://me:pass@prom:9090/x", "headers": {"X-Key": "hush"},
            "bearerTokenFile": "/t", "ca": "/ca", "clientCertificate": "/c", "clientKey": "/k", "timeout": "1m2.5s",
            "pathPrefix": "/prom"}});
        let SourceConfig::Prometheus(config) = SourceConfig::from_json(&value).unwrap() else {
            panic!()
        };
        assert_eq!(config.timeout, Duration::from_millis(62_500));
        assert_eq!(config.client_identity, Some(("/c".into(), "/k".into())));
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("hush") && !shown.contains("pass") && shown.contains("X-Key"),
            "{shown}"
        );
    }

    #[test]
    fn no_error_shows_what_may_be_a_secret() {
        for (key, value) in [
            ("headers", json!("hush")),
            ("headers", json!(["hush"])),
            ("headers", json!({"X-Key": ["hush"]})),
            ("headers", json!({"X-Key": "hush\n"})),
            ("headers", json!({"X Key": "hush"})),
            ("bearerTokenFile", json!(["hush"])),
            ("clientKey", json!({"key": "hush"})),
            ("timeout", json!({"key": "hush"})),
            ("address", json!(["http://me:hush@prometheus"])),
        ] {
            let value = json!({"prometheus": {"address": "http://x", (key): value}});
            let error = SourceConfig::from_json(&value).unwrap_err().to_string();
            assert!(error.contains(key) && !error.contains("hush"), "{error}");
        }
        for value in [json!("http://hush"), json!({"prometheus": "http://hush"})] {
            let error = SourceConfig::from_json(&value).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn bad_configurations_say_what_to_write() {
        for (value, hint) in [
            (json!({"prometeus": {}}), "did you mean prometheus?"),
            (json!({}), "exactly one"),
            (json!({"prometheus": {}}), "source.prometheus.address"),
            (
                json!({"prometheus": {"address": "http://x", "bearertokenfile": "/t"}}),
                "did you mean bearerTokenFile",
            ),
            (
                json!({"prometheus": {"address": "http://x", "timeout": "soon"}}),
                "a duration such as",
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
