//! Two healers that both lead.

use temper_e2e::{StreamForge, workers::Manner};

use super::{at_work, healed, in_place, only};

#[tokio::test]
async fn two_healers_that_both_lead_make_one_successor_for_each_worker() {
    const WORKERS: usize = 8;
    let forge = StreamForge::open().await.unwrap();
    let first = forge.heal("healer-1", &["--lease=one"]).await.unwrap();
    let second = forge.heal("healer-2", &["--lease=other"]).await.unwrap();
    let mut workers = Vec::new();
    for i in 0..WORKERS {
        workers.push(
            at_work(&forge, "loader-producer", &format!("{i:06}"))
                .await
                .unwrap(),
        );
    }

    for worker in &workers {
        forge.workers.behave(&worker.job, Manner::Says("error"));
    }

    for worker in &workers {
        in_place(&forge, worker).await.unwrap();
        healed(&first, worker).await.unwrap();
        healed(&second, worker).await.unwrap();
    }
    only(&forge, workers.iter().map(|worker| worker.successor(1)))
        .await
        .unwrap();
}
