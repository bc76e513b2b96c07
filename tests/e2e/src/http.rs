//! Plain HTTP questions to the parts, and waiting until they answer.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::{Instant, interval, timeout};

use crate::child::Child;

/// The body of a successful GET.
pub async fn get(url: &str) -> Result<String> {
    /// A part on this machine answers at once or is not up.
    const PATIENCE: Duration = Duration::from_secs(5);
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let asking = async {
        let response = client.get(url.parse()?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        ensure!(status.is_success(), "answered {status}: {text}");
        Ok(text)
    };
    timeout(PATIENCE, asking)
        .await?
        .with_context(|| format!("getting {url}"))
}

/// Asks `question` again and again until it has an answer; gives up when `child` ends or does not come up in time.
pub async fn ready<T, E: fmt::Display>(
    child: &mut Child,
    mut question: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    /// Ten times what it takes on a busy machine of two cores.
    const PATIENCE: Duration = Duration::from_mins(2);
    const BETWEEN: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(BETWEEN);
    loop {
        ticks.tick().await;
        let refusal = match question().await {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        let ended = child.ended()?;
        if ended.is_some() || Instant::now() > deadline {
            let state =
                ended.map_or_else(|| "runs".to_owned(), |status| format!("ended: {status}"));
            let (name, log) = (child.name(), child.end_of_log());
            return Err(anyhow!(
                "waiting for {name}: {refusal:#}; it {state}\n{log}"
            ));
        }
    }
}
