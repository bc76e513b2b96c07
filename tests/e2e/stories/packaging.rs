//! `healer/deploy` is what a real API server and a real Prometheus expect.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use temper_e2e::{cluster::Cluster, controller, home::Home, parts::Parts};
use tempfile::TempDir;
use tokio::process::Command;

/// Where the examples install.
const NAMESPACE: &str = "streamforge";

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
        for namespace in [NAMESPACE, "stf"] {
            let strict = "pod-security.kubernetes.io/enforce=restricted";
            cluster.kubectl(&["create", "namespace", namespace]).await?;
            cluster
                .kubectl(&["label", "namespace", namespace, strict])
                .await?;
        }
        let client = cluster.client().await?;
        Ok(Self {
            cluster,
            client,
            folder,
            _home: home,
        })
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

fn deploy(name: &str) -> PathBuf {
    healer().join("deploy").join(name)
}

fn healer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../healer")
}

#[tokio::test]
async fn strict_validation_accepts_the_healer_and_nothing_misspelled() {
    let server = Server::start().await.unwrap();
    for name in ["crd", "deployment", "examples/deployment"] {
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

/// All that the healer does: API group, resource, and a name where only that one may be meant.
const NEEDED: [(&str, &str, &str, &[&str]); 5] = [
    (
        "batch",
        "jobs",
        "",
        &["get", "list", "watch", "create", "delete", "patch"],
    ),
    ("", "pods", "", &["get", "list", "watch"]),
    ("events.k8s.io", "events", "", &["create", "patch"]),
    (
        "coordination.k8s.io",
        "leases",
        "temper-healer",
        &["get", "update", "create"],
    ),
    ("coordination.k8s.io", "leases", "", &["create"]),
];

/// What else somebody in its place could want.
const TEMPTING: [(&str, &str, &str); 13] = [
    ("", "secrets", ""),
    ("", "configmaps", ""),
    ("", "services", ""),
    ("", "events", ""),
    ("", "pods/exec", ""),
    ("", "pods/log", ""),
    ("", "pods/eviction", ""),
    ("", "serviceaccounts/token", ""),
    ("apps", "deployments", ""),
    ("batch", "cronjobs", ""),
    ("batch", "jobs/status", ""),
    ("coordination.k8s.io", "leases", "kube-scheduler"),
    ("rbac.authorization.k8s.io", "roles", ""),
];

const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

#[tokio::test]
async fn the_healer_may_do_its_work_and_nothing_else() {
    let server = Server::start().await.unwrap();
    server.install("deployment").await.unwrap();
    server.install("examples/sidecar").await.unwrap();
    for account in [("stf", "temper-healer"), (NAMESPACE, "queue-manager")] {
        let mut asked = 0;
        for (group, resource, name, verbs) in NEEDED {
            for verb in VERBS {
                let action = Action {
                    namespace: account.0,
                    group,
                    resource,
                    name,
                    verb,
                };
                let allowed = may(&server.client, account, &action).await.unwrap();
                assert_eq!(allowed, verbs.contains(&verb), "{account:?}: {action:?}");
                asked += 1;
            }
        }
        assert_eq!(asked, NEEDED.len() * VERBS.len());
        assert_eq!(granted(&server, account).await.unwrap(), BTreeSet::new());
    }
}

/// What the account may do beyond what it needs.
async fn granted(server: &Server, account: (&str, &str)) -> Result<BTreeSet<String>> {
    let mut granted = BTreeSet::new();
    let elsewhere = [
        ("default", "batch", "jobs", ""),
        ("default", "", "pods", ""),
    ];
    let nodes = [("", "", "nodes", "")];
    let here = TEMPTING.map(|(group, resource, name)| (account.0, group, resource, name));
    for (namespace, group, resource, name) in here.into_iter().chain(elsewhere).chain(nodes) {
        for verb in VERBS {
            let action = Action {
                namespace,
                group,
                resource,
                name,
                verb,
            };
            // A name can't be asked for where an object is not there yet, so any Lease may be created.
            let any_lease = resource == "leases" && verb == "create";
            if may(&server.client, account, &action).await? && !any_lease {
                granted.insert(format!("{action:?}"));
            }
        }
    }
    Ok(granted)
}

#[tokio::test]
async fn only_who_asks_for_nodes_may_read_them() {
    let server = Server::start().await.unwrap();
    server.install("examples/deployment").await.unwrap();
    for verb in VERBS {
        let action = Action {
            namespace: "",
            group: "",
            resource: "nodes",
            name: "",
            verb,
        };
        let allowed = may(&server.client, (NAMESPACE, "temper-healer"), &action).await;
        assert_eq!(allowed.unwrap(), verb == "get", "{verb}");
    }
}

#[derive(Debug)]
struct Action<'a> {
    namespace: &'a str,
    group: &'a str,
    resource: &'a str,
    name: &'a str,
    verb: &'a str,
}

/// What `kubectl auth can-i --as` asks.
async fn may(
    client: &Client,
    (namespace, name): (&str, &str),
    action: &Action<'_>,
) -> Result<bool> {
    let (resource, subresource) = action
        .resource
        .split_once('/')
        .unwrap_or((action.resource, ""));
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{name}")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                namespace: said(action.namespace),
                group: said(action.group),
                resource: said(resource),
                subresource: said(subresource),
                name: said(action.name),
                verb: said(action.verb),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviewed = Api::<SubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(reviewed.status.context("no answer to a review")?.allowed)
}

#[tokio::test]
async fn the_api_server_takes_and_refuses_the_policies_that_the_program_does() {
    let server = Server::start().await.unwrap();
    server.install("crd").await.unwrap();
    let established = ["wait", "--for=condition=established", "--timeout=120s"];
    let crd = ["crd", "healingpolicies.temper.dev"];
    server
        .cluster
        .kubectl(&[established.as_slice(), &crd].concat())
        .await
        .unwrap();
    let text = fs::read_to_string(healer().join("tests/fixtures/policies.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    for (answer, accepted) in [("accepted", true), ("refused", false)] {
        for (name, policy) in cases[answer].as_object().unwrap() {
            let applied = apply_policy(&server.client, policy).await;
            assert_eq!(applied.is_ok(), accepted, "{name}: {applied:?}");
            if let Err(error) = applied {
                assert!(matches!(error, kube::Error::Api(_)), "{name}: {error}");
            }
        }
    }
}

async fn apply_policy(client: &Client, spec: &Value) -> kube::Result<DynamicObject> {
    let kind = GroupVersionKind::gvk("temper.dev", "v1alpha1", "HealingPolicy");
    let resource = ApiResource::from_gvk_with_plural(&kind, "healingpolicies");
    let manifest = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": { "name": "tried" },
        "spec": spec,
    });
    let dry = PatchParams::apply("e2e").dry_run().validation_strict();
    Api::<DynamicObject>::namespaced_with(client.clone(), "stf", &resource)
        .patch("tried", &dry, &Patch::Apply(manifest))
        .await
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

#[tokio::test]
async fn alerts_are_raised_when_they_should_be_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let rule = deploy("monitoring/prometheus-rule.yaml");
    let rule: Value = serde_saphyr::from_str(&fs::read_to_string(rule).unwrap()).unwrap();
    fs::write(folder.path().join("alerts.json"), rule["spec"].to_string()).unwrap();
    let trials = "prometheus-rule.test.yaml";
    let copy = folder.path().join(trials);
    fs::copy(deploy("monitoring").join(trials), copy).unwrap();
    promtool(
        folder.path(),
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            "alerts.json",
        ],
    )
    .await
    .unwrap();
    promtool(folder.path(), &["test", "rules", trials])
        .await
        .unwrap();
}

async fn promtool(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(Parts::locate()?.program("promtool")?)
        .args(arguments)
        .current_dir(folder)
        .output()
        .await
        .context("running promtool")?;
    ensure!(
        output.status.success(),
        "promtool {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
