//! The healer beside queue-manager, as `healer/deploy/examples/sidecar` installs it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{NAMESPACE, StreamForge};
use crate::{
    controller,
    healer::{self, Healer},
    kafka::PASSWORD,
    kubelet::Pod,
};

/// The Deployment, the service account of its pods, and the one pod.
pub const QUEUE_MANAGER: &str = "queue-manager";
/// Where the sidecar answers questions.
const PORT: u16 = 8086;

impl StreamForge {
    /// Installs queue-manager with a healer for this queue beside it, starts that one's container as the service account, and waits
    /// until it is ready.
    pub async fn heal_beside_queue_manager(&self, queue: &str) -> Result<Healer> {
        self.make_secrets().await?;
        let overlay = self.write_overlay(queue)?;
        controller::apply_strictly(&self.cluster, "--kustomize", &overlay).await?;

        let pod = Pod {
            client: self.cluster.client().await?,
            namespace: NAMESPACE,
            deployment: QUEUE_MANAGER,
            address: self.home.address,
            folder: self.folder.path().join(QUEUE_MANAGER),
        };
        let mut command = pod.container("temper-healer", &healer::program()?).await?;
        let account = self.cluster.kubeconfig_of(NAMESPACE, QUEUE_MANAGER);
        command.env("KUBECONFIG", account.await?);
        let listen = (self.home.address, PORT).into();
        let mut healer = Healer::run(QUEUE_MANAGER, command, listen, self.folder.path())?;
        healer.become_ready().await?;
        Ok(healer)
    }

    /// What Strimzi makes in Kafka's namespace, and people copy.
    async fn make_secrets(&self) -> Result<()> {
        let authority = fs::read_to_string(self.brokers.authority())?;
        for (name, key, value) in [
            ("user-streamforge", "password", PASSWORD),
            ("k3-cluster-ca-cert", "ca.crt", authority.as_str()),
        ] {
            let (namespace, literal) = (
                format!("--namespace={NAMESPACE}"),
                format!("--from-literal={key}={value}"),
            );
            let making = ["create", "secret", "generic", name, &namespace, &literal];
            self.cluster.kubectl(&making).await?;
        }
        Ok(())
    }

    /// What people write over the example: where it is to be, and what is different there.
    fn write_overlay(&self, queue: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join("overlay");
        fs::create_dir(&folder)?;
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../healer/deploy");
        // Kustomize takes no absolute paths.
        symlink(deploy.canonicalize()?, folder.join("deploy"))?;
        let settings =
            json!({ "TEMPER_QUEUE": queue, "KAFKA_BOOTSTRAP_SERVERS": self.brokers.bootstrap() });
        let policy = json!({ "policy.yaml": fs::read_to_string(&self.policy)? });
        let overlay = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": ["deploy/examples/sidecar"],
            "patches": [
                { "patch": of_config_map("temper-healer-settings", &settings) },
                { "patch": of_config_map("temper-healer-policy", &policy) },
            ],
        });
        fs::write(folder.join("kustomization.yaml"), overlay.to_string())?;
        Ok(folder)
    }
}

fn of_config_map(name: &str, data: &Value) -> String {
    let patch = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data });
    patch.to_string()
}
