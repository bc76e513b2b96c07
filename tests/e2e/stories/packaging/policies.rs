//! A `HealingPolicy` is taken and refused as the program takes and refuses a policy file.

use std::fs;

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{Server, healer};

#[tokio::test]
async fn the_api_server_takes_and_refuses_the_policies_that_the_program_does() {
    let server = Server::start().await.unwrap();
    server.define().await.unwrap();
    let text = fs::read_to_string(healer().join("tests/fixtures/policies.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    for (answer, accepted) in [("accepted", true), ("refused", false)] {
        for (name, policy) in cases[answer].as_object().unwrap() {
            let applied = apply_policy(&server.client, policy).await;
            assert_eq!(applied.is_ok(), accepted, "{name}: {applied:?}");
            if let Err(error) = applied {
                assert!(matches!(error, kube::Error::Api(_)), "{name}: {error}");
            }
        }
    }
}

async fn apply_policy(client: &Client, spec: &Value) -> kube::Result<DynamicObject> {
    let kind = GroupVersionKind::gvk("temper.dev", "v1alpha1", "HealingPolicy");
    let resource = ApiResource::from_gvk_with_plural(&kind, "healingpolicies");
    let manifest = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": { "name": "tried" },
        "spec": spec,
    });
    let dry = PatchParams::apply("e2e").dry_run().validation_strict();
    Api::<DynamicObject>::namespaced_with(client.clone(), "stf", &resource)
        .patch("tried", &dry, &Patch::Apply(manifest))
        .await
}
