//! A healer that starts reads again what was said before, and acts when it has read all of it.

use std::{env, time::Duration};

use anyhow::{Context, Result, ensure};
use temper_e2e::{
    StreamForge, figures,
    healer::Healer,
    patience::until,
    streamforge::{EVENTS, PATIENCE},
};
use tokio::time::Instant;

/// So many events are retained, or as many as `TEMPER_E2E_EVENTS` says.
const RETAINED: u32 = 200_000;

#[tokio::test]
async fn a_healer_acts_when_it_has_read_all_that_is_retained() {
    let retained = retained().unwrap();
    let forge = StreamForge::open().await.unwrap();
    forge.brokers.fill(EVENTS, retained).await.unwrap();

    let began = Instant::now();
    let healer = forge.start_healer("healer", &[]).unwrap();
    healer.become_armed().await.unwrap();
    let taken = began.elapsed();

    has_read(&healer, retained).await.unwrap();
    figures::print(told(retained, taken));
}

fn retained() -> Result<u32> {
    let Ok(count) = env::var("TEMPER_E2E_EVENTS") else {
        return Ok(RETAINED);
    };
    count
        .parse()
        .with_context(|| format!("reading TEMPER_E2E_EVENTS={count}"))
}

fn told(retained: u32, taken: Duration) -> String {
    let rate = f64::from(retained) / taken.as_secs_f64();
    format!(
        "a healer acts {taken:.1?} after its start, {retained} events retained: {rate:.0} a second"
    )
}

/// All of them are counted; its page may be half a second old.
async fn has_read(healer: &Healer, retained: u32) -> Result<()> {
    let counted = format!("healer_reports_total{{status=\"loading\"}} {retained}\n");
    until("all events are counted", PATIENCE, async || {
        let metrics = healer.get("/metrics").await?;
        ensure!(metrics.contains(&counted), "not {counted} in {metrics}");
        Ok(Some(()))
    })
    .await
}
