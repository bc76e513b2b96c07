//! A Kubernetes API server with its etcd.
//!
//! There is no scheduler and no kubelet: on what is stored here only those act that a stage starts beside it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use temper_fake_kube::contract::{Compaction, Server};
use tokio::process::Command;

use crate::{child::Child, http, parts::Parts};

/// The token of the one user, who may do everything.
const TOKEN: &str = "e2e";
const ETCD_PORT: u16 = 12_379;
const ETCD_PEER_PORT: u16 = 12_380;
const API_PORT: u16 = 16_443;

/// A running API server; it and its etcd end when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    address: Ipv4Addr,
    kubectl: PathBuf,
    folder: PathBuf,
    _apiserver: Child,
    _etcd: Child,
}

impl Cluster {
    /// Starts etcd and the API server on `address`.
    pub async fn start(parts: &Parts, address: Ipv4Addr, folder: &Path) -> Result<Self> {
        let etcd = start_etcd(parts, address, folder).await?;
        let apiserver = start_apiserver(parts, address, folder).await?;
        let kubectl = parts.program("kubectl")?;
        Ok(Self {
            address,
            kubectl,
            folder: folder.to_owned(),
            _apiserver: apiserver,
            _etcd: etcd,
        })
    }

    /// A client that may do everything.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.kubeconfig()).await
    }

    /// It as a server that the contract of the fake one is played against.
    pub fn server(&self) -> Result<Server> {
        let address = self.address;
        let url = format!("https://{address}:{API_PORT}");
        let authority = authority(&self.folder.join("certificates"));
        let etcd = format!("http://{address}:{ETCD_PORT}");
        Ok(Server::secure(&url, TOKEN, &authority)?.forgetting(Compaction::Etcd(etcd)))
    }

    /// The file by which others reach the API server, as one who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        kubeconfig(&self.folder)
    }

    /// The file by which others reach the API server as a service account, which must be there.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let question = ["create", "token", account, "--namespace", namespace];
        let token = self.kubectl(&question).await?;
        let path = self.folder.join(format!("kubeconfig-{account}.json"));
        let certificates = self.folder.join("certificates");
        write_kubeconfig(&path, self.address, &certificates, token.trim())?;
        Ok(path)
    }

    /// Makes the custom resources known that the manifests in the folder `definitions` describe.
    pub async fn define(&self, definitions: &Path) -> Result<()> {
        self.kubectl(&["create", "--filename", text(definitions)?])
            .await?;
        self.kubectl(&[
            "wait",
            "--for=condition=established",
            "--timeout=120s",
            "crd",
            "--all",
        ])
        .await?;
        Ok(())
    }

    /// Runs kubectl and gives what it printed; an error holds what it complained about.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.kubectl)
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(arguments)
            .env("HOME", &self.folder) // It caches there what the API server offers.
            .kill_on_drop(true)
            .output()
            .await
            .context("running kubectl")?;
        if !output.status.success() {
            bail!(
                "kubectl {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

async fn start_etcd(parts: &Parts, address: Ipv4Addr, folder: &Path) -> Result<Child> {
    let client = format!("http://{address}:{ETCD_PORT}");
    let peer = format!("http://{address}:{ETCD_PEER_PORT}");
    let mut command = Command::new(parts.program("etcd")?);
    command
        .arg("--data-dir")
        .arg(folder.join("etcd"))
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args(["--initial-cluster", &format!("default={peer}")])
        .arg("--log-level=warn")
        .arg("--unsafe-no-fsync"); // What a stage stored need not survive it.
    let mut etcd = Child::start("etcd", command, folder)?;
    let health = format!("{client}/health");
    http::ready(&mut etcd, async || http::get(&health).await).await?;
    Ok(etcd)
}

async fn start_apiserver(parts: &Parts, address: Ipv4Addr, folder: &Path) -> Result<Child> {
    let certificates = folder.join("certificates");
    let tokens = folder.join("tokens.csv");
    let key = folder.join("service-accounts.pem");
    fs::write(&tokens, format!("{TOKEN},admin,admin,system:masters\n"))?;
    make_key(&key).await?;
    write_kubeconfig(&kubeconfig(folder), address, &certificates, TOKEN)?;

    let mut command = Command::new(parts.program("kube-apiserver")?);
    command
        .arg(format!("--etcd-servers=http://{address}:{ETCD_PORT}"))
        .arg(format!("--bind-address={address}"))
        .arg(format!("--advertise-address={address}"))
        .arg(format!("--secure-port={API_PORT}"))
        // It is no service of its own cluster: there is nobody who could reach it by such an address.
        .arg("--endpoint-reconciler-type=none")
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--cert-dir")
        .arg(&certificates)
        .arg("--token-auth-file")
        .arg(&tokens)
        .arg("--authorization-mode=RBAC")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg("--service-account-key-file")
        .arg(&key)
        .arg("--service-account-signing-key-file")
        .arg(&key)
        // Without a controller manager nobody makes the service accounts that this one would insist on.
        .arg("--disable-admission-plugins=ServiceAccount");
    let mut apiserver = Child::start("kube-apiserver", command, folder)?;
    let kubeconfig = kubeconfig(folder);
    http::ready(&mut apiserver, async || serves(&kubeconfig).await).await?;
    Ok(apiserver)
}

/// Makes the key that the API server signs tokens of service accounts with.
async fn make_key(path: &Path) -> Result<()> {
    let output = Command::new("openssl")
        // Not PKCS #8: the API server takes the public half only from the older form.
        .args([
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
        ])
        .arg(path)
        .output()
        .await
        .context("running openssl: install it by the means of your system")?;
    if !output.status.success() {
        bail!(
            "making a key with openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("kubeconfig.json")
}

/// The certificate that the API server has made for itself.
fn authority(certificates: &Path) -> PathBuf {
    certificates.join("apiserver.crt")
}

fn write_kubeconfig(
    path: &Path,
    address: Ipv4Addr,
    certificates: &Path,
    token: &str,
) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "e2e", "cluster": {
            "server": format!("https://{address}:{API_PORT}"),
            "certificate-authority": authority(certificates),
        }}],
        "users": [{ "name": "user", "user": { "token": token } }],
        "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": "user" } }],
        "current-context": "e2e",
    });
    fs::write(path, config.to_string()).context("writing the kubeconfig")
}

async fn connect(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// The API server writes the certificate that clients trust when it starts, so each try connects anew.
async fn serves(kubeconfig: &Path) -> Result<String> {
    let client = connect(kubeconfig).await?;
    Ok(client
        .request_text(hyper::Request::get("/readyz").body(Vec::new())?)
        .await?)
}

/// A path as an argument of kubectl.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("naming {} to kubectl: it is not UTF-8", path.display()))
}
