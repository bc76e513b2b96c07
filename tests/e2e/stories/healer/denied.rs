//! A cluster that refuses, for a while or for good.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use temper_e2e::{
    StreamForge,
    healer::{self, Healer, Surroundings},
    patience::{always, until},
    streamforge::{NAMESPACE, PATIENCE, Worker},
    workers::Manner,
};

use super::{at_work, healed, in_place, incident, only};

#[tokio::test]
async fn what_admission_refuses_is_told_once_and_done_when_it_agrees() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let failed = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    refuse_replacements(&forge).await.unwrap();

    forge.workers.behave(&failed.job, Manner::Says("error"));
    let told = held(&healer, &failed).await.unwrap();
    let why = told["why"].as_str().unwrap();
    assert!(why.contains("no replacements on Sundays"), "{told:#}");
    assert!(why.starts_with("the cluster refuses"), "{told:#}");
    // It asks again after half a minute, and tells nothing new.
    always("the Jobs stay", Duration::from_secs(35), async || {
        let told = incident(&healer, &failed).await?;
        let told = told.is_some_and(|told| told["decision"] == "suppress");
        Ok(told && forge.job_names().await? == [failed.job.as_str(), healthy.job.as_str()])
    })
    .await
    .unwrap();
    let metrics = healer.get("/metrics").await.unwrap();
    for counted in [
        r#"healer_decisions_total{decision="heal",cause="error"} 1"#,
        r#"healer_decisions_total{decision="suppress",cause="error"} 1"#,
    ] {
        assert!(metrics.contains(counted), "no {counted} in\n{metrics}");
    }
    let described = forge.describe(&failed.job).await.unwrap();
    assert!(
        described.contains("no replacements on Sundays"),
        "{described}"
    );

    let binding = ["delete", "validatingadmissionpolicybinding", POLICY];
    forge.cluster.kubectl(&binding).await.unwrap();
    in_place(&forge, &failed).await.unwrap();
    healed(&healer, &failed).await.unwrap();
    only(&forge, [failed.successor(1), healthy.job])
        .await
        .unwrap();
}

#[tokio::test]
async fn whoever_has_no_rights_says_which_and_touches_nothing() {
    let forge = StreamForge::open().await.unwrap();
    let silent = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let namespace = format!("--namespace={NAMESPACE}");
    let account = ["create", "serviceaccount", "nobody", &namespace];
    forge.cluster.kubectl(&account).await.unwrap();
    let nobody = Surroundings {
        kubeconfig: forge
            .cluster
            .kubeconfig_of(NAMESPACE, "nobody")
            .await
            .unwrap(),
        ..forge.surroundings()
    };

    let (said, well) = healer::check(&nobody, &[]).await.unwrap();
    assert!(!well, "{said}");
    let missing = "FAIL rights: missing in namespace stf: get jobs, list jobs, watch jobs, create jobs, patch jobs, delete jobs, list pods, \
                   create events, create leases, get leases, update leases; healer/deploy has all";
    assert!(said.contains(missing), "{said}");
    assert!(said.contains("FAIL jobs: listing Jobs: "), "{said}");

    let healer = Healer::start("nobody", &nobody, &[]).unwrap();
    forge.workers.behave(&silent.job, Manner::IsSilent);
    until("it says what it lacks", PATIENCE, async || {
        let unready = healer.get("/readyz").await.unwrap_err();
        let unready = format!("{unready:#}");
        Ok((unready.contains("kubernetes: ") && unready.contains("forbidden")).then_some(()))
    })
    .await
    .unwrap();
    always("nothing is touched", Duration::from_secs(10), async || {
        Ok(forge.job_names().await? == [silent.job.as_str()])
    })
    .await
    .unwrap();
    let log = healer.log();
    for said in [
        "watching Jobs",
        "nobody can tell who holds the Lease",
        "forbidden",
    ] {
        assert!(log.contains(said), "no {said:?} in\n{log}");
    }
}

const POLICY: &str = "no-replacements";

/// From now on no Job is admitted whose name is a replacement's.
async fn refuse_replacements(forge: &StreamForge) -> Result<()> {
    let api = "admissionregistration.k8s.io/v1";
    let jobs = json!({"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]});
    let policy = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [jobs]},
            "validations": [{"expression": "!object.metadata.name.endsWith('-r1')", "message": "no replacements on Sundays"}]},
    });
    let binding = json!({
        "apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("policy.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]});
    std::fs::write(&file, list.to_string())?;
    let file = file.to_string_lossy();
    forge
        .cluster
        .kubectl(&["create", "--filename", &file])
        .await?;
    // The API server takes a while to go by it.
    until("replacements are refused", PATIENCE, async || {
        let trial = [
            "create",
            "job",
            "trial-r1",
            "--image=none",
            "--dry-run=server",
        ];
        let namespace = format!("--namespace={NAMESPACE}");
        let tried = forge
            .cluster
            .kubectl(&[trial.as_slice(), &[&namespace]].concat())
            .await;
        Ok(tried
            .is_err_and(|error| format!("{error:#}").contains("Sundays"))
            .then_some(()))
    })
    .await
}

/// What is told of a worker whose replacement is held back.
async fn held(healer: &Healer, worker: &Worker) -> Result<Value> {
    until("it says that it was refused", PATIENCE, async || {
        let told = incident(healer, worker).await?;
        let told = told.filter(|told| told["decision"] == "suppress");
        if let Some(told) = &told {
            ensure!(told["outcome"].is_null(), "{told:#}");
        }
        Ok(told)
    })
    .await
}
