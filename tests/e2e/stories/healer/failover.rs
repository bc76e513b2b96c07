//! The leader dies, and another healer takes its place.

use anyhow::{Result, ensure};
use temper_e2e::{
    StreamForge, figures,
    healer::Healer,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};
use tokio::time::Instant;

use super::{at_work, healed, in_place, only, replaced};

#[tokio::test]
async fn the_second_of_two_healers_takes_over_when_the_first_one_dies_and_does_nothing_before() {
    let forge = StreamForge::open().await.unwrap();
    let mut first = forge.heal("healer-1", &[]).await.unwrap();
    let before = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let after = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    replaced(&forge, &first, &before, Manner::Says("error"))
        .await
        .unwrap();
    let second = forge.heal("healer-2", &[]).await.unwrap();
    assert!(!second.is_armed());
    shows_what_the_first_one_knows(&second, &before)
        .await
        .unwrap();

    first.kill().await.unwrap();
    let died = Instant::now();
    forge.workers.behave(&after.job, Manner::Says("error"));
    watches_until_it_acts(&forge, &second).await.unwrap();
    figures::print(format_args!(
        "the second healer acts {:.1?} after the first one died",
        died.elapsed()
    ));

    in_place(&forge, &after).await.unwrap();
    healed(&second, &after).await.unwrap();
    only(&forge, [before.successor(1), after.successor(1)])
        .await
        .unwrap();
}

/// Whichever of the two people ask, they read what the one that leads has done.
async fn shows_what_the_first_one_knows(second: &Healer, replaced: &Worker) -> Result<()> {
    let told = until("the second one knows who leads", PATIENCE, async || {
        let told = second.incidents().await?;
        Ok((told["healer"]["identity"] == "healer-1").then_some(told))
    })
    .await?;
    ensure!(
        told["incidents"][0]["producer"] == replaced.producer.as_str(),
        "{told:#}"
    );
    second.get("/probes/steady").await?;
    second.get("/probes/healed?within=90s").await?;
    let own = second.get("/metrics").await?;
    ensure!(own.contains("healer_leader 0"), "{own}");
    Ok(())
}

/// Waits until a healer acts, and sees that the Jobs are the same until then.
async fn watches_until_it_acts(forge: &StreamForge, healer: &Healer) -> Result<()> {
    let jobs = forge.job_names().await?;
    let watched = until("the other healer acts", PATIENCE, async || {
        let same = forge.job_names().await? == jobs;
        // Asked after the Jobs: these were so before it acted.
        let acts = healer.is_armed();
        Ok((acts || !same).then_some(acts))
    });
    ensure!(watched.await?, "the Jobs have changed, and nobody acts");
    Ok(())
}
