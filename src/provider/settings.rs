//! The configuration of a metric: `provider.plugin.<any name>` in an `AnalysisTemplate`.

pub(crate) mod keys;
mod secrets;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use temper_judge::{CustomGuard, CustomKind, Policy};
use temper_rollouts::{
    Configuration, ConfigurationError, DurationError, DurationString, IntOrString, Metric,
};
use temper_sources::{CustomQuery, Matchers, Query, Selector, SourceError};
use thiserror::Error;

use self::keys::{OWN_KEYS, hint, known, object, refuse_blanks, refuse_strangers};
use self::secrets::secrets;
use super::source::{Origin, OriginError};

/// Prometheus scrapes every 15 s in most places, and a scrape may take 10 s: a sample that belongs to an interval is
/// stored by then.
const SETTLE: Duration = Duration::from_secs(15);
/// Long enough for Prometheus to restart and read its write-ahead log.
const PATIENCE: Duration = Duration::from_mins(10);

/// All that a metric says about how it wants to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
    /// For so long after its end, an interval may still change.
    pub(crate) settle: Duration,
    /// For so long after an interval settled, its source may be down.
    pub(crate) patience: Duration,
    /// The folder in which to keep what was judged.
    pub(crate) record: Option<PathBuf>,
    /// What must not be shown: headers and the credentials in an address may come from a Secret.
    pub(crate) secrets: Vec<String>,
}

