//! The alerts, by Prometheus' own tool.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use temper_e2e::parts::Parts;
use tokio::process::Command;

use super::deploy;

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
