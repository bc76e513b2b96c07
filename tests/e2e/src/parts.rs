//! Where the programs are that a stage is made of.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// Folders that hold the built parts, as `parts/build` lays them out.
#[derive(Debug, Clone)]
pub struct Parts(Vec<PathBuf>);

impl Parts {
    /// Those that `TEMPER_PARTS` names, otherwise those that `parts/build` finds or builds.
    pub fn locate() -> Result<Self> {
        let folders = env::var("TEMPER_PARTS").map_or_else(|_| build(), Ok)?;
        Ok(Self(env::split_paths(folders.trim()).collect()))
    }

    /// The program of that name, for example `kube-apiserver`.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        self.find(&Path::new("bin").join(name))
    }

    /// The folder with the custom resource definitions of Argo Rollouts.
    pub fn definitions(&self) -> Result<PathBuf> {
        self.find(Path::new("crds"))
    }

    /// The folder that holds the folder `kafka`, with the jars of a broker and the archive of their classes.
    pub fn kafka(&self) -> Result<PathBuf> {
        let mut folder = self.find(Path::new("kafka"))?;
        folder.pop();
        Ok(folder)
    }

    fn find(&self, path: &Path) -> Result<PathBuf> {
        self.0
            .iter()
            .map(|folder| folder.join(path))
            .find(|path| path.exists())
            .with_context(|| {
                format!(
                    "finding {} in {:?}: build the parts with tests/e2e/parts/build",
                    path.display(),
                    self.0
                )
            })
    }
}

fn build() -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("parts/build");
    let output = Command::new(&script)
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    if !output.status.success() {
        bail!(
            "building the parts: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).context("reading where the parts are")
}

/// The program under test: what `TEMPER_BIN` names.
pub fn temper() -> Result<PathBuf> {
    let path = env::var_os("TEMPER_BIN")
        .context("finding the program under test: set TEMPER_BIN to it, as `make e2e` does")?;
    Path::new(&path)
        .canonicalize()
        .with_context(|| format!("finding TEMPER_BIN {}", path.display()))
}

/// The manifests that an operator applies: `plugin-config` of this checkout.
pub fn plugin_config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-config")
}