/// A configuration that is not understood.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SettingsError {
    #[error(transparent)]
    Absent(#[from] ConfigurationError),
    #[error(
        "reading the configuration under `{plugin}`: it seems to be for another plugin, since Temper knows none of its keys \
         ({found}); Temper knows {}",
        known()
    )]
    Foreign { plugin: String, found: String },
    #[error(
        "reading the configuration under `{plugin}`: expected an object with keys such as `source`, `arms`, `errors`, got {got}"
    )]
    NoObject { plugin: String, got: &'static str },
    #[error("reading `{key}`: {what}")]
    Value { key: String, what: String },
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error(
        "reading the configuration: unknown key `{key}`{}; Temper knows {}",
        hint(key),
        known()
    )]
    Unknown { key: String },
    #[error("reading the configuration")]
    Own(#[from] serde_json::Error),
    #[error("reading `{key}`")]
    Selector { key: String, source: SourceError },
    #[error(transparent)]
    Source(#[from] OriginError),
    #[error("reading the configuration")]
    Policy(#[from] temper_judge::PolicyError),
}

/// What this module takes for itself.
#[derive(Deserialize)]
struct Own {
    source: Value,
    arms: Arms,
    #[serde(default)]
    strata: Vec<String>,
    #[serde(default = "pod")]
    pods: String,
    #[serde(default)]
    settle: DurationString,
    #[serde(default)]
    patience: DurationString,
    record: Option<PathBuf>,
}

/// The label that Prometheus' own examples give the name of a pod.
fn pod() -> String {
    "pod".to_owned()
}

/// Label matchers that tell the versions apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arms {
    canary: String,
    stable: String,
    /// Matchers for both.
    common: Option<String>,
}

impl Settings {
    /// The settings in a metric.
    pub(crate) fn of(metric: &Metric) -> Result<Self, SettingsError> {
        let Configuration { plugin, value } = metric.configuration()?;
        Self::read(&plugin, value, metric)
    }

    /// The settings in the configuration that a metric has under this name, or could have.
    pub(crate) fn read(plugin: &str, value: Value, metric: &Metric) -> Result<Self, SettingsError> {
        let mut keys = object(plugin, value)?;
        refuse_strangers(plugin, &keys)?;
        keys.iter()
            .try_for_each(|(key, value)| refuse_blanks(key, value))?;
        let own: Map<_, _> = OWN_KEYS
            .into_iter()
            .filter_map(|key| keys.remove_entry(key))
            .collect();
        let secrets = own.get("source").map(secrets).unwrap_or_default();
        let own: Own = serde_json::from_value(Value::Object(own))?;
        own.arms.check()?;
        take_pace(&mut keys, metric)?;
        let policy = Policy::from_json(&Value::Object(keys))?;
        Ok(Self {
            origin: Origin::of(&own.source, query(&own, &policy)?)?,
            settle: own.settle.duration()?.unwrap_or(SETTLE),
            patience: own.patience.duration()?.unwrap_or(PATIENCE),
            record: own.record,
            policy,
            secrets,
        })
    }
}

fn wrong(key: &str, what: &str) -> SettingsError {
    SettingsError::Value {
        key: key.to_owned(),
        what: what.to_owned(),
    }
}

impl Arms {
    fn check(&self) -> Result<(), SettingsError> {
        if without_spaces(&self.canary) != without_spaces(&self.stable) {
            return Ok(());
        }
        let what = "`canary` and `stable` select the same pods, so there is nothing to compare; tell them apart by the pod \
                    template hash, for instance, from the arguments `podTemplateHashValue: Latest` and `Stable`";
        Err(wrong("arms", what))
    }
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A metric with an interval says itself how often and how long it looks, unless the configuration does.
fn take_pace(keys: &mut Map<String, Value>, metric: &Metric) -> Result<(), SettingsError> {
    let Some(interval) = metric.interval.duration()? else {
        return Ok(());
    };
    let seconds = |duration: Duration| Value::String(format!("{}s", duration.as_secs_f64()));
    keys.entry("step").or_insert_with(|| seconds(interval));
    let count = metric
        .count
        .as_ref()
        .and_then(IntOrString::number)
        .and_then(|count| u32::try_from(count).ok());
    if let Some(count) = count.filter(|count| *count > 0) {
        keys.entry("horizon")
            .or_insert_with(|| seconds(interval.saturating_mul(count)));
    }
    Ok(())
}

fn query(own: &Own, policy: &Policy) -> Result<Query, SettingsError> {
    let Own {
        arms, strata, pods, ..
    } = own;
    let common = arms
        .common
        .as_ref()
        .map(|text| matchers("arms.common", text))
        .transpose()?
        .unwrap_or_default();
    let errors = policy.errors.as_ref().map(|guard| {
        Ok::<_, SettingsError>((
            selector("errors.total", &guard.total)?,
            selector("errors.errors", &guard.errors)?,
        ))
    });
    let latency = policy
        .latency
        .as_ref()
        .map(|guard| selector("latency.histogram", &guard.histogram));
    let custom = policy.custom.iter().map(custom).collect::<Result<_, _>>()?;
    let query = Query {
        errors: errors.transpose()?,
        latency: latency.transpose()?,
        custom,
        canary: arm("arms.canary", &arms.canary)?.and(&common),
        stable: arm("arms.stable", &arms.stable)?.and(&common),
        strata: strata.clone(),
        pod: pods.clone(),
    };
    query
        .check()
        .map_err(|error| at("strata` and `pods", error))?;
    Ok(query)
}

fn custom(guard: &CustomGuard) -> Result<(String, CustomQuery), SettingsError> {
    let CustomGuard { name, kind } = guard;
    let selector = |key: &str, text: &str| selector(&format!("custom.{name}.{key}"), text);
    let query = match kind {
        CustomKind::Share(share) => CustomQuery::Events(
            selector("total", &share.total)?,
            selector("errors", &share.errors)?,
        ),
        CustomKind::Histogram(latency) => {
            CustomQuery::Histogram(selector("histogram", &latency.histogram)?)
        }
        CustomKind::Threshold(threshold) => CustomQuery::Value(threshold.query.clone()),
    };
    Ok((name.clone(), query))
}

fn selector(key: &str, text: &str) -> Result<Selector, SettingsError> {
    Selector::parse(text).map_err(|error| at(key, error))
}

fn matchers(key: &str, text: &str) -> Result<Matchers, SettingsError> {
    Matchers::parse(text).map_err(|error| at(key, error))
}

fn arm(key: &str, text: &str) -> Result<Matchers, SettingsError> {
    Matchers::arm(text).map_err(|error| at(key, error))
}

fn at(key: &str, source: SourceError) -> SettingsError {
    SettingsError::Selector {
        key: key.to_owned(),
        source,
    }
}
