//! The healer may do its work, and nothing else.

use anyhow::{Context, Result};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::{NAMESPACE, Server};

const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// What can be done to a resource: by API group, name, and the name of an object where only that one is meant.
type Right = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// What the healer does in its namespace, and what else somebody in its place could want.
const IN_ITS_NAMESPACE: [Right; 19] = [
    (
        "batch",
        "jobs",
        "",
        &["get", "list", "watch", "create", "delete", "patch"],
    ),
    ("", "pods", "", &["list"]),
    ("events.k8s.io", "events", "", &["create"]),
    (
        "coordination.k8s.io",
        "leases",
        "temper-healer",
        &["get", "update", "create"],
    ),
    (
        "coordination.k8s.io",
        "leases",
        "temper-healer-dry-run",
        &["get", "update", "create"],
    ),
    // A name can't be asked for where an object is not there yet, so any may be created.
    ("coordination.k8s.io", "leases", "", &["create"]),
    ("", "secrets", "", &[]),
    ("", "configmaps", "", &[]),
    ("", "services", "", &[]),
    ("", "events", "", &[]),
    ("", "pods/exec", "", &[]),
    ("", "pods/log", "", &[]),
    ("", "pods/eviction", "", &[]),
    ("", "serviceaccounts/token", "", &[]),
    ("apps", "deployments", "", &[]),
    ("batch", "cronjobs", "", &[]),
    ("batch", "jobs/status", "", &[]),
    ("rbac.authorization.k8s.io", "roles", "", &[]),
    ("temper.dev", "healingpolicies", "temper-healer", &[]),
];

/// Another namespace is none of its business.
const ELSEWHERE: [Right; 2] = [("batch", "jobs", "", &[]), ("", "pods", "", &[])];

#[tokio::test]
async fn the_healer_may_do_its_work_and_nothing_else() {
    let server = Server::start().await.unwrap();
    server.install("deployment").await.unwrap();
    server.install("examples/sidecar").await.unwrap();
    for account in [("stf", "temper-healer"), (NAMESPACE, "queue-manager")] {
        let asking = Asking {
            client: &server.client,
            account,
        };
        asking.exactly(account.0, &IN_ITS_NAMESPACE).await.unwrap();
        asking.exactly("default", &ELSEWHERE).await.unwrap();
        asking.exactly("", &[("", "nodes", "", &[])]).await.unwrap();
    }
}

#[tokio::test]
async fn only_who_asks_for_nodes_may_read_them() {
    let server = Server::start().await.unwrap();
    server.install("examples/deployment").await.unwrap();
    let asking = Asking {
        client: &server.client,
        account: (NAMESPACE, "temper-healer"),
    };
    let nodes = [("", "nodes", "", ["get"].as_slice())];
    asking.exactly("", &nodes).await.unwrap();
}

#[tokio::test]
async fn only_who_goes_by_a_healing_policy_may_read_it_and_no_other() {
    let server = Server::start().await.unwrap();
    server.define().await.unwrap();
    server.install("examples/healing-policy").await.unwrap();
    let asking = Asking {
        client: &server.client,
        account: (NAMESPACE, "temper-healer"),
    };
    let (group, policies, its) = ("temper.dev", "healingpolicies", "temper-healer");
    let rights: [Right; 3] = [
        (group, policies, its, &["list", "watch"]),
        (group, policies, "", &[]),
        (group, "healingpolicies/status", its, &[]),
    ];
    asking.exactly(NAMESPACE, &rights).await.unwrap();
    asking
        .exactly("stf", &[(group, policies, its, &[])])
        .await
        .unwrap();

    // And so it asks.
    let healer = format!("--as=system:serviceaccount:{NAMESPACE}:temper-healer");
    let namespace = format!("--namespace={NAMESPACE}");
    let list = ["get", policies, "--output=name", &healer, &namespace];
    let its = [
        list.as_slice(),
        &["--field-selector=metadata.name=temper-healer"],
    ]
    .concat();
    let found = server.cluster.kubectl(&its).await.unwrap();
    assert_eq!(found.trim(), "healingpolicy.temper.dev/temper-healer");
    let refusal = server.cluster.kubectl(&list).await.unwrap_err().to_string();
    assert!(refusal.contains("Forbidden"), "{refusal}");
}

/// What `kubectl auth can-i --as` asks, for a service account by namespace and name.
struct Asking<'a> {
    client: &'a Client,
    account: (&'a str, &'a str),
}

impl Asking<'_> {
    /// Fails if the account may do more or less than that.
    async fn exactly(&self, namespace: &str, rights: &[Right]) -> Result<()> {
        for right @ (.., verbs) in rights {
            for verb in VERBS {
                let allowed = self.may(verb, namespace, *right).await?;
                let account = self.account;
                assert_eq!(
                    allowed,
                    verbs.contains(&verb),
                    "{account:?}: {verb} {right:?}"
                );
            }
        }
        Ok(())
    }

    async fn may(&self, verb: &str, namespace: &str, right: Right) -> Result<bool> {
        let (group, resource, name, _) = right;
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            namespace: said(namespace),
            group: said(group),
            resource: said(resource),
            subresource: said(subresource),
            name: said(name),
            verb: said(verb),
            ..ResourceAttributes::default()
        };
        let reviewed = Api::<SubjectAccessReview>::all(self.client.clone())
            .create(&PostParams::default(), &self.review(attributes))
            .await?;
        Ok(reviewed.status.context("no answer to a review")?.allowed)
    }

    fn review(&self, attributes: ResourceAttributes) -> SubjectAccessReview {
        let (namespace, name) = self.account;
        let groups = [
            "system:serviceaccounts",
            &format!("system:serviceaccounts:{namespace}"),
            "system:authenticated",
        ];
        SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{name}")),
                groups: Some(groups.map(str::to_owned).to_vec()),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        }
    }
}
