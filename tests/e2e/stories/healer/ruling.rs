//! The policy is a resource of the cluster.

use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use temper_e2e::{
    StreamForge,
    cluster::Cluster,
    controller,
    healer::Healer,
    patience::{always, until},
    streamforge::{NAMESPACE, PATIENCE},
    workers::Manner,
};

use super::{at_work, healed, in_place, incident, only, replaced};

const NAME: &str = "by-night";
const RESOURCE: &str = "--healing-policy=by-night";
/// Some times the longest deadline for silence.
const LONG: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_healing_policy_holds_from_when_it_is_there_to_its_next_change() {
    let forge = StreamForge::open().await.unwrap();
    define(&forge.cluster).await.unwrap();
    let silent = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let failed = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let last = at_work(&forge, "loader-producer", "ccc333").await.unwrap();

    let mut healer = forge.start_healer("healer", &[RESOURCE]).unwrap();
    forge.workers.behave(&silent.job, Manner::IsSilent);
    goes_by(&healer, "none (HealingPolicy stf/by-night: it is not there")
        .await
        .unwrap();
    let unready = format!("{:#}", healer.get("/readyz").await.unwrap_err());
    assert!(unready.contains("policy: HealingPolicy"), "{unready}");
    healer.get("/probes/steady").await.unwrap_err();
    nobody_heals(&forge).await.unwrap();

    write(&forge, &json!({})).await.unwrap();
    healer.become_ready().await.unwrap();
    in_place(&forge, &silent).await.unwrap();
    healed(&healer, &silent).await.unwrap();
    let described = kubectl(&forge, &["describe", "healingpolicy", NAME]).await;
    let described = described.unwrap();
    assert!(described.contains("PolicyAdopted"), "{described}");
    assert!(described.contains("generation 1 holds"), "{described}");

    write(&forge, &json!({ "paused": true })).await.unwrap();
    goes_by(&healer, "generation 2 of HealingPolicy stf/by-night")
        .await
        .unwrap();
    forge.workers.behave(&failed.job, Manner::Says("error"));
    until("it says that it may not", PATIENCE, async || {
        let incident = incident(&healer, &failed).await?;
        Ok(incident.filter(|incident| incident["why"].to_string().contains("paused")))
    })
    .await
    .unwrap();
    assert!(forge.job(&failed.successor(1)).await.unwrap().is_none());
    write(&forge, &json!({ "paused": false })).await.unwrap();
    in_place(&forge, &failed).await.unwrap();
    healed(&healer, &failed).await.unwrap();

    kubectl(&forge, &["delete", "healingpolicy", NAME])
        .await
        .unwrap();
    let deleted = "generation 3 of HealingPolicy stf/by-night, although now it is not there";
    goes_by(&healer, deleted).await.unwrap();
    replaced(&forge, &healer, &last, Manner::Says("error"))
        .await
        .unwrap();
    let all = [silent, failed, last];
    only(&forge, all.map(|worker| worker.successor(1)))
        .await
        .unwrap();
}

#[tokio::test]
async fn check_reads_the_healing_policy_that_run_would_go_by() {
    let forge = StreamForge::open().await.unwrap();
    let (said, well) = forge.check(&[RESOURCE]).await.unwrap();
    assert!(
        !well && said.contains("FAIL HealingPolicy stf/by-night: "),
        "{said}"
    );
    assert!(said.contains("deploy/crd defines the resource"), "{said}");

    define(&forge.cluster).await.unwrap();
    let missing = "FAIL HealingPolicy stf/by-night: it is not there: nothing would be healed";
    // For a moment the API server has no answer to questions for a resource that is new.
    until("check misses the policy", PATIENCE, async || {
        let (said, well) = forge.check(&[RESOURCE]).await?;
        ensure!(!well && said.contains(missing), "{said}");
        Ok(Some(()))
    })
    .await
    .unwrap();

    write(&forge, &json!({})).await.unwrap();
    let (said, well) = forge.check(&[RESOURCE]).await.unwrap();
    assert!(well, "{said}");
    for line in [
        "ok   HealingPolicy stf/by-night: it is there, generation 1",
        "warn policy, kind loader-*: its silentDeadline of 4s leaves an evicted worker no time",
        "ok   rights: all that are needed in namespace stf",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}

/// Makes the resource known, as people do.
async fn define(cluster: &Cluster) -> Result<()> {
    let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../healer/deploy/crd");
    controller::apply_strictly(cluster, "--kustomize", &crd).await?;
    let established = ["wait", "--for=condition=established", "--timeout=120s"];
    let crd = ["crd", "healingpolicies.temper.dev"];
    cluster
        .kubectl(&[established.as_slice(), &crd].concat())
        .await?;
    Ok(())
}

/// Writes the policy of all stories as a resource, with these keys changed.
async fn write(forge: &StreamForge, changes: &Value) -> Result<()> {
    let text = include_str!("../../src/streamforge/policy.yaml");
    let mut spec: Value = serde_saphyr::from_str(text)?;
    for (key, value) in changes.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let policy = json!({
        "apiVersion": "temper.dev/v1alpha1",
        "kind": "HealingPolicy",
        "metadata": { "name": NAME, "namespace": NAMESPACE },
        "spec": spec,
    });
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("policy.json");
    std::fs::write(&file, policy.to_string())?;
    controller::apply_strictly(&forge.cluster, "--filename", &file).await
}

async fn kubectl(forge: &StreamForge, arguments: &[&str]) -> Result<String> {
    let namespace = format!("--namespace={NAMESPACE}");
    let arguments = [arguments, &[&namespace]].concat();
    forge.cluster.kubectl(&arguments).await
}

/// Waits until the healer says that it goes by this policy.
async fn goes_by(healer: &Healer, policy: &str) -> Result<()> {
    until("it says by which policy it goes", PATIENCE, async || {
        let told = healer.incidents().await?;
        let account = told["policy"].as_str().unwrap_or_default();
        ensure!(account.starts_with(policy), "it goes by {account:?}");
        Ok(Some(()))
    })
    .await
}

/// No Job is touched, and the Lease is left to others.
async fn nobody_heals(forge: &StreamForge) -> Result<()> {
    let jobs = forge.job_names().await?;
    always("nobody heals", LONG, async || {
        Ok(forge.job_names().await? == jobs)
    })
    .await?;
    let leases = kubectl(forge, &["get", "leases", "--output=name"]).await?;
    ensure!(leases.is_empty(), "somebody holds {leases}");
    Ok(())
}
