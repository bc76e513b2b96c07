//! The contract that the fake API server keeps is the real one's.

use anyhow::{Result, ensure};
use temper_e2e::{cluster::Cluster, home::Home, parts::Parts, workloads::Workloads};
use temper_fake_kube::contract;

#[tokio::test]
async fn a_real_api_server_keeps_the_contract_of_the_fake_one() -> Result<()> {
    let parts = Parts::locate()?;
    let home = Home::claim()?;
    let folder = tempfile::tempdir()?;
    let cluster = Cluster::start(&parts, home.address, folder.path()).await?;
    let _workloads = Workloads::start(&parts, &cluster, folder.path()).await?;

    let failures = contract::run(&cluster.server()?).await;
    let told = failures.iter();
    let told: Vec<_> = told.map(|(case, why)| format!("{case}: {why}")).collect();
    ensure!(told.is_empty(), "it differs:\n{}", told.join("\n"));
    Ok(())
}
