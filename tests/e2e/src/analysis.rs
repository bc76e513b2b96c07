//! `AnalysisRuns`: started from the `AnalysisTemplate` of `plugin-config`, watched until they say something.

mod status;

use std::{pin::pin, time::Duration};

use anyhow::{Context, Result, bail};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, GroupVersionKind, Object, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_stream::StreamExt;

pub use self::status::{Measurement, MetricResult, Status};
use crate::controller::PLUGIN;

/// The `AnalysisTemplate` that `plugin-config` brings.
const TEMPLATE: &str = "queue-manager-canary";
/// The longest that a story waits for its `AnalysisRun`: many times its horizon, for busy machines.
const PATIENCE: Duration = Duration::from_mins(3);

type AnalysisRun = Object<Value, Status>;

/// An `AnalysisRun` that was handed to the controller.
#[derive(Debug, Clone)]
pub struct Analysis {
    runs: Api<AnalysisRun>,
    name: String,
}

impl Analysis {
    /// Makes an `AnalysisRun` as the Rollout's controller would: the template's metrics and these arguments. `edit`
    /// may change the plugin's configuration before.
    pub async fn start(
        client: Client,
        name: &str,
        arguments: &[(&str, &str)],
        edit: impl FnOnce(&mut Value),
    ) -> Result<Self> {
        let mut metrics = template(client.clone()).await?;
        edit(configuration(&mut metrics)?);
        let arguments: Vec<_> = arguments
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let kind = resource("AnalysisRun");
        let runs = Api::default_namespaced_with(client, &kind);
        let spec = json!({ "metrics": metrics, "args": arguments });
        Self::create(runs, &AnalysisRun::new(name, &kind, spec)).await
    }

    /// Hands the same analysis to the controller once more, as if it had just now found it in this earlier state.
    ///
    /// Nothing disturbs this one: with the data that the first one had, it must come to the same verdict.
    pub async fn again_from(&self, status: &Status) -> Result<Self> {
        let run = self.runs.get(&self.name).await?;
        let kind = resource("AnalysisRun");
        let mut again = AnalysisRun::new(&format!("{}-again", self.name), &kind, run.spec);
        again.status = Some(status.clone());
        Self::create(self.runs.clone(), &again).await
    }

    async fn create(runs: Api<AnalysisRun>, run: &AnalysisRun) -> Result<Self> {
        let name = run.name_any();
        runs.create(&PostParams::default(), run)
            .await
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { runs, name })
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
    Ok(template.spec["metrics"].clone())
}

/// The plugin's configuration in the template's only metric.
fn configuration(metrics: &mut Value) -> Result<&mut Value> {
    metrics
        .pointer_mut("/0/provider/plugin")
        .and_then(|plugins| plugins.get_mut(PLUGIN))
        .with_context(|| format!("finding {PLUGIN} in the template {TEMPLATE}"))
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind))
}
