//! The healer beside queue-manager, with the rights that its manifests give it.

use temper_e2e::{
    StreamForge,
    streamforge::{NAMESPACE, QUEUE_MANAGER},
    workers::Manner,
};

use super::{at_work, healed, in_place, incident, only};

#[tokio::test]
async fn the_sidecar_heals_the_workers_of_its_queue_and_no_others() {
    let forge = StreamForge::open().await.unwrap();
    let own = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let other = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let healer = forge.heal_beside_queue_manager(&own.queue).await.unwrap();

    // The other one first, so that whatever is done to it would be done before.
    forge.workers.behave(&other.job, Manner::Says("error"));
    forge.workers.behave(&own.job, Manner::IsSilent);
    in_place(&forge, &own).await.unwrap();
    healed(&healer, &own).await.unwrap();

    assert_eq!(incident(&healer, &other).await.unwrap(), None);
    assert_eq!(holder(&forge).await.unwrap(), QUEUE_MANAGER);
    let told = forge.events_of(&own.job).await.unwrap();
    assert!(told.contains("WorkerReplaced"), "{told}");
    only(&forge, [own.successor(1), other.job]).await.unwrap();
}

/// Who holds the Lease for which the manifests give rights.
async fn holder(forge: &StreamForge) -> anyhow::Result<String> {
    let namespace = format!("--namespace={NAMESPACE}");
    let output = "--output=jsonpath={.spec.holderIdentity}";
    let question = ["get", "lease", "temper-healer", &namespace, output];
    forge.cluster.kubectl(&question).await
}
