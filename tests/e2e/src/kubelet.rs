//! A container's process, started as a kubelet would: variables are looked up, arguments expanded, volumes filled.
//!
//! It gets no file system of its own, so that a path to where a volume is mounted becomes one to the volume's folder; and no network
//! of its own, so that `0.0.0.0` becomes the pod's address.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Container, EnvVar, KeyToPath, PodSpec, Secret, Volume},
};
use kube::{Api, Client};
use tokio::process::Command;

/// The one pod of a Deployment, and called like it.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Pod<'a> {
    /// Who may read all that the pod refers to.
    pub client: Client,
    /// Where the Deployment is.
    pub namespace: &'a str,
    /// Its name.
    pub deployment: &'a str,
    /// The pod's address.
    pub address: Ipv4Addr,
    /// Where its volumes are to be.
    pub folder: PathBuf,
}

/// Texts by name: variables, or the keys of a config map.
type Texts = BTreeMap<String, String>;

impl Pod<'_> {
    /// How to start `program` as the container of that name.
    pub async fn container(&self, name: &str, program: &Path) -> Result<Command> {
        let spec = self.spec().await?;
        let mut containers = spec.containers.iter();
        let container = containers
            .find(|container| container.name == name)
            .with_context(|| format!("finding container {name} in {}", self.deployment))?;
        let places = self.places(&spec, container).await?;
        let here = |text: &str| moved(text, &places);
        let variables = self.variables(container).await?;

        let mut command = Command::new(program);
        command.env_clear();
        for argument in container.args.iter().flatten() {
            command.arg(here(&expanded(argument, &variables)));
        }
        for (name, value) in &variables {
            command.env(name, here(value));
        }
        Ok(command)
    }

    async fn spec(&self) -> Result<PodSpec> {
        let deployment = self.api::<Deployment>().get(self.deployment).await?;
        let spec = deployment.spec.and_then(|spec| spec.template.spec);
        spec.with_context(|| format!("reading {}: it has no pods", self.deployment))
    }

    async fn variables(&self, container: &Container) -> Result<Texts> {
        let mut variables = Texts::new();
        for source in container.env_from.iter().flatten() {
            let map = source.config_map_ref.as_ref().context("no config map")?;
            variables.extend(self.config_map(&map.name).await?);
        }
        for variable in container.env.iter().flatten() {
            let value = self.value(variable).await;
            let value = value.with_context(|| format!("looking {} up", variable.name))?;
            variables.insert(variable.name.clone(), value);
        }
        Ok(variables)
    }

    async fn value(&self, variable: &EnvVar) -> Result<String> {
        if let Some(value) = &variable.value {
            return Ok(value.clone());
        }
        let source = variable.value_from.as_ref().context("it has no value")?;
        if let Some(field) = &source.field_ref {
            return self.field(&field.field_path);
        }
        let key = source.secret_key_ref.as_ref().context("it has no source")?;
        let found = self.secret(&key.name).await?.remove(&key.key);
        found.with_context(|| format!("the secret has no {}", key.key))
    }

    fn field(&self, path: &str) -> Result<String> {
        match path {
            "metadata.name" => Ok(self.deployment.to_owned()),
            "metadata.namespace" => Ok(self.namespace.to_owned()),
            "status.podIP" => Ok(self.address.to_string()),
            other => bail!("nobody here knows {other}"),
        }
    }

    /// What is said there, and where it is here.
    async fn places(&self, spec: &PodSpec, container: &Container) -> Result<Vec<(String, String)>> {
        let mut places = vec![("0.0.0.0".to_owned(), self.address.to_string())];
        for volume in spec.volumes.iter().flatten() {
            let folder = self.fill(volume).await;
            let folder = folder.with_context(|| format!("filling volume {}", volume.name))?;
            let mounts = container.volume_mounts.iter().flatten();
            let mounts = mounts.filter(|mount| mount.name == volume.name);
            places.extend(mounts.map(|mount| (mount.mount_path.clone(), folder.clone())));
        }
        Ok(places)
    }

    async fn fill(&self, volume: &Volume) -> Result<String> {
        let (texts, items) = match (&volume.config_map, &volume.secret) {
            (Some(map), _) => (self.config_map(&map.name).await?, &map.items),
            (None, Some(secret)) => {
                let name = secret.secret_name.as_ref().context("it names no secret")?;
                (self.secret(name).await?, &secret.items)
            }
            (None, None) => bail!("it is neither a config map nor a secret"),
        };
        let folder = self.folder.join(&volume.name);
        fs::create_dir_all(&folder)?;
        for (name, text) in chosen(texts, items.as_deref())? {
            fs::write(folder.join(name), text)?;
        }
        let folder = folder.into_os_string().into_string();
        folder.map_err(|folder| anyhow::anyhow!("{} is not UTF-8", folder.display()))
    }

    async fn config_map(&self, name: &str) -> Result<Texts> {
        let map = self.api::<ConfigMap>().get(name).await?;
        Ok(map.data.unwrap_or_default())
    }

    async fn secret(&self, name: &str) -> Result<Texts> {
        let secret = self.api::<Secret>().get(name).await?;
        let texts = secret.data.unwrap_or_default().into_iter();
        texts
            .map(|(key, bytes)| Ok((key, String::from_utf8(bytes.0)?)))
            .collect()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

/// All files of a volume, or those that it chooses under names that it gives.
fn chosen(mut texts: Texts, items: Option<&[KeyToPath]>) -> Result<Texts> {
    let Some(items) = items else { return Ok(texts) };
    let chosen = items.iter().map(|item| {
        let text = texts.remove(&item.key);
        let text = text.with_context(|| format!("there is no {}", item.key))?;
        Ok((item.path.clone(), text))
    });
    chosen.collect()
}

/// With the value of a variable wherever it says `$(NAME)`.
fn expanded(text: &str, variables: &Texts) -> String {
    let variables = variables.iter();
    variables.fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("$({name})"), value)
    })
}

fn moved(text: &str, places: &[(String, String)]) -> String {
    let places = places.iter();
    places.fold(text.to_owned(), |text, (there, here)| {
        text.replace(there, here)
    })
}
