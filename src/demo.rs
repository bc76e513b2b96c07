//! `temper demo`: two versions of a small queue-manager, real HTTP, real `/metrics`, a regression to choose and a live
//! verdict. `temper demo fleet` runs the two versions alone, for a Prometheus to scrape.

mod arguments;
mod fleet;
mod pod;
mod story;
mod screen;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use tokio::{io::AsyncReadExt as _, runtime};

use self::{
    arguments::{Options, Request},
    fleet::{Fleet, Plan, Regression},
    pod::Pod,
};

/// Does what the rest of the command line asks for.
pub(crate) fn run(parser: &mut lexopt::Parser) -> anyhow::Result<ExitCode> {
    let request = match arguments::parse(parser) {
        Ok(request) => request,
        Err(error) => {
            writeln!(io::stderr(), "temper: {error:#}")?;
            return Ok(ExitCode::from(crate::command_line::USAGE));
        }
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(carry_out(request));
    // Standard input is read on a thread of its own that nothing can interrupt.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

async fn carry_out(request: Request) -> anyhow::Result<()> {
    match request {
        Request::Help => help(),
        Request::Fleet {
            regression,
            options,
            port_file,
        } => run_fleet(&options.plan(regression), port_file.as_deref()).await,
        Request::Stories {
            chosen: Some(regression),
            options,
        } => story::tell(regression, &options).await,
        Request::Stories {
            chosen: None,
            options,
        } => both_stories(&options).await,
    }
}

/// A version that must not pass, then one that must.
async fn both_stories(options: &Options) -> anyhow::Result<()> {
    screen::title("1 of 2: a bad version")?;
    story::tell(Regression::Errors, options).await?;
    screen::title("2 of 2: a good version")?;
    story::tell(Regression::None, options).await
}

fn help() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(arguments::USAGE.as_bytes())?;
    writeln!(out, "\nregressions:")?;
    for (_, name, sentence) in Regression::ALL {
        writeln!(out, "  {name:<14}{sentence}")?;
    }
    Ok(())
}

/// Runs the fleet until somebody closes our standard input or asks us to end.
async fn run_fleet(plan: &Plan, port_file: Option<&Path>) -> anyhow::Result<()> {
    let fleet = Fleet::start(plan)
        .await
        .context("starting the fleet on loopback ports")?;
    let addresses = serde_json::json!({
        "stable": addresses(&fleet.stable),
        "canary": addresses(&fleet.canary),
    });
    match port_file {
        Some(path) => write_whole(path, &addresses)
            .with_context(|| format!("writing the pods' addresses to {}", path.display()))?,
        None => writeln!(io::stdout().lock(), "{addresses}")?,
    }
    ended().await
}

fn addresses(pods: &[Pod]) -> Vec<serde_json::Value> {
    pods.iter()
        .map(|pod| serde_json::json!({"pod": pod.name, "url": pod.metrics_url()}))
        .collect()
}

/// Writes beside the file and renames, so that who waits for the file never reads half of it.
fn write_whole(path: &Path, content: &serde_json::Value) -> io::Result<()> {
    let beside = path.with_extension("writing");
    std::fs::write(&beside, content.to_string())?;
    std::fs::rename(beside, path)
}

async fn ended() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut byte = [0];
    let mut input = tokio::io::stdin();
    loop {
        tokio::select! {
            _ = terminated.recv() => return Ok(()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
            read = input.read(&mut byte) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}
