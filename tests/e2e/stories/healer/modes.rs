//! A healer that only says what it would do, and healers that end when they have done what there is to do.

use anyhow::{Context, Result, ensure};
use temper_e2e::{
    StreamForge,
    patience::until,
    streamforge::{PATIENCE, Worker},
    workers::Manner,
};

use super::{annotation, at_work, incident, only};

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_a_healer_that_runs_once_does_it_and_ends() {
    let forge = StreamForge::open().await.unwrap();
    let silent = at_work(&forge, "loader-producer", "aaa111").await.unwrap();
    let healthy = at_work(&forge, "loader-producer", "bbb222").await.unwrap();
    let before = forge.settled_jobs().await.unwrap();
    forge.workers.behave(&silent.job, Manner::IsSilent);

    says_what_it_would_do(&forge, &silent).await.unwrap();
    assert_eq!(forge.settled_jobs().await.unwrap(), before);

    let said = runs_once(&forge, "acts").await.unwrap();
    assert!(said.contains(r#""decision":"heal""#), "{said}");
    let after = forge.job(&silent.successor(1)).await.unwrap().unwrap();
    assert_eq!(annotation(&after, "cause"), "silent");

    let before = forge.settled_jobs().await.unwrap();
    let said = runs_once(&forge, "finds-nothing").await.unwrap();
    assert!(!said.contains(r#""decision""#), "{said}");
    assert_eq!(forge.settled_jobs().await.unwrap(), before);
    only(&forge, [silent.successor(1), healthy.job])
        .await
        .unwrap();
}

/// On its page, in its metrics, in its log and as an Event.
async fn says_what_it_would_do(forge: &StreamForge, silent: &Worker) -> Result<()> {
    let mut healer = forge.heal("says", &["--dry-run"]).await?;
    let told = until("it says what it would do", PATIENCE, async || {
        let incident = incident(&healer, silent).await?;
        Ok(incident.filter(|incident| incident["outcome"] == "left alone"))
    });
    let told = told.await?;
    let (why, steps) = (told["why"].as_str().context("no why")?, &told["steps"]);
    ensure!(
        why.ends_with("but this healer only says what it would do"),
        "{told:#}"
    );
    ensure!(
        steps.to_string().contains("heal: it said nothing for 4s"),
        "{told:#}"
    );

    let metrics = healer.get("/metrics").await?;
    let counted = r#"healer_decisions_total{decision="heal",cause="silent"} 1"#;
    ensure!(metrics.contains(counted), "{metrics}");
    ensure!(
        healer.log().contains(r#""decision":"heal""#),
        "{}",
        healer.log()
    );
    let events = forge.events_of(&silent.job).await?;
    ensure!(events.contains("WorkerWouldBeReplaced"), "{events}");

    let ended = healer.stop().await?;
    ensure!(ended.success(), "{ended}");
    Ok(())
}

/// A healer of that name begins, and ends by itself. What it has logged.
async fn runs_once(forge: &StreamForge, name: &str) -> Result<String> {
    let mut healer = forge.start_healer(name, &["--once"])?;
    let ended = healer.end().await?;
    ensure!(ended.success(), "{ended}");
    Ok(healer.log())
}
