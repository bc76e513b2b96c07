//! `healer/deploy` is what a real API server and a real Prometheus expect.

mod rights;
mod policies;
mod alerts;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use temper_e2e::{cluster::Cluster, controller, home::Home, parts::Parts};
use tempfile::TempDir;

/// Where the examples install.
const NAMESPACE: &str = "streamforge";
/// The label by which a namespace demands the strictest kind of pods.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// An API server with namespaces that take only pods of the strictest kind.
struct Server {
    cluster: Cluster,
    client: Client,
    folder: TempDir,
    _home: Home,
}

impl Server {
    async fn start() -> Result<Self> {
        let home = Home::claim()?;
        let folder = tempfile::tempdir()?;
        let cluster = Cluster::start(&Parts::locate()?, home.address, folder.path()).await?;
        let client = cluster.client().await?;
        for namespace in [NAMESPACE, "stf"] {
            create_strict(&client, namespace).await?;
        }
        Ok(Self {
            cluster,
            client,
            folder,
            _home: home,
        })
    }

    /// Makes the resource of policies known.
    async fn define(&self) -> Result<()> {
        self.install("crd").await?;
        let established = ["wait", "--for=condition=established", "--timeout=120s"];
        let crd = ["crd", "healingpolicies.temper.dev"];
        let waited = [established.as_slice(), &crd].concat();
        self.cluster.kubectl(&waited).await.map(drop)
    }

    async fn install(&self, name: &str) -> Result<()> {
        controller::apply_strictly(&self.cluster, "--kustomize", &deploy(name)).await
    }

    async fn render(&self, name: &str) -> Result<String> {
        let path = deploy(name);
        let path = path.to_str().context("naming a folder to kubectl")?;
        self.cluster.kubectl(&["kustomize", path]).await
    }
}

/// The label is there from the beginning: admission may look at a namespace as it was a moment ago.
async fn create_strict(client: &Client, namespace: &str) -> Result<()> {
    let metadata = ObjectMeta {
        name: Some(namespace.to_owned()),
        labels: Some([(ENFORCE.to_owned(), "restricted".to_owned())].into()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

fn deploy(name: &str) -> PathBuf {
    healer().join("deploy").join(name)
}

fn healer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../healer")
}

#[tokio::test]
async fn strict_validation_accepts_the_healer_and_nothing_misspelled() {
    let server = Server::start().await.unwrap();
    server.define().await.unwrap();
    for name in [
        "deployment",
        "examples/deployment",
        "examples/healing-policy",
    ] {
        server.install(name).await.unwrap();
    }
    let rendered = server.render("examples/deployment").await.unwrap();
    let misspelled = server.folder.path().join("misspelled.yaml");
    for field in [
        "automountServiceAccountToken",
        "publishNotReadyAddresses",
        "unhealthyPodEvictionPolicy",
        "topologySpreadConstraints",
        "readOnlyRootFilesystem",
        "podSelector",
        "envFrom",
    ] {
        let text = rendered.replacen(&format!("{field}:"), &format!("{field}s:"), 1);
        fs::write(&misspelled, text).unwrap();
        let refusal = controller::apply_strictly(&server.cluster, "--filename", &misspelled).await;
        let refusal = refusal.expect_err(field).to_string();
        assert!(refusal.contains(&format!("{field}s")), "{field}: {refusal}");
    }
}

#[tokio::test]
async fn the_strictest_namespaces_take_the_healers_pods() {
    let server = Server::start().await.unwrap();
    server.install("examples/deployment").await.unwrap();
    try_pod(&server, "temper-healer", |_| {}).await.unwrap();
    server.install("examples/sidecar").await.unwrap();
    try_pod(&server, "queue-manager", |_| {}).await.unwrap();

    let careless = |container: &mut Value| container["securityContext"] = Value::Null;
    let refusal = try_pod(&server, "queue-manager", careless).await;
    let refusal = refusal.unwrap_err().to_string();
    assert!(refusal.contains("PodSecurity"), "{refusal}");
}

/// Has a pod of the deployment admitted, with the healer's container alone.
async fn try_pod(server: &Server, deployment: &str, change: impl Fn(&mut Value)) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(server.client.clone(), NAMESPACE);
    let template = deployments
        .get(deployment)
        .await?
        .spec
        .map(|it| it.template);
    let mut template = serde_json::to_value(template)?;
    let containers = template.pointer_mut("/spec/containers");
    let containers = containers
        .and_then(Value::as_array_mut)
        .context("looking for containers")?;
    containers.retain(|container| container["name"] == "temper-healer");
    ensure!(containers.len() == 1, "the healer is not in {deployment}");
    containers.iter_mut().for_each(change);

    template["metadata"]["name"] = json!("tried");
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    Api::<Pod>::namespaced(server.client.clone(), NAMESPACE)
        .create(&dry, &serde_json::from_value(template)?)
        .await?;
    Ok(())
}

/// Their definitions are not to be had here, so that they are rendered is all that is known.
#[tokio::test]
async fn what_other_operators_read_is_rendered() {
    let server = Server::start().await.unwrap();
    for (name, kinds) in [
        (
            "monitoring",
            ["ServiceMonitor", "PrometheusRule", "ConfigMap"].as_slice(),
        ),
        ("kafka", &["KafkaTopic", "KafkaUser"]),
        ("examples/kafka", &["KafkaTopic", "KafkaUser"]),
    ] {
        let rendered = server.render(name).await.unwrap();
        for kind in kinds {
            assert!(
                rendered.contains(&format!("kind: {kind}\n")),
                "{name}: {kind}"
            );
        }
    }
    let rendered = server.render("examples/kafka").await.unwrap();
    assert!(!rendered.contains("kafka.strimzi.io/v1\n"), "{rendered}");
    assert!(rendered.contains("message.timestamp.type: LogAppendTime"));
}
