//! Rights, and what the Jobs that are there look like to the healer.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    batch::v1::Job as TypedJob,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use temper_healer_core::{Job, Name, Policy, job::NotAWorker, policy::Fencing, telemetry::target};

use super::{Finding, Grade, counted};

/// Something that may be done.
#[derive(Clone, Copy)]
struct Right<'a> {
    group: &'a str,
    resource: &'a str,
    /// The one object that is meant; none for all of them.
    name: Option<&'a str>,
    verbs: &'a [&'a str],
}

impl<'a> Right<'a> {
    const fn to(verbs: &'a [&'a str], resource: &'a str, group: &'a str) -> Self {
        let name = None;
        Self {
            group,
            resource,
            name,
            verbs,
        }
    }

    const fn named(self, name: &'a str) -> Self {
        Self {
            name: Some(name),
            ..self
        }
    }
}

/// What it does, going by this policy, which may be a resource itself.
fn needed<'a>(
    lease: &'a str,
    policy: Option<&Policy>,
    healing_policy: Option<&'a str>,
) -> Vec<Right<'a>> {
    const ON_JOBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];
    let reads_nodes = |policy: &Policy| {
        let mut kinds = policy.kinds.iter();
        kinds.any(|kind| matches!(kind.fencing, Fencing::BestEffort(_)))
    };
    let mut rights = vec![
        Right::to(&ON_JOBS, "jobs", "batch"),
        Right::to(&["list"], "pods", ""),
        Right::to(&["create"], "events", "events.k8s.io"),
        Right::to(&["create"], "leases", "coordination.k8s.io"),
        Right::to(&["get", "update"], "leases", "coordination.k8s.io").named(lease),
    ];
    if policy.is_some_and(reads_nodes) {
        rights.push(Right::to(&["get"], "nodes", ""));
    }
    let read = Right::to(&["list", "watch"], "healingpolicies", "temper.dev");
    rights.extend(healing_policy.map(|name| read.named(name)));
    rights
}

/// Looks for the rights that it needs.
pub(super) async fn rights(
    client: &Client,
    namespace: &str,
    lease: &str,
    policy: Option<&Policy>,
    healing_policy: Option<&str>,
    found: &mut dyn FnMut(Finding),
) {
    let needed = needed(lease, policy, healing_policy);
    found(match missing(client, namespace, &needed).await {
        Err(error) => Finding::new(Grade::Bad, "cluster", format!("asking for rights: {error}")),
        Ok(missing) if missing.is_empty() => {
            let what = format!("all that are needed in namespace {namespace}");
            Finding::new(Grade::Good, "rights", what)
        }
        Ok(missing) => {
            let missing = missing.join(", ");
            let what =
                format!("missing in namespace {namespace}: {missing}; healer/deploy has all");
            Finding::new(Grade::Bad, "rights", what)
        }
    });
}

async fn missing(
    client: &Client,
    namespace: &str,
    needed: &[Right<'_>],
) -> kube::Result<Vec<String>> {
    let mut missing = Vec::new();
    for right in needed {
        for verb in right.verbs {
            if !may(client, namespace, *right, verb).await? {
                missing.push(format!("{verb} {}", right.resource));
            }
        }
    }
    Ok(missing)
}

async fn may(client: &Client, namespace: &str, right: Right<'_>, verb: &str) -> kube::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.to_owned()),
                resource: Some(right.resource.to_owned()),
                name: right.name.map(str::to_owned),
                verb: Some(verb.to_owned()),
                namespace: (right.resource != "nodes").then(|| namespace.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Looks at what Jobs are there, and what they are to the policy.
pub(super) async fn jobs(
    client: &Client,
    namespace: &str,
    policy: &Policy,
    found: &mut dyn FnMut(Finding),
) {
    let resource = ApiResource::erase::<TypedJob>(&());
    let jobs: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let list = match jobs.list(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => {
            return found(Finding::new(
                Grade::Bad,
                "jobs",
                format!("listing Jobs: {error}"),
            ));
        }
    };
    let (mut kinds, mut unnamed, mut refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut guessed, mut others) = (0_usize, 0_usize);
    for object in list {
        let Ok(value) = serde_json::to_value(&object) else {
            continue;
        };
        match Job::read(&value) {
            Ok((name, job)) => {
                *of_kind(policy, &name, &mut kinds, &mut unnamed) += 1;
                guessed += usize::from(job.guessed);
                if let Some(refusal) = job.refusal() {
                    *refused.entry(format!("because {refusal}")).or_insert(0) += 1;
                }
            }
            Err(NotAWorker::Nameless | NotAWorker::Malformed(_) | _) => others += 1,
        }
    }
    let mut tell = |grade, what: String| found(Finding::new(grade, "jobs", what));
    let seen = if kinds.is_empty() {
        "no worker of the policy's kinds is there now".to_owned()
    } else {
        counted(&kinds)
    };
    tell(
        Grade::Good,
        format!("{seen}; {others} Jobs are none of ours"),
    );
    if !unnamed.is_empty() {
        tell(
            Grade::Doubtful,
            format!(
                "the policy does not name, and so only watches: {}",
                counted(&unnamed)
            ),
        );
    }
    if !refused.is_empty() {
        tell(
            Grade::Doubtful,
            format!("left alone: {}", counted(&refused)),
        );
    }
    if guessed > 0 {
        tell(
            Grade::Doubtful,
            format!(
                "{guessed} show no telemetry id, which is guessed from the Job's name; set TELEMETRY_PRODUCER_ID or the annotation healer.temper.dev/producer"
            ),
        );
    }
}

fn of_kind<'a>(
    policy: &Policy,
    name: &Name,
    kinds: &'a mut BTreeMap<String, usize>,
    unnamed: &'a mut BTreeMap<String, usize>,
) -> &'a mut usize {
    let target = target(&name.producer);
    match policy
        .kind(target)
        .and_then(|index| policy.kinds.get(index))
    {
        Some(kind) => kinds.entry(kind.workers.to_string()).or_default(),
        None => unnamed.entry(target.to_owned()).or_default(),
    }
}
