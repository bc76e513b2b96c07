//! Where the policy comes from, and what becomes of a change of it.
//!
//! It is built in, or a file, or a `HealingPolicy` of the cluster. Nothing is healed before there is one. A change takes effect when it is seen;
//! one that makes no sense is refused, and so is none at all: the policy before it holds.

mod file;
mod resource;

use std::{
    future,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use temper_healer_core::Policy;
use temper_ops::http::Readiness;

use self::{file::File, resource::Resource};
use crate::{board::Board, chronicle::Chronicle};

/// Under this name `/readyz` says that there is no policy yet.
pub const NEED: &str = "policy";

/// Where the policy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the program: the one for StreamForge's workers.
    BuiltIn,
    /// In a file.
    File(PathBuf),
    /// In the `HealingPolicy` of this name.
    Resource(String),
}

impl Source {
    /// The policy, where no cluster has to be asked for it.
    pub fn read(&self) -> anyhow::Result<Option<Policy>> {
        match self {
            Self::BuiltIn => Ok(Some(Policy::streamforge())),
            Self::File(path) => read(path).map(Some),
            Self::Resource(_) => Ok(None),
        }
    }
}

/// The policy in a file.
pub fn read(file: &Path) -> anyhow::Result<Policy> {
    load(file).map(|(_, policy)| policy)
}

/// A file as it is, and as it is understood.
fn load(file: &Path) -> anyhow::Result<(String, Policy)> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("reading the policy {}", file.display()))?;
    let policy = Policy::parse(&text).with_context(|| file.display().to_string())?;
    Ok((text, policy))
}

/// Whom it concerns which policy holds.
#[derive(Clone, Debug)]
pub struct Audience {
    /// Not ready before there is one.
    pub ready: Readiness,
    /// Says which one holds.
    pub board: Board,
    /// Tells the author of a `HealingPolicy`.
    pub chronicle: Chronicle,
}

/// The policy as it is, and as it changes.
#[derive(Debug)]
pub struct Rules {
    origin: Origin,
    audience: Audience,
}

#[derive(Debug)]
enum Origin {
    BuiltIn { told: bool },
    File(File),
    Resource(Resource),
}

impl Rules {
    /// Those of `source`. A file must be there and make sense; a `HealingPolicy` is looked for in `namespace`, and waited for.
    pub fn of(
        source: &Source,
        client: kube::Client,
        namespace: &str,
        audience: Audience,
    ) -> anyhow::Result<Self> {
        let origin = match source {
            Source::BuiltIn => Origin::BuiltIn { told: false },
            Source::File(path) => Origin::File(File::open(path)?),
            Source::Resource(name) => Origin::Resource(Resource::named(client, namespace, name)),
        };
        Ok(Self { origin, audience })
    }

    /// The policy; after that, each that takes its place. It waits for it, and if there is none, for ever.
    pub async fn next(&mut self) -> Policy {
        let audience = &self.audience;
        let policy = match &mut self.origin {
            Origin::BuiltIn { told: true } => future::pending().await,
            Origin::BuiltIn { told } => {
                *told = true;
                audience.hold("the built-in policy");
                Policy::streamforge()
            }
            Origin::File(file) => file.next(audience).await,
            Origin::Resource(resource) => resource.next(audience).await,
        };
        audience.ready.set(NEED, Ok(()));
        policy
    }
}

impl Audience {
    /// Says which policy holds, and what is to be known of it.
    fn hold(&self, what: &str) {
        self.board.write(|notes| what.clone_into(&mut notes.rules));
    }

    /// Says why there is none.
    fn lack(&self, why: &str) {
        self.ready.set(NEED, Err(why));
        self.board
            .write(|notes| notes.rules = format!("none ({why})"));
    }
}
