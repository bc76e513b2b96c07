//! The contract is kept by the fake, and by a real server if one is named.

use temper_fake_kube::{
    FakeKube,
    contract::{self, Compaction, Server},
};

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let kube = FakeKube::start().unwrap();
    let server = Server::plain(&kube.url()).unwrap();
    keeps(&server.forgetting(Compaction::Fake(kube.control()))).await;
}

/// Without `TEMPER_KUBE_URL` there is none to be tested here: the end-to-end stories bring their own.
#[tokio::test]
async fn a_real_server_keeps_the_contract() {
    if let Some(server) = Server::from_environment().unwrap() {
        keeps(&server).await;
    }
}

async fn keeps(server: &Server) {
    let failures = contract::run(server).await;
    let told: Vec<_> = failures
        .iter()
        .map(|(case, failure)| format!("{case}: {failure}"))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
