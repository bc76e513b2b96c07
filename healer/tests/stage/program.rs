//! The built program as a process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::{
    NAMESPACE,
    kafka::{Brokers, CANARY},
};

/// What a healer is told.
pub(crate) struct Surroundings {
    bootstrap: String,
    /// Its kubeconfig, its policy and its logs are here.
    folder: PathBuf,
}

impl Surroundings {
    /// Writes down in `folder` what healers need to find these parts and what they are to do.
    pub(crate) fn write(folder: &Path, brokers: &Brokers, kube_url: &str, policy: &str) -> Self {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": kube_url}}],
            "users": [{"name": "healer", "user": {"token": "any"}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "healer", "namespace": NAMESPACE}}],
        });
        fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).expect("a folder to write to");
        fs::write(folder.join("policy.yaml"), policy).expect("a folder to write to");
        Self {
            bootstrap: brokers.bootstrap(),
            folder: folder.to_owned(),
        }
    }

    /// Starts a healer. It shows its pages at `listen`; of those with the same `lease` one acts, and who comes back under the same
    /// `identity` need not wait for it.
    pub(crate) fn start(&self, identity: &str, lease: &str, listen: &str) -> Healer {
        let log = self.folder.join(format!("{identity}.log"));
        let output = File::options().create(true).append(true).open(&log);
        let process = Command::new(env!("CARGO_BIN_EXE_temper-healer"))
            .args(["run", "--lease", lease, "--listen", listen, "--policy"])
            .arg(self.folder.join("policy.yaml"))
            // Nothing of who runs this: a proxy would be asked for the API server.
            .env_clear()
            .env("POD_NAME", identity)
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap)
            .env("TEMPER_CANARY_TOPIC", CANARY)
            .env("TEMPER_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output.expect("a folder to write to"))
            .spawn()
            .expect("the program that was built");
        Healer(process)
    }
}

/// A healer that runs. When it is dropped, it is killed with SIGKILL, and has ended afterwards.
pub(crate) struct Healer(Child);

impl Drop for Healer {
    fn drop(&mut self) {
        // It may have ended by itself, which is no trouble here.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
