//! One rollout, judged live: scrape all pods, take the difference to the last scrape, ask the judge, say what it says.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::json;
use temper_judge::{Judge, Policy, State};
use temper_sources::{Matchers, Query, Scrape, ScrapeConfig, Selector};
use tokio::time::MissedTickBehavior;

use super::{
    arguments::Options,
    fleet::{Fleet, Regression},
    pod::Pod,
    screen,
};

/// The metrics that the pods of the demonstration serve.
const TOTAL: &str = "queue_requests_total";
const ERRORS: &str = r#"queue_requests_total{status="error"}"#;
const HISTOGRAM: &str = "http_request_duration_seconds";

/// Runs a fleet with this regression until there is a verdict.
pub(crate) async fn tell(regression: Regression, options: &Options) -> anyhow::Result<()> {
    let policy = policy(options)?;
    let query = query()?;
    let fleet = Fleet::start(&options.plan(regression))
        .await
        .context("starting the fleet on loopback ports")?;
    screen::opening(regression, options)?;
    let scrape = Scrape::new(&ScrapeConfig {
        canary: pages(&fleet.canary),
        stable: pages(&fleet.stable),
    })?;
    let mut judge = Judge::new(policy);
    let mut looks = tokio::time::interval(options.step);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    let mut last = scrape.snapshot(Timestamp::now()).await;
    for look in 1..=options.looks {
        looks.tick().await;
        let now = scrape.snapshot(Timestamp::now()).await;
        judge.observe(&last.window_to(&now, &query, look)?);
        last = now;
        let verdict = judge.verdict();
        screen::look(&verdict)?;
        if verdict.state != State::Watching {
            return Ok(screen::ending(&verdict, elapsed(options.step, look))?);
        }
    }
    Ok(())
}

fn elapsed(step: Duration, looks: u32) -> Duration {
    step * looks
}

/// What an operator would write in an `AnalysisTemplate`.
fn policy(options: &Options) -> anyhow::Result<Policy> {
    let step = options.step.as_millis();
    let horizon = step * u128::from(options.looks);
    let policy = json!({
        "errors": {"total": TOTAL, "errors": ERRORS, "maxRatio": 1.5},
        "latency": {"histogram": HISTOGRAM},
        "step": format!("{step}ms"),
        "horizon": format!("{horizon}ms"),
    });
    Ok(Policy::from_json(&policy)?)
}

fn query() -> anyhow::Result<Query> {
    // The addresses tell the arms apart.
    let everything = Matchers::parse("")?;
    Ok(Query {
        errors: Some((Selector::parse(TOTAL)?, Selector::parse(ERRORS)?)),
        latency: Some(Selector::parse(HISTOGRAM)?),
        custom: Vec::new(),
        canary: everything.clone(),
        stable: everything,
        strata: vec!["handler".to_owned()],
        pod: "pod".to_owned(),
    })
}

fn pages(pods: &[Pod]) -> Vec<String> {
    pods.iter().map(Pod::metrics_url).collect()
}
