//! The healer among real Jobs, real brokers and workers that get stuck.

use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
};

#[tokio::test]
async fn an_evicted_worker_is_brought_back_by_its_own_job() {
    let forge = StreamForge::open().await.unwrap();
    let loader = Worker::new("loader-producer", "abc123");
    forge.submit(&loader).await.unwrap();
    let evicted = forge.evict(&loader.job).await.unwrap();
    let start = std::time::Instant::now();
    until("another pod runs", PATIENCE, async || {
        let diary = forge.workers.diary();
        Ok(diary.running().any(|who| who.pod != evicted).then_some(()))
    })
    .await
    .unwrap();
    println!("{:?}", start.elapsed());
}
