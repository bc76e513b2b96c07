//! `AnalysisRuns`: started from the `AnalysisTemplate` of `plugin-config`, watched until they say something.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use anyhow::{Context, Result, bail};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, GroupVersionKind, Object, PostParams, WatchEvent, WatchParams},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::controller::PLUGIN;

/// The `AnalysisTemplate` that `plugin-config` brings.
const TEMPLATE: &str = "queue-manager-canary";
/// The longest that a story waits for its `AnalysisRun`: many times its horizon, for busy machines.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the controller has written down about an `AnalysisRun`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `Running`, then `Successful`, `Failed`, `Inconclusive` or `Error`.
    pub phase: String,
    /// Why it ended as it did, if not well.
    pub message: String,
    /// What was measured.
    pub metric_results: Vec<MetricResult>,
}

/// What was measured of one metric.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct MetricResult {
    /// The metric's name in the template.
    pub name: String,
    /// In order of time.
    pub measurements: Vec<Measurement>,
}

/// One answer of the plugin.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Measurement {
    /// Like that of the `AnalysisRun`.
    pub phase: String,
    /// The plugin's sentence.
    pub message: String,
    /// When the plugin was first asked, RFC 3339.
    pub started_at: Option<String>,
    /// The plugin's evidence.
    pub metadata: BTreeMap<String, String>,
}

impl Status {
    /// Whether it is over.
    pub fn ended(&self) -> bool {
        !matches!(self.phase.as_str(), "" | "Pending" | "Running")
    }

    /// All answers of the plugin, in order of time.
    pub fn measurements(&self) -> impl DoubleEndedIterator<Item = &Measurement> {
        self.metric_results
            .iter()
            .flat_map(|metric| &metric.measurements)
    }

    /// The plugin's newest answer; an empty one before the first.
    pub fn newest(&self) -> Measurement {
        self.measurements().next_back().cloned().unwrap_or_default()
    }
}

type AnalysisRun = Object<Value, Status>;

/// An `AnalysisRun` that was handed to the controller.
#[derive(Debug, Clone)]
pub struct Analysis {
    runs: Api<AnalysisRun>,
    name: String,
}

impl Analysis {
    /// Makes an `AnalysisRun` as the Rollout's controller would: the template's metrics and these arguments. `edit` may
    /// change the plugin's configuration before.
    pub async fn start(
        client: Client,
        name: &str,
        arguments: &[(&str, &str)],
        edit: impl FnOnce(&mut Value),
    ) -> Result<Self> {
        let mut spec = template(client.clone()).await?;
        let config = spec
            .pointer_mut(&format!(
                "/metrics/0/provider/plugin/{}",
                PLUGIN.replace('/', "~1")
            ))
            .with_context(|| format!("finding {PLUGIN} in the template {TEMPLATE}"))?;
        edit(config);
        spec["args"] = arguments
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();

        let kind = resource("AnalysisRun");
        let runs = Api::default_namespaced_with(client, &kind);
        let run = AnalysisRun::new(name, &kind, spec);
        let run = runs
            .create(&PostParams::default(), &run)
            .await
            .context("starting an analysis")?;
        Ok(Self {
            runs,
            name: run.name_any(),
        })
    }

    /// Its status when it is over.
    pub async fn end(&self) -> Result<Status> {
        self.until("it ends", Status::ended).await
    }

    /// Its status as soon as `holds` of it; `what` says that in words. Fails when it ends otherwise.
    pub async fn until(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Result<Status> {
        let mut last = Status::default();
        timeout(PATIENCE, self.watch(&mut last, holds))
            .await
            .unwrap_or_else(|elapsed| Err(elapsed.into()))
            .with_context(|| format!("waiting until {what} of {}: {last:#?}", self.name))?;
        Ok(last)
    }

    async fn watch(&self, last: &mut Status, holds: impl Fn(&Status) -> bool) -> Result<()> {
        let only_this = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut events = pin!(self.runs.watch(&only_this, "0").await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(run) | WatchEvent::Modified(run) => {
                    *last = run.status.unwrap_or_default();
                    if holds(last) {
                        return Ok(());
                    }
                    if last.ended() {
                        bail!("it ended before");
                    }
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Deleted(_) => bail!("it was deleted"),
                WatchEvent::Error(status) => bail!("watching it: {status:?}"),
            }
        }
        bail!("the API server ended the watch")
    }
}

/// The template's metrics; its arguments are the caller's to give.
async fn template(client: Client) -> Result<Value> {
    let templates: Api<Object<Value, Value>> =
        Api::default_namespaced_with(client, &resource("AnalysisTemplate"));
    let template = templates
        .get(TEMPLATE)
        .await
        .context("reading the template")?;
    Ok(json!({ "metrics": template.spec["metrics"] }))
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind))
}
