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

/// What it does, by group and resource.
const RIGHTS: [(&str, &str, &[&str]); 4] = [
    (
        "batch",
        "jobs",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    ("", "pods", &["list"]),
    ("events.k8s.io", "events", &["create", "patch"]),
    (
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update"],
    ),
];

pub(super) async fn check(
    client: &Client,
    namespace: &str,
    policy: &Policy,
    found: &mut dyn FnMut(Finding),
) {
    let mut missing = Vec::new();
    let reads_nodes = policy
        .kinds
        .iter()
        .any(|kind| matches!(kind.fencing, Fencing::BestEffort(_)));
    let nodes: &[(&str, &str, &[&str])] = if reads_nodes {
        &[("", "nodes", &["get"])]
    } else {
        &[]
    };
    for (group, resource, verbs) in RIGHTS.iter().chain(nodes) {
        for verb in *verbs {
            match may(client, namespace, group, resource, verb).await {
                Ok(true) => {}
                Ok(false) => missing.push(format!("{verb} {resource}")),
                Err(error) => {
                    return found(Finding::new(
                        Grade::Bad,
                        "cluster",
                        format!("asking for rights: {error}"),
                    ));
                }
            }
        }
    }
    found(if missing.is_empty() {
        Finding::new(
            Grade::Good,
            "rights",
            format!("all that are needed in namespace {namespace}"),
        )
    } else {
        let what = format!(
            "missing in namespace {namespace}: {}; deploy/common has the Role",
            missing.join(", ")
        );
        Finding::new(Grade::Bad, "rights", what)
    });
    jobs(client, namespace, policy, found).await;
}

async fn may(
    client: &Client,
    namespace: &str,
    group: &str,
    resource: &str,
    verb: &str,
) -> kube::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                namespace: (resource != "nodes").then(|| namespace.to_owned()),
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

async fn jobs(client: &Client, namespace: &str, policy: &Policy, found: &mut dyn FnMut(Finding)) {
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
