//! `temper-healer run`: everything is started, named and waited for.

mod settings;

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use temper_healer_core::{Moment, Policy};
use temper_ops::{http, log, metrics::Metrics};
use tokio::{net::TcpListener, sync::watch};

pub use self::settings::{Settings, SettingsError, policy};
use crate::{
    board::Board,
    chronicle::Chronicle,
    cluster::{self, Jobs, Lease, RETRY},
    kafka::Telemetry,
    metrics::Meters,
    pages,
    shell::{Message, Parts, Shell},
};

/// The policy file is looked at this often.
const POLICY_EVERY: Duration = Duration::from_secs(5);

/// What the program needs before it is ready.
const NEEDS: [&str; 2] = ["kafka", "kubernetes"];

/// Heals until it is told to stop.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    log::start("TEMPER_LOG")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(heal(settings))
}

async fn heal(settings: Settings) -> anyhow::Result<()> {
    let clock = clock()?;
    let (client, default_namespace) = cluster::connect().await?;
    let namespace = settings.namespace.clone().unwrap_or(default_namespace);
    let policy = settings.policy()?;
    let listener = TcpListener::bind(&settings.listen).await.with_context(|| {
        format!(
            "listening on {}; choose another with --listen",
            settings.listen
        )
    })?;
    let telemetry =
        Telemetry::connect(settings.kafka.clone(), clock.clone()).context("connecting to Kafka")?;
    tracing::info!(namespace, listen = %settings.listen, identity = settings.identity, dry_run = settings.dry_run, "started");

    let (outbox, inbox) = mpsc::channel();
    let (stop, stopped) = watch::channel(false);
    let (ready, board) = (http::Readiness::of(NEEDS), Board::default());
    let mut metrics = Metrics::new("temper-healer", env!("CARGO_PKG_VERSION"));
    let meters = Meters::declare(&mut metrics);
    let ops = http::Ops {
        ready: ready.clone(),
        metrics: Arc::new(metrics),
    };
    let router = ops
        .router()
        .merge(pages::router(board.clone(), clock.clone()));
    let server = tokio::spawn(http::serve(listener, router, until(stopped.clone())));
    let watch = tokio::spawn(tell_jobs(client.clone(), namespace.clone(), outbox.clone()));
    let rules = tokio::spawn(tell_policy(settings.policy_file.clone(), outbox.clone()));
    let lease = Lease::new(
        client.clone(),
        &namespace,
        &settings.lease,
        &settings.identity,
    );
    let campaign = tokio::spawn(campaign(lease, outbox.clone(), stopped));

    let shell = Shell::new(
        Parts {
            policy,
            telemetry,
            jobs: Jobs::new(client.clone(), &namespace).that_changes_nothing(settings.dry_run),
            chronicle: Chronicle::new(client, &namespace, &settings.identity),
            runtime: tokio::runtime::Handle::current(),
            inbox,
            outbox: outbox.clone(),
            meters,
            board,
            ready,
            identity: settings.identity,
            queue: settings.queue,
            dry_run: settings.dry_run,
            once: settings.once,
        },
        clock,
    );
    let (done, mut ended) = watch::channel(false);
    let deciding = thread::Builder::new()
        .name("healer".to_owned())
        .spawn(move || {
            shell.run();
            done.send_replace(true);
        })?;
    tokio::select! {
        name = signal() => tracing::info!(signal = name?, "stopping: what is under way is left to the next healer"),
        _ = ended.wait_for(|ended| *ended) => tracing::info!("done"),
    }
    outbox.send(Message::Stop).ok();
    stop.send_replace(true);
    campaign.await?;
    watch.abort();
    rules.abort();
    server.await?;
    tokio::task::spawn_blocking(move || deciding.join())
        .await?
        .ok()
        .context("the healing thread panicked")
}

/// The wall clock, read once, and what has passed since.
fn clock() -> anyhow::Result<impl Fn() -> Moment + Clone + Send + Sync + 'static> {
    let start = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let began = Instant::now();
    Ok(move || Moment::from_unix_ms(0).plus(start + began.elapsed()))
}

async fn until(mut stopped: watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

async fn tell_jobs(client: kube::Client, namespace: String, outbox: mpsc::Sender<Message>) {
    let mut told = std::pin::pin!(cluster::watch(client, &namespace));
    while let Some(told) = told.next().await {
        if outbox.send(Message::Told(told)).is_err() {
            return;
        }
    }
}

/// Tells of a policy file that has changed. One that makes no sense is logged, and the rules stay as they are.
async fn tell_policy(file: Option<PathBuf>, outbox: mpsc::Sender<Message>) {
    let Some(file) = file else { return };
    let mut known = tokio::fs::read_to_string(&file).await.ok();
    let mut ticks = tokio::time::interval(POLICY_EVERY);
    loop {
        ticks.tick().await;
        let Ok(text) = tokio::fs::read_to_string(&file).await else {
            continue;
        };
        if known.as_ref() == Some(&text) {
            continue;
        }
        match Policy::parse(&text) {
            Ok(policy) => {
                tracing::info!(file = %file.display(), "the policy has changed");
                outbox.send(Message::Policy(Box::new(policy))).ok();
            }
            Err(error) => {
                tracing::error!(file = %file.display(), %error, "the policy has changed and makes no sense: the one before holds");
            }
        }
        known = Some(text);
    }
}

async fn campaign(mut lease: Lease, outbox: mpsc::Sender<Message>, stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(RETRY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stopped = until(stopped);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = &mut stopped => break,
        }
        if outbox.send(Message::Term(lease.campaign().await)).is_err() {
            break;
        }
    }
    lease.resign().await;
}

async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        result = tokio::signal::ctrl_c() => result.map(|()| "SIGINT"),
    }
}
