//! `temper-healer run`: everything is started, named and waited for.

mod settings;

use std::{
    io,
    pin::pin,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use temper_healer_core::Moment;
use temper_ops::{http, log, metrics::Metrics};
use tokio::{net::TcpListener, runtime::Handle, sync::watch};

pub use self::settings::{Settings, SettingsError};
use crate::{
    board::Board,
    chronicle::Chronicle,
    cluster::{self, HealingPolicy, Jobs, Lease, RETRY},
    kafka::Telemetry,
    metrics::Meters,
    pages,
    rules::{self, Audience, Rules, Source},
    shell::{InVain, Message, Parts, Shell},
};

/// What the program needs before it is ready.
const NEEDS: [&str; 3] = ["kafka", "kubernetes", rules::NEED];

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
    if settings.once {
        exists(&settings.rules, &client, &namespace).await?;
    }
    let listener = listen(&settings.listen).await?;
    tracing::info!(namespace, listen = %settings.listen, identity = settings.identity, dry_run = settings.dry_run, "started");

    let (stop, stopped) = watch::channel(false);
    let ready = http::Readiness::of(NEEDS);
    let board = Board::before_anything(clock(), &settings.identity, settings.dry_run);
    let mut metrics = Metrics::new("temper-healer", env!("CARGO_PKG_VERSION"));
    let meters = Meters::declare(&mut metrics);
    let ops = http::Ops {
        ready: ready.clone(),
        metrics: Arc::new(metrics),
    };
    let (outbox, inbox) = mpsc::channel();
    let own_pages = settings.pages(listener.local_addr()?);
    let router = ops
        .router()
        .merge(pages::router(board.clone(), clock.clone(), outbox.clone()));
    let server = tokio::spawn(http::serve(listener, router, until(stopped.clone())));
    let chronicle = Chronicle::new(
        client.clone(),
        &namespace,
        &settings.identity,
        Handle::current(),
    );
    let audience = Audience {
        ready: ready.clone(),
        board: board.clone(),
        chronicle: chronicle.clone(),
    };
    let mut rules = Rules::of(&settings.rules, client.clone(), &namespace, audience)?;
    let mut signal = pin!(signal());
    // Without a policy it does not ask for the Lease either: another healer may have one.
    let policy = tokio::select! {
        policy = rules.next() => policy,
        name = &mut signal => {
            tracing::info!(signal = name?, "stopping before there was a policy");
            stop.send_replace(true);
            return Ok(server.await?);
        }
    };
    let telemetry =
        Telemetry::connect(settings.kafka.clone(), clock.clone()).context("connecting to Kafka")?;

    let watch = tokio::spawn(tell_jobs(client.clone(), namespace.clone(), outbox.clone()));
    let rules = tokio::spawn(tell_policy(rules, outbox.clone()));
    let lease = Lease::new(
        client.clone(),
        &namespace,
        &settings.lease(),
        &settings.identity,
    )
    .with_pages(own_pages);
    let campaign = tokio::spawn(campaign(lease, outbox.clone(), stopped));

    let shell = Shell::new(
        Parts {
            once: settings.ends_after(&policy),
            policy,
            telemetry,
            jobs: Jobs::new(client, &namespace).that_changes_nothing(settings.dry_run),
            chronicle,
            runtime: Handle::current(),
            inbox,
            outbox: outbox.clone(),
            meters,
            board,
            ready,
            identity: settings.identity,
            queue: settings.queue,
            dry_run: settings.dry_run,
        },
        clock,
    );
    let (deciding, ended) = decide(shell)?;
    tokio::select! {
        name = &mut signal => tracing::info!(signal = name?, "stopping: what is under way is left to the next healer"),
        () = until(ended) => tracing::info!("ending by itself"),
    }
    outbox.send(Message::Stop).ok();
    stop.send_replace(true);
    campaign.await?;
    watch.abort();
    rules.abort();
    server.await?;
    let end = tokio::task::spawn_blocking(move || deciding.join()).await?;
    Ok(end.ok().context("the healing thread panicked")??)
}

/// Whoever listens only once does not wait for a policy either.
async fn exists(rules: &Source, client: &kube::Client, namespace: &str) -> anyhow::Result<()> {
    let Source::Resource(name) = rules else {
        return Ok(());
    };
    let what = || format!("HealingPolicy {namespace}/{name}");
    let found = HealingPolicy::find(client.clone(), namespace, name).await;
    let found = found.with_context(|| format!("reading {}", what()))?;
    let found = found.with_context(|| format!("{} is not there", what()))?;
    found.policy.with_context(what).map(drop)
}

/// The wall clock, read once, and what has passed since.
fn clock() -> anyhow::Result<impl Fn() -> Moment + Clone + Send + Sync + 'static> {
    let start = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    let began = Instant::now();
    Ok(move || Moment::from_unix_ms(0).plus(start + began.elapsed()))
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("listening on {address}; choose another with --listen"))
}

/// The thread that decides, and how it ended.
type Deciding = JoinHandle<Result<(), InVain>>;

/// Starts the thread that decides, which says when it has ended by itself.
fn decide<C: Fn() -> Moment + Send + 'static>(
    shell: Shell<C>,
) -> io::Result<(Deciding, watch::Receiver<bool>)> {
    let (done, ended) = watch::channel(false);
    let healer = thread::Builder::new().name("healer".to_owned());
    let deciding = healer.spawn(move || {
        let end = shell.run();
        done.send_replace(true);
        end
    })?;
    Ok((deciding, ended))
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

async fn tell_policy(mut rules: Rules, outbox: mpsc::Sender<Message>) {
    loop {
        let policy = Box::new(rules.next().await);
        if outbox.send(Message::Policy(policy)).is_err() {
            return;
        }
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

async fn signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        result = tokio::signal::ctrl_c() => result.map(|()| "SIGINT"),
    }
}
