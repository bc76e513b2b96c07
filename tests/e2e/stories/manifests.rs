//! `plugin-config` is what the API server and the controller expect.

use std::fs;

use temper_e2e::{cluster::Cluster, controller, home::Home, parts::Parts};

#[tokio::test]
async fn strict_validation_accepts_plugin_config_and_nothing_misspelled() {
    let home = Home::claim().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts::locate().unwrap();
    let cluster = Cluster::start(&parts, home.address, folder.path())
        .await
        .unwrap();
    cluster.define(&parts.definitions().unwrap()).await.unwrap();
    controller::apply_plugin_config(&cluster).await.unwrap();

    let rendered = controller::render_plugin_config(&cluster).await.unwrap();
    let misspelled = folder.path().join("misspelled.yaml");
    for field in [
        "replicas",
        "templateName",
        "podTemplateHashValue",
        "provider",
        "targetPort",
    ] {
        let text = rendered.replacen(&format!("{field}:"), &format!("{field}s:"), 1);
        fs::write(&misspelled, text).unwrap();
        let refusal = controller::apply_strictly(&cluster, "--filename", &misspelled).await;
        let refusal = refusal.expect_err(field).to_string();
        assert!(refusal.contains(&format!("{field}s")), "{field}: {refusal}");
    }
}
