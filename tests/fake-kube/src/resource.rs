//! The resources that are served, and where an object is among them.

use std::fmt;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// `jobs` of `batch`.
    Jobs,
    /// `pods` of the core group.
    Pods,
    /// `events` of `events.k8s.io`.
    Events,
    /// `leases` of `coordination.k8s.io`.
    Leases,
    /// `configmaps` of the core group.
    ConfigMaps,
    /// `nodes` of the core group, which have no namespace and are only read.
    Nodes,
    /// `healingpolicies` of `temper.dev`: a custom resource, which has no schema here, so any `spec` will do.
    HealingPolicies,
}

impl Resource {
    const ALL: [Self; 7] = [
        Self::Jobs,
        Self::Pods,
        Self::Events,
        Self::Leases,
        Self::ConfigMaps,
        Self::Nodes,
        Self::HealingPolicies,
    ];

    /// That of this group and version with this plural name.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .filter(|resource| resource.group() == group && resource.version() == version)
            .find(|resource| resource.plural() == plural)
    }

    /// Its name in paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Pods => "pods",
            Self::Events => "events",
            Self::Leases => "leases",
            Self::ConfigMaps => "configmaps",
            Self::Nodes => "nodes",
            Self::HealingPolicies => "healingpolicies",
        }
    }

    /// The name of one of its objects.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Jobs => "Job",
            Self::Pods => "Pod",
            Self::Events => "Event",
            Self::Leases => "Lease",
            Self::ConfigMaps => "ConfigMap",
            Self::Nodes => "Node",
            Self::HealingPolicies => "HealingPolicy",
        }
    }

    /// Its group; that of the core is empty.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Jobs => "batch",
            Self::Events => "events.k8s.io",
            Self::Leases => "coordination.k8s.io",
            Self::HealingPolicies => "temper.dev",
            Self::Pods | Self::ConfigMaps | Self::Nodes => "",
        }
    }

    /// The version of its group in which it is served.
    pub const fn version(self) -> &'static str {
        match self {
            Self::HealingPolicies => "v1alpha1",
            Self::Jobs
            | Self::Pods
            | Self::Events
            | Self::Leases
            | Self::ConfigMaps
            | Self::Nodes => "v1",
        }
    }

    /// Group and version, as in `apiVersion`.
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// Whether its objects are in namespaces.
    pub const fn namespaced(self) -> bool {
        !matches!(self, Self::Nodes)
    }

    /// The path of all its objects in a namespace; in an empty one, of all there are.
    pub fn path(self, namespace: &str) -> String {
        let root = match self.group() {
            "" => format!("/api/{}", self.version()),
            group => format!("/apis/{group}/{}", self.version()),
        };
        match namespace {
            "" => format!("{root}/{}", self.plural()),
            namespace => format!("{root}/namespaces/{namespace}/{}", self.plural()),
        }
    }

    /// As errors name it: `jobs.batch`.
    pub(crate) fn qualified(self) -> String {
        qualify(self.plural(), self.group())
    }

    /// As some other errors name it: `Job.batch`.
    pub(crate) fn qualified_kind(self) -> String {
        qualify(self.kind(), self.group())
    }
}

fn qualify(name: &str, group: &str) -> String {
    match group {
        "" => name.to_owned(),
        group => format!("{name}.{group}"),
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What it is.
    pub resource: Resource,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The object of that name.
    pub fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = self.resource.plural();
        write!(formatter, "{plural} {}/{}", self.namespace, self.name)
    }
}
