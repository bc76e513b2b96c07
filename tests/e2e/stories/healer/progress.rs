//! Workers that report and get no further, and workers that have nothing to do.

use serde_json::{Value, json};
use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

use super::{annotation, at_work, healed, in_place, incident, only, replaced};

#[tokio::test]
async fn a_stalled_loader_is_replaced_and_what_it_had_written_is_the_evidence() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let stalled = at_work(&forge, "loader-ws-trades", "abc123").await.unwrap();
    let neighbour = at_work(&forge, "loader-ws-trades", "def456").await.unwrap();

    replaced(&forge, &healer, &stalled, Manner::Stalls)
        .await
        .unwrap();

    let told = incident(&healer, &stalled).await.unwrap().unwrap();
    assert_eq!(told["decision"], "heal", "{told:#}");
    assert_eq!(told["cause"], "stalled", "{told:#}");
    let records = told["evidence"]["recordsWritten"].as_u64();
    assert!(records.is_some_and(|records| records > 0), "{told:#}");
    let why = told["why"].as_str().unwrap();
    assert!(why.contains("wrote no more records for 6s"), "{why}");
    let events = forge.events_of(&stalled.job).await.unwrap();
    assert!(
        events.contains("WorkerReplaced") && events.contains(why),
        "{events}"
    );
    let after = forge.job(&stalled.successor(1)).await.unwrap().unwrap();
    assert_eq!(annotation(&after, "cause"), "stalled");
    only(&forge, [stalled.successor(1), neighbour.job])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_connector_is_blamed_for_its_silence_only_while_its_loader_is_at_work() {
    let forge = StreamForge::open().await.unwrap();
    let healer = forge.heal("healer", &[]).await.unwrap();
    let [hangs, ends, works] = ["aaa111", "bbb222", "ccc333"];
    let hanging = Worker::new("loader-producer", hangs);
    forge.submit_edited(&hanging, marked).await.unwrap();
    let ending = at_work(&forge, "loader-producer", ends).await.unwrap();
    let working = at_work(&forge, "loader-producer", works).await.unwrap();
    let idle = [
        at_work(&forge, "arango-candles", hangs).await.unwrap(),
        at_work(&forge, "arango-candles", ends).await.unwrap(),
    ];
    let silent = at_work(&forge, "arango-candles", works).await.unwrap();

    forge.workers.behave(&hanging.job, Manner::IsSilent);
    forge.workers.behave(&ending.job, Manner::Finishes);
    until("one hangs and one has ended", PATIENCE, async || {
        let hangs = incident(&healer, &hanging).await?.is_some();
        let job = forge.job(&ending.job).await?.unwrap_or_default();
        Ok((hangs && job["status"]["succeeded"] == 1).then_some(()))
    })
    .await
    .unwrap();
    // The one to blame last, so that whoever is silent before it would be blamed before it.
    for connector in idle.iter().chain([&silent]) {
        forge.workers.behave(&connector.job, Manner::IsSilent);
    }
    in_place(&forge, &silent).await.unwrap();
    healed(&healer, &silent).await.unwrap();

    for connector in &idle {
        assert_eq!(incident(&healer, connector).await.unwrap(), None);
    }
    let connectors = idle.map(|connector| connector.job);
    let loaders = [hanging.job, ending.job, working.job];
    let all = [silent.successor(1)].into_iter().chain(connectors);
    only(&forge, all.chain(loaders)).await.unwrap();
}

/// Nobody replaces it.
fn marked(manifest: &mut Value) {
    manifest["metadata"]["annotations"] = json!({ "healer.temper.dev/ignore": "true" });
}
