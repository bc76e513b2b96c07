//! Waiting for what will be, by looking again and again; nothing here sleeps and hopes.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tokio::time::{Instant, interval};

/// How often one looks.
const BETWEEN: Duration = Duration::from_millis(100);

/// Looks until there is something; `what` is missed when it is not there in time. An error is a look that saw nothing.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = interval(BETWEEN);
    loop {
        ticks.tick().await;
        let missing = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => anyhow!("it is not so after {patience:?}"),
            Err(error) => error,
        };
        if Instant::now() > deadline {
            return Err(missing).with_context(|| format!("waiting until {what}"));
        }
    }
}

/// Looks for a while, and finds each time that it is so.
pub async fn always(
    what: &str,
    duration: Duration,
    mut look: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + duration;
    let mut ticks = interval(BETWEEN);
    while Instant::now() < deadline {
        ticks.tick().await;
        let so = look()
            .await
            .with_context(|| format!("looking whether {what}"))?;
        ensure!(so, "it is not so any more that {what}");
    }
    Ok(())
}
